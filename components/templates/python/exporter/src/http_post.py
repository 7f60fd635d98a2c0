"""A POST through wasi:http, one at a time. The host reaches only what is granted, and does TLS."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler
from wit_world.imports.wasi_http_types import (
    ErrorCode_HttpRequestDenied, Fields, IncomingResponse, Method_Post, OutgoingBody, OutgoingRequest,
    Scheme_Http, Scheme_Https,
)  # fmt: skip


class NoAnswer(Exception):
    not_granted = False


@dataclass
class Answer:
    status: int
    retry_after_ms: int | None = None


@dataclass
class Address:
    scheme: str
    authority: str
    path: str

    @classmethod
    def parse(cls, url) -> "Address":
        parts = urlsplit(url) if isinstance(url, str) else None
        if not parts or parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError("Set it to an address such as https://example.com/ingest.")
        query = f"?{parts.query}" if parts.query else ""
        return cls(parts.scheme, parts.netloc, (parts.path or "/") + query)

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"


def post(address: Address, content_type: str, body: bytes) -> Answer:
    headers = [("content-type", content_type.encode()), ("content-length", str(len(body)).encode())]
    try:
        request = OutgoingRequest(Fields.from_list(headers))
        request.set_method(Method_Post())
        request.set_scheme(Scheme_Https() if address.scheme == "https" else Scheme_Http())
        request.set_authority(address.authority)
        request.set_path_with_query(address.path)
        outgoing = request.body()
        # Without options: the host has time limits of its own.
        with outgoing_handler.handle(request, None) as future:
            write(outgoing, body)
            with future.subscribe() as answered:
                answered.block()
            result = future.get().value  # it is there, and taken once
        if isinstance(result, Err):
            raise result
        with result.value as response:
            return read(response)
    except Err as error:
        failure = NoAnswer(type(error.value).__name__.removeprefix("ErrorCode_"))
        failure.not_granted = isinstance(error.value, ErrorCode_HttpRequestDenied)
        raise failure from error


def write(outgoing: OutgoingBody, rest: bytes) -> None:
    try:
        with outgoing.write() as stream, stream.subscribe() as writable:
            while rest:
                writable.block()
                room = stream.check_write()
                stream.write(rest[:room])
                rest = rest[room:]
    except Err:
        return  # The host takes no more of it: the answer says why.
    OutgoingBody.finish(outgoing, None)


def read(response: IncomingResponse) -> Answer:
    with response.headers() as headers:
        after = b"".join(headers.get("retry-after"))
    answer = Answer(response.status(), int(after) * 1000 if after.isdigit() else None)
    with response.consume() as body, body.stream() as stream:
        try:  # To its end, so that the connection can serve the next request.
            while stream.blocking_read(65536):
                pass
        except Err:
            pass
    return answer
