"""boto3: inventories against one endpoint whose days are short; ends non-zero at the first surprise."""
import csv
import gzip
import hashlib
import io
import json
import sys
import time
import urllib.parse

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint = sys.argv[1]
s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}))
s3.create_bucket(Bucket="listed")
s3.create_bucket(Bucket="reports")
s3.put_bucket_versioning(Bucket="listed", VersioningConfiguration={"Status": "Enabled"})
keys = ["a b/ü", "plain", 'quoted "key"']
for key in keys:
    s3.put_object(Bucket="listed", Key=key, Body=key.encode())


def configuration(name, file_format, enabled=True):
    return {
        "Id": name,
        "IsEnabled": enabled,
        "IncludedObjectVersions": "All",
        "Schedule": {"Frequency": "Daily"},
        "OptionalFields": ["Size", "ETag", "LastModifiedDate", "StorageClass"],
        "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::reports", "Format": file_format, "Prefix": "lists"}},
    }


s3.put_bucket_inventory_configuration(Bucket="listed", Id="daily", InventoryConfiguration=configuration("daily", "CSV"))
s3.put_bucket_inventory_configuration(Bucket="listed", Id="asked", InventoryConfiguration=configuration("asked", "CSV", False))
found = s3.get_bucket_inventory_configuration(Bucket="listed", Id="daily")["InventoryConfiguration"]
assert found == configuration("daily", "CSV"), found
listed = s3.list_bucket_inventory_configurations(Bucket="listed")
assert [one["Id"] for one in listed["InventoryConfigurationList"]] == ["asked", "daily"]
try:
    s3.put_bucket_inventory_configuration(Bucket="listed", Id="orc", InventoryConfiguration=configuration("orc", "ORC"))
    raise AssertionError("ORC was taken")
except ClientError as error:
    assert error.response["Error"]["Code"] == "NotImplemented", error.response["Error"]


def manifests(name):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="reports", Prefix=f"lists/listed/{name}/")
    return [item["Key"] for page in pages for item in page.get("Contents", []) if item["Key"].endswith("/manifest.checksum")]


# A day has two seconds here: each has a list of its own.
for _ in range(1800):
    if len(manifests("daily")) >= 3:
        break
    time.sleep(0.1)
done = manifests("daily")
assert len(done) >= 3, done
read = lambda key: s3.get_object(Bucket="reports", Key=key)["Body"].read()
text = read(done[0].replace("checksum", "json"))
assert hashlib.md5(text).hexdigest() == read(done[0]).decode()
manifest = json.loads(text)
columns = manifest["fileSchema"].split(", ")
assert columns == ["Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag", "StorageClass"]
rows = []
for file in manifest["files"]:
    data = read(file["key"])
    assert (hashlib.md5(data).hexdigest(), len(data)) == (file["MD5checksum"], file["size"])
    rows += [dict(zip(columns, row)) for row in csv.reader(io.StringIO(gzip.decompress(data).decode()))]
assert sorted(urllib.parse.unquote(row["Key"]) for row in rows) == sorted(keys), rows
assert all(int(row["Size"]) == len(urllib.parse.unquote(row["Key"]).encode()) for row in rows)
assert manifests("asked") == [], "one that is not enabled is not written by itself"
s3.delete_bucket_inventory_configuration(Bucket="listed", Id="daily")
