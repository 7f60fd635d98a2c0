"""Has files uploaded to S3, and prints what became of them. Arguments: the port, the folder of the files."""

import json
import sys
import time

from stream_manager import (
    ExportDefinition,
    MessageStreamDefinition,
    NotEnoughMessagesException,
    ReadMessagesOptions,
    S3ExportTaskDefinition,
    S3ExportTaskExecutorConfig,
    Status,
    StatusConfig,
    StatusLevel,
    StatusMessage,
    StrategyOnFull,
    StreamManagerClient,
    Util,
)


def main(port, folder):
    tasks = [
        S3ExportTaskDefinition(
            input_url=f"file://{folder}/small%20%C3%A9",
            bucket="my-bucket",
            key="small/!{timestamp:yyyy/MM/dd}/it",
            user_metadata={"Plant": "7 b"},
        ),
        S3ExportTaskDefinition(
            input_url=f"file:{folder}/large", bucket="my-bucket", key="large", user_metadata={"a": "b"}
        ),
        S3ExportTaskDefinition(input_url=f"file:{folder}/large", bucket="no-bucket", key="large"),
    ]
    with StreamManagerClient(host="127.0.0.1", port=int(port)) as client:
        client.create_message_stream(
            MessageStreamDefinition(
                name="uploads-status", strategy_on_full=StrategyOnFull.OverwriteOldestData
            )
        )
        client.create_message_stream(
            MessageStreamDefinition(
                name="uploads",
                strategy_on_full=StrategyOnFull.OverwriteOldestData,
                export_definition=ExportDefinition(
                    s3_task_executor=[
                        S3ExportTaskExecutorConfig(
                            identifier="to-s3",
                            status_config=StatusConfig(
                                status_level=StatusLevel.INFO,
                                status_stream_name="uploads-status",
                            ),
                        )
                    ]
                ),
            )
        )
        for task in tasks:
            client.append_message("uploads", Util.validate_and_serialize_to_json_bytes(task))
        told, ends, limit = [], 0, time.monotonic() + 60
        while ends < len(tasks):
            assert time.monotonic() < limit, told
            try:
                messages = client.read_messages(
                    "uploads-status",
                    ReadMessagesOptions(
                        desired_start_sequence_number=len(told), read_timeout_millis=1000
                    ),
                )
            except NotEnoughMessagesException:
                continue
            for message in messages:
                status = Util.deserialize_json_bytes_to_obj(message.payload, StatusMessage)
                context = status.status_context
                told.append(
                    {
                        "task": context.sequence_number,
                        "status": status.status.name,
                        "message": status.message,
                        "key": context.s3_export_task_definition.key,
                    }
                )
                ends += status.status in (Status.Success, Status.Failure, Status.Canceled)
        json.dump(told, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
