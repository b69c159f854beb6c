"""MinIO's Python client and s3fs, the file system of dask and pandas, against one endpoint; ends non-zero at the first surprise."""
import datetime
import io
import os
import sys
import urllib.request

import s3fs
from minio import Minio
from minio.commonconfig import ENABLED, ComposeSource, CopySource, Tags
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.versioningconfig import VersioningConfig

endpoint = sys.argv[1]
keys = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
MIB = 1 << 20


def refused(code, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except S3Error as error:
        assert error.code == code, error
        return
    raise AssertionError(f"expected {code}")


# --- minio ---
client = Minio(endpoint.removeprefix("http://"), *keys, secure=False)
client.make_bucket("minio-py")
assert client.bucket_exists("minio-py") and not client.bucket_exists("no-such-bucket")
assert "minio-py" in [bucket.name for bucket in client.list_buckets()]
big = os.urandom(12 * MIB + 5)
for name, body in {"plain": b"text", "a b/ü€😀+%&?#": b"odd", "empty": b"", "big": big}.items():
    # Without a length the client sends parts of its own choice; with one it sends aws-chunked or a whole body.
    put = client.put_object("minio-py", name, io.BytesIO(body), -1 if name == "big" else len(body), part_size=5 * MIB, metadata={"a": "b"})
    stat = client.stat_object("minio-py", name)
    assert (stat.size, stat.etag, stat.metadata["x-amz-meta-a"]) == (len(body), put.etag, "b"), stat
    answer = client.get_object("minio-py", name)
    assert answer.read() == body, name
    answer.close()
    answer.release_conn()
assert client.stat_object("minio-py", "big").etag.endswith("-3")
assert client.get_object("minio-py", "big", offset=5 * MIB - 3, length=6).read() == big[5 * MIB - 3 : 5 * MIB + 3]
client.copy_object("minio-py", "copy", CopySource("minio-py", "a b/ü€😀+%&?#"))
client.compose_object("minio-py", "both", [ComposeSource("minio-py", "big"), ComposeSource("minio-py", "plain")])
assert client.get_object("minio-py", "both").read() == big + b"text"
listed = [(item.object_name, item.size) for item in client.list_objects("minio-py", recursive=True)]
assert [name for name, _ in listed] == ["a b/ü€😀+%&?#", "big", "both", "copy", "empty", "plain"], listed
assert "a b/" in [item.object_name for item in client.list_objects("minio-py")]
tags = Tags.new_object_tags()
tags["album"] = "first one"
client.set_object_tags("minio-py", "plain", tags)
assert client.get_object_tags("minio-py", "plain") == {"album": "first one"}
url = client.presigned_get_object("minio-py", "plain", expires=datetime.timedelta(minutes=1))
assert urllib.request.urlopen(url).read() == b"text"
url = client.presigned_put_object("minio-py", "by url", expires=datetime.timedelta(minutes=1))
assert urllib.request.urlopen(urllib.request.Request(url, b"put", method="PUT")).status == 200
refused("NoSuchKey", client.stat_object, "minio-py", "missing")
refused("NoSuchKey", client.get_object, "minio-py", "missing")
refused("BucketNotEmpty", client.remove_bucket, "minio-py")
refused("BucketAlreadyOwnedByYou", client.make_bucket, "minio-py")
client.set_bucket_versioning("minio-py", VersioningConfig(ENABLED))
assert client.get_bucket_versioning("minio-py").status == "Enabled"
new = client.put_object("minio-py", "plain", io.BytesIO(b"new"), 3).version_id
client.remove_object("minio-py", "plain")
versions = list(client.list_objects("minio-py", prefix="plain", include_version=True))
# This client gives markers last.
assert [(one.version_id, one.is_delete_marker) for one in versions][:2] == [(new, False), ("null", False)], versions
assert len(versions) == 3 and versions[2].is_delete_marker and versions[2].is_latest == "true"
assert client.get_object("minio-py", "plain", version_id="null").read() == b"text"
everything = client.list_objects("minio-py", recursive=True, include_version=True)
errors = client.remove_objects("minio-py", [DeleteObject(one.object_name, one.version_id) for one in everything])
assert list(errors) == []
client.remove_bucket("minio-py")

# --- s3fs ---
# Without the signature version, URLs are signed by version 2.
files = s3fs.S3FileSystem(
    key=keys[0],
    secret=keys[1],
    endpoint_url=endpoint,
    client_kwargs={"region_name": "us-east-1"},
    config_kwargs={"signature_version": "s3v4"},
)
files.mkdir("s3fs-bucket")
with files.open("s3fs-bucket/dir/big", "wb", block_size=5 * MIB) as file:
    for at in range(0, len(big), MIB):
        file.write(big[at : at + MIB])
files.pipe("s3fs-bucket/dir/a b ü#?", b"small")
with files.open("s3fs-bucket/dir/big", "rb") as file:
    file.seek(7 * MIB)
    assert file.read(10) == big[7 * MIB : 7 * MIB + 10]
assert files.cat("s3fs-bucket/dir/big") == big
assert files.cat_file("s3fs-bucket/dir/big", start=3, end=9) == big[3:9]
assert files.ls("s3fs-bucket/dir") == ["s3fs-bucket/dir/a b ü#?", "s3fs-bucket/dir/big"]
assert files.info("s3fs-bucket/dir/big")["size"] == len(big)
assert files.glob("s3fs-bucket/*/b*") == ["s3fs-bucket/dir/big"]
files.mv("s3fs-bucket/dir/big", "s3fs-bucket/moved/big")
assert not files.exists("s3fs-bucket/dir/big") and files.du("s3fs-bucket/moved") == len(big)
with urllib.request.urlopen(files.url("s3fs-bucket/dir/a b ü#?", expires=60)) as answer:
    assert answer.read() == b"small"
files.rm("s3fs-bucket", recursive=True)
assert not files.exists("s3fs-bucket")
print("all calls answered as expected")
