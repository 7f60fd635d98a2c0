"""Prints requests with the signatures that botocore gives them, as JSON.

    python sigv4_corpus.py > tests/fixtures/sigv4.json

Time and credentials are fixed, so the output is always the same for one version of botocore's rules.
Each case says what a plugin would hand to the host: method, url, headers, body, and what of the body is
signed. `signed` has what botocore makes of it.

botocore takes a URL that is already in the form that the specification calls canonical; the host takes
any. Where the two differ, `because` says what the specification asks for (AWS Signature Version 4,
"Create a canonical request"; RFC 3986, 5.2.4), and botocore was given that form, in `canonical`.
"""

import base64
import datetime
import json
import sys

import botocore.auth
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

TIME = datetime.datetime(2026, 1, 31, 23, 59, 58, tzinfo=datetime.timezone.utc)
ACCESS_KEY_ID = "AKIDEXAMPLE"
SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaDGV1LWNlbnRyYWwtMSJHMEUCIQ+/=="
S3_HOST = "https://plant.s3.eu-central-1.amazonaws.com"
HOST = "https://api.eu-central-1.amazonaws.com"

CASES = []


def case(name, url, *, service="execute-api", region="eu-central-1", method="GET", headers=(),
         body=b"", payload="signed", token=None, canonical=None, because=None):
    CASES.append(dict(name=name, url=url, service=service, region=region, method=method,
                      headers=[list(header) for header in headers], body=body, payload=payload,
                      sessionToken=token, canonical=canonical, because=because))


def s3(name, path, **more):
    case(f"s3: {name}", S3_HOST + path, service="s3", **more)


# Queries. Both kinds of service have the same rules.
for kind, host, service in [("any", HOST, "execute-api"), ("s3", S3_HOST, "s3")]:
    for name, query in [
        ("one key", "?a=b"),
        ("keys that are not sorted", "?b=2&a=1&c=3"),
        ("one key twice, values not sorted", "?a=2&a=1&a=10"),
        ("capitals before small letters", "?b=1&B=2&a=3&A=4"),
        ("an empty value", "?uploads="),
        ("a key without a value", "?uploads"),
        ("a key without a value among others", "?partNumber=1&uploads&uploadId=x"),
        ("no key at all", "?"),
        ("everything that needs no encoding", "?a-._~Z0=a-._~Z0"),
        ("encoded space", "?prefix=a%20b"),
        ("encoded plus", "?prefix=a%2Bb"),
        ("encoded slash", "?marker=a%2Fb%2F%2Fc"),
        ("encoded = and &", "?a%3D=b%26c%3Dd"),
        ("encoded percent", "?a=100%25&b=%252F"),
        ("unicode", "?name=%E1%88%B4&stra%C3%9Fe=%F0%9F%9A%82"),
        ("a key that is the beginning of another", "?ab=1&a=2&a-b=3"),
        ("a bare key and the same with an empty value", "?a&a="),
    ]:
        case(f"{kind}: query with {name}", f"{host}/path{query}", service=service)
    for name, query, canonical, because in [
        ("small hexadecimal digits", "?p=a%2fb", "?p=a%2Fb",
         "hexadecimal digits of the canonical form are capitals"),
        ("what needs encoding and has none", "?p=a/b:c,d@e", "?p=a%2Fb%3Ac%2Cd%40e",
         "names and values are encoded, whatever they were before"),
        ("encoded letters", "?%61=%62-%7E", "?a=b-~",
         "what needs no encoding has none in the canonical form"),
        ("a plus", "?q=a+b", "?q=a%20b",
         "a space is %20 in the canonical form and not a plus, and a service reads a plus as a space"),
    ]:
        case(f"{kind}: query with {name}", f"{host}/path{query}", service=service,
             canonical=f"{host}/path{canonical}", because=because)

# Paths. All services but S3 sign the path without dots and double slashes, and encode it once more.
PATHS = [
    ("nothing", ""),
    ("a slash", "/"),
    ("a slash at the end", "/a/b/"),
    ("two slashes", "//a//b//"),
    ("a dot", "/a/./b"),
    ("two dots", "/a/../b/c"),
    ("two dots above the root", "/../../a"),
    ("only dots that are names", "/.../a..b/..c"),
    ("encoded space", "/a%20b"),
    ("encoded slash", "/a%2Fb"),
    ("encoded plus", "/a%2Bb"),
    ("encoded percent", "/a%25b"),
    ("unicode", "/%E1%88%B4/stra%C3%9Fe"),
    ("everything that needs no encoding", "/-._~/azAZ09"),
    ("signs", "/a:b@c$d!e*f'g(h)i;j,k=l&m"),
    ("a plus", "/a+b"),
]
for name, path in PATHS:
    case(f"any: path with {name}", HOST + path)
    if path:
        s3(f"path with {name}", path)
s3("path with nothing", "", canonical=S3_HOST + "/",
   because="an empty path is sent and signed as a slash, by S3 too")
for name, path in [("a dot at the end", "/a/."), ("two dots at the end", "/a/b/..")]:
    case(f"any: path with {name}", HOST + path, canonical=HOST + "/a/",
         because="the slash before a dot segment at the end stays (RFC 3986, 5.2.4, 2B and 2C)")
    s3(f"path with {name}", path)
case("a port of its own", "https://127.0.0.1:9000/a")
case("the usual port", "https://example.com:443/a")

# Headers.
case("a header twice", HOST + "/", headers=[("x-amz-meta-a", "2"), ("x-amz-meta-a", "1")])
case("a header three times among others", HOST + "/",
     headers=[("x-b", "1"), ("x-a", "z"), ("x-b", "2"), ("x-c", "y"), ("x-b", "0,5")])
case("spaces before, behind and between", HOST + "/",
     headers=[("x-a", "   a   b  c   "), ("x-b", '"a   b"'), ("x-c", "a, b,  c")])
case("an empty header", HOST + "/", headers=[("x-a", "")])
case("names with capitals and digits", HOST + "/", headers=[("X-Amz-Target", "T.Op"), ("X-A1", "1")])
case("headers that proxies change", HOST + "/",
     headers=[("user-agent", "sdk/1"), ("x-amzn-trace-id", "Root=1"), ("expect", "100-continue"),
              ("te", "trailers"), ("traceparent", "00-1-1-00"), ("accept", "*/*")])

# Session tokens, bodies, services.
case("a session token", HOST + "/", token=TOKEN)
s3("a session token", "/key", token=TOKEN)
case("a body", HOST + "/", method="POST", body=b'{"a": 1}',
     headers=[("content-type", "application/json"), ("content-length", "8")])
case("a body of bytes", HOST + "/", method="POST", body=bytes(range(256)) * 3)
case("a form", HOST + "/", method="POST", body=b"Param1=value1&Param2=",
     headers=[("content-type", "application/x-www-form-urlencoded; charset=utf8")])
s3("an empty body", "/key", method="PUT")
s3("a body of bytes", "/key%20with/parts.bin", method="PUT", body=bytes(range(256)),
   headers=[("content-length", "256"), ("x-amz-storage-class", "STANDARD_IA")])
s3("a part", "/key?partNumber=7&uploadId=VXBsb2Fk%2BID", method="PUT", body=b"part", token=TOKEN)
s3("a deletion", "/key", method="DELETE")
s3("a question for the head", "/key", method="HEAD")
for service, target in [("kinesis", "Kinesis_20131202.PutRecords"), ("dynamodb", "DynamoDB_20120810.PutItem")]:
    case(f"a call of {service}", f"https://{service}.eu-central-1.amazonaws.com/", service=service,
         method="POST", body=b"{}", token=TOKEN,
         headers=[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)])
case("a call of IoT SiteWise", "https://data.iotsitewise.us-west-2.amazonaws.com/properties",
     service="iotsitewise", region="us-west-2", method="POST", body=b'{"entries": []}')
case("a call of an address with FIPS", "https://kinesis-fips.us-east-1.amazonaws.com/",
     service="kinesis", region="us-east-1", method="POST", body=b"{}")
case("S3 through a Lambda", "https://x.s3-object-lambda.eu-central-1.amazonaws.com/a//b",
     service="s3-object-lambda")
case("S3 on an Outpost", "https://x.op-1.1.s3-outposts.eu-central-1.amazonaws.com/a//b",
     service="s3-outposts", method="PUT", body=b"x")

# Bodies that are not signed.
case("an unsigned body", HOST + "/", method="POST", body=b"any", payload="unsigned", token=TOKEN)
s3("an unsigned body", "/key", method="PUT", body=b"any", payload="unsigned")
s3("an unsigned body in chunks of HTTP", "/key", method="PUT", body=b"any", payload="unsigned",
   headers=[("transfer-encoding", "chunked"), ("content-type", "video/mp4")])
s3("chunks with a checksum behind them", "/key", method="PUT", payload="unsigned-with-trailer",
   body=b"3\r\nany\r\n0\r\nx-amz-checksum-crc32:tJ1NNA==\r\n\r\n", token=TOKEN,
   headers=[("content-encoding", "aws-chunked"), ("x-amz-trailer", "x-amz-checksum-crc32"),
            ("x-amz-decoded-content-length", "3"), ("transfer-encoding", "chunked")])


class Config:
    """botocore's own switch for bodies that are not signed."""

    s3 = {"payload_signing_enabled": False}


def sign(item):
    request = AWSRequest(method=item["method"], url=item["canonical"] or item["url"],
                         data=item["body"])
    for name, value in item["headers"]:
        request.headers[name] = value
    is_s3 = item["service"].startswith("s3")
    if item["payload"] == "unsigned":
        if is_s3:
            request.context["client_config"] = Config
        request.context["payload_signing_enabled"] = False
    if item["payload"] == "unsigned-with-trailer":
        request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    credentials = Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY, item["sessionToken"])
    signer = S3SigV4Auth if is_s3 else SigV4Auth
    signer(credentials, item["service"], item["region"]).add_auth(request)
    return {
        "authorization": request.headers["authorization"],
        "x-amz-content-sha256": request.headers.get("x-amz-content-sha256"),
    }


def main():
    botocore.auth.get_current_datetime = lambda *_: TIME
    cases = []
    for item in CASES:
        signed = sign(item)
        item = {key: value for key, value in item.items() if value is not None}
        item["body"] = base64.b64encode(item["body"]).decode()
        cases.append(dict(item, signed=signed))
    json.dump(
        {
            "madeBy": "tests/python/sigv4_corpus.py",
            "time": int(TIME.timestamp()),
            "accessKeyId": ACCESS_KEY_ID,
            "secretAccessKey": SECRET_ACCESS_KEY,
            "cases": cases,
        },
        sys.stdout,
        indent=1,
    )
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
