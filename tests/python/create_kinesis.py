"""Creates a stream with a Kinesis export. Arguments: the port, the stream, the Kinesis stream."""

import sys

from stream_manager import (
    ExportDefinition,
    KinesisConfig,
    MessageStreamDefinition,
    StrategyOnFull,
    StreamManagerClient,
)


def main(port, stream, kinesis_stream):
    with StreamManagerClient(host="127.0.0.1", port=int(port)) as client:
        client.create_message_stream(
            MessageStreamDefinition(
                name=stream,
                strategy_on_full=StrategyOnFull.OverwriteOldestData,
                export_definition=ExportDefinition(
                    kinesis=[
                        KinesisConfig(
                            identifier="k", kinesis_stream_name=kinesis_stream, batch_size=10
                        )
                    ]
                ),
            )
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
