"""Named keys (SSE-KMS) with boto3 as it is, made and disabled by the dsom command; ends non-zero at the first surprise."""
import io
import json
import os
import subprocess
import sys
import urllib.request
import uuid

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, secret, *dsom = sys.argv[1:]
secret = bytes.fromhex(secret)
s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))
MIB = 1 << 20
PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)


def kms(*arguments):
    """What `dsom kms` says, row by row; its error, where it ends non-zero."""
    done = subprocess.run([*dsom, "kms", *arguments, "--json"], capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else done.stderr


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response["Error"]
        return error
    raise AssertionError(f"expected {code}")


def body_of(size):
    """Nothing shrinks it, and what must not be found on the disk is in its middle."""
    return os.urandom(size // 2) + secret + os.urandom(size // 2)


def read(key, bucket="named", **more):
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


[payroll] = kms("create", "payroll")
[other] = kms("create", "team/other")
assert payroll["alias"] == "alias/payroll" and payroll["arn"].endswith(f":key/{payroll['id']}") and payroll["state"] == "enabled", payroll
assert "There is a key payroll already" in kms("create", "payroll")
assert "dsom kms list" in kms("disable", "alias/nobody")
assert {key["id"] for key in kms("list")} == {payroll["id"], other["id"]}

# Each way to write, and what the answers say.
s3.create_bucket(Bucket="named")
by_payroll = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": payroll["arn"]}
context = {"SSEKMSEncryptionContext": "eyJhIjogImIifQ=="}
bodies = {"small": body_of(2000), "large": body_of(3 * MIB)}
for name, body in bodies.items():
    put = s3.put_object(Bucket="named", Key=name, Body=body, BucketKeyEnabled=True, **by_payroll, **context)
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"], put["BucketKeyEnabled"]) == ("aws:kms", payroll["arn"], True), put
    assert put["SSEKMSEncryptionContext"] == context["SSEKMSEncryptionContext"], put
    head = s3.head_object(Bucket="named", Key=name)
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"], head["BucketKeyEnabled"]) == ("aws:kms", payroll["arn"], True), head
    assert read(name) == body and read(name, Range="bytes=7-99") == body[7:100]
    copied = s3.copy_object(Bucket="named", Key=f"{name}-other", CopySource=f"named/{name}", ServerSideEncryption="aws:kms:dsse", SSEKMSKeyId=other["id"])
    assert (copied["ServerSideEncryption"], copied["SSEKMSKeyId"]) == ("aws:kms:dsse", other["arn"]), copied
    s3.copy_object(Bucket="named", Key=f"{name}-none", CopySource=f"named/{name}")
    assert s3.head_object(Bucket="named", Key=f"{name}-none")["ServerSideEncryption"] == "AES256"
    assert read(f"{name}-other") == body and read(f"{name}-none") == body
large = body_of(11 * MIB)
s3.upload_fileobj(io.BytesIO(large), "named", "parts", ExtraArgs=by_payroll, Config=PARTS)
got = io.BytesIO()
s3.download_fileobj("named", "parts", got, Config=PARTS)
assert got.getvalue() == large and s3.head_object(Bucket="named", Key="parts")["SSEKMSKeyId"] == payroll["arn"]

# A form, with the key among its fields.
fields = {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "alias/payroll"}
post = s3.generate_presigned_post("named", "form", Fields=dict(fields), Conditions=[{name: value} for name, value in fields.items()])
boundary = uuid.uuid4().hex.encode()
parts = [b'Content-Disposition: form-data; name="%s"\r\n\r\n%s' % (name.encode(), value.encode()) for name, value in post["fields"].items()]
parts.append(b'Content-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + bodies["small"])
form = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
sent = urllib.request.urlopen(urllib.request.Request(post["url"], form, {"content-type": "multipart/form-data; boundary=" + boundary.decode()}))
assert sent.status == 204 and sent.headers["x-amz-server-side-encryption-aws-kms-key-id"] == payroll["arn"], sent.headers
assert read("form") == bodies["small"]

# The default of a bucket.
s3.create_bucket(Bucket="by-default")
rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/team/other"}, "BucketKeyEnabled": True}
s3.put_bucket_encryption(Bucket="by-default", ServerSideEncryptionConfiguration={"Rules": [rule]})
[shown] = s3.get_bucket_encryption(Bucket="by-default")["ServerSideEncryptionConfiguration"]["Rules"]
assert shown == rule, shown
put = s3.put_object(Bucket="by-default", Key="k", Body=bodies["small"])
assert (put["SSEKMSKeyId"], put["BucketKeyEnabled"]) == (other["arn"], True), put
s3.upload_fileobj(io.BytesIO(large), "by-default", "parts", Config=PARTS)
assert s3.head_object(Bucket="by-default", Key="parts")["SSEKMSKeyId"] == other["arn"]

# Another key for what is there, without writing its bytes.
for name in ["small-none", "large-other", "parts"]:
    before = s3.head_object(Bucket="named", Key=name)
    to = {"SSEKMS": {"KMSKeyArn": other["arn"], "BucketKeyEnabled": True}}
    if before["ServerSideEncryption"] == "aws:kms:dsse":
        refused("InvalidRequest", s3.update_object_encryption, Bucket="named", Key=name, ObjectEncryption=to)
        continue
    s3.update_object_encryption(Bucket="named", Key=name, ObjectEncryption=to)
    head = s3.head_object(Bucket="named", Key=name)
    assert (head["SSEKMSKeyId"], head["BucketKeyEnabled"]) == (other["arn"], True), head
    assert (head["ETag"], head["LastModified"]) == (before["ETag"], before["LastModified"]), head
    assert read(name) == (large if name == "parts" else bodies["small"])
s3.update_object_encryption(Bucket="named", Key="parts", ObjectEncryption={"SSEKMS": {"KMSKeyArn": payroll["arn"]}})

# A rotated key, and a disabled one.
[rotated] = kms("rotate", "payroll")
assert rotated["versions"] == 2, rotated
s3.put_object(Bucket="named", Key="rotated", Body=bodies["small"], **by_payroll)
assert read("rotated") == read("small") == bodies["small"]
[disabled] = kms("disable", payroll["arn"])
assert disabled["state"] == "disabled", disabled
for name in ["small", "large", "parts", "form", "rotated"]:
    error = refused("KMS.DisabledException", s3.get_object, Bucket="named", Key=name)
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400 and "dsom kms enable" in str(error), error
    assert s3.head_object(Bucket="named", Key=name)["SSEKMSKeyId"] == payroll["arn"]
for method, status in [("HEAD", 200), ("GET", 400)]:
    native = urllib.request.Request(f"{endpoint}/-/v1/buckets/named/objects/small", method=method)
    native.add_header("authorization", f"Bearer {os.environ['AWS_ACCESS_KEY_ID']}.{os.environ['AWS_SECRET_ACCESS_KEY']}")
    try:
        assert urllib.request.urlopen(native).status == status
    except urllib.error.HTTPError as error:
        assert error.code == status, (method, error.code, error.read())
refused("KMS.DisabledException", s3.get_object_attributes, Bucket="named", Key="small", ObjectAttributes=["ETag"])
refused("KMS.DisabledException", s3.put_object, Bucket="named", Key="small", Body=b"", **by_payroll)
refused("KMS.DisabledException", s3.copy_object, Bucket="named", Key="copied", CopySource="named/small")
for unknown in ["alias/nobody", "x" * 3000]:
    refused("KMS.NotFoundException", s3.put_object, Bucket="named", Key="small", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId=unknown)
assert read("small-other") == bodies["small"]
kms("enable", payroll["id"])
assert read("parts") == large
print("ok")
