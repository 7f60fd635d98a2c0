"""Appends numbered messages and prints each acknowledged one, until the host goes away.

Arguments: the port, the stream, the name of this appender. It prints a line
`NUMBER PAYLOAD` for each acknowledgement, and ends when a call fails.
"""

import sys

from stream_manager import StreamManagerClient


def main(port, stream, name):
    client = StreamManagerClient(host="127.0.0.1", port=int(port), request_timeout=2)
    message = 0
    try:
        while True:
            payload = f"{name}-{message}"
            number = client.append_message(stream, payload.encode())
            print(number, payload, flush=True)
            message += 1
    except Exception:  # whatever the SDK makes of a host that is gone
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
