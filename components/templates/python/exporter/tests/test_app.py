import json
import sys
import unittest
from pathlib import Path
from unittest.mock import patch

PROJECT = Path(__file__).parent.parent
sys.path[:0] = [str(PROJECT / "src"), str(PROJECT / "stubs")]

import app
from componentize_py_types import Err
from http_post import Answer, NoAnswer
from wit_world.exports import exporter
from wit_world.exports.exporter import Disposition
from wit_world.imports.millstream_plugin_types import Message

CONTEXT = exporter.ExportContext("s", "e")


def export(*payloads, answer=lambda lines: Answer(200)):
    """Exports messages to a server that answers as told; returns what came of it and the lines of each call."""
    calls = []

    def post(address, content_type, body):
        lines = [json.loads(line)["payload"] for line in body.splitlines()]
        calls.append(lines)
        return answer(lines)

    subject = app.Exporter()
    subject.open(CONTEXT, '{"url": "http://127.0.0.1:8000/in"}')
    batch = [Message(number, 1_767_225_600_000, payload) for number, payload in enumerate(payloads)]
    with patch("app.post", post):
        try:
            return subject.export(batch), calls
        except Err as error:
            return error.value, calls


def settled(undelivered):
    return [(it.index, it.disposition) for it in undelivered]


class Export(unittest.TestCase):
    def test_a_batch_is_one_call_in_order(self):
        undelivered, calls = export(b"a", b"b", b"c")
        self.assertEqual((undelivered, calls), ([], [["a", "b", "c"]]))

    def test_only_what_is_not_text_is_rejected(self):
        undelivered, calls = export(b"a", b"\xff", b"c")
        self.assertEqual(settled(undelivered), [(1, Disposition.REJECT)])
        self.assertEqual(calls, [["a", "c"]])

    def test_only_what_the_server_refuses_is_rejected(self):
        undelivered, _ = export(b"a", b"bad", b"c", answer=lambda lines: Answer(422 if "bad" in lines else 200))
        self.assertEqual(settled(undelivered), [(1, Disposition.REJECT)])

    def test_what_stands_behind_a_failure_comes_again(self):
        def answer(lines):
            return Answer(422 if len(lines) > 1 else 500 if lines == ["b"] else 200)

        undelivered, _ = export(b"a", b"b", b"c", answer=answer)
        self.assertEqual(settled(undelivered), [(1, Disposition.RETRY), (2, Disposition.RETRY)])

    def test_the_pause_a_server_asks_for_is_passed_on(self):
        error, _ = export(b"a", answer=lambda lines: Answer(429, 7000))
        self.assertIsInstance(error, exporter.ExportError_Throttled)
        self.assertEqual(error.value.retry_after_ms, 7000)

    def test_a_missing_grant_is_named(self):
        def answer(lines):
            error = NoAnswer("HttpRequestDenied")
            error.not_granted = True
            raise error

        error, _ = export(b"a", answer=answer)
        self.assertIsInstance(error, exporter.ExportError_Denied)
        self.assertIn("http://127.0.0.1:8000", error.value)


class Configuration(unittest.TestCase):
    def refused_field(self, config):
        with self.assertRaises(Err) as caught:
            app.Exporter().open(CONTEXT, json.dumps(config))
        return caught.exception.value.field

    def test_a_wrong_field_is_named(self):
        self.assertEqual(self.refused_field({}), "url")
        self.assertEqual(self.refused_field({"url": "ftp://example.com"}), "url")
        self.assertEqual(self.refused_field({"url": "http://example.com", "uri": 1}), "uri")


if __name__ == "__main__":
    unittest.main()
