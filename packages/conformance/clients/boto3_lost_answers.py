"""boto3 against one endpoint, by a proxy that loses the first answer to every CompleteMultipartUpload: the client sends it once more. Ends non-zero at the first surprise."""
import http.client
import io
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

store = urlsplit(sys.argv[1]).netloc
MIB = 1 << 20
seen = []


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        connection = http.client.HTTPConnection(store)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if self.command == "POST" and "uploadId=" in self.path:
            seen.append((self.path, answer.status))
            if [path for path, _ in seen].count(self.path) == 1:
                self.close_connection = True
                return
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("content-length", answer.getheader("content-length", "0") if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward

    def log_message(self, *_):
        pass


proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=proxy.serve_forever, daemon=True).start()
# Over plain HTTP boto3 signs its chunks; what the proxy takes in whole it passes on as it is only without them.
plain = {"request_checksum_calculation": "when_required", "s3": {"addressing_style": "path"}}
checked = {"s3": {"addressing_style": "path"}}
for number, more in enumerate([plain, checked]):
    s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{proxy.server_port}", config=Config(**more))
    for versioned in [False, True]:
        bucket = f"lost-{number}-{'versions' if versioned else 'plain'}"
        s3.create_bucket(Bucket=bucket)
        if versioned:
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        big = os.urandom(13 * MIB)
        parts = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
        s3.upload_fileobj(io.BytesIO(big), bucket, "big", Config=parts)
        assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == big
        assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1
        assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
        # A condition that the completion itself has made false by the second time.
        upload = s3.create_multipart_upload(Bucket=bucket, Key="once")["UploadId"]
        part = s3.upload_part(Bucket=bucket, Key="once", UploadId=upload, PartNumber=1, Body=b"once")
        made = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        done = s3.complete_multipart_upload(Bucket=bucket, Key="once", UploadId=upload, MultipartUpload=made, IfNoneMatch="*")
        head = s3.head_object(Bucket=bucket, Key="once")
        assert (done["ETag"], done.get("VersionId")) == (head["ETag"], head.get("VersionId")), (done, head)
proxy.shutdown()
assert len(seen) == 16 and {status for _, status in seen} == {200}, seen
