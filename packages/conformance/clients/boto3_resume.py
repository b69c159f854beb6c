"""Uploads one object in parts; phase `start` may be cut off at any time, phase `resume` goes on with what the server still has."""
import hashlib
import random
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, phase = sys.argv[1:3]
s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))
PART, COUNT, BUCKET, KEY = 8 << 20, 26, "resume", "large"


def part(number):
    return random.Random(number).randbytes(PART)


if phase == "start":
    s3.create_bucket(Bucket=BUCKET)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=KEY)["UploadId"]
    done = {}
else:
    upload = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"][0]["UploadId"]
    listed = s3.list_parts(Bucket=BUCKET, Key=KEY, UploadId=upload).get("Parts", [])
    done = {p["PartNumber"]: p["ETag"] for p in listed}
    for number, etag in done.items():
        assert etag == f'"{hashlib.md5(part(number)).hexdigest()}"', f"part {number} changed"
    print(f"kept {len(done)} parts")

for number in range(1, COUNT + 1):
    # However late the server is killed, the upload is under way.
    while phase == "start" and number > COUNT // 2:
        s3.upload_part(Bucket=BUCKET, Key=KEY, UploadId=upload, PartNumber=number, Body=part(number))
    if number not in done:
        done[number] = s3.upload_part(Bucket=BUCKET, Key=KEY, UploadId=upload, PartNumber=number, Body=part(number))["ETag"]
s3.complete_multipart_upload(Bucket=BUCKET, Key=KEY, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": n, "ETag": e} for n, e in sorted(done.items())]})

want, got = hashlib.sha256(), hashlib.sha256()
for number in range(1, COUNT + 1):
    want.update(part(number))
for chunk in s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].iter_chunks(1 << 20):
    got.update(chunk)
assert want.digest() == got.digest(), "the bytes differ"
try:
    s3.list_parts(Bucket=BUCKET, Key=KEY, UploadId=upload)
    raise AssertionError("the upload is still there after it was completed")
except ClientError as error:
    assert error.response["Error"]["Code"] == "NoSuchUpload"
print("same bytes")
