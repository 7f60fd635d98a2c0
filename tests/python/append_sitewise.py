"""Creates a stream with a SiteWise export and appends entries to it, all with the official SDK.

Arguments: the port, the stream, how many entries. Prints the entries as a JSON list.
"""

import json
import sys

from stream_manager import (
    AssetPropertyValue,
    ExportDefinition,
    IoTSiteWiseConfig,
    MessageStreamDefinition,
    PutAssetPropertyValueEntry,
    Quality,
    StrategyOnFull,
    StreamManagerClient,
    TimeInNanos,
    Variant,
)
from stream_manager.util import Util


def main(port, stream, count):
    payloads = []
    with StreamManagerClient(host="127.0.0.1", port=int(port)) as client:
        exports = ExportDefinition(iot_sitewise=[IoTSiteWiseConfig(identifier="to-sitewise")])
        client.create_message_stream(
            MessageStreamDefinition(
                name=stream,
                strategy_on_full=StrategyOnFull.OverwriteOldestData,
                export_definition=exports,
            )
        )
        for number in range(int(count)):
            value = AssetPropertyValue(
                value=Variant(double_value=number / 2),
                quality=Quality.GOOD,
                timestamp=TimeInNanos(time_in_seconds=1767225600 + number, offset_in_nanos=7),
            )
            entry = PutAssetPropertyValueEntry(
                entry_id=f"entry-{number}",
                property_alias="/plant/7/temperature",
                property_values=[value],
            )
            payloads.append(Util.validate_and_serialize_to_json_bytes(entry))
            client.append_message(stream, payloads[-1])
    json.dump([json.loads(payload) for payload in payloads], sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
