"""Sixteen threads append through one client of the official SDK. Argument: the port."""

import sys
import threading

from stream_manager import MessageStreamDefinition, StrategyOnFull, StreamManagerClient

THREADS, EACH = 16, 100


def main(port):
    with StreamManagerClient(host="127.0.0.1", port=port) as client:
        client.create_message_stream(
            MessageStreamDefinition(
                name="s", strategy_on_full=StrategyOnFull.OverwriteOldestData
            )
        )
        numbers = []

        def append(thread):
            for message in range(EACH):
                numbers.append(client.append_message("s", f"{thread} {message}".encode()))

        threads = [threading.Thread(target=append, args=(thread,)) for thread in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert sorted(numbers) == list(range(THREADS * EACH)), len(numbers)
    print(f"{len(numbers)} appends, each with a number of its own")


if __name__ == "__main__":
    main(int(sys.argv[1]))
