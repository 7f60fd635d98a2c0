"""Appends a message with nothing but a socket: what any language can do that has one."""

import os
import socket
import struct


def head(major, value):  # CBOR: a major type, and a length or a number
    if value < 24:
        return bytes([major << 5 | value])
    return bytes([major << 5 | 26]) + struct.pack(">I", value)


def text(value):
    return head(3, len(value.encode())) + value.encode()


def fields(**items):
    return head(5, len(items)) + b"".join(text(key) + value for key, value in items.items())


def frame(operation, payload):  # length, operation, one CBOR map
    return struct.pack(">ib", 1 + len(payload), operation) + payload


def answer(stream):
    length, operation = struct.unpack(">ib", stream.read(5))
    return operation, stream.read(length - 1)


def number(payload, key):  # the value behind a key, if it is a number
    at = payload.index(text(key)) + len(text(key))
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(payload[at], 0)
    return int.from_bytes(payload[at + 1 : at + 1 + size], "big") if size else payload[at]


port = int(os.environ.get("STREAM_MANAGER_SERVER_PORT", 8088))
with socket.create_connection(("127.0.0.1", port)) as connection:
    stream = connection.makefile("rb")
    hello = fields(requestId=text("1"), protocolVersion=text("1.1.0"))
    connection.sendall(b"\x01" + frame(1, hello))  # Connect
    assert stream.read(1) == b"\x01"
    operation, payload = answer(stream)
    assert operation == 6 and number(payload, "status") == 0, payload

    definition = fields(name=text("plain"), strategyOnFull=head(0, 1))  # overwrite the oldest
    connection.sendall(frame(2, fields(requestId=text("2"), definition=definition)))
    answer(stream)  # status 3 if the stream is there already

    message = b"hello"
    request = fields(requestId=text("3"), name=text("plain"), payload=head(2, len(message)) + message)
    connection.sendall(frame(4, request))  # AppendMessage
    operation, payload = answer(stream)
    assert operation == 9 and number(payload, "status") == 0, payload
    print("sequence number", number(payload, "sequenceNumber"))
