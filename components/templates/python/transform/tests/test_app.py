import json
import sys
import unittest
from pathlib import Path

PROJECT = Path(__file__).parent.parent
sys.path[:0] = [str(PROJECT / "src"), str(PROJECT / "stubs")]

import app
from componentize_py_types import Err
from wit_world.exports import transformer
from wit_world.imports.types import Message

CONTEXT = transformer.TransformContext("s", "e")


def transform(*payloads, config="{}"):
    app.settings.update(key="sensor", value="value")
    subject = app.Transformer()
    subject.open(CONTEXT, config)
    batch = [Message(number, 1_767_225_600_000, payload) for number, payload in enumerate(payloads)]
    return subject.transform(batch)


def outputs(transformed):
    return [(it.sources, json.loads(it.payload)) for it in transformed.outputs]


class Means(unittest.TestCase):
    def test_the_readings_of_each_sensor_become_one_message(self):
        found = transform(
            b'{"sensor":"a","value":1}', b'{"sensor":"b","value":5}', b'{"sensor":"a","value":2.0}'
        )
        self.assertEqual(
            outputs(found),
            [
                ([1], {"sensor": "b", "value": 5, "count": 1}),
                ([0, 2], {"sensor": "a", "value": 1.5, "count": 2}),
            ],
        )

    def test_what_is_no_reading_is_rejected_and_its_neighbours_go_on(self):
        found = transform(b'{"sensor":"a","value":1}', b"[1]", b"\xff", b'{"sensor":"a","value":true}', b"{")
        self.assertEqual([it.index for it in found.rejected], [1, 2, 3, 4])
        self.assertEqual([sources for sources, _ in outputs(found)], [[0]])

    def test_no_payload_ends_the_component(self):
        deep, large = b"[" * 100_000, b'{"sensor":"a","value":1' + b"0" * 400 + b"}"
        found = transform(b"\x00\x01", b"[\x00", b"\xff\xfe[\x00", deep, large, b'{"sensor":"\\ud800","value":1}')
        self.assertEqual([it.index for it in found.rejected], [0, 1, 2, 3, 4])
        self.assertEqual(outputs(found)[0][0], [5])

    def test_what_goes_on_is_json_whatever_the_numbers_are(self):
        found = transform(b'{"sensor":"a","value":NaN}', b'{"sensor":"a","value":1e999}')
        self.assertEqual([it.index for it in found.rejected], [0, 1])
        found = transform(b'{"sensor":"a","value":1e308}', b'{"sensor":"a","value":1e308}')
        self.assertEqual(outputs(found), [([0, 1], {"sensor": "a", "value": 1e308, "count": 2})])

    def test_the_fields_are_those_of_the_configuration(self):
        found = transform(b'{"id":"x","t":3}', config='{"key":"id","value":"t"}')
        self.assertEqual(outputs(found), [([0], {"id": "x", "t": 3, "count": 1})])

    def test_a_wrong_configuration_is_refused_with_its_field(self):
        for config, field in [('{"keys":"a"}', "keys"), ('{"key":7}', "key"), ('{"value":""}', "value")]:
            with self.assertRaises(Err) as refused:
                transform(config=config)
            self.assertEqual(refused.exception.value.field, field)


if __name__ == "__main__":
    unittest.main()
