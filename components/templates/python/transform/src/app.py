"""Makes one message of the readings of each sensor in a batch, with their mean."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import transformer
from wit_world.exports.transformer import Output, Rejection, Transformed

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "key": {"type": "string", "description": "The field that names the sensor.", "default": "sensor"},
        "value": {"type": "string", "description": "The field with the number.", "default": "value"},
    },
    "additionalProperties": False,
}

# What `open` prepared. The tool makes a `Transformer` for each call, so it is kept here.
settings = {"key": "sensor", "value": "value"}
INFINITE = float("inf")


class Transformer(exports.Transformer):
    def describe(self) -> transformer.Description:
        return transformer.Description(
            name="{{name}}",
            version="0.1.0",
            summary="Makes one message of the readings of each sensor in a batch, with their mean.",
            config_schema=json.dumps(SCHEMA),
            most_outputs=1,
        )

    def open(self, context: transformer.TransformContext, config: str) -> None:
        for key, value in json.loads(config).items():
            if key not in settings:
                raise Err(transformer.ConfigError(key, "There is no such setting; there are `key` and `value`."))
            if not isinstance(value, str) or not value:
                raise Err(transformer.ConfigError(key, "Set it to the name of a field."))
            settings[key] = value

    def transform(self, batch: list) -> Transformed:
        readings, rejected = {}, []  # of each sensor: the places in the batch, and the numbers
        for place, message in enumerate(batch):
            try:
                sensor, number = reading(message.payload)
            except (ValueError, OverflowError, RecursionError) as error:
                rejected.append(Rejection(place, str(error)))
            else:
                places, numbers = readings.setdefault(sensor, ([], []))
                places.append(place)
                numbers.append(number)
        outputs = [Output(places, mean(sensor, numbers)) for sensor, (places, numbers) in readings.items()]
        # The host wants them in the order of their last sources.
        return Transformed(sorted(outputs, key=lambda output: output.sources[-1]), rejected)


def reading(payload: bytes) -> tuple[str, float]:
    # As bytes, `json` guesses at other encodings, whose modules are not in the component.
    fields = json.loads(payload.decode())
    if not isinstance(fields, dict):
        raise ValueError("The payload is no JSON object.")
    sensor, number = fields.get(settings["key"]), fields.get(settings["value"])
    if not isinstance(sensor, str) or isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ValueError(f"The payload has no text `{settings['key']}` and no number `{settings['value']}`.")
    number = float(number)
    if not abs(number) < INFINITE:
        raise ValueError("The number is not finite.")
    return sensor, number


def mean(sensor: str, numbers: list[float]) -> bytes:
    total = sum(numbers)
    middle = total / len(numbers) if abs(total) < INFINITE else sum(number / len(numbers) for number in numbers)
    fields = {settings["key"]: sensor, settings["value"]: middle, "count": len(numbers)}
    return json.dumps(fields).encode()
