// Lets the conformance suite drive the SDK for Node.js; the lines are those of python_sdk.py.
'use strict';

const readline = require('readline');
const sdk = require('aws-greengrass-core-sdk/stream-manager');
const utilities = require('aws-greengrass-core-sdk/stream-manager/utilInternal');

const TOKEN = 'AWS_CONTAINER_AUTHORIZATION_TOKEN';
const { isInvalid } = utilities;
const validateRead = sdk.StreamManagerClient.__validateReadMessagesOptions;
const nothing = () => {};
const quiet = { error: nothing, debug: nothing, info: nothing, warn: nothing };

let client = null;

function connect({ port, checks, token }) {
    delete process.env[TOKEN];
    if (token !== null) {
        process.env[TOKEN] = token;
    }
    utilities.isInvalid = checks ? isInvalid : () => false;
    sdk.StreamManagerClient.__validateReadMessagesOptions = checks ? validateRead : nothing;
    return new Promise((resolve, reject) => {
        client = new sdk.StreamManagerClient({
            host: '127.0.0.1', port, onConnectCb: () => resolve(null), onErrorCb: reject, logger: quiet,
        });
    });
}

function close() {
    if (client !== null) {
        client.close();
        client = null;
    }
    return null;
}

const definition = (fields) => sdk.MessageStreamDefinition.fromMap(fields);

const methods = {
    create: (fields) => client.createMessageStream(definition(fields)),
    update: (fields) => client.updateMessageStream(definition(fields)),
    delete: (name) => client.deleteMessageStream(name),
    list: () => client.listStreams(),
    describe: async (name) => (await client.describeMessageStream(name)).asMap(),
    append: (name, payload) => client.appendMessage(name, Buffer.from(payload, 'base64')),
    read: async (name, options) => {
        const given = options === null ? null : sdk.ReadMessagesOptions.fromMap(options);
        const messages = await client.readMessages(name, given);
        return messages.map((message) => ({
            ...message.asMap(), payload: message.payload.toString('base64'),
        }));
    },
};

async function outcome(call) {
    try {
        const value = await call();
        return { ok: value === undefined ? null : value };
    } catch (error) {
        return { error: { class: error.constructor.name, message: error.message } };
    }
}

function carryOut(command) {
    switch (command.do) {
    case 'connect': return outcome(() => connect(command));
    case 'close': return outcome(close);
    default: return Promise.all(command.calls.map(
        ([method, ...args]) => outcome(() => methods[method](...args)),
    ));
    }
}

// A connection that is refused surfaces here too.
process.on('unhandledRejection', nothing);

async function main() {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const answer = await carryOut(JSON.parse(line));
        process.stdout.write(`${JSON.stringify(answer)}\n`);
    }
}

main();
