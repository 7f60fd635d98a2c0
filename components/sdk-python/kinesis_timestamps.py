"""Appends a timestamp a second to a stream that is exported to Kinesis.

This is an ordinary client of AWS IoT Greengrass Stream Manager: the official SDK, nothing of
Millstream. `pip install stream-manager`, then:

    python kinesis_timestamps.py --kinesis-stream my-stream
"""

import argparse
import sys
import time
from datetime import datetime, timezone

from stream_manager import (
    ExportDefinition,
    KinesisConfig,
    MessageStreamDefinition,
    ResourceNotFoundException,
    StrategyOnFull,
    StreamManagerClient,
)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=8088)
    arguments.add_argument("--stream", default="timestamps", help="the stream on the device")
    arguments.add_argument("--kinesis-stream", default="timestamps", help="the stream in Kinesis")
    arguments.add_argument("--rate", type=float, default=1.0, help="messages a second")
    arguments.add_argument("--count", type=int, help="end after so many messages")
    given = arguments.parse_args()

    with StreamManagerClient(host=given.host, port=given.port) as client:
        try:
            client.delete_message_stream(stream_name=given.stream)
        except ResourceNotFoundException:
            pass
        client.create_message_stream(
            MessageStreamDefinition(
                name=given.stream,
                strategy_on_full=StrategyOnFull.OverwriteOldestData,
                export_definition=ExportDefinition(
                    kinesis=[
                        KinesisConfig(
                            identifier="to-kinesis",
                            kinesis_stream_name=given.kinesis_stream,
                            batch_size=10,
                        )
                    ]
                ),
            )
        )
        appended = 0
        start = time.monotonic()
        while given.count is None or appended < given.count:
            payload = datetime.now(timezone.utc).isoformat().encode()
            number = client.append_message(stream_name=given.stream, data=payload)
            print(f"appended {number}: {payload.decode()}", flush=True)
            appended += 1
            time.sleep(max(0.0, start + appended / given.rate - time.monotonic()))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
