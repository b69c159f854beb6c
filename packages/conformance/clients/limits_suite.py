"""boto3 beyond a limit of requests: it backs off by itself, and everything is done in the end.

Requests are sent from many threads: one after the other, a slow machine may stay below the limit by itself, and is right not to be refused.
"""
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, key, secret, per_second = sys.argv[1:5]
threads = 16


def client(attempts):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(
            s3={"addressing_style": "path"},
            retries={"mode": "standard", "max_attempts": attempts},
            max_pool_connections=threads,
        ),
    )


def refusal(hasty):
    try:
        hasty.list_buckets()
        return None
    except ClientError as refused:
        return refused.response


patient = client(20)
patient.create_bucket(Bucket="limited")
keys = [f"k{at}" for at in range(24)]
with ThreadPoolExecutor(threads) as pool:
    retried = 0
    until = time.monotonic() + 180
    # All threads together may be that slow, too: then once more.
    while retried == 0:
        assert time.monotonic() < until, "no request was over the limit"
        began = time.monotonic()
        done = list(pool.map(lambda name: patient.put_object(Bucket="limited", Key=name, Body=b"x" * 5000), keys))
        took = time.monotonic() - began
        retried = sum(one["ResponseMetadata"]["RetryAttempts"] for one in done)
        # A limit gives what it gives in a second at once, and then its rate.
        most = int(per_second) * (1 + took)
        assert len(keys) <= most, f"{len(keys)} requests came through in {took} s"

    hasty = client(1)
    until = time.monotonic() + 180
    refused = None
    while refused is None and time.monotonic() < until:
        answers = pool.map(lambda _: refusal(hasty), range(threads))
        refused = next((answer for answer in answers if answer), None)
    assert refused, f"{threads} requests at once were never refused"
    assert refused["Error"]["Code"] == "SlowDown", refused
    assert refused["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert refused["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
for name in keys:
    patient.delete_object(Bucket="limited", Key=name)
patient.delete_bucket(Bucket="limited")
