"""A credentials provider as AWS IoT Core has it, for one device. Argument: a folder.

It writes there the certificate of its authority (ca.pem), those of its device (device.pem, device.key),
and, once it listens, its port. It answers who shows the device's certificate, and names its thing.
"""

import datetime
import http.server
import json
import os
import pathlib
import ssl
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ALIAS = "/role-aliases/Edge/credentials"
CREDENTIALS = {
    "accessKeyId": "ASIAIOT",
    "secretAccessKey": "a-secret-of-iot",
    "sessionToken": "a-token-of-iot",
    "expiration": "2099-01-31T23:59:59Z",
}


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, key, issuer, issuer_key, is_authority=False):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    return builder.sign(issuer_key, hashes.SHA256())


def write(path, item):
    pem = serialization.Encoding.PEM
    if isinstance(item, x509.Certificate):
        path.write_bytes(item.public_bytes(pem))
    else:
        form = serialization.PrivateFormat.PKCS8
        path.write_bytes(item.private_bytes(pem, form, serialization.NoEncryption()))


class Provider(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != ALIAS:
            self.answer(404, {"message": "Role alias does not exist"})
        elif self.headers["x-amzn-iot-thingname"] != "press-4":
            self.answer(403, {"message": "Access Denied"})
        else:
            self.answer(200, {"credentials": CREDENTIALS})

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def main(folder):
    folder = pathlib.Path(folder)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    write(folder / "ca.pem", certificate("authority", authority_key, "authority", authority_key, True))
    for subject, file in [("press-4", "device"), ("localhost", "server")]:
        key = ec.generate_private_key(ec.SECP256R1())
        write(folder / f"{file}.key", key)
        write(folder / f"{file}.pem", certificate(subject, key, "authority", authority_key))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    (folder / "port.new").write_text(str(server.server_port))
    os.rename(folder / "port.new", folder / "port")
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
