"""Lets the conformance suite drive a Python SDK. Argument: the module of the SDK.

Reads a JSON object a line and writes one for each:

    {"do": "connect", "port": N, "checks": true, "token": null}  ->  {"ok": null}
    {"do": "calls", "calls": [["append", NAME, BASE64], ...]}    ->  [{"ok": 0}, ...]
    {"do": "close"}                                              ->  {"ok": null}

An exception is {"error": {"class": ..., "message": ...}}. Calls that come together are made at the
same time, by a thread each. Definitions have the keys of the wire.
"""

import base64
import importlib
import json
import logging
import os
import sys
import threading

TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"


class Driver:
    def __init__(self, module):
        self.sdk = importlib.import_module(module)
        self.utilities = importlib.import_module(module + ".utilinternal").UtilInternal
        self.is_invalid = self.utilities.is_invalid
        self.validate_read = "_StreamManagerClient__validate_read_message_options"
        self.client = None

    def connect(self, port, checks, token):
        os.environ.pop(TOKEN, None)
        if token is not None:
            os.environ[TOKEN] = token
        self.utilities.is_invalid = staticmethod(self.is_invalid if checks else lambda _: False)
        self.client = self.sdk.StreamManagerClient(
            host="127.0.0.1", port=port, request_timeout=30, logger=logging.getLogger("quiet")
        )
        if not checks:
            setattr(self.client, self.validate_read, lambda options: None)

    def close(self):
        if self.client is not None:
            self.client.close()
            self.client = None

    def calls(self, calls):
        outcomes = [None] * len(calls)

        def make(place):
            method, *arguments = calls[place]
            outcomes[place] = outcome(lambda: getattr(self, method)(*arguments))

        threads = [threading.Thread(target=make, args=(place,)) for place in range(len(calls))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return outcomes

    def create(self, definition):
        self.client.create_message_stream(self.definition(definition))

    def update(self, definition):
        self.client.update_message_stream(self.definition(definition))

    def delete(self, name):
        self.client.delete_message_stream(name)

    def list(self):
        return self.client.list_streams()

    def describe(self, name):
        return self.client.describe_message_stream(name).as_dict()

    def append(self, name, payload):
        return self.client.append_message(name, base64.b64decode(payload))

    def read(self, name, options):
        if options is not None:
            options = self.sdk.ReadMessagesOptions.from_dict(options)
        messages = [message.as_dict() for message in self.client.read_messages(name, options)]
        for message in messages:
            message["payload"] = base64.b64encode(message["payload"]).decode()
        return messages

    def definition(self, fields):
        return self.sdk.MessageStreamDefinition.from_dict(fields)


def outcome(call):
    try:
        return {"ok": call()}
    except Exception as error:
        return {"error": {"class": type(error).__name__, "message": str(error)}}


def main(module):
    logging.disable(logging.CRITICAL)
    driver = Driver(module)
    for line in sys.stdin:
        command = json.loads(line)
        what = command.pop("do")
        if what == "calls":
            answer = driver.calls(**command)
        else:
            answer = outcome(lambda: getattr(driver, what)(**command))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
