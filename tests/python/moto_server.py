"""moto, with S3's own name for the answer to ListParts: moto 5.2.5 calls it ListPartsResponse, which clients
that look at the name do not take. Arguments: those of moto.server."""

from moto.core.serialize import S3Serializer
from moto.server import main

serialize_body = S3Serializer._serialize_body


def with_names_of_s3(self, body):
    names = {"ListPartsResponse": "ListPartsResult"}
    return serialize_body(self, {names.get(name, name): value for name, value in body.items()})


S3Serializer._serialize_body = with_names_of_s3

if __name__ == "__main__":
    main()
