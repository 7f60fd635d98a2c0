"""Appends a reading to a stream, again and again: `--stream NAME [--interval-ms N] [--count N]`."""

import itertools
import json
import sys
import time
from dataclasses import dataclass

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


@dataclass
class Options:
    stream: str = ""
    interval: float = 1.0  # in seconds
    count: int | None = None


def options(arguments: list[str]) -> Options:
    # By hand: argparse imports modules late, and what is not imported at the top is not in the component.
    options = Options()
    try:
        for name, value in zip(arguments[::2], arguments[1::2], strict=True):
            match name:
                case "--stream":
                    options.stream = value
                case "--interval-ms":
                    options.interval = int(value) / 1000
                case "--count":
                    options.count = int(value)
                case _:
                    raise ValueError(f"there is no {name}")
    except ValueError as error:
        raise Unable(f"Wrong arguments: {error}.") from error
    if not options.stream:
        raise Unable("Wrong arguments: --stream NAME is missing.")
    return options


def produce(options: Options) -> None:
    for number in itertools.count() if options.count is None else range(options.count):
        if not append(options, reading(number)):
            return
        time.sleep(options.interval)


def append(options: Options, payload: bytes) -> bool:
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
