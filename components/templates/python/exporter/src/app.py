"""Posts each batch as JSON lines to a URL."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import exporter
from wit_world.exports.exporter import Disposition, Undelivered

from http_post import Address, NoAnswer, post

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"url": {"type": "string", "description": "Where the lines are posted."}},
    "required": ["url"],
    "additionalProperties": False,
}


# What `open` prepared. The tool makes an `Exporter` for each call, so it is kept here.
state: dict[str, Address] = {}


class Exporter(exports.Exporter):
    def describe(self) -> exporter.Description:
        return exporter.Description(
            name="{{name}}",
            version="0.1.0",
            summary="Posts each batch as JSON lines to a URL.",
            config_schema=json.dumps(SCHEMA),
            limits=exporter.Limits(max_messages=100, max_batch_bytes=1 << 20, max_message_bytes=256 << 10),
            # Which host it is stands in the configuration of each export.
            wants=exporter.Wants(hosts=[], aws_services=[], folders=[], streams=[]),
        )

    def open(self, context: exporter.ExportContext, config: str) -> None:
        settings = json.loads(config)
        for key in settings:
            if key not in SCHEMA["properties"]:
                raise Err(exporter.ConfigError(key, "There is no such setting; there is `url`."))
        try:
            state["address"] = Address.parse(settings.get("url"))
        except ValueError as error:
            raise Err(exporter.ConfigError("url", str(error)))

    def export(self, batch: list) -> list[Undelivered]:
        undelivered = []
        lines = []  # of the messages that can be sent: the place in the batch, and the line
        for place, message in enumerate(batch):
            try:
                lines.append((place, line(message)))
            except UnicodeDecodeError:
                undelivered.append(Undelivered(place, Disposition.REJECT, "The payload is not text in UTF-8."))
        if lines and send(b"".join(line for _, line in lines)):
            undelivered += one_by_one(lines)
        return undelivered


def one_by_one(lines) -> list[Undelivered]:
    """Finds those that the server refuses. The first failure of another kind ends it: the order is kept."""
    undelivered = []
    for sent, (place, line) in enumerate(lines):
        try:
            refusal = send(line)
        except Err as error:
            if sent == 0:
                raise
            reason = getattr(error.value.value, "reason", error.value.value)
            waiting = [Undelivered(place, Disposition.RETRY, reason) for place, _ in lines[sent:]]
            return undelivered + waiting
        if refusal:
            undelivered.append(Undelivered(place, Disposition.REJECT, refusal))
    return undelivered


def send(body: bytes) -> str | None:
    """Returns why the server refuses the content, or None if it has taken it."""
    address = state["address"]
    try:
        answer = post(address, "application/x-ndjson", body)
    except NoAnswer as error:
        if error.not_granted:
            raise Err(exporter.ExportError_Denied(f"Put \"{address.origin}\" into `hosts` of the grants."))
        raise Err(exporter.ExportError_Unavailable(exporter.Failure(f"No answer: {error}.", None)))
    said = f"{address.origin} answers {answer.status}."
    match answer.status:
        case status if 200 <= status < 300:
            return None
        case 400 | 413 | 415 | 422:
            return said
        case 401 | 403 | 407:
            raise Err(exporter.ExportError_Denied(said))
        case 429 | 503:
            raise Err(exporter.ExportError_Throttled(exporter.Failure(said, answer.retry_after_ms)))
        case status if status == 408 or status >= 500:
            raise Err(exporter.ExportError_Unavailable(exporter.Failure(said, answer.retry_after_ms)))
        case _:
            raise Err(exporter.ExportError_Misconfigured(f"{said} Check `url`."))


def line(message) -> bytes:
    fields = {
        "sequenceNumber": message.sequence_number,
        "ingestTime": message.ingest_time,
        "payload": message.payload.decode(),
    }
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"
