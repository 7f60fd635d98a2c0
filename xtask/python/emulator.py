"""Makes a Kinesis stream or a bucket in the emulator, or reads one back.

    python emulator.py ENDPOINT create STREAM
    python emulator.py ENDPOINT records STREAM     a JSON list of the records' data
    python emulator.py ENDPOINT create-bucket BUCKET
    python emulator.py ENDPOINT object BUCKET/KEY  what an object of S3 is, as JSON
"""

import hashlib
import json
import sys

import boto3


def client(service, endpoint):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="emulator",
        aws_secret_access_key="emulator",
    )


def main(endpoint, command, name):
    if command == "create-bucket":
        client("s3", endpoint).create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
    elif command == "object":
        bucket, key = name.split("/", 1)
        found = client("s3", endpoint).get_object(Bucket=bucket, Key=key)
        content = found["Body"].read()
        described = {
            "md5": hashlib.md5(content).hexdigest(),
            "tag": found["ETag"],
            "metadata": found["Metadata"],
        }
        json.dump(described, sys.stdout)
    else:
        of_kinesis(client("kinesis", endpoint), command, name)


def of_kinesis(kinesis, command, stream):
    if command == "create":
        kinesis.create_stream(StreamName=stream, ShardCount=1)
        kinesis.get_waiter("stream_exists").wait(StreamName=stream)
        return
    records = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while True:
            page = kinesis.get_records(ShardIterator=iterator, Limit=1000)
            records += [record["Data"].decode("latin-1") for record in page["Records"]]
            if not page["Records"]:
                break
            iterator = page["NextShardIterator"]
    json.dump(records, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
