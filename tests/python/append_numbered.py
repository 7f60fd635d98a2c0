"""Appends `message 0`, `message 1` and so on with the official SDK.

Arguments: the port, the stream, how many messages.
"""

import sys

from stream_manager import StreamManagerClient


def main(port, stream, count):
    with StreamManagerClient(host="127.0.0.1", port=int(port)) as client:
        for number in range(int(count)):
            client.append_message(stream, f"message {number}".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
