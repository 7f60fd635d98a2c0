"""Makes what plugins export to in the emulator, or reads it back.

    python aws_emulated.py ENDPOINT firehose-create STREAM    with a bucket of the same name behind it
    python aws_emulated.py ENDPOINT firehose-read STREAM      the objects of the bucket, one after the other
    python aws_emulated.py ENDPOINT logs-create GROUP
    python aws_emulated.py ENDPOINT logs-read GROUP STREAM    a JSON list of [timestamp, message]
"""

import json
import sys

import boto3


def main(endpoint, command, *names):
    def client(service):
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name="eu-central-1",
            aws_access_key_id="emulator",
            aws_secret_access_key="emulator",
        )

    if command == "firehose-create":
        (stream,) = names
        location = {"LocationConstraint": "eu-central-1"}
        client("s3").create_bucket(Bucket=stream, CreateBucketConfiguration=location)
        client("firehose").create_delivery_stream(
            DeliveryStreamName=stream,
            ExtendedS3DestinationConfiguration={
                "RoleARN": "arn:aws:iam::123456789012:role/firehose",
                "BucketARN": f"arn:aws:s3:::{stream}",
            },
        )
    elif command == "firehose-read":
        (stream,) = names
        s3 = client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=stream)
        objects = [entry for page in pages for entry in page.get("Contents", [])]
        objects.sort(key=lambda entry: (entry["LastModified"], entry["Key"]))
        for entry in objects:
            body = s3.get_object(Bucket=stream, Key=entry["Key"])["Body"].read()
            sys.stdout.buffer.write(body)
    elif command == "logs-create":
        (group,) = names
        client("logs").create_log_group(logGroupName=group)
    elif command == "logs-read":
        group, stream = names
        logs = client("logs")
        events, token = [], None
        while True:
            more = {"nextToken": token} if token else {}
            page = logs.get_log_events(
                logGroupName=group, logStreamName=stream, startFromHead=True, **more
            )
            events += [[event["timestamp"], event["message"]] for event in page["events"]]
            if page["nextForwardToken"] == token or not page["events"]:
                break
            token = page["nextForwardToken"]
        json.dump(events, sys.stdout)
    else:
        sys.exit(f"there is no command {command}")


if __name__ == "__main__":
    main(*sys.argv[1:])
