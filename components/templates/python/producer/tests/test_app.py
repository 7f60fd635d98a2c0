import sys
import unittest
from pathlib import Path
from unittest.mock import patch

PROJECT = Path(__file__).parent.parent
sys.path[:0] = [str(PROJECT / "src"), str(PROJECT / "stubs")]

import app
from componentize_py_types import Err
from wit_world.imports import streams


def run(append, *arguments):
    """Runs the producer without pauses; `append` stands for the host."""
    with (
        patch("app.streams.append", append),
        patch("app.environment.get_arguments", lambda: ["{{name}}", *arguments]),
        patch("app.time.sleep"),
    ):
        app.Run().run()


def failing(error):
    def append(stream, payloads):
        raise Err(error)

    return append


class Producer(unittest.TestCase):
    def test_as_many_readings_are_appended_as_asked_for(self):
        appended = []
        run(lambda stream, payloads: appended.append((stream, payloads)), "--stream", "s", "--count", "3")
        self.assertEqual([stream for stream, _ in appended], ["s"] * 3)

    def test_it_waits_while_the_stream_is_full(self):
        answers = [Err(streams.StreamError_Full()), 0]
        appended = []

        def append(stream, payloads):
            appended.append(payloads)
            if isinstance(answer := answers.pop(0), Err):
                raise answer

        run(append, "--stream", "s", "--count", "1")
        self.assertEqual(appended[0], appended[1])

    def test_a_host_that_shuts_down_is_a_clean_end(self):
        run(failing(streams.StreamError_Unavailable("stopping")), "--stream", "s")

    def test_a_stream_that_is_not_granted_is_a_failure(self):
        with self.assertRaises(Err), patch("sys.stderr"):
            run(failing(streams.StreamError_NotGranted()), "--stream", "s")

    def test_wrong_arguments_are_a_failure(self):
        with self.assertRaises(Err), patch("sys.stderr"):
            run(lambda stream, payloads: 0)


if __name__ == "__main__":
    unittest.main()
