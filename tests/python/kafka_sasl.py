"""A listener that lets a client through to a Kafka broker once it has proven who it is: what the mock
cluster of librdkafka does not do.

It speaks the server's side of SASL in Kafka's framing (SaslHandshake 1, SaslAuthenticate 0 and 1), PLAIN
(RFC 4616) and SCRAM (RFC 5802).
"""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
import threading

SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 17, 18, 36
UNSUPPORTED_SASL_MECHANISM, UNSUPPORTED_VERSION, SASL_AUTHENTICATION_FAILED = 33, 35, 58


class Refused(Exception):
    """The client is not who it says."""


class Gate:
    """A listener in front of a broker."""

    def __init__(self, broker, mechanism, user, password, certificate=None, key=None):
        self.broker, self.mechanism = broker, mechanism
        self.user, self.password = user, password
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate, key)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        if self.tls:
            try:
                client = self.tls.wrap_socket(client, server_side=True)
            except (ssl.SSLError, OSError):
                return
        with client, socket.create_connection(self.broker) as broker:
            try:
                self.admit(client, broker)
            except (Refused, ConnectionError, struct.error):
                return
            threading.Thread(target=carry, args=(broker, client), daemon=True).start()
            carry(client, broker)

    def admit(self, client, broker):
        """Answers the client until it may pass. Anything but a login ends the connection, as with
        Kafka."""
        conversation = None
        while True:
            key, version, correlation, body, frame = request(client)
            if key == API_VERSIONS:
                send(client, correlation + self.versions(version, frame, broker))
            elif key == SASL_HANDSHAKE:
                known = body[2:].decode() == self.mechanism
                names = struct.pack(">ih", 1, len(self.mechanism)) + self.mechanism.encode()
                error = 0 if known else UNSUPPORTED_SASL_MECHANISM
                send(client, correlation + struct.pack(">h", error) + names)
                conversation = self.conversation()
                next(conversation)
            elif key == SASL_AUTHENTICATE and conversation:
                try:
                    answer, done = conversation.send(body[4:])
                except Refused:
                    why = b"Authentication failed: Invalid username or password"
                    error = struct.pack(">hh", SASL_AUTHENTICATION_FAILED, len(why)) + why
                    lifetime = bytes(8) if version >= 1 else b""
                    send(client, correlation + error + bytes(4) + lifetime)
                    raise
                answer = struct.pack(">hhi", 0, -1, len(answer)) + answer
                lifetime = struct.pack(">q", 3_600_000) if version >= 1 else b""
                send(client, correlation + answer + lifetime)
                if done:
                    return
            else:
                raise Refused

    def versions(self, version, frame, broker):
        """What the broker knows, and logins."""
        if version > 0:
            return struct.pack(">hi", UNSUPPORTED_VERSION, 1) + struct.pack(">hhh", API_VERSIONS, 0, 0)
        send(broker, frame)
        answer = receive(broker)[4:]
        (count,) = struct.unpack(">i", answer[2:6])
        known = answer[6 : 6 + 6 * count]
        own = struct.pack(">hhhhhh", SASL_HANDSHAKE, 0, 1, SASL_AUTHENTICATE, 0, 1)
        return answer[:2] + struct.pack(">i", count + 2) + known + own

    def conversation(self):
        if self.mechanism == "PLAIN":
            return self.plain()
        return self.scram(self.mechanism.removeprefix("SCRAM-").replace("-", "").lower())

    def plain(self):
        message = yield
        if message.split(b"\0") != [b"", self.user.encode(), self.password.encode()]:
            raise Refused
        yield b"", True

    def scram(self, name):
        def keyed(key, text):
            return hmac.new(key, text, name).digest()

        first = (yield).decode()
        bare = first.removeprefix("n,,")
        user, nonce = (field[2:] for field in bare.split(","))
        nonce += base64.b64encode(os.urandom(12)).decode()
        salt, rounds = os.urandom(16), 4096
        challenge = f"r={nonce},s={base64.b64encode(salt).decode()},i={rounds}"
        last = (yield challenge.encode(), False).decode()
        without_proof, proof = last.rsplit(",p=", 1)
        signed = f"{bare},{challenge},{without_proof}".encode()
        salted = hashlib.pbkdf2_hmac(name, self.password.encode(), salt, rounds)
        stored = hashlib.new(name, keyed(salted, b"Client Key")).digest()
        signature = keyed(stored, signed)
        client_key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature))
        is_proven = hmac.compare_digest(hashlib.new(name, client_key).digest(), stored)
        if not is_proven or user != self.user or without_proof != f"c=biws,r={nonce}":
            raise Refused
        proof = keyed(keyed(salted, b"Server Key"), signed)
        yield b"v=" + base64.b64encode(proof), True


def request(client):
    """Key, version, correlation, and the body of a request; and all of it."""
    frame = receive(client)
    key, version, _, name = struct.unpack(">hhih", frame[:10])
    return key, version, frame[4:8], frame[10 + max(name, 0) :], frame


def receive(peer):
    (length,) = struct.unpack(">i", exactly(peer, 4))
    return exactly(peer, length)


def exactly(peer, length):
    taken = b""
    while len(taken) < length:
        more = peer.recv(length - len(taken))
        if not more:
            raise ConnectionError
        taken += more
    return taken


def send(peer, message):
    peer.sendall(struct.pack(">i", len(message)) + message)


def carry(source, target):
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
