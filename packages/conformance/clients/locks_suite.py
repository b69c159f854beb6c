"""Object lock and keys of customers with boto3 as it is; ends non-zero at the first surprise."""
import datetime
import io
import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, marker = sys.argv[1:3]
s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))
MIB = 1 << 20


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response["Error"]
        return error
    raise AssertionError(f"expected {code}")


def ahead(**period):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**period)).replace(microsecond=0)


# A bucket that locks, and its default retention.
s3.create_bucket(Bucket="locks", ObjectLockEnabledForBucket=True)
assert s3.get_bucket_versioning(Bucket="locks")["Status"] == "Enabled"
assert s3.get_object_lock_configuration(Bucket="locks")["ObjectLockConfiguration"] == {"ObjectLockEnabled": "Enabled"}
refused("InvalidBucketState", s3.put_bucket_versioning, Bucket="locks", VersioningConfiguration={"Status": "Suspended"})
configuration = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
s3.put_object_lock_configuration(Bucket="locks", ObjectLockConfiguration=configuration)
assert s3.get_object_lock_configuration(Bucket="locks")["ObjectLockConfiguration"] == configuration

put = s3.put_object(Bucket="locks", Key="default", Body=b"bytes")
head = s3.head_object(Bucket="locks", Key="default")
left = head["ObjectLockRetainUntilDate"] - datetime.datetime.now(datetime.timezone.utc)
assert head["ObjectLockMode"] == "GOVERNANCE" and 0.99 < left / datetime.timedelta(days=1) <= 1, head
refused("AccessDenied", s3.delete_object, Bucket="locks", Key="default", VersionId=put["VersionId"])
batch = s3.delete_objects(Bucket="locks", Delete={"Objects": [{"Key": "default", "VersionId": put["VersionId"]}]})
assert batch["Errors"][0]["Code"] == "AccessDenied" and "Deleted" not in batch, batch
s3.delete_object(Bucket="locks", Key="default", VersionId=put["VersionId"], BypassGovernanceRetention=True)

# What a version says itself, changed as its mode allows.
until = ahead(days=2)
put = s3.put_object(Bucket="locks", Key="own", Body=b"bytes", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until, ObjectLockLegalHoldStatus="ON")
kept = s3.get_object_retention(Bucket="locks", Key="own")["Retention"]
assert kept == {"Mode": "COMPLIANCE", "RetainUntilDate": until}, kept
refused("AccessDenied", s3.put_object_retention, Bucket="locks", Key="own", Retention={"Mode": "COMPLIANCE", "RetainUntilDate": ahead(days=1)}, BypassGovernanceRetention=True)
s3.put_object_retention(Bucket="locks", Key="own", Retention={"Mode": "COMPLIANCE", "RetainUntilDate": ahead(days=3)})
assert s3.get_object_legal_hold(Bucket="locks", Key="own")["LegalHold"] == {"Status": "ON"}
s3.put_object_legal_hold(Bucket="locks", Key="own", LegalHold={"Status": "OFF"})
refused("AccessDenied", s3.delete_object, Bucket="locks", Key="own", VersionId=put["VersionId"], BypassGovernanceRetention=True)
refused("InvalidArgument", s3.put_object, Bucket="locks", Key="past", Body=b"", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=ahead(days=-1))

# Uploads by parts, and copies.
s3.upload_fileobj(io.BytesIO(os.urandom(11 * MIB)), "locks", "parts", ExtraArgs={"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}, Config=TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB))
assert s3.head_object(Bucket="locks", Key="parts")["ObjectLockRetainUntilDate"] == until
s3.copy_object(Bucket="locks", Key="copied", CopySource="locks/own")
assert s3.head_object(Bucket="locks", Key="copied")["ObjectLockMode"] == "GOVERNANCE"

# A bucket that is there already.
s3.create_bucket(Bucket="later")
refused("InvalidBucketState", s3.put_object_lock_configuration, Bucket="later", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
refused("InvalidRequest", s3.put_object, Bucket="later", Key="k", Body=b"", ObjectLockLegalHoldStatus="ON")
s3.put_bucket_versioning(Bucket="later", VersioningConfiguration={"Status": "Enabled"})
s3.put_object_lock_configuration(Bucket="later", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
s3.put_object(Bucket="later", Key="k", Body=b"", ObjectLockLegalHoldStatus="ON")
refused("BucketNotEmpty", s3.delete_bucket, Bucket="later")

# Keys of customers.
s3.create_bucket(Bucket="keys")
mine = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": marker.encode()[:32].ljust(32, b"k")}
other = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
small = (marker * 40).encode()
large = (marker * 200_000).encode()
for name, body in [("small", small), ("large", large)]:
    put = s3.put_object(Bucket="keys", Key=name, Body=body, **mine)
    assert put["SSECustomerAlgorithm"] == "AES256" and "ServerSideEncryption" not in put, put
    assert s3.get_object(Bucket="keys", Key=name, **mine)["Body"].read() == body
    assert s3.get_object(Bucket="keys", Key=name, Range="bytes=7-99", **mine)["Body"].read() == body[7:100]
    refused("InvalidRequest", s3.get_object, Bucket="keys", Key=name)
    refused("AccessDenied", s3.get_object, Bucket="keys", Key=name, **other)
    source = {f"CopySource{name}": value for name, value in mine.items()}
    s3.copy_object(Bucket="keys", Key=f"{name}-other", CopySource=f"keys/{name}", **source, **other)
    assert s3.get_object(Bucket="keys", Key=f"{name}-other", **other)["Body"].read() == body
    s3.copy_object(Bucket="keys", Key=f"{name}-none", CopySource=f"keys/{name}", **source)
    assert s3.get_object(Bucket="keys", Key=f"{name}-none")["Body"].read() == body
s3.upload_fileobj(io.BytesIO(large), "keys", "parts", ExtraArgs=mine, Config=TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB))
got = io.BytesIO()
s3.download_fileobj("keys", "parts", got, ExtraArgs=mine, Config=TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB))
assert got.getvalue() == large
print("ok")
