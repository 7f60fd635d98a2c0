"""Every call of the official SDK against a running host. Argument: the port."""

import sys
import threading
import time

from stream_manager import (
    ExportDefinition,
    HTTPConfig,
    InvalidRequestException,
    IoTAnalyticsConfig,
    IoTSiteWiseConfig,
    KinesisConfig,
    MessageStreamDefinition,
    NotEnoughMessagesException,
    Persistence,
    ReadMessagesOptions,
    ResourceNotFoundException,
    S3ExportTaskExecutorConfig,
    StatusConfig,
    StatusLevel,
    StrategyOnFull,
    StreamManagerClient,
    UpdateNotAllowedException,
)


def refused(kind, call, text=""):
    try:
        call()
    except kind as error:
        assert text in str(error), f"{error!r} does not say {text!r}"
        return
    raise AssertionError(f"{kind.__name__} was expected")


def stream(name, **more):
    return MessageStreamDefinition(
        name=name, strategy_on_full=StrategyOnFull.OverwriteOldestData, **more
    )


def create_list_describe_delete(client):
    assert client.list_streams() == []
    client.create_message_stream(stream("b"))
    client.create_message_stream(stream("a."))
    refused(
        InvalidRequestException,
        lambda: client.create_message_stream(stream("b")),
        "the message stream already exists",
    )
    assert client.list_streams() == ["a.", "b"]

    info = client.describe_message_stream("b")
    assert info.definition.name == "b"
    assert info.definition.max_size == 256 * 1024 * 1024
    assert info.definition.stream_segment_size == 16 * 1024 * 1024
    assert info.definition.strategy_on_full == StrategyOnFull.OverwriteOldestData
    assert info.definition.persistence == Persistence.File
    assert info.definition.flush_on_write is False
    exports = info.definition.export_definition
    assert exports.http == [] and exports.iot_analytics == [] and exports.kinesis == []
    assert exports.iot_sitewise == [] and exports.s3_task_executor == []
    assert info.storage_status.oldest_sequence_number == 0
    assert info.storage_status.newest_sequence_number == -1
    assert info.storage_status.total_bytes == 0
    assert info.export_statuses == []

    client.delete_message_stream("a.")
    for call in (
        lambda: client.delete_message_stream("a."),
        lambda: client.describe_message_stream("a."),
        lambda: client.append_message("a.", b"x"),
        lambda: client.read_messages("a."),
        lambda: client.update_message_stream(stream("a.")),
    ):
        refused(ResourceNotFoundException, call)


def append_and_read(client):
    payloads = [b"first", bytes(range(256)), "gr\u00fc\u00dfe".encode()]
    for number, payload in enumerate(payloads):
        before = int(time.time() * 1000)
        assert client.append_message("b", payload) == number
        message = client.read_messages("b", ReadMessagesOptions(desired_start_sequence_number=number))
        assert message[0].payload == payload
        assert before - 1000 <= message[0].ingest_time <= before + 60000
        assert message[0].stream_name == "b"

    def read(**options):
        found = client.read_messages("b", ReadMessagesOptions(**options))
        return [message.sequence_number for message in found]

    assert [message.sequence_number for message in client.read_messages("b")] == [0]
    assert read(max_message_count=10) == [0, 1, 2]
    assert read(desired_start_sequence_number=1, min_message_count=2) == [1, 2]
    assert read(desired_start_sequence_number=1, min_message_count=1, max_message_count=1) == [1]
    refused(
        NotEnoughMessagesException,
        lambda: read(desired_start_sequence_number=3),
        "greater than the last sequence number",
    )
    refused(NotEnoughMessagesException, lambda: read(min_message_count=4))
    info = client.describe_message_stream("b")
    assert info.storage_status.newest_sequence_number == 2
    assert info.storage_status.total_bytes >= sum(map(len, payloads))


def long_poll(client):
    """A waiting read holds nothing up, and is answered by the append that it waits for."""
    found = []

    def wait():
        options = ReadMessagesOptions(
            desired_start_sequence_number=3, min_message_count=2, read_timeout_millis=30000
        )
        found.extend(client.read_messages("b", options))

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert client.append_message("b", b"three") == 3
    assert client.list_streams() == ["b"]
    assert client.append_message("b", b"four") == 4
    waiting.join(30)
    assert [message.payload for message in found] == [b"three", b"four"]

    start = time.monotonic()
    refused(
        NotEnoughMessagesException,
        lambda: client.read_messages(
            "b",
            ReadMessagesOptions(desired_start_sequence_number=5, read_timeout_millis=300),
        ),
    )
    assert time.monotonic() - start >= 0.3


def update(client):
    definition = client.describe_message_stream("b").definition
    definition.max_size = 64 * 1024 * 1024
    definition.stream_segment_size = 1024 * 1024
    definition.time_to_live_millis = 3600000
    definition.strategy_on_full = StrategyOnFull.RejectNewData
    definition.flush_on_write = True
    definition.export_definition.kinesis = [
        KinesisConfig(
            identifier="k", kinesis_stream_name="one", batch_size=10, priority=3, disabled=True
        )
    ]
    client.update_message_stream(definition)
    found = client.describe_message_stream("b")
    assert found.definition.as_dict() == definition.as_dict()
    assert [status.export_config_identifier for status in found.export_statuses] == ["k"]
    assert found.export_statuses[0].last_exported_sequence_number == -1
    assert found.export_statuses[0].exported_messages_count == 0

    definition.persistence = Persistence.Memory
    refused(UpdateNotAllowedException, lambda: client.update_message_stream(definition))
    definition.persistence = Persistence.File
    definition.export_definition.kinesis[0].start_sequence_number = 4
    refused(
        InvalidRequestException,
        lambda: client.update_message_stream(definition),
        "newest sequence number",
    )
    definition.export_definition.kinesis = []
    client.update_message_stream(definition)
    assert client.describe_message_stream("b").export_statuses == []


def every_kind_of_export(client):
    client.create_message_stream(stream("status"))
    exports = ExportDefinition(
        http=[HTTPConfig(identifier="h", uri="http://127.0.0.1:1/", disabled=True)],
        iot_analytics=[
            IoTAnalyticsConfig(
                identifier="a", iot_channel="c", iot_msg_id_prefix="p", disabled=True
            )
        ],
        kinesis=[
            KinesisConfig(
                identifier="k",
                kinesis_stream_name="s",
                batch_size=10,
                batch_interval_millis=60000,
                priority=1,
                start_sequence_number=5,
                disabled=True,
            )
        ],
        iot_sitewise=[IoTSiteWiseConfig(identifier="w", batch_size=10, disabled=True)],
        s3_task_executor=[
            S3ExportTaskExecutorConfig(
                identifier="s",
                size_threshold_for_multipart_upload_bytes=6291456,
                disabled=True,
                status_config=StatusConfig(
                    status_level=StatusLevel.DEBUG, status_stream_name="status"
                ),
            )
        ],
    )
    client.create_message_stream(stream("every", export_definition=exports))
    found = client.describe_message_stream("every").definition.export_definition
    assert found.kinesis[0].as_dict() == exports.kinesis[0].as_dict()
    task, wanted = found.s3_task_executor[0], exports.s3_task_executor[0]
    assert task.status_config.as_dict() == wanted.status_config.as_dict()
    assert task.size_threshold_for_multipart_upload_bytes == 6291456
    assert found.iot_analytics[0].iot_msg_id_prefix == "p"
    assert found.iot_sitewise[0].identifier == "w"
    assert found.http[0].uri == "http://127.0.0.1:1/"
    # What was described can be sent back unchanged.
    client.update_message_stream(client.describe_message_stream("every").definition)
    refused(
        InvalidRequestException,
        lambda: client.create_message_stream(
            stream(
                "twice",
                export_definition=ExportDefinition(
                    kinesis=[KinesisConfig(identifier="x", kinesis_stream_name="s")],
                    iot_sitewise=[IoTSiteWiseConfig(identifier="x")],
                ),
            )
        ),
    )
    client.delete_message_stream("every")
    client.delete_message_stream("status")


def limits(client):
    small = MessageStreamDefinition(
        name="small", max_size=1024, strategy_on_full=StrategyOnFull.RejectNewData
    )
    client.create_message_stream(small)
    client.append_message("small", b"x" * 900)
    refused(InvalidRequestException, lambda: client.append_message("small", b"x" * 900), "full")
    refused(InvalidRequestException, lambda: client.append_message("small", b"x" * 2000))
    client.delete_message_stream("small")
    small.strategy_on_full = StrategyOnFull.OverwriteOldestData
    client.create_message_stream(small)
    for number in range(5):
        assert client.append_message("small", b"x" * 900) == number
    storage = client.describe_message_stream("small").storage_status
    assert (storage.oldest_sequence_number, storage.newest_sequence_number) == (4, 4)
    # A read that starts below the oldest message begins with it.
    assert client.read_messages("small")[0].sequence_number == 4
    client.delete_message_stream("small")

    memory = stream("memory", persistence=Persistence.Memory)
    client.create_message_stream(memory)
    assert client.append_message("memory", b"m") == 0
    assert client.read_messages("memory")[0].payload == b"m"
    client.delete_message_stream("memory")


def main(port):
    with StreamManagerClient(host="127.0.0.1", port=port) as client:
        create_list_describe_delete(client)
        append_and_read(client)
        long_poll(client)
        update(client)
        every_kind_of_export(client)
        limits(client)
        client.delete_message_stream("b")
        assert client.list_streams() == []
    print("every call did what it should")


if __name__ == "__main__":
    main(int(sys.argv[1]))
