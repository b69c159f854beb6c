"""boto3 with its default settings (CRC checksums in trailers) against one endpoint; ends non-zero at the first surprise."""
import hashlib
import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint = sys.argv[1]
s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}))
MIB = 1 << 20


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response["Error"]
        return error
    raise AssertionError(f"expected {code}")


s3.create_bucket(Bucket="boto")
assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["boto"]

# Whole objects, every checksum algorithm, read back with the checksum checked by the client.
for algorithm in ["CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"]:
    body = os.urandom(100_000)
    arguments = {"ChecksumAlgorithm": algorithm}
    try:
        put = s3.put_object(Bucket="boto", Key=f"sum/{algorithm}", Body=body, **arguments)
    except Exception as error:  # CRC32C and CRC64NVME need the optional native package on the client
        if "CRT" in str(error) or "crt" in str(error):
            continue
        raise
    assert put[f"Checksum{algorithm}"]
    got = s3.get_object(Bucket="boto", Key=f"sum/{algorithm}", ChecksumMode="ENABLED")
    assert got["Body"].read() == body
    assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]

# Streams of unknown content go as aws-chunked with a trailer.
path = "/tmp/dsom-boto3-stream"
with open(path, "wb") as file:
    file.write(os.urandom(3 * MIB + 17))
with open(path, "rb") as file:
    s3.put_object(Bucket="boto", Key="stream", Body=file)
with open(path, "rb") as file:
    want = file.read()
os.unlink(path)
assert s3.get_object(Bucket="boto", Key="stream")["Body"].read() == want

# Multipart by the transfer library, parts by number, ranges.
big = os.urandom(33 * MIB)
import io

s3.upload_fileobj(io.BytesIO(big), "boto", "big", Config=TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB))
head = s3.head_object(Bucket="boto", Key="big")
assert head["ContentLength"] == len(big) and head["ETag"].endswith('-5"'), head
out = io.BytesIO()
s3.download_fileobj("boto", "big", out)
assert hashlib.sha256(out.getvalue()).digest() == hashlib.sha256(big).digest()
assert s3.get_object(Bucket="boto", Key="big", Range="bytes=8388600-8388700")["Body"].read() == big[8388600:8388701]
part = s3.get_object(Bucket="boto", Key="big", PartNumber=5)
assert part["Body"].read() == big[32 * MIB :] and part["PartsCount"] == 5

# Conditional writes and reads.
refused("PreconditionFailed", s3.put_object, Bucket="boto", Key="big", Body=b"x", IfNoneMatch="*")
refused("PreconditionFailed", s3.put_object, Bucket="boto", Key="big", Body=b"x", IfMatch='"0"')
s3.put_object(Bucket="boto", Key="only-new", Body=b"x", IfNoneMatch="*")
refused("304", s3.head_object, Bucket="boto", Key="big", IfNoneMatch=head["ETag"])
refused("NoSuchKey", s3.get_object, Bucket="boto", Key="missing")
refused("NoSuchBucket", s3.list_objects_v2, Bucket="missing-bucket")

# Copy, metadata, tags.
s3.copy_object(Bucket="boto", Key="copy", CopySource={"Bucket": "boto", "Key": "big"}, MetadataDirective="REPLACE", Metadata={"n": "v"})
assert s3.head_object(Bucket="boto", Key="copy")["Metadata"] == {"n": "v"}
s3.put_object_tagging(Bucket="boto", Key="copy", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
assert s3.get_object_tagging(Bucket="boto", Key="copy")["TagSet"] == [{"Key": "k", "Value": "v"}]
upload = s3.create_multipart_upload(Bucket="boto", Key="parts")["UploadId"]
one = s3.upload_part_copy(Bucket="boto", Key="parts", UploadId=upload, PartNumber=1, CopySource="boto/big", CopySourceRange=f"bytes=0-{6 * MIB - 1}")
two = s3.upload_part(Bucket="boto", Key="parts", UploadId=upload, PartNumber=2, Body=b"tail")
assert len(s3.list_parts(Bucket="boto", Key="parts", UploadId=upload)["Parts"]) == 2
s3.complete_multipart_upload(Bucket="boto", Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": one["CopyPartResult"]["ETag"]}, {"PartNumber": 2, "ETag": two["ETag"]}]})
assert s3.get_object(Bucket="boto", Key="parts")["Body"].read() == big[: 6 * MIB] + b"tail"

# Versions.
s3.put_bucket_versioning(Bucket="boto", VersioningConfiguration={"Status": "Enabled"})
first = s3.put_object(Bucket="boto", Key="v", Body=b"1")["VersionId"]
s3.put_object(Bucket="boto", Key="v", Body=b"2")
s3.delete_object(Bucket="boto", Key="v")
refused("NoSuchKey", s3.get_object, Bucket="boto", Key="v")
assert s3.get_object(Bucket="boto", Key="v", VersionId=first)["Body"].read() == b"1"
listed = s3.list_object_versions(Bucket="boto", Prefix="v")
assert len(listed["Versions"]) == 2 and len(listed["DeleteMarkers"]) == 1

# Listing with pages and a delimiter; unusual keys.
keys = [f"list/{i:03d}" for i in range(25)] + ["list/dir/a", "list/dir/b", "list/ünï code+&=?#.txt", "list/🔑"]
for key in keys:
    s3.put_object(Bucket="boto", Key=key, Body=key.encode())
found = [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="boto", Prefix="list/", PaginationConfig={"PageSize": 7}) for o in page.get("Contents", [])]
assert found == sorted(keys, key=lambda k: k.encode()), found
page = s3.list_objects_v2(Bucket="boto", Prefix="list/", Delimiter="/")
assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["list/dir/"]
for key in keys:
    assert s3.get_object(Bucket="boto", Key=key)["Body"].read() == key.encode()
answer = s3.delete_objects(Bucket="boto", Delete={"Objects": [{"Key": key} for key in keys]})
assert len(answer["Deleted"]) == len(keys)

# Lifecycles: every element there and back, as boto3 names them.
refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket="boto")
rules = [
    {"ID": "logs", "Filter": {"Prefix": "logs/"}, "Status": "Enabled", "Expiration": {"Days": 3}},
    {"ID": "tagged", "Filter": {"Tag": {"Key": "k", "Value": "v"}}, "Status": "Disabled", "Expiration": {"Days": 9}},
    {
        "ID": "several",
        "Filter": {"And": {"Prefix": "a/", "Tags": [{"Key": "x", "Value": "1"}, {"Key": "y", "Value": ""}], "ObjectSizeGreaterThan": 10, "ObjectSizeLessThan": 1000}},
        "Status": "Enabled",
        "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}],
        "NoncurrentVersionTransitions": [{"NoncurrentDays": 30, "StorageClass": "STANDARD_IA", "NewerNoncurrentVersions": 2}],
        "NoncurrentVersionExpiration": {"NoncurrentDays": 90, "NewerNoncurrentVersions": 5},
    },
    {"ID": "rest", "Filter": {}, "Status": "Enabled", "Expiration": {"ExpiredObjectDeleteMarker": True}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
]
put = s3.put_bucket_lifecycle_configuration(Bucket="boto", LifecycleConfiguration={"Rules": rules}, TransitionDefaultMinimumObjectSize="varies_by_storage_class")
assert put["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class", put
kept = s3.get_bucket_lifecycle_configuration(Bucket="boto")
assert kept["Rules"] == rules, kept["Rules"]
assert kept["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
put = s3.put_object(Bucket="boto", Key="logs/today", Body=b"x")
assert 'rule-id="logs"' in put["Expiration"] and "00:00:00 GMT" in put["Expiration"], put
assert s3.head_object(Bucket="boto", Key="logs/today")["Expiration"] == put["Expiration"]
assert "Expiration" not in s3.head_object(Bucket="boto", Key="stream")
begun = s3.create_multipart_upload(Bucket="boto", Key="never completed")
assert begun["AbortRuleId"] == "rest" and begun["AbortDate"].hour == 0, begun
s3.abort_multipart_upload(Bucket="boto", Key="never completed", UploadId=begun["UploadId"])
refused("InvalidObjectState", s3.restore_object, Bucket="boto", Key="stream", RestoreRequest={"Days": 1})
refused("InvalidStorageClass", s3.put_bucket_lifecycle_configuration, Bucket="boto", LifecycleConfiguration={"Rules": [{"Filter": {}, "Status": "Enabled", "Transitions": [{"Days": 1, "StorageClass": "DEEP_ARCHIVE"}]}]})
refused("InvalidArgument", s3.put_bucket_lifecycle_configuration, Bucket="boto", LifecycleConfiguration={"Rules": [{"Filter": {}, "Status": "Enabled", "Expiration": {"Days": 0}}]})
s3.delete_bucket_lifecycle(Bucket="boto")
refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket="boto")
print("ok")
