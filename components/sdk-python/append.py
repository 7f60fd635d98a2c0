"""Appends a message and reads it back, with the official SDK: pip install stream-manager"""

from stream_manager import (
    MessageStreamDefinition,
    ReadMessagesOptions,
    ResourceNotFoundException,
    StrategyOnFull,
    StreamManagerClient,
)

with StreamManagerClient() as client:  # 127.0.0.1, STREAM_MANAGER_SERVER_PORT or 8088
    try:
        client.delete_message_stream("python")
    except ResourceNotFoundException:
        pass
    client.create_message_stream(
        MessageStreamDefinition(name="python", strategy_on_full=StrategyOnFull.OverwriteOldestData)
    )
    number = client.append_message("python", b"hello")
    message = client.read_messages("python", ReadMessagesOptions(read_timeout_millis=1000))[0]
    print("sequence number", number, message.payload.decode())
