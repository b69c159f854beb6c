"""boto3 with policies of buckets, access control lists and blocks of public access; ends non-zero at the first surprise.

Arguments: endpoint, then access key id, secret and account of a user of another account.
"""
import io
import json
import sys
import urllib.error
import urllib.request

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, key, secret, account = sys.argv[1:]


def client(name="s3", **more):
    config = more.pop("config", Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    return boto3.client(name, endpoint_url=endpoint, region_name="us-east-1", config=config, **more)


root = client()
iam = client("iam", config=Config())
other = client(aws_access_key_id=key, aws_secret_access_key=secret)
nobody = client(config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}))


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response["Error"]
        return error.response["Error"]["Message"]
    raise AssertionError(f"expected {code} of {call} {arguments}")


def curl(path):
    """What somebody without a client of S3 gets."""
    try:
        with urllib.request.urlopen(f"{endpoint}/{path}") as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def rule(effect, principal, actions, *resources, **condition):
    statement = {"Effect": effect, "Principal": principal, "Action": actions, "Resource": list(resources)}
    return {**statement, "Condition": condition} if condition else statement


def put(bucket, *statements):
    root.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


bucket = "policies"
everything = f"arn:aws:s3:::{bucket}/*"
root.create_bucket(Bucket=bucket)
for name in ["public/a.txt", "private/a.txt", "secret/a.txt"]:
    root.put_object(Bucket=bucket, Key=name, Body=name.encode())

# Nobody without a policy.
assert curl(f"{bucket}/public/a.txt")[0] == 403
refused("NoSuchBucketPolicy", root.get_bucket_policy, Bucket=bucket)
refused("AccessDenied", other.get_object, Bucket=bucket, Key="public/a.txt")

# Public reading of a prefix.
put(bucket, rule("Allow", "*", "s3:GetObject", f"arn:aws:s3:::{bucket}/public/*"))
assert json.loads(root.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"][0]["Action"] == "s3:GetObject"
assert root.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
assert curl(f"{bucket}/public/a.txt") == (200, b"public/a.txt")
assert nobody.get_object(Bucket=bucket, Key="public/a.txt")["Body"].read() == b"public/a.txt"
assert curl(f"{bucket}/private/a.txt")[0] == 403
assert curl(f"{bucket}/public/missing")[0] == 403
refused("AccessDenied", nobody.list_objects_v2, Bucket=bucket)
refused("AccessDenied", nobody.put_object, Bucket=bucket, Key="public/b.txt", Body=b"x")
link = root.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "private/a.txt"}, ExpiresIn=60)
assert curl(link.removeprefix(f"{endpoint}/")) == (200, b"private/a.txt")

# A user with rights of his own, and a prefix that is denied to everyone but the root.
iam.create_user(UserName="reader")
made = iam.create_access_key(UserName="reader")["AccessKey"]
reader = client(aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"])
arn = iam.get_user(UserName="reader")["User"]["Arn"]
refused("AccessDenied", reader.get_object, Bucket=bucket, Key="private/a.txt")
put(
    bucket,
    rule("Allow", {"AWS": arn}, ["s3:GetObject", "s3:ListBucket"], everything, f"arn:aws:s3:::{bucket}"),
    rule("Deny", "*", "s3:*", f"arn:aws:s3:::{bucket}/secret/*"),
    rule("Allow", {"AWS": account}, ["s3:ListBucket"], f"arn:aws:s3:::{bucket}", StringLike={"s3:prefix": "public/*"}),
    rule("Allow", {"AWS": account}, ["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{bucket}/public/*"),
)
assert root.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False
assert reader.get_object(Bucket=bucket, Key="private/a.txt")["Body"].read() == b"private/a.txt"
message = refused("AccessDenied", reader.get_object, Bucket=bucket, Key="secret/a.txt")
assert arn in message and "s3:GetObject" in message, message
refused("AccessDenied", root.get_object, Bucket=bucket, Key="secret/a.txt")
refused("AccessDenied", reader.put_object, Bucket=bucket, Key="private/b.txt", Body=b"x")
refused("NoSuchKey", reader.get_object, Bucket=bucket, Key="private/missing")
deleted = root.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "secret/a.txt"}, {"Key": "private/none"}]})
assert [e["Code"] for e in deleted["Errors"]] == ["AccessDenied"] and len(deleted["Deleted"]) == 1
refused("AccessDenied", root.copy_object, Bucket=bucket, Key="private/c", CopySource=f"{bucket}/secret/a.txt")

# Another account, as far as the policy goes.
assert other.list_objects_v2(Bucket=bucket, Prefix="public/")["KeyCount"] == 1
refused("AccessDenied", other.list_objects_v2, Bucket=bucket)
other.put_object(Bucket=bucket, Key="public/theirs", Body=b"theirs")
assert root.get_object(Bucket=bucket, Key="public/theirs")["Body"].read() == b"theirs"
refused("AccessDenied", other.get_bucket_policy, Bucket=bucket)
assert bucket not in [b["Name"] for b in other.list_buckets()["Buckets"]]

# What a connection is: everything here goes over TLS.
deny = lambda **condition: put(bucket, rule("Deny", "*", "s3:GetObject", everything, **condition))
deny(Bool={"aws:SecureTransport": "false"})
assert root.get_object(Bucket=bucket, Key="private/a.txt")["Body"].read() == b"private/a.txt"
deny(NumericLessThan={"s3:TlsVersion": "1.2"})
assert root.get_object(Bucket=bucket, Key="private/a.txt")["Body"].read() == b"private/a.txt"
deny(Bool={"aws:SecureTransport": "true"})
refused("AccessDenied", root.get_object, Bucket=bucket, Key="private/a.txt")
deny(NumericGreaterThanEquals={"s3:TlsVersion": "1.2"})
refused("AccessDenied", root.get_object, Bucket=bucket, Key="private/a.txt")
deny(Null={"dsom:DeviceId": "true"})
refused("AccessDenied", root.get_object, Bucket=bucket, Key="private/a.txt")

# Bodies over TLS are not signed but checked: in chunks with a checksum behind them, also nobody's, in parts, by a presigned URL.
put(bucket, rule("Allow", "*", "s3:PutObject", f"arn:aws:s3:::{bucket}/parts/*"))
nobody.put_object(Bucket=bucket, Key="parts/nobody", Body=io.BytesIO(b"nobody's"))
assert root.get_object(Bucket=bucket, Key="parts/nobody")["Body"].read() == b"nobody's"
root.delete_bucket_policy(Bucket=bucket)
root.put_object(Bucket=bucket, Key="parts/chunks", Body=io.BytesIO(b"x" * 200_000))
assert root.head_object(Bucket=bucket, Key="parts/chunks", ChecksumMode="ENABLED")["ChecksumCRC32"]
root.upload_fileobj(io.BytesIO(bytes(12 << 20)), bucket, "parts/large")
assert root.head_object(Bucket=bucket, Key="parts/large")["ContentLength"] == 12 << 20
link = root.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "parts/link"}, ExpiresIn=60)
assert link.startswith("https://")
with urllib.request.urlopen(urllib.request.Request(link, data=b"by link", method="PUT")) as answer:
    assert answer.status == 200

# Texts that are no policies.
for text in ["{", "{}", json.dumps({"Version": "2012-10-17", "Statement": [rule("Allow", "*", "s3:GetObjekt", everything)]})]:
    refused("MalformedPolicy", root.put_bucket_policy, Bucket=bucket, Policy=text)
root.delete_bucket_policy(Bucket=bucket)
refused("AccessDenied", reader.get_object, Bucket=bucket, Key="private/a.txt")

# Blocks of public access.
block = {name: False for name in ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]}
root.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={**block, "BlockPublicPolicy": True})
public = json.dumps({"Version": "2012-10-17", "Statement": [rule("Allow", "*", "s3:GetObject", everything)]})
refused("AccessDenied", root.put_bucket_policy, Bucket=bucket, Policy=public)
root.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={**block, "RestrictPublicBuckets": True})
root.put_bucket_policy(Bucket=bucket, Policy=public)
assert curl(f"{bucket}/private/a.txt")[0] == 403
root.delete_public_access_block(Bucket=bucket)
assert curl(f"{bucket}/private/a.txt")[0] == 200
root.delete_bucket_policy(Bucket=bucket)

# Access control lists: off, until the ownership of objects turns them on.
refused("AccessControlListNotSupported", root.put_object_acl, Bucket=bucket, Key="public/a.txt", ACL="public-read")
refused("InvalidBucketAclWithObjectOwnership", root.create_bucket, Bucket="lists", ACL="public-read")
root.create_bucket(Bucket="lists", ObjectOwnership="ObjectWriter", ACL="public-read")
assert curl("lists?list-type=2")[0] == 200
root.put_object(Bucket="lists", Key="closed", Body=b"closed")
root.put_object(Bucket="lists", Key="open", Body=b"open", ACL="public-read")
assert curl("lists/open") == (200, b"open") and curl("lists/closed")[0] == 403
owner = root.get_bucket_acl(Bucket="lists")["Owner"]["ID"]
theirs = other.list_buckets()["Owner"]["ID"]
assert len(owner) == 64 and len(theirs) == 64 and owner != theirs
grants = [
    {"Grantee": {"Type": "CanonicalUser", "ID": owner}, "Permission": "FULL_CONTROL"},
    {"Grantee": {"Type": "CanonicalUser", "ID": theirs}, "Permission": "READ"},
]
root.put_object_acl(Bucket="lists", Key="closed", AccessControlPolicy={"Owner": {"ID": owner}, "Grants": grants})
assert other.get_object(Bucket="lists", Key="closed")["Body"].read() == b"closed"
got = root.get_object_acl(Bucket="lists", Key="closed")
assert [(g["Grantee"]["Type"], g["Grantee"]["ID"], g["Permission"]) for g in got["Grants"]] == [
    ("CanonicalUser", owner, "FULL_CONTROL"),
    ("CanonicalUser", theirs, "READ"),
]
root.put_bucket_acl(Bucket="lists", GrantWrite=f"id={theirs}", GrantFullControl=f"id={owner}")
other.put_object(Bucket="lists", Key="written", Body=b"theirs")
refused("AccessDenied", root.get_object, Bucket="lists", Key="written")
other.put_object(Bucket="lists", Key="given", Body=b"given", ACL="bucket-owner-full-control")
assert root.get_object(Bucket="lists", Key="given")["Body"].read() == b"given"
root.put_public_access_block(Bucket="lists", PublicAccessBlockConfiguration={**block, "IgnorePublicAcls": True})
assert curl("lists/open")[0] == 403
print("done")
