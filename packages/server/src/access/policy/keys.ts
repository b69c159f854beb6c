/*
 * The condition keys: what AWS documents for S3, STS and all services, and DSOM's own. A policy that names a key which is not here is
 * refused: a condition on a key that nobody sets never holds, so a Deny with a typing error would deny nothing.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_s3.html
 */

export type KeyType = 'string' | 'number' | 'date' | 'boolean' | 'address' | 'arn';

export interface ConditionKey {
  /** As AWS writes it. A name that ends with `/` is followed by a key of the user's own. */
  readonly name: string;
  readonly type: KeyType;
  /** Has several values: its conditions need `ForAllValues:` or `ForAnyValue:`. */
  readonly many: boolean;
  /** Where the value comes from; undefined: no request to this server has it. */
  readonly from: string | undefined;
}

type Row = readonly [name: string, type: KeyType, from?: string | undefined, many?: 'many'];

const rows: readonly Row[] = [
  ['aws:CurrentTime', 'date', "the server's clock"],
  ['aws:EpochTime', 'date', "the server's clock, in seconds since 1970"],
  ['aws:SecureTransport', 'boolean', "whether the client's connection is TLS"],
  ['aws:SourceIp', 'address', 'the other end of the connection; a header only from a trusted proxy'],
  ['aws:UserAgent', 'string', 'header User-Agent: as the client likes it'],
  ['aws:Referer', 'string', 'header Referer: as the client likes it'],
  ['aws:RequestedRegion', 'string', 'the region that the server was given'],
  ['aws:username', 'string', 'name of the user; absent for root, roles and federated users'],
  ['aws:userid', 'string', 'unique id of the principal; of a role with :SESSION, of root the account'],
  ['aws:PrincipalArn', 'arn', 'user, root, or the role (not its session)'],
  ['aws:PrincipalAccount', 'string', 'account of the principal'],
  ['aws:PrincipalType', 'string', 'Account, User, AssumedRole, FederatedUser, or Anonymous'],
  ['aws:PrincipalTag/', 'string', 'tags of the user or role, and of its session'],
  ['aws:PrincipalIsAWSService', 'boolean', 'whether the server itself asks, for a feature that a bucket uses'],
  ['aws:PrincipalServiceName', 'string', 'which of its services'],
  ['aws:PrincipalServiceNamesList', 'string', 'all names of that service', 'many'],
  ['aws:TokenIssueTime', 'date', 'when the temporary credentials were made'],
  ['aws:MultiFactorAuthPresent', 'boolean', 'of temporary credentials: whether a second factor was shown'],
  ['aws:MultiFactorAuthAge', 'number', 'seconds since then'],
  ['aws:FederatedProvider', 'string', 'the identity provider of the session'],
  ['aws:SourceIdentity', 'string', 'given with AssumeRole'],
  ['aws:RequestTag/', 'string', 'tags that the request sets'],
  ['aws:TagKeys', 'string', 'their keys', 'many'],
  ['aws:ResourceTag/', 'string', 'tags of the bucket'],
  ['aws:ResourceAccount', 'string', 'account that owns the bucket'],
  ['aws:SourceAccount', 'string', 'account for which a service of the server asks'],
  ['aws:SourceArn', 'arn', 'bucket for which a service of the server asks'],
  ['aws:ViaAWSService', 'boolean', 'always false'],
  ['aws:CalledVia', 'string', undefined, 'many'],
  ['aws:CalledViaFirst', 'string'],
  ['aws:CalledViaLast', 'string'],
  ['aws:AssumedRoot', 'boolean'],
  ['aws:ChatbotSourceArn', 'arn'],
  ['aws:Ec2InstanceSourcePrivateIPv4', 'address'],
  ['aws:Ec2InstanceSourceVpc', 'string'],
  ['aws:PrincipalOrgID', 'string'],
  ['aws:PrincipalOrgPaths', 'string', undefined, 'many'],
  ['aws:ResourceOrgID', 'string'],
  ['aws:ResourceOrgPaths', 'string', undefined, 'many'],
  ['aws:SourceOrgID', 'string'],
  ['aws:SourceOrgPaths', 'string', undefined, 'many'],
  ['aws:SourceVpc', 'string'],
  ['aws:SourceVpcArn', 'arn'],
  ['aws:SourceVpce', 'string'],
  ['aws:VpcSourceIp', 'address'],
  ['aws:VpceAccount', 'string'],
  ['aws:VpceOrgID', 'string'],
  ['aws:VpceOrgPaths', 'string', undefined, 'many'],
  ['iam:PolicyARN', 'arn', 'parameter PolicyArn of attaching and detaching'],
  ['iam:PermissionsBoundary', 'arn', 'boundary that the request sets, or that the user or role has'],
  ['iam:ResourceTag/', 'string', 'tags of the user, role or policy'],
  ['sts:ExternalId', 'string', 'parameter ExternalId of AssumeRole'],
  ['sts:RoleSessionName', 'string', 'parameter RoleSessionName of AssumeRole'],
  ['sts:SourceIdentity', 'string', 'parameter SourceIdentity of AssumeRole'],
  ['sts:DurationSeconds', 'number', 'parameter DurationSeconds'],
  ['sts:TransitiveTagKeys', 'string', 'parameter TransitiveTagKeys of AssumeRole', 'many'],
  ['s3:authType', 'string', 'REST-HEADER, REST-QUERY-STRING or POST: where the signature stands'],
  ['s3:signatureAge', 'number', 'milliseconds since a presigned request was signed'],
  ['s3:signatureversion', 'string', 'AWS4-HMAC-SHA256'],
  ['s3:TlsVersion', 'number', 'version of TLS of the connection to this server: 1.2 or 1.3'],
  ['s3:ResourceAccount', 'string', 'account that owns the bucket'],
  ['s3:x-amz-content-sha256', 'string', 'that header'],
  ['s3:delimiter', 'string', 'parameter delimiter of a listing'],
  ['s3:prefix', 'string', 'parameter prefix of a listing'],
  ['s3:max-keys', 'number', 'parameter max-keys of a listing'],
  ['s3:VersionId', 'string', 'parameter versionId, also of the source of a copy'],
  ['s3:LocationConstraint', 'string', 'document of CreateBucket'],
  ['s3:ExistingObjectTag/', 'string', 'tags of the object version'],
  ['s3:RequestObjectTag/', 'string', 'header x-amz-tagging, or the document of PutObjectTagging'],
  ['s3:RequestObjectTagKeys', 'string', 'the keys of those', 'many'],
  ['s3:BucketTag/', 'string', 'tags of the bucket'],
  ['s3:x-amz-acl', 'string', 'that header'],
  ['s3:x-amz-grant-full-control', 'string', 'that header'],
  ['s3:x-amz-grant-read', 'string', 'that header'],
  ['s3:x-amz-grant-read-acp', 'string', 'that header'],
  ['s3:x-amz-grant-write', 'string', 'that header'],
  ['s3:x-amz-grant-write-acp', 'string', 'that header'],
  ['s3:x-amz-copy-source', 'string', 'that header'],
  ['s3:x-amz-metadata-directive', 'string', 'that header'],
  ['s3:x-amz-object-ownership', 'string', 'that header'],
  ['s3:x-amz-server-side-encryption', 'string', 'that header'],
  ['s3:x-amz-server-side-encryption-aws-kms-key-id', 'arn', 'that header'],
  ['s3:x-amz-server-side-encryption-customer-algorithm', 'string', 'that header'],
  ['s3:x-amz-storage-class', 'string', 'that header'],
  ['s3:x-amz-website-redirect-location', 'string', 'that header'],
  ['s3:if-match', 'string', 'header If-Match of a write'],
  ['s3:if-none-match', 'string', 'header If-None-Match of a write'],
  ['s3:ObjectCreationOperation', 'boolean', 'whether the request makes an object: false for the parts of an upload'],
  ['s3:object-lock-mode', 'string', 'header x-amz-object-lock-mode, or the document'],
  ['s3:object-lock-retain-until-date', 'date', 'header x-amz-object-lock-retain-until-date, or the document'],
  ['s3:object-lock-remaining-retention-days', 'number', 'days from now to that date'],
  ['s3:object-lock-legal-hold', 'string', 'header x-amz-object-lock-legal-hold, or the document'],
  ['s3:InventoryAccessibleOptionalFields', 'string', 'document of an inventory configuration', 'many'],
  ['s3:AccessGrantsInstanceArn', 'arn'],
  ['s3:AccessPointNetworkOrigin', 'string'],
  ['s3:DataAccessPointAccount', 'string'],
  ['s3:DataAccessPointArn', 'arn'],
  ['s3:destinationRegion', 'string'],
  ['s3:isReplicationPauseRequest', 'boolean'],
  ['dsom:DeviceId', 'string', 'common name in the certificate that a device shows: the device itself, whoever uses it'],
  ['dsom:DeviceFingerprint', 'string', 'SHA-256 of that certificate, 64 hexadecimal digits'],
];

export const conditionKeys: readonly ConditionKey[] = rows.map(([name, type, from, many]) => ({
  name,
  type,
  from,
  many: many !== undefined,
}));

const byName = new Map(conditionKeys.map((key) => [key.name.toLowerCase(), key]));

/** @returns undefined when there is no such key; tags count as known whatever their own key is */
export function conditionKey(name: string): ConditionKey | undefined {
  const lower = name.toLowerCase();
  const slash = lower.indexOf('/');
  if (slash < 0) return byName.get(lower);
  return slash < lower.length - 1 ? byName.get(lower.slice(0, slash + 1)) : undefined;
}
