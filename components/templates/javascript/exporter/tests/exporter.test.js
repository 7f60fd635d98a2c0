import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { exporter } from '../src/exporter.js';

const context = { streamName: 's', exportIdentifier: 'e' };
const bytes = (payload) => (typeof payload === 'string' ? new TextEncoder().encode(payload) : payload);

// Exports messages to a server that answers as told; returns what came of it and the lines of each call.
async function run(payloads, answer = () => ({ status: 200 })) {
    const calls = [];
    const server = createServer(async (request, response) => {
        let body = '';
        for await (const chunk of request) body += chunk;
        const lines = body.trimEnd().split('\n').map((line) => JSON.parse(line).payload);
        calls.push(lines);
        const { status, headers } = answer(lines);
        response.writeHead(status, headers).end();
    });
    await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
    try {
        exporter.open(context, JSON.stringify({ url: `http://127.0.0.1:${server.address().port}/in` }));
        const batch = payloads.map((payload, number) => (
            { sequenceNumber: BigInt(number), ingestTime: 0n, payload: bytes(payload) }));
        const undelivered = await exporter.export(batch).catch((error) => error.payload);
        return { undelivered, calls };
    } finally {
        server.closeAllConnections();
        server.close();
    }
}

const settled = ({ undelivered }) => undelivered.map(({ index, disposition }) => [index, disposition]);

test('a batch is one call, in order', async () => {
    assert.deepEqual(await run(['a', 'b', 'c']), { undelivered: [], calls: [['a', 'b', 'c']] });
});

test('only what is not text is rejected', async () => {
    const outcome = await run(['a', new Uint8Array([0xff]), 'c']);
    assert.deepEqual(settled(outcome), [[1, 'reject']]);
    assert.deepEqual(outcome.calls, [['a', 'c']]);
});

test('only what the server refuses is rejected', async () => {
    const outcome = await run(['a', 'bad', 'c'], (lines) => ({ status: lines.includes('bad') ? 422 : 200 }));
    assert.deepEqual(settled(outcome), [[1, 'reject']]);
});

test('what stands behind a failure comes again', async () => {
    const outcome = await run(['a', 'b', 'c'], (lines) => (
        { status: lines.length > 1 ? 422 : lines[0] === 'b' ? 500 : 200 }));
    assert.deepEqual(settled(outcome), [[1, 'retry'], [2, 'retry']]);
});

test('the pause a server asks for is passed on', async () => {
    const { undelivered } = await run(['a'], () => ({ status: 429, headers: { 'retry-after': '7' } }));
    assert.equal(undelivered.tag, 'throttled');
    assert.equal(undelivered.val.retryAfterMs, 7000n);
});

test('a wrong field of the configuration is named', () => {
    const field = (config) => {
        try {
            exporter.open(context, JSON.stringify(config));
        } catch (error) {
            return error.payload.field;
        }
        return undefined;
    };
    assert.equal(field({}), 'url');
    assert.equal(field({ url: 'ftp://example.com' }), 'url');
    assert.equal(field({ url: 'http://example.com', uri: 1 }), 'uri');
});
