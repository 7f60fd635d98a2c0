import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const { component } = await componentize({
    sourcePath: 'src/exporter.js',
    witPath: 'wit',
    worldName: 'exporter-plugin',
});
await writeFile('{{name}}.wasm', component);
