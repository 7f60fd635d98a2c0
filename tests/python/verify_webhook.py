"""Checks the signature of a request as its receiver would, with Python's own hmac. It takes a JSON object
with style, key, headers and body (base64), and prints "genuine" or fails."""

import base64
import hashlib
import hmac
import json
import sys
import time

request = json.loads(sys.argv[1])
headers, key = request["headers"], request["key"].encode()
body = base64.b64decode(request["body"])


def mac(key, content):
    return hmac.new(key, content, hashlib.sha256)


def recent(seconds):
    assert abs(time.time() - int(seconds)) < 300, seconds
    return seconds.encode()


style = request["style"]
if style == "github":
    sent = headers["x-hub-signature-256"]
    expected = "sha256=" + mac(key, body).hexdigest()
elif style == "timestamp":
    sent = headers["x-signature"]
    parts = dict(part.split("=", 1) for part in sent.split(","))
    at = recent(parts["t"])
    expected = f"t={at.decode()},v1=" + mac(key, at + b"." + body).hexdigest()
elif style == "standard-webhooks":
    sent = headers["webhook-signature"]
    at = recent(headers["webhook-timestamp"])
    content = headers["webhook-id"].encode() + b"." + at + b"." + body
    key = base64.b64decode(request["key"].removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(mac(key, content).digest()).decode()
elif style == "slack":
    sent = headers["x-slack-signature"]
    at = recent(headers["x-slack-request-timestamp"])
    expected = "v0=" + mac(key, b"v0:" + at + b":" + body).hexdigest()
else:
    raise SystemExit(f"no style {style}")

assert hmac.compare_digest(sent, expected), (sent, expected)
print("genuine")
