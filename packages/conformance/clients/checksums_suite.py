"""boto3 with its native part, which knows every checksum of S3: each one given, kept, read back and compared by the client, and refused where it is wrong."""
import base64
import hashlib
import io
import os
import sys

import boto3
from awscrt import checksums
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint = sys.argv[1]
s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}))
MIB = 1 << 20
B = "sums"


def crc(function, size):
    return lambda data: function(data).to_bytes(size, "big")


def xxhash(new):
    def digest(data):
        running = new()
        running.update(data)
        return running.finalize()

    return digest


algorithms = {
    "CRC32": crc(checksums.crc32, 4),
    "CRC32C": crc(checksums.crc32c, 4),
    "CRC64NVME": crc(checksums.crc64nvme, 8),
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
    "SHA512": lambda data: hashlib.sha512(data).digest(),
    "MD5": lambda data: hashlib.md5(data).digest(),
    "XXHASH64": xxhash(checksums.XXHash.new_xxhash64),
    "XXHASH3": xxhash(checksums.XXHash.new_xxhash3_64),
    "XXHASH128": xxhash(checksums.XXHash.new_xxhash3_128),
}
# Those that the client computes itself; MD5 it only passes on.
computed = [name for name in algorithms if name != "MD5"]
text = lambda digest: base64.b64encode(digest).decode()

s3.create_bucket(Bucket=B)
model = s3.meta.service_model.shape_for("ChecksumAlgorithm").enum
assert set(model) == set(algorithms), model

for name, digest in algorithms.items():
    field = f"Checksum{name}"
    body = os.urandom(100_000)
    given = {field: text(digest(body))}
    for key, arguments in [("given", given)] + ([("computed", {"ChecksumAlgorithm": name})] if name in computed else []):
        key = f"{key}/{name}"
        put = s3.put_object(Bucket=B, Key=key, Body=body, **arguments)
        assert (put[field], put["ChecksumType"]) == (given[field], "FULL_OBJECT"), put
        got = s3.get_object(Bucket=B, Key=key, ChecksumMode="ENABLED")
        assert got["Body"].read() == body and got[field] == given[field]
        assert s3.head_object(Bucket=B, Key=key, ChecksumMode="ENABLED")[field] == given[field]
        said = s3.get_object_attributes(Bucket=B, Key=key, ObjectAttributes=["Checksum"])
        assert said["Checksum"][field] == given[field]
    try:
        s3.put_object(Bucket=B, Key="wrong", Body=body + b"!", **given)
        raise AssertionError(f"{name} of other bytes was taken")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "BadDigest", error.response["Error"]
    copied = s3.copy_object(Bucket=B, Key=f"copy/{name}", CopySource=f"{B}/given/CRC32", ChecksumAlgorithm=name)
    first = s3.get_object(Bucket=B, Key="given/CRC32")["Body"].read()
    assert copied["CopyObjectResult"][field] == text(digest(first))
    if name == "CRC64NVME":
        continue
    # Parts by hand: each with its sum, and the sum of the sums.
    parts = [os.urandom(5 * MIB), os.urandom(1000)]
    upload = s3.create_multipart_upload(Bucket=B, Key=f"parts/{name}", ChecksumAlgorithm=name)
    assert (upload["ChecksumAlgorithm"], upload["ChecksumType"]) == (name, "COMPOSITE")
    about = {"Bucket": B, "Key": f"parts/{name}", "UploadId": upload["UploadId"]}
    named = []
    for number, part in enumerate(parts, 1):
        sent = s3.upload_part(**about, PartNumber=number, Body=part, **{field: text(digest(part))})
        named.append({"PartNumber": number, "ETag": sent["ETag"], field: sent[field]})
    assert [one[field] for one in s3.list_parts(**about)["Parts"]] == [one[field] for one in named]
    whole = text(digest(b"".join(digest(part) for part in parts))) + "-2"
    done = s3.complete_multipart_upload(**about, MultipartUpload={"Parts": named}, **{field: whole}, ChecksumType="COMPOSITE")
    assert (done[field], done["ChecksumType"]) == (whole, "COMPOSITE"), done
    got = s3.get_object(Bucket=B, Key=f"parts/{name}", ChecksumMode="ENABLED")
    assert got[field] == whole and got["Body"].read() == b"".join(parts)

assert "wrong" not in [one["Key"] for one in s3.list_objects_v2(Bucket=B)["Contents"]]
listed = {one["Key"]: one["ChecksumAlgorithm"] for one in s3.list_objects_v2(Bucket=B, Prefix="given/")["Contents"]}
assert listed == {f"given/{name}": [name] for name in algorithms}, listed

# By the transfer library, in parts that it sums.
big = os.urandom(20 * MIB)
for name in computed:
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB)
    s3.upload_fileobj(io.BytesIO(big), B, f"transfer/{name}", ExtraArgs={"ChecksumAlgorithm": name}, Config=config)
    out = io.BytesIO()
    s3.download_fileobj(B, f"transfer/{name}", out)
    assert out.getvalue() == big
    assert s3.head_object(Bucket=B, Key=f"transfer/{name}", ChecksumMode="ENABLED")[f"Checksum{name}"]
