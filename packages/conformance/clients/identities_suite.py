"""boto3 against IAM and STS of one endpoint, with two tenants besides the first account; ends non-zero at the first surprise.

Arguments: endpoint, then access key id and secret of an administrator of each tenant.
"""
import json
import sys
import urllib.request

import boto3
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, *given = sys.argv[1:]


class Who:
    """Clients of one identity."""

    def __init__(self, key=None, secret=None, token=None):
        keys = {} if key is None else {"aws_access_key_id": key, "aws_secret_access_key": secret, "aws_session_token": token}
        common = {"endpoint_url": endpoint, "region_name": "us-east-1", **keys}
        self.iam = boto3.client("iam", **common)
        self.sts = boto3.client("sts", **common)
        self.s3 = boto3.client("s3", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}), **common)

    def session(self, credentials):
        return Who(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        return error.response
    raise AssertionError(f"expected {code} of {call} {arguments}")


def allow(*actions, resource="*"):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource}]})


def trust(principal):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


root = Who()
account = root.sts.get_caller_identity()["Account"]
assert root.sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{account}:root"
root.s3.create_bucket(Bucket="shared")
root.s3.put_object(Bucket="shared", Key="a/x", Body=b"hello")

# A user, his key, and what he may.
user = root.iam.create_user(UserName="ann", Path="/staff/", Tags=[{"Key": "team", "Value": "red"}])["User"]
assert user["Arn"] == f"arn:aws:iam::{account}:user/staff/ann" and user["Tags"] == [{"Key": "team", "Value": "red"}]
key = root.iam.create_access_key(UserName="ann")["AccessKey"]
ann = Who(key["AccessKeyId"], key["SecretAccessKey"])
refused("AccessDenied", ann.s3.get_object, Bucket="shared", Key="a/x")
refused("AccessDenied", ann.iam.list_users)
refused("AccessDenied", ann.s3.list_buckets)
root.iam.put_user_policy(UserName="ann", PolicyName="read", PolicyDocument=allow("s3:GetObject", resource="arn:aws:s3:::shared/a/*"))
assert ann.s3.get_object(Bucket="shared", Key="a/x")["Body"].read() == b"hello"
refused("AccessDenied", ann.s3.put_object, Bucket="shared", Key="a/x", Body=b"")
assert root.iam.get_user_policy(UserName="ann", PolicyName="read")["PolicyDocument"]["Statement"][0]["Action"] == ["s3:GetObject"]
refused("DeleteConflict", root.iam.delete_user, UserName="ann")
refused("EntityAlreadyExists", root.iam.create_user, UserName="ANN")
refused("NoSuchEntity", root.iam.get_user, UserName="nobody")
refused("MalformedPolicyDocument", root.iam.put_user_policy, UserName="ann", PolicyName="bad", PolicyDocument="{}")

# Managed policies, groups, boundaries.
policy = root.iam.create_policy(PolicyName="lists", PolicyDocument=allow("s3:ListBucket", "s3:ListAllMyBuckets"))["Policy"]
root.iam.create_group(GroupName="listers")
root.iam.attach_group_policy(GroupName="listers", PolicyArn=policy["Arn"])
root.iam.add_user_to_group(GroupName="listers", UserName="ann")
assert [one["Key"] for one in ann.s3.list_objects_v2(Bucket="shared")["Contents"]] == ["a/x"]
assert [one["Name"] for one in ann.s3.list_buckets()["Buckets"]] == ["shared"]
root.iam.put_user_permissions_boundary(UserName="ann", PermissionsBoundary=policy["Arn"])
refused("AccessDenied", ann.s3.get_object, Bucket="shared", Key="a/x")
root.iam.delete_user_permissions_boundary(UserName="ann")
version = root.iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=allow("iam:GetUser"), SetAsDefault=True)["PolicyVersion"]
assert version["VersionId"] == "v2" and version["IsDefaultVersion"]
refused("AccessDenied", ann.s3.list_objects_v2, Bucket="shared")
assert root.iam.list_entities_for_policy(PolicyArn=policy["Arn"])["PolicyGroups"][0]["GroupName"] == "listers"
names = [one["PolicyName"] for page in root.iam.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 2}) for one in page["Policies"]]
assert "lists" in names and "AdministratorAccess" in names and len(names) == len(set(names))
simulated = root.iam.simulate_principal_policy(PolicySourceArn=user["Arn"], ActionNames=["s3:GetObject", "s3:PutObject"], ResourceArns=["arn:aws:s3:::shared/a/x"])
assert [one["EvalDecision"] for one in simulated["EvaluationResults"]] == ["allowed", "implicitDeny"]
assert root.iam.get_account_summary()["SummaryMap"]["Users"] >= 1
assert any(one["UserName"] == "ann" for one in root.iam.get_account_authorization_details()["UserDetailList"])

# A role, and sessions.
role = root.iam.create_role(RoleName="writer", AssumeRolePolicyDocument=trust({"AWS": user["Arn"]}))["Role"]
root.iam.attach_role_policy(RoleName="writer", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
taken = ann.sts.assume_role(RoleArn=role["Arn"], RoleSessionName="work")
assert taken["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account}:assumed-role/writer/work"
session = ann.session(taken["Credentials"])
session.s3.put_object(Bucket="shared", Key="by-role", Body=b"1")
assert session.sts.get_caller_identity()["Arn"] == taken["AssumedRoleUser"]["Arn"]
url = session.s3.generate_presigned_url("get_object", Params={"Bucket": "shared", "Key": "by-role"})
assert urllib.request.urlopen(url).read() == b"1"


def upload_by_form(who, key):
    """An upload by HTML form, with the token of the session among its fields."""
    post = who.s3.generate_presigned_post(Bucket="shared", Key=key)
    assert "x-amz-security-token" in post["fields"]
    return urllib3.request("POST", post["url"], fields={**post["fields"], "file": ("f", b"by form")}).status


assert upload_by_form(session, "by-form") == 204
assert root.s3.get_object(Bucket="shared", Key="by-form")["Body"].read() == b"by form"
narrow = ann.session(ann.sts.assume_role(RoleArn=role["Arn"], RoleSessionName="work", Policy=allow("s3:GetObject"))["Credentials"])
assert narrow.s3.get_object(Bucket="shared", Key="by-role")["Body"].read() == b"1"
refused("AccessDenied", narrow.s3.put_object, Bucket="shared", Key="by-role", Body=b"2")
assert upload_by_form(narrow, "by-form-too") == 403
refused("AccessDenied", ann.sts.assume_role, RoleArn=f"arn:aws:iam::{account}:role/missing", RoleSessionName="work")
own = ann.session(ann.sts.get_session_token()["Credentials"])
assert own.s3.get_object(Bucket="shared", Key="a/x")["Body"].read() == b"hello"
refused("AccessDenied", own.iam.get_user)

# Two tenants, who see neither each other nor the first account.
acme, other = Who(*given[0:2]), Who(*given[2:4])
assert len({who.sts.get_caller_identity()["Account"] for who in (root, acme, other)}) == 3
acme.s3.create_bucket(Bucket="acme")
acme.s3.put_object(Bucket="acme", Key="x", Body=b"secret")
for who in (other, root):
    refused("AccessDenied", who.s3.get_object, Bucket="acme", Key="x")
    refused("AccessDenied", who.s3.list_objects_v2, Bucket="acme")
    refused("AccessDenied", who.s3.delete_bucket, Bucket="acme")
    refused("BucketAlreadyExists", who.s3.create_bucket, Bucket="acme")
refused("AccessDenied", acme.s3.get_object, Bucket="shared", Key="a/x")
assert [one["Name"] for one in acme.s3.list_buckets()["Buckets"]] == ["acme"]
assert other.s3.list_buckets()["Buckets"] == []
assert [one["UserName"] for one in other.iam.list_users()["Users"]] == ["admin"]
refused("NoSuchEntity", other.iam.get_user, UserName="ann")
acme.iam.create_user(UserName="ann")
assert acme.iam.get_user(UserName="ann")["User"]["UserId"] != user["UserId"]
owner = acme.s3.get_bucket_acl(Bucket="acme")["Owner"]["ID"]
assert owner == acme.s3.list_buckets()["Owner"]["ID"] != root.s3.list_buckets()["Owner"]["ID"] and len(owner) == 64

# One lets the other in.
guests = acme.iam.create_role(RoleName="guests", AssumeRolePolicyDocument=trust({"AWS": other.sts.get_caller_identity()["Account"]}))["Role"]
acme.iam.put_role_policy(RoleName="guests", PolicyName="read", PolicyDocument=allow("s3:GetObject"))
guest = other.session(other.sts.assume_role(RoleArn=guests["Arn"], RoleSessionName="visit")["Credentials"])
assert guest.s3.get_object(Bucket="acme", Key="x")["Body"].read() == b"secret"
refused("AccessDenied", guest.s3.get_object, Bucket="shared", Key="a/x")

# By an access control list, and by the policy of a bucket, each naming the account by its canonical id.
canonical = other.s3.list_buckets()["Owner"]["ID"]
acme.s3.put_bucket_ownership_controls(Bucket="acme", OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
refused("AccessDenied", other.s3.get_object, Bucket="acme", Key="x")
acme.s3.put_object_acl(Bucket="acme", Key="x", GrantRead=f"id={canonical}")
assert other.s3.get_object(Bucket="acme", Key="x")["Body"].read() == b"secret"
refused("AccessDenied", other.s3.put_object, Bucket="acme", Key="x", Body=b"")
refused("AccessDenied", root.s3.get_object, Bucket="acme", Key="x")
acme.s3.put_object_acl(Bucket="acme", Key="x", ACL="private")
refused("AccessDenied", other.s3.get_object, Bucket="acme", Key="x")
statement = {"Effect": "Allow", "Principal": {"CanonicalUser": canonical}, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::acme/*"}
acme.s3.put_bucket_policy(Bucket="acme", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
other.s3.put_object(Bucket="acme", Key="from-other", Body=b"theirs")
refused("AccessDenied", acme.s3.get_object, Bucket="acme", Key="from-other")
other.s3.put_object_acl(Bucket="acme", Key="from-other", ACL="bucket-owner-full-control")
assert acme.s3.get_object(Bucket="acme", Key="from-other")["Body"].read() == b"theirs"
acme.s3.delete_bucket_policy(Bucket="acme")

# What a key gave ends with it.
root.iam.update_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"], Status="Inactive")
refused("InvalidAccessKeyId", ann.s3.get_object, Bucket="shared", Key="a/x")
refused("InvalidClientTokenId", ann.sts.get_caller_identity)
refused("InvalidToken", session.s3.get_object, Bucket="shared", Key="by-role")
refused("InvalidToken", own.s3.get_object, Bucket="shared", Key="a/x")

# As Terraform takes a user away: it asks for all that could be his.
for listing, argument in [
    (root.iam.list_mfa_devices, {}),
    (root.iam.list_signing_certificates, {}),
    (root.iam.list_ssh_public_keys, {}),
    (root.iam.list_service_specific_credentials, {}),
    (root.iam.list_groups_for_user, {}),
]:
    listing(UserName="ann", **argument)
refused("NoSuchEntity", root.iam.get_login_profile, UserName="ann")
root.iam.delete_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"])
root.iam.remove_user_from_group(GroupName="listers", UserName="ann")
root.iam.delete_user_policy(UserName="ann", PolicyName="read")
root.iam.delete_user(UserName="ann")
root.iam.list_instance_profiles_for_role(RoleName="writer")
root.iam.detach_role_policy(RoleName="writer", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
root.iam.delete_role(RoleName="writer")
root.iam.detach_group_policy(GroupName="listers", PolicyArn=policy["Arn"])
root.iam.delete_group(GroupName="listers")
root.iam.delete_policy_version(PolicyArn=policy["Arn"], VersionId="v1")
root.iam.delete_policy(PolicyArn=policy["Arn"])
