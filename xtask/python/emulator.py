"""Makes a Kinesis stream in the emulator, or reads one back.

    python emulator.py ENDPOINT create STREAM
    python emulator.py ENDPOINT records STREAM     a JSON list of the records' data
"""

import json
import sys

import boto3


def main(endpoint, command, stream):
    kinesis = boto3.client(
        "kinesis",
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="emulator",
        aws_secret_access_key="emulator",
    )
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
