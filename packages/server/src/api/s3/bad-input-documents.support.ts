import type { ErrorCode } from '../../errors.ts';
import type { S3Operation } from './names.ts';

/* The document that each operation of S3 takes: one that is right, and one with something of a wrong type in it. */

/** What an operation takes in a body. */
export interface Document {
  readonly root: string;
  readonly inner: string;
  /** Content with something of a wrong type in it, and the code where it is not MalformedXML. */
  readonly wrong: string;
  readonly wrongCode?: readonly [number, ErrorCode];
  /** AWS wants a Content-MD5 or a checksum with it. */
  readonly digest?: true;
  /** Where what is not its form has another code than MalformedXML. */
  readonly code?: ErrorCode;
}

const rule = (inner: string) => `<Rule>${inner}</Rule>`;
const tagging = (inner: string) => ({ root: 'Tagging', inner: `<TagSet>${inner}</TagSet>` });
const tag = '<Tag><Key>k</Key><Value>v</Value></Tag>';
const lifecycle = (days: string) =>
  rule(`<ID>r</ID><Filter/><Status>Enabled</Status><Expiration><Days>${days}</Days></Expiration>`);
const grant = (id: string) =>
  `<AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>owner</ID></Grantee><Permission>${id}</Permission></Grant></AccessControlList>`;
const inventory = (enabled: string) =>
  `<Id>1</Id><IsEnabled>${enabled}</IsEnabled><Destination><S3BucketDestination><Bucket>arn:aws:s3:::bad</Bucket><Format>CSV</Format></S3BucketDestination></Destination><IncludedObjectVersions>All</IncludedObjectVersions><Schedule><Frequency>Daily</Frequency></Schedule>`;
const tier = (days: string) =>
  `<Id>1</Id><Status>Enabled</Status><Tiering><AccessTier>ARCHIVE_ACCESS</AccessTier><Days>${days}</Days></Tiering>`;
const encrypted = (bucketKey: string) =>
  `<SSE-KMS><KMSKeyArn>arn:aws:kms:us-east-1:000000000000:key/k</KMSKeyArn><BucketKeyEnabled>${bucketKey}</BucketKeyEnabled></SSE-KMS>`;
const acl = {
  root: 'AccessControlPolicy',
  inner: grant('FULL_CONTROL'),
  wrong: grant('EVERYTHING'),
  code: 'MalformedACLError',
} as const satisfies Document;

export const documents: Partial<Record<S3Operation, Document>> = {
  CompleteMultipartUpload: {
    root: 'CompleteMultipartUpload',
    inner: '<Part><PartNumber>1</PartNumber><ETag>"e"</ETag></Part>',
    wrong: '<Part><PartNumber>one</PartNumber><ETag>"e"</ETag></Part>',
  },
  CreateBucket: {
    root: 'CreateBucketConfiguration',
    inner: '',
    wrong: '<LocationConstraint>mars-1</LocationConstraint>',
    wrongCode: [400, 'InvalidLocationConstraint'],
  },
  DeleteObjects: {
    root: 'Delete',
    inner: '<Object><Key>k</Key></Object>',
    wrong: '<Object><Key>k</Key><Size>large</Size></Object>',
    digest: true,
  },
  PutBucketAbac: { root: 'AbacStatus', inner: '<Status>Enabled</Status>', wrong: '<Status>On</Status>' },
  PutBucketAccelerateConfiguration: {
    root: 'AccelerateConfiguration',
    inner: '<Status>Enabled</Status>',
    wrong: '<Status>On</Status>',
  },
  PutBucketAcl: acl,
  PutObjectAcl: acl,
  PutBucketAnalyticsConfiguration: {
    root: 'AnalyticsConfiguration',
    inner: '<Id>1</Id><StorageClassAnalysis/>',
    wrong: '<Id>1</Id><StorageClassAnalysis>all</StorageClassAnalysis>',
  },
  PutBucketCors: {
    root: 'CORSConfiguration',
    inner: '<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>',
    wrong:
      '<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><MaxAgeSeconds>long</MaxAgeSeconds></CORSRule>',
    digest: true,
  },
  PutBucketEncryption: {
    root: 'ServerSideEncryptionConfiguration',
    inner: rule(
      '<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>',
    ),
    wrong: rule(
      '<ApplyServerSideEncryptionByDefault><SSEAlgorithm>ROT13</SSEAlgorithm></ApplyServerSideEncryptionByDefault>',
    ),
    digest: true,
  },
  PutBucketIntelligentTieringConfiguration: {
    root: 'IntelligentTieringConfiguration',
    inner: tier('90'),
    wrong: tier('many'),
  },
  PutBucketInventoryConfiguration: {
    root: 'InventoryConfiguration',
    inner: inventory('true'),
    wrong: inventory('perhaps'),
  },
  PutBucketLifecycleConfiguration: {
    root: 'LifecycleConfiguration',
    inner: lifecycle('1'),
    wrong: lifecycle('one'),
    digest: true,
  },
  PutBucketLogging: { root: 'BucketLoggingStatus', inner: '', wrong: '<LoggingEnabled>yes</LoggingEnabled>' },
  PutBucketMetricsConfiguration: {
    root: 'MetricsConfiguration',
    inner: '<Id>1</Id>',
    wrong: '<Id>1</Id><Filter>all</Filter>',
  },
  PutBucketNotificationConfiguration: {
    root: 'NotificationConfiguration',
    inner: '',
    wrong: '<QueueConfiguration>all</QueueConfiguration>',
  },
  PutBucketOwnershipControls: {
    root: 'OwnershipControls',
    inner: rule('<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>'),
    wrong: rule('<ObjectOwnership>Nobody</ObjectOwnership>'),
    digest: true,
  },
  PutBucketRequestPayment: {
    root: 'RequestPaymentConfiguration',
    inner: '<Payer>Requester</Payer>',
    wrong: '<Payer>Nobody</Payer>',
    digest: true,
  },
  PutBucketTagging: { ...tagging(tag), wrong: '<TagSet>none</TagSet>' },
  PutObjectTagging: { ...tagging(tag), wrong: '<TagSet>none</TagSet>' },
  PutBucketVersioning: {
    root: 'VersioningConfiguration',
    inner: '<Status>Enabled</Status>',
    wrong: '<Status>On</Status>',
  },
  PutBucketWebsite: {
    root: 'WebsiteConfiguration',
    inner: '<IndexDocument><Suffix>index.html</Suffix></IndexDocument>',
    wrong: '<IndexDocument>index.html</IndexDocument>',
    digest: true,
  },
  PutObjectLegalHold: {
    root: 'LegalHold',
    inner: '<Status>ON</Status>',
    wrong: '<Status>MAYBE</Status>',
    digest: true,
  },
  PutObjectLockConfiguration: {
    root: 'ObjectLockConfiguration',
    inner: '<ObjectLockEnabled>Enabled</ObjectLockEnabled>',
    wrong: '<ObjectLockEnabled>Sometimes</ObjectLockEnabled>',
    digest: true,
  },
  PutObjectRetention: {
    root: 'Retention',
    inner: '<Mode>GOVERNANCE</Mode><RetainUntilDate>2999-01-01T00:00:00Z</RetainUntilDate>',
    wrong: '<Mode>GOVERNANCE</Mode><RetainUntilDate>soon</RetainUntilDate>',
    digest: true,
  },
  PutPublicAccessBlock: {
    root: 'PublicAccessBlockConfiguration',
    inner: '<BlockPublicAcls>true</BlockPublicAcls>',
    wrong: '<BlockPublicAcls>perhaps</BlockPublicAcls>',
    digest: true,
  },
  UpdateObjectEncryption: {
    root: 'ObjectEncryption',
    inner: encrypted('false'),
    wrong: encrypted('perhaps'),
    digest: true,
    code: 'InvalidRequest',
  },
  RestoreObject: { root: 'RestoreRequest', inner: '<Days>1</Days>', wrong: '<Days>one</Days>' },
};

/** Those whose document has a limit of its own, below that of all. */
export const bounded: ReadonlySet<S3Operation> = new Set<S3Operation>([
  'PutBucketAccelerateConfiguration',
  'PutBucketAnalyticsConfiguration',
  'PutBucketCors',
  'PutBucketEncryption',
  'PutBucketIntelligentTieringConfiguration',
  'PutBucketInventoryConfiguration',
  'PutBucketLifecycleConfiguration',
  'PutBucketLogging',
  'PutBucketMetricsConfiguration',
  'PutBucketNotificationConfiguration',
  'PutBucketOwnershipControls',
  'PutBucketRequestPayment',
  'PutBucketWebsite',
  'PutPublicAccessBlock',
]);
