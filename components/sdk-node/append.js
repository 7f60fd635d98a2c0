// Appends a message and reads it back, with the official SDK:
// npm install aws-greengrass-core-sdk@1.7.0
'use strict';
const {
    StreamManagerClient, MessageStreamDefinition, StrategyOnFull, ReadMessagesOptions,
    ResourceNotFoundException,
} = require('aws-greengrass-core-sdk/stream-manager');

const client = new StreamManagerClient({ // 127.0.0.1, STREAM_MANAGER_SERVER_PORT or 8088
    onConnectCb: async () => {
        await client.deleteMessageStream('node').catch((error) => {
            if (!(error instanceof ResourceNotFoundException)) throw error;
        });
        await client.createMessageStream(
            new MessageStreamDefinition()
                .withName('node')
                .withStrategyOnFull(StrategyOnFull.OverwriteOldestData),
        );
        const number = await client.appendMessage('node', Buffer.from('hello'));
        const [message] = await client.readMessages(
            'node', new ReadMessagesOptions().withReadTimeoutMillis(1000),
        );
        console.log('sequence number', number, message.payload.toString());
        client.close();
    },
    onErrorCb: (error) => {
        console.error(error);
        process.exit(1);
    },
});
