"""boto3: notification configurations and access logs against one endpoint that has a target `hook`; ends non-zero at the first surprise."""
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint = sys.argv[1]
s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}))


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response["Error"]
        return error.response["Error"]["Message"]
    raise AssertionError(f"expected {code}")


s3.create_bucket(Bucket="told")
s3.create_bucket(Bucket="logs")
assert s3.get_bucket_notification_configuration(Bucket="told").keys() == {"ResponseMetadata"}
arn = "arn:dsom:sqs::hook:webhook"
wanted = {
    "QueueConfigurations": [
        {
            "Id": "images",
            "QueueArn": arn,
            "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "images/"}, {"Name": "suffix", "Value": ".jpg"}]}},
        }
    ],
    "LambdaFunctionConfigurations": [
        {"LambdaFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:hook", "Events": ["s3:ObjectTagging:*"]}
    ],
}
s3.put_bucket_notification_configuration(Bucket="told", NotificationConfiguration=wanted)
found = s3.get_bucket_notification_configuration(Bucket="told")
queue = found["QueueConfigurations"][0]
assert (queue["Id"], queue["QueueArn"], queue["Events"]) == ("images", arn, ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"])
assert [(rule["Name"].lower(), rule["Value"]) for rule in queue["Filter"]["Key"]["FilterRules"]] == [("prefix", "images/"), ("suffix", ".jpg")]
assert found["LambdaFunctionConfigurations"][0]["Id"]
# What was read can be written again.
del found["ResponseMetadata"]
s3.put_bucket_notification_configuration(Bucket="told", NotificationConfiguration=found)
unknown = {"QueueConfigurations": [{"QueueArn": "arn:dsom:sqs::nobody:webhook", "Events": ["s3:ObjectCreated:*"]}]}
message = refused("InvalidArgument", s3.put_bucket_notification_configuration, Bucket="told", NotificationConfiguration=unknown)
assert message == "Unable to validate the following destination configurations", message
refused("NoSuchBucket", s3.get_bucket_notification_configuration, Bucket="missing")

assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket="told")
logging = {"TargetBucket": "logs", "TargetPrefix": "told/", "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}}
s3.put_bucket_logging(Bucket="told", BucketLoggingStatus={"LoggingEnabled": logging})
assert s3.get_bucket_logging(Bucket="told")["LoggingEnabled"] == logging
refused("InvalidTargetBucketForLogging", s3.put_bucket_logging, Bucket="told", BucketLoggingStatus={"LoggingEnabled": {**logging, "TargetBucket": "missing"}})

s3.put_object(Bucket="told", Key="images/a b.jpg", Body=b"picture")
s3.put_object_tagging(Bucket="told", Key="images/a b.jpg", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
s3.get_object(Bucket="told", Key="images/a b.jpg")["Body"].read()
refused("NoSuchKey", s3.get_object, Bucket="told", Key="none")
s3.delete_objects(Bucket="told", Delete={"Objects": [{"Key": "images/a b.jpg"}, {"Key": "other"}]})

lines = []
for _ in range(900):
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="logs").get("Contents", [])]
    lines = [line for key in keys for line in s3.get_object(Bucket="logs", Key=key)["Body"].read().decode().splitlines()]
    if len(lines) >= 6:
        break
    time.sleep(0.2)
assert all(key.startswith("told/000000000000/us-east-1/told/20") and "-00-00-00-" in key for key in keys), keys
operations = [line.split(" ")[7] for line in lines]
for operation in ["REST.GET.LOGGING_STATUS", "REST.PUT.OBJECT", "REST.PUT.OBJECT_TAGGING", "REST.GET.OBJECT", "REST.POST.MULTI_OBJECT_DELETE"]:
    assert operation in operations, (operation, operations)
assert any(" REST.GET.OBJECT none " in line and " 404 NoSuchKey " in line for line in lines), lines
assert any("Boto3" in line for line in lines), lines

s3.put_bucket_logging(Bucket="told", BucketLoggingStatus={})
assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket="told")
s3.put_bucket_notification_configuration(Bucket="told", NotificationConfiguration={})
assert s3.get_bucket_notification_configuration(Bucket="told").keys() == {"ResponseMetadata"}
