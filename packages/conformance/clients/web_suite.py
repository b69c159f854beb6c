"""boto3 with what few stores have: append, rename, uploads by form, websites, configurations by id; ends non-zero at the first surprise."""
import sys
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, site = sys.argv[1:3]
s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        return error.response
    raise AssertionError(f"{code} was expected")


def fetch(url, data=None, headers=None):
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    try:
        with urllib.request.build_opener(Stay).open(urllib.request.Request(url, data=data, headers=headers or {})) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def form(fields, name, content):
    boundary = "form-boundary"
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/plain\r\n\r\n'
    body = ("".join(parts) + head).encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


# Append.
s3.create_bucket(Bucket="web")
size = 0
for piece in (b"one\n", b"two\n", b"three\n" * 20_000):
    answer = s3.put_object(Bucket="web", Key="log", Body=piece, WriteOffsetBytes=size)
    size += len(piece)
    assert answer["Size"] == size, answer
assert s3.get_object(Bucket="web", Key="log")["Body"].read() == b"one\ntwo\n" + b"three\n" * 20_000
refused("InvalidWriteOffset", s3.put_object, Bucket="web", Key="log", Body=b"x", WriteOffsetBytes=3)

# Rename. The client makes a token for each call by itself.
before = s3.head_object(Bucket="web", Key="log")
s3.rename_object(Bucket="web", Key="old%20logs/1", RenameSource="log")
after = s3.head_object(Bucket="web", Key="old%20logs/1")
assert (after["ETag"], after["LastModified"]) == (before["ETag"], before["LastModified"])
refused("404", s3.head_object, Bucket="web", Key="log")
s3.put_object(Bucket="web", Key="new", Body=b"new")
refused("PreconditionFailed", s3.rename_object, Bucket="web", Key="new", RenameSource="old%2520logs/1", DestinationIfNoneMatch="*")
refused("NoSuchKey", s3.rename_object, Bucket="web", Key="x", RenameSource="nothing")

# Configurations by id.
metrics = {"Id": "all", "Filter": {"And": {"Prefix": "p/", "Tags": [{"Key": "a", "Value": "b"}]}}}
s3.put_bucket_metrics_configuration(Bucket="web", Id="all", MetricsConfiguration=metrics)
assert s3.get_bucket_metrics_configuration(Bucket="web", Id="all")["MetricsConfiguration"] == metrics
assert s3.list_bucket_metrics_configurations(Bucket="web")["MetricsConfigurationList"] == [metrics]
s3.delete_bucket_metrics_configuration(Bucket="web", Id="all")
refused("NoSuchConfiguration", s3.get_bucket_metrics_configuration, Bucket="web", Id="all")
export = {"Format": "CSV", "Bucket": "arn:aws:s3:::web", "Prefix": "reports/"}
analysis = {"DataExport": {"OutputSchemaVersion": "V_1", "Destination": {"S3BucketDestination": export}}}
analytics = {"Id": "a", "Filter": {"Prefix": "p/"}, "StorageClassAnalysis": analysis}
s3.put_bucket_analytics_configuration(Bucket="web", Id="a", AnalyticsConfiguration=analytics)
assert s3.list_bucket_analytics_configurations(Bucket="web")["AnalyticsConfigurationList"] == [analytics]
tiering = {"Id": "t", "Status": "Enabled", "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}]}
s3.put_bucket_intelligent_tiering_configuration(Bucket="web", Id="t", IntelligentTieringConfiguration=tiering)
got = s3.get_bucket_intelligent_tiering_configuration(Bucket="web", Id="t")["IntelligentTieringConfiguration"]
assert got == tiering, got
listed = s3.list_bucket_intelligent_tiering_configurations(Bucket="web")["IntelligentTieringConfigurationList"]
assert listed == [tiering], listed

# Uploads by form, as boto3 makes them.
post = s3.generate_presigned_post(
    "web",
    "form/${filename}",
    Fields={"success_action_status": "201", "Content-Type": "text/css", "x-amz-meta-by": "form"},
    Conditions=[{"success_action_status": "201"}, ["starts-with", "$Content-Type", "text/"], {"x-amz-meta-by": "form"}, ["content-length-range", 1, 100]],
)
body, headers = form(post["fields"], "style.css", b"b{}")
status, _, text = fetch(post["url"], body, headers)
assert status == 201 and b"<Key>form/style.css</Key>" in text, (status, text)
stored = s3.get_object(Bucket="web", Key="form/style.css")
assert (stored["Body"].read(), stored["ContentType"], stored["Metadata"]) == (b"b{}", "text/css", {"by": "form"})
for change, content, code in (
    ({"key": "elsewhere"}, b"x", b"AccessDenied"),
    ({"x-amz-meta-more": "x"}, b"x", b"Extra input fields"),
    ({"Content-Type": "image/png"}, b"x", b"Policy Condition failed"),
    ({"x-amz-signature": "0" * 64}, b"x", b"SignatureDoesNotMatch"),
    ({}, b"x" * 101, b"EntityTooLarge"),
    ({}, b"", b"EntityTooSmall"),
):
    body, headers = form({**post["fields"], **change}, "a", content)
    status, _, text = fetch(post["url"], body, headers)
    assert status in (400, 403) and code in text, (change, status, text)
expired = s3.generate_presigned_post("web", "k", ExpiresIn=-1)
body, headers = form(expired["fields"], "a", b"x")
status, _, text = fetch(expired["url"], body, headers)
assert status == 403 and b"Policy expired" in text, text

# A website.
rules = [{"Condition": {"KeyPrefixEquals": "away/"}, "Redirect": {"HostName": "other.test", "HttpRedirectCode": "302", "ReplaceKeyPrefixWith": "here/"}}]
website = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "404.html"}, "RoutingRules": rules}
refused("NoSuchWebsiteConfiguration", s3.get_bucket_website, Bucket="web")
s3.put_bucket_website(Bucket="web", WebsiteConfiguration=website)
got = s3.get_bucket_website(Bucket="web")
assert {name: got[name] for name in website} == website, got
for key in ("index.html", "docs/index.html", "404.html"):
    s3.put_object(Bucket="web", Key=key, Body=f"page {key}".encode(), ContentType="text/html")
host = {"Host": f"web.{site}"}
status, answer, text = fetch(f"{endpoint}/", headers=host)
assert status == 403 and answer["x-amz-error-code"] == "AccessDenied" and b"<h1>403 Forbidden</h1>" in text, text
arn = "arn:aws:s3:::web"
statements = ",".join(
    f'{{"Effect":"Allow","Principal":"*","Action":"{action}","Resource":"{resource}"}}'
    for action, resource in (("s3:GetObject", f"{arn}/*"), ("s3:ListBucket", arn))
)
s3.put_bucket_policy(Bucket="web", Policy=f'{{"Version":"2012-10-17","Statement":[{statements}]}}')
for path, expected in (
    ("/", (200, None, b"page index.html")),
    ("/docs/", (200, None, b"page docs/index.html")),
    ("/docs", (302, "/docs/", b"")),
    ("/nothing", (404, None, b"page 404.html")),
    ("/away/x", (302, "http://other.test/here/x", b"")),
):
    status, answer, text = fetch(f"{endpoint}{path}", headers=host)
    assert (status, answer["Location"], text) == expected, (path, status, dict(answer), text)
status, _, text = fetch(f"{endpoint}/-/health/live", headers=host)
assert status == 404 and text == b"page 404.html", "a website has no paths that are not its own"
s3.delete_bucket_website(Bucket="web")
status, answer, _ = fetch(f"{endpoint}/", headers=host)
assert status == 404 and answer["x-amz-error-code"] == "NoSuchWebsiteConfiguration"
print("all as expected")
