import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from '../src/options.js';
import { produce } from '../src/produce.js';

const failing = (tag) => () => {
    throw Object.assign(new Error(tag), { payload: { tag } });
};

test('as many readings are appended as asked for, with pauses', () => {
    const appended = [];
    const pauses = [];
    produce({ stream: 's', intervalMs: 2, count: 3 }, (stream, payloads) => appended.push([stream, payloads.length]),
        (milliseconds) => pauses.push(milliseconds));
    assert.deepEqual(appended, [['s', 1], ['s', 1], ['s', 1]]);
    assert.deepEqual(pauses, [2, 2, 2]);
});

test('it waits while the stream is full', () => {
    const answers = [failing('full'), () => 0n];
    let pauses = 0;
    produce({ stream: 's', intervalMs: 1, count: 1 }, () => answers.shift()(), () => { pauses += 1; });
    assert.equal(answers.length, 0);
    assert.equal(pauses, 2);
});

test('any other error ends it', () => {
    const ended = () => produce({ stream: 's', intervalMs: 1, count: 1 }, failing('not-granted'), () => {});
    assert.throws(ended, (error) => error.payload.tag === 'not-granted');
});

test('arguments are checked', () => {
    assert.deepEqual(parse(['--stream', 's', '--count', '3']), { stream: 's', intervalMs: 1000, count: 3 });
    assert.throws(() => parse([]), /--stream NAME is missing/);
    assert.throws(() => parse(['--stream', 's', '--interval-ms', 'soon']), /--interval-ms soon/);
});
