"""Makes a bucket in the emulator, or reads all of its objects back with other people's libraries.

    python s3_bucket.py ENDPOINT create BUCKET
    python s3_bucket.py ENDPOINT objects BUCKET

The second prints a JSON list in the order of keys. Each object has its key, what S3 tells of it, and its
rows: number, time and payload (as latin-1), read by gzip, zstd or Parquet as the key's ending says.
"""

import gzip
import io
import json
import os
import sys
from base64 import b64decode

import boto3
import pyarrow
import pyarrow.parquet


def unpacked(key, body):
    if key.endswith(".gz"):
        return gzip.decompress(body)
    if key.endswith(".zst"):
        return pyarrow.input_stream(io.BytesIO(body), compression="zstd").read()
    return body


def line(text):
    row = json.loads(text)
    payload = row["payload"].encode()
    if row.get("encoding") == "base64":
        payload = b64decode(payload)
    return [row["sequenceNumber"], row["ingestTime"], payload.decode("latin-1")]


def rows(key, body):
    if not key.endswith(".parquet"):
        return [line(text) for text in unpacked(key, body).splitlines()]
    table = pyarrow.parquet.read_table(io.BytesIO(body))
    times = table["ingest_time"].cast(pyarrow.int64())
    payloads = table["payload"].cast(pyarrow.binary())
    return [
        [number.as_py(), time.as_py(), payload.as_py().decode("latin-1")]
        for number, time, payload in zip(table["sequence_number"], times, payloads)
    ]


def described(key, body):
    """What a Parquet file says of its columns and pages."""
    if not key.endswith(".parquet"):
        return None
    file = pyarrow.parquet.ParquetFile(io.BytesIO(body))
    group = file.metadata.row_group(0)
    return {
        "types": [str(field.type) for field in file.schema_arrow],
        "compression": [group.column(place).compression for place in range(3)],
        "stream": file.metadata.metadata[b"millstream.stream"].decode(),
    }


def main(endpoint, command, bucket):
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="emulator",
        aws_secret_access_key="emulator",
    )
    if command == "create":
        where = {"LocationConstraint": "eu-central-1"}
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
        return
    objects = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", []):
            key = found["Key"]
            answer = s3.get_object(Bucket=bucket, Key=key)
            body = answer["Body"].read()
            objects.append(
                {
                    "key": key,
                    "contentType": answer["ContentType"],
                    "contentEncoding": answer.get("ContentEncoding"),
                    "storageClass": answer.get("StorageClass"),
                    "encryption": answer.get("ServerSideEncryption"),
                    "metadata": answer["Metadata"],
                    "rows": rows(key, body),
                    "parquet": described(key, body),
                }
            )
    json.dump(objects, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
    # Arrow's threads sometimes abort the interpreter when it ends (apache/arrow issue 34314).
    sys.stdout.flush()
    os._exit(0)
