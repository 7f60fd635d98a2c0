"""A strict stand-in for AWS IoT SiteWise: one operation, checked with botocore's model of the service.

    python sitewise.py                  listens on a free port of the loopback interface, and prints it

`POST /properties` is `BatchPutAssetPropertyValue`. A body that the model does not allow is refused, and so
is what the service refuses beyond its model: more than ten entries or values, an entry id twice, two
values for one property and time, and a request that nobody has signed. `GET /` answers what is stored, in
order of arrival, as a JSON list of entries, and `GET /refused` the errors of whole calls.

An alias `/fail/CODE/...` makes its entry fail with that code each time, `/once/CODE/...` the first time.
"""

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

import botocore.session
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

LOCK = Lock()
STORED, REFUSED, SEEN = [], [], set()


def operation():
    loader = botocore.session.get_session().get_component("data_loader")
    model = ServiceModel(loader.load_service_model("iotsitewise", "service-2"), "iotsitewise")
    return model.operation_model("BatchPutAssetPropertyValue")


OPERATION = operation()


class Refused(Exception):
    def __init__(self, status, kind, message):
        super().__init__(message)
        self.status, self.kind = status, kind


def beyond_botocore(shape, value, path="body"):
    """The bounds of the model that botocore leaves to the service."""
    if shape.type_name == "structure":
        for name, member in value.items():
            if name not in shape.members:
                raise Refused(400, "InvalidRequestException", f"{path} has no member {name}")
            beyond_botocore(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        for place, member in enumerate(value):
            beyond_botocore(shape.member, member, f"{path}[{place}]")
    else:
        rules = shape.metadata
        size = len(value) if shape.type_name == "string" else value
        pattern = rules.get("pattern")
        if (
            ("max" in rules and size > rules["max"])
            or (pattern and not re.fullmatch(pattern, value))
            or ("enum" in rules and value not in rules["enum"])
        ):
            raise Refused(400, "InvalidRequestException", f"{path} is out of bounds")


def check(body):
    report = ParamValidator().validate(body, OPERATION.input_shape)
    if report.has_errors():
        raise Refused(400, "InvalidRequestException", report.generate_report())
    beyond_botocore(OPERATION.input_shape, body)
    entries = body["entries"]
    if not 1 <= len(entries) <= 10:
        raise Refused(400, "InvalidRequestException", f"{len(entries)} entries in one call")
    ids = [entry["entryId"] for entry in entries]
    if len(set(ids)) < len(ids):
        raise Refused(400, "InvalidRequestException", "an entry id comes twice")
    points = set()
    for entry in entries:
        values = entry["propertyValues"]
        if not 1 <= len(values) <= 10:
            raise Refused(400, "InvalidRequestException", f"{len(values)} values in one entry")
        if any(len(value["value"]) != 1 for value in values):
            raise Refused(400, "InvalidRequestException", "a value has not exactly one type")
        by_id = (entry.get("assetId"), entry.get("propertyId"))
        if not (all(by_id) or "propertyAlias" in entry):
            raise Refused(400, "InvalidRequestException", "no property is named")
        for value in values:
            time = value["timestamp"]
            name = by_id if all(by_id) else entry["propertyAlias"]
            point = (name, time["timeInSeconds"], time.get("offsetInNanos", 0))
            if point in points:
                raise Refused(409, "ConflictingOperationException", f"{point} comes twice")
            points.add(point)


def fault(entry):
    match = re.match(r"/(fail|once)/(\w+)/", entry.get("propertyAlias", ""))
    if not match:
        return None
    times, code = match.groups()
    key = json.dumps(entry, sort_keys=True)
    if times == "once" and key in SEEN:
        return None
    SEEN.add(key)
    return code


def put(headers, body):
    scope = "/iotsitewise/aws4_request"
    authorization = headers.get("authorization", "")
    if not authorization.startswith("AWS4-HMAC-SHA256 Credential=") or scope not in authorization:
        raise Refused(403, "MissingAuthenticationTokenException", "nobody has signed this")
    if any(name.lower().startswith("x-millstream") for name in headers):
        raise Refused(400, "InvalidRequestException", "a header of the host has come out")
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise Refused(400, "InvalidRequestException", str(error)) from error
    check(parsed)
    errors = []
    for entry in parsed["entries"]:
        code = fault(entry)
        if code is None:
            STORED.append(entry)
            continue
        times = [value["timestamp"] for value in entry["propertyValues"]]
        error = {"errorCode": code, "errorMessage": "as told", "timestamps": times}
        errors.append({"entryId": entry["entryId"], "errors": [error]})
    return {"errorEntries": errors}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        with LOCK:
            self.answer(200, REFUSED if self.path == "/refused" else STORED)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with LOCK:
            try:
                if self.path != "/properties":
                    raise Refused(404, "UnknownOperationException", self.path)
                self.answer(200, put(self.headers, body))
            except Refused as error:
                REFUSED.append(f"{error.kind}: {error}")
                kind = [("x-amzn-errortype", f"{error.kind}:http://internal.amazon.com/")]
                self.answer(error.status, {"message": str(error)}, kind)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
