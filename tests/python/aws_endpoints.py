"""Prints what botocore's own endpoint rules say, for every Region and variant: a JSON list of

    [service, bucket or null, path style, region, FIPS, dual stack, URL or null]
"""

import json
import sys

import botocore.session
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import BotoCoreError

# Name in botocore, and the operation whose host prefix counts.
SERVICES = {
    "firehose": "PutRecordBatch",
    "iotsitewise": "BatchPutAssetPropertyValue",
    "logs": "PutLogEvents",
    "s3": None,
}
BUCKETS = [("plant-7", False), ("plant-7", True), ("plant.7", False)]
S3_DEFAULTS = {
    "UseGlobalEndpoint": False,
    "Accelerate": False,
    "DisableMultiRegionAccessPoints": False,
}


def resolve(provider, prefix, **parameters):
    try:
        url = provider.resolve_endpoint(**parameters).url
    except BotoCoreError:
        return None
    return url.replace("https://", f"https://{prefix}")


def main():
    loader = botocore.session.get_session().get_component("data_loader")
    partitions = loader.load_data("partitions")
    regions = [
        region
        for partition in partitions["partitions"]
        for region in partition["regions"]
        if not region.startswith("aws-")  # stands for services without a Region
    ]
    table = []
    for service, operation in SERVICES.items():
        rules = loader.load_service_model(service, "endpoint-rule-set-1")
        provider = EndpointProvider(rules, partitions)
        prefix = ""
        if operation:
            model = loader.load_service_model(service, "service-2")
            prefix = model["operations"][operation].get("endpoint", {}).get("hostPrefix", "")
        for region in regions:
            for fips in (False, True):
                for dual_stack in (False, True):
                    place = {"Region": region, "UseFIPS": fips, "UseDualStack": dual_stack}
                    if service != "s3":
                        url = resolve(provider, prefix, **place)
                        table.append([service, None, False, region, fips, dual_stack, url])
                        continue
                    for bucket, path_style in BUCKETS:
                        parameters = {"Bucket": bucket, "ForcePathStyle": path_style}
                        url = resolve(provider, prefix, **place, **parameters, **S3_DEFAULTS)
                        table.append([service, bucket, path_style, region, fips, dual_stack, url])
    json.dump(table, sys.stdout)


if __name__ == "__main__":
    main()
