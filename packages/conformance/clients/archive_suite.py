"""Archived objects with boto3: refused, restored, read, copied, and archived again, against one endpoint whose GLACIER is an archive and whose days are short."""
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

s3 = boto3.client("s3", endpoint_url=sys.argv[1], config=Config(s3={"addressing_style": "path"}))
bucket = "archive"
s3.create_bucket(Bucket=bucket)
s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response["Error"]
        return error.response["Error"]
    raise AssertionError(f"expected {code}")


def until(what, condition, seconds=180):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError(f"never came: {what}")


body = b"cold" * 5000
put = s3.put_object(Bucket=bucket, Key="k", Body=body, StorageClass="GLACIER")
error = refused("InvalidObjectState", s3.get_object, Bucket=bucket, Key="k")
assert error["StorageClass"] == "GLACIER", error
refused("InvalidObjectState", s3.copy_object, Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"})
refused("InvalidObjectState", s3.restore_object, Bucket=bucket, Key="k", VersionId=s3.put_object(Bucket=bucket, Key="k", Body=b"new")["VersionId"], RestoreRequest={"Days": 1})

# The version below, by its id.
one = {"Bucket": bucket, "Key": "k", "VersionId": put["VersionId"]}
asked = s3.restore_object(**one, RestoreRequest={"Days": 60, "GlacierJobParameters": {"Tier": "Bulk"}})
assert asked["ResponseMetadata"]["HTTPStatusCode"] == 202, asked
until("restored", lambda: 'ongoing-request="false"' in s3.head_object(**one).get("Restore", ""))
got = s3.get_object(**one)
assert got["Body"].read() == body and got["StorageClass"] == "GLACIER" and "expiry-date=" in got["Restore"], got
s3.copy_object(Bucket=bucket, Key="warm", CopySource={**one})
assert s3.get_object(Bucket=bucket, Key="warm")["Body"].read() == body
listed = s3.list_object_versions(Bucket=bucket, Prefix="k", OptionalObjectAttributes=["RestoreStatus"])["Versions"]
status = [version["RestoreStatus"] for version in listed if "RestoreStatus" in version]
assert len(status) == 1 and status[0]["IsRestoreInProgress"] is False and status[0]["RestoreExpiryDate"], listed
assert "RestoreStatus" not in s3.list_objects_v2(Bucket=bucket, OptionalObjectAttributes=["RestoreStatus"])["Contents"][0]

# Sooner than it was, and the midnight of a short day.
again = s3.restore_object(**one, RestoreRequest={"Days": 1})
assert again["ResponseMetadata"]["HTTPStatusCode"] == 200, again
until("archived again", lambda: "Restore" not in s3.head_object(**one))
refused("InvalidObjectState", s3.get_object, **one)
print("ok")
