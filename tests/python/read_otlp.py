"""Reads requests of OTLP with the protocol's own Python classes, which know nothing of how they were
written. It takes the names of a file of bodies, each behind its length as four bytes, and prints them as
JSON, one a line; what is not a request to the letter fails."""

import json
import sys

from google.protobuf.json_format import MessageToDict
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest


def refuse_unknown(message):
    assert len(UnknownFieldSet(message)) == 0, message
    for field, value in message.ListFields():
        if field.message_type is not None:
            repeated = not hasattr(value, "ListFields")
            for inner in value if repeated else [value]:
                refuse_unknown(inner)


with open(sys.argv[1], "rb") as file:
    rest = file.read()
while rest:
    length = int.from_bytes(rest[:4], "big")
    request = ExportLogsServiceRequest()
    request.ParseFromString(rest[4 : 4 + length])
    refuse_unknown(request)
    print(json.dumps(MessageToDict(request)))
    rest = rest[4 + length :]
