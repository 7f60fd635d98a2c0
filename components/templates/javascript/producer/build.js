import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const { component } = await componentize({
    sourcePath: 'src/producer.js',
    witPath: 'wit',
    worldName: 'producer-command',
});
await writeFile('{{name}}.wasm', component);
