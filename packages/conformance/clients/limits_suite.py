"""boto3 beyond a limit of requests: it backs off by itself, and everything is done in the end."""
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, key, secret = sys.argv[1:4]


def client(attempts):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "max_attempts": attempts}),
    )


patient = client(10)
patient.create_bucket(Bucket="limited")
began = time.monotonic()
retried = 0
for at in range(12):
    done = patient.put_object(Bucket="limited", Key=f"k{at}", Body=b"x" * 5000)
    retried += done["ResponseMetadata"]["RetryAttempts"]
assert retried > 0, "no request was over the limit"
assert time.monotonic() - began > 1.0, "twelve requests came through at four a second"

hasty = client(1)
try:
    for _ in range(10):
        hasty.list_buckets()
    raise AssertionError("ten requests at once were not refused")
except ClientError as refused:
    assert refused.response["Error"]["Code"] == "SlowDown", refused.response
    assert refused.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert refused.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
for at in range(12):
    patient.delete_object(Bucket="limited", Key=f"k{at}")
patient.delete_bucket(Bucket="limited")
