"""Appends a reading to a stream, again and again: `--stream NAME [--interval SECONDS] [--count N]`."""

import argparse
import itertools
import json
import sys
import time

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import environment, streams


class Run(exports.Run):
    def run(self) -> None:
        try:
            produce(options(environment.get_arguments()[1:]))
        except Unable as error:
            # A failure: the host starts the producer again, as its configuration says.
            print(error, file=sys.stderr)
            raise Err(None)


class Unable(Exception):
    """Why no reading can be appended, for the operator."""


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="{{name}}", exit_on_error=False, add_help=False)
    parser.add_argument("--stream", required=True)
    parser.add_argument("--interval", type=float, default=1.0, help="in seconds")
    parser.add_argument("--count", type=int, default=None)
    try:
        return parser.parse_args(arguments)
    except (argparse.ArgumentError, SystemExit) as error:
        raise Unable(f"Wrong arguments: {error}") from error


def produce(options: argparse.Namespace) -> None:
    for number in itertools.count() if options.count is None else range(options.count):
        if not append(options, reading(number)):
            return
        time.sleep(options.interval)


def append(options: argparse.Namespace, payload: bytes) -> bool:
    """Waits while the stream is full. Returns False when the host shuts down, which is a clean end."""
    while True:
        try:
            streams.append(options.stream, [payload])
            return True
        except Err as error:
            match error.value:
                case streams.StreamError_Full():
                    time.sleep(options.interval)
                case streams.StreamError_Unavailable():
                    return False
                case other:
                    what = type(other).__name__.removeprefix("StreamError_")
                    raise Unable(f"Stream `{options.stream}`: {what}.") from error


def reading(number: int) -> bytes:
    """What is appended: put your sensor here."""
    return json.dumps({"number": number, "time": time.time()}).encode()
