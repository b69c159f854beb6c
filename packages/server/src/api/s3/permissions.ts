import type { S3Action } from '../../access/index.ts';
import { invariant } from '../../invariant.ts';
import type { Tags } from '../../objects/index.ts';
import type { S3Operation } from './names.ts';

/*
 * What each operation needs to be allowed: the actions of IAM, on what, and when. An operation is allowed when all that it needs is.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html and the page of each operation.
 */

/** What the action is done to. `source`: the object that is copied; `each`: every object that the document names. */
export type NeedTarget = 'account' | 'bucket' | 'object' | 'source' | 'each';

/** Facts of a request that make an operation need more. */
export type NeedCause =
  /** Headers x-amz-acl or x-amz-grant-…. */
  | 'acl'
  /** Header x-amz-tagging. */
  | 'tagging'
  /** Headers x-amz-object-lock-mode or x-amz-object-lock-retain-until-date. */
  | 'retention'
  /** Header x-amz-object-lock-legal-hold. */
  | 'legal-hold'
  /** Header x-amz-bypass-governance-retention: true. */
  | 'bypass'
  /** Header x-dsom-replica: true. */
  | 'replica'
  /** Header x-amz-bucket-object-lock-enabled: true. */
  | 'object-lock'
  /** Header x-amz-object-ownership. */
  | 'ownership'
  /** The source of a copy has tags, and x-amz-tagging-directive is not REPLACE. */
  | 'copied-tags';

export interface Need {
  readonly action: S3Action;
  /** Instead of `action` where the target is named with its version. */
  readonly versionAction: S3Action;
  /** Both as policies name them: `s3:GetObject`. Texts that are made once are found in maps without being hashed again. */
  readonly asked: string;
  readonly versionAsked: string;
  readonly target: NeedTarget;
  /** undefined: always. */
  readonly cause: NeedCause | undefined;
}

interface Permissions {
  readonly needs: readonly Need[];
  /** Condition keys of S3 that such requests have, besides those that all have (signature, TLS, account of the resource). */
  readonly keys: readonly string[];
}

const need = (target: NeedTarget, action: S3Action, versionAction = action, cause?: NeedCause): Need => ({
  target,
  action,
  versionAction,
  asked: `s3:${action}`,
  versionAsked: `s3:${versionAction}`,
  cause,
});
const on = (needs: readonly Need[], ...keys: string[]): Permissions => ({ needs, keys });
const bucket = (action: S3Action, ...keys: string[]) => on([need('bucket', action)], ...keys);
const object = (action: S3Action, versionAction = action, ...keys: string[]) =>
  on([need('object', action, versionAction)], 's3:VersionId', ...keys);

/** What is written by a store that replicates, which is replicated no further. */
const replicated = (action: S3Action) => need('object', action, action, 'replica');
/** What a write of an object needs more when its headers ask for more. */
const withObject: readonly Need[] = [
  need('object', 'PutObjectTagging', 'PutObjectTagging', 'tagging'),
  need('object', 'PutObjectAcl', 'PutObjectAcl', 'acl'),
  need('object', 'PutObjectRetention', 'PutObjectRetention', 'retention'),
  need('object', 'PutObjectLegalHold', 'PutObjectLegalHold', 'legal-hold'),
  replicated('ReplicateObject'),
];
const put = need('object', 'PutObject');
const putTags = need('object', 'PutObjectTagging', 'PutObjectVersionTagging');
const grants = ['full-control', 'read', 'read-acp', 'write', 'write-acp'].map((one) => `s3:x-amz-grant-${one}`);
const written = [
  's3:RequestObjectTag/',
  's3:RequestObjectTagKeys',
  's3:x-amz-acl',
  ...grants,
  's3:x-amz-server-side-encryption',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
  's3:x-amz-server-side-encryption-customer-algorithm',
  's3:x-amz-storage-class',
  's3:x-amz-website-redirect-location',
  's3:object-lock-mode',
  's3:object-lock-retain-until-date',
  's3:object-lock-remaining-retention-days',
  's3:object-lock-legal-hold',
  's3:if-match',
  's3:if-none-match',
  's3:ObjectCreationOperation',
];
const bypass = (target: NeedTarget) => need(target, 'BypassGovernanceRetention', 'BypassGovernanceRetention', 'bypass');
const source = need('source', 'GetObject', 'GetObjectVersion');
const listed = ['s3:prefix', 's3:delimiter', 's3:max-keys'];
const retention = [
  's3:object-lock-mode',
  's3:object-lock-retain-until-date',
  's3:object-lock-remaining-retention-days',
];
const tagged = ['s3:ExistingObjectTag/'];
const tags = [...tagged, 's3:RequestObjectTag/', 's3:RequestObjectTagKeys'];
/** No policy allows these: they are refused by name, or ask nothing of the store. */
const nobody = on([]);

const table = {
  AbortMultipartUpload: on([need('object', 'AbortMultipartUpload')]),
  CompleteMultipartUpload: on(
    [put, replicated('ReplicateObject')],
    's3:if-match',
    's3:if-none-match',
    's3:ObjectCreationOperation',
  ),
  CopyObject: on(
    [
      put,
      source,
      ...withObject,
      need('source', 'GetObjectTagging', 'GetObjectVersionTagging', 'copied-tags'),
      need('object', 'PutObjectTagging', 'PutObjectTagging', 'copied-tags'),
    ],
    ...written,
    's3:VersionId',
    's3:ExistingObjectTag/',
    's3:x-amz-copy-source',
    's3:x-amz-metadata-directive',
  ),
  CreateBucket: on(
    [
      need('bucket', 'CreateBucket'),
      need('bucket', 'PutBucketAcl', 'PutBucketAcl', 'acl'),
      need('bucket', 'PutBucketObjectLockConfiguration', 'PutBucketObjectLockConfiguration', 'object-lock'),
      need('bucket', 'PutBucketVersioning', 'PutBucketVersioning', 'object-lock'),
      need('bucket', 'PutBucketOwnershipControls', 'PutBucketOwnershipControls', 'ownership'),
    ],
    's3:LocationConstraint',
    's3:x-amz-acl',
    's3:x-amz-object-ownership',
    ...grants,
  ),
  CreateBucketMetadataConfiguration: bucket('CreateBucketMetadataTableConfiguration'),
  CreateBucketMetadataTableConfiguration: bucket('CreateBucketMetadataTableConfiguration'),
  CreateMultipartUpload: on([put, ...withObject], ...written),
  CreateSession: nobody,
  DeleteBucket: bucket('DeleteBucket'),
  DeleteBucketAnalyticsConfiguration: bucket('PutAnalyticsConfiguration'),
  DeleteBucketCors: bucket('PutBucketCORS'),
  DeleteBucketEncryption: bucket('PutEncryptionConfiguration'),
  DeleteBucketIntelligentTieringConfiguration: bucket('PutIntelligentTieringConfiguration'),
  DeleteBucketInventoryConfiguration: bucket('PutInventoryConfiguration'),
  DeleteBucketLifecycle: bucket('PutLifecycleConfiguration'),
  DeleteBucketMetadataConfiguration: bucket('DeleteBucketMetadataTableConfiguration'),
  DeleteBucketMetadataTableConfiguration: bucket('DeleteBucketMetadataTableConfiguration'),
  DeleteBucketMetricsConfiguration: bucket('PutMetricsConfiguration'),
  DeleteBucketOwnershipControls: bucket('PutBucketOwnershipControls'),
  DeleteBucketPolicy: bucket('DeleteBucketPolicy'),
  DeleteBucketReplication: bucket('PutReplicationConfiguration'),
  DeleteBucketTagging: bucket('PutBucketTagging'),
  DeleteBucketWebsite: bucket('DeleteBucketWebsite'),
  DeleteObject: on(
    [need('object', 'DeleteObject', 'DeleteObjectVersion'), bypass('object'), replicated('ReplicateDelete')],
    's3:VersionId',
    's3:if-match',
    ...tagged,
  ),
  DeleteObjects: on([need('each', 'DeleteObject', 'DeleteObjectVersion'), bypass('each')], 's3:VersionId', ...tagged),
  DeleteObjectTagging: object('DeleteObjectTagging', 'DeleteObjectVersionTagging', ...tagged),
  DeletePublicAccessBlock: bucket('PutBucketPublicAccessBlock'),
  GetBucketAbac: bucket('GetBucketAbac'),
  GetBucketAccelerateConfiguration: bucket('GetAccelerateConfiguration'),
  GetBucketAcl: bucket('GetBucketAcl'),
  GetBucketAnalyticsConfiguration: bucket('GetAnalyticsConfiguration'),
  GetBucketCors: bucket('GetBucketCORS'),
  GetBucketEncryption: bucket('GetEncryptionConfiguration'),
  GetBucketIntelligentTieringConfiguration: bucket('GetIntelligentTieringConfiguration'),
  GetBucketInventoryConfiguration: bucket('GetInventoryConfiguration'),
  GetBucketLifecycleConfiguration: bucket('GetLifecycleConfiguration'),
  GetBucketLocation: bucket('GetBucketLocation'),
  GetBucketLogging: bucket('GetBucketLogging'),
  GetBucketMetadataConfiguration: bucket('GetBucketMetadataTableConfiguration'),
  GetBucketMetadataTableConfiguration: bucket('GetBucketMetadataTableConfiguration'),
  GetBucketMetricsConfiguration: bucket('GetMetricsConfiguration'),
  GetBucketNotificationConfiguration: bucket('GetBucketNotification'),
  GetBucketOwnershipControls: bucket('GetBucketOwnershipControls'),
  GetBucketPolicy: bucket('GetBucketPolicy'),
  GetBucketPolicyStatus: bucket('GetBucketPolicyStatus'),
  GetBucketReplication: bucket('GetReplicationConfiguration'),
  GetBucketRequestPayment: bucket('GetBucketRequestPayment'),
  GetBucketTagging: bucket('GetBucketTagging'),
  GetBucketVersioning: bucket('GetBucketVersioning'),
  GetBucketWebsite: bucket('GetBucketWebsite'),
  GetObject: object('GetObject', 'GetObjectVersion', ...tagged),
  GetObjectAcl: object('GetObjectAcl', 'GetObjectVersionAcl', ...tagged),
  GetObjectAttributes: on(
    [
      need('object', 'GetObjectAttributes', 'GetObjectVersionAttributes'),
      need('object', 'GetObject', 'GetObjectVersion'),
    ],
    's3:VersionId',
    ...tagged,
  ),
  GetObjectLegalHold: object('GetObjectLegalHold'),
  GetObjectLockConfiguration: bucket('GetBucketObjectLockConfiguration'),
  GetObjectRetention: object('GetObjectRetention'),
  GetObjectTagging: object('GetObjectTagging', 'GetObjectVersionTagging', ...tagged),
  GetObjectTorrent: object('GetObjectTorrent', 'GetObjectVersionTorrent'),
  GetPublicAccessBlock: bucket('GetBucketPublicAccessBlock'),
  HeadBucket: bucket('ListBucket'),
  HeadObject: object('GetObject', 'GetObjectVersion', ...tagged),
  ListBucketAnalyticsConfigurations: bucket('GetAnalyticsConfiguration'),
  ListBucketIntelligentTieringConfigurations: bucket('GetIntelligentTieringConfiguration'),
  ListBucketInventoryConfigurations: bucket('GetInventoryConfiguration'),
  ListBucketMetricsConfigurations: bucket('GetMetricsConfiguration'),
  ListBuckets: on([need('account', 'ListAllMyBuckets')]),
  ListDirectoryBuckets: on([need('account', 'ListAllMyBuckets')]),
  ListMultipartUploads: bucket('ListBucketMultipartUploads', 's3:prefix', 's3:delimiter'),
  ListObjects: bucket('ListBucket', ...listed),
  ListObjectsV2: bucket('ListBucket', ...listed),
  ListObjectVersions: bucket('ListBucketVersions', ...listed),
  ListParts: on([need('object', 'ListMultipartUploadParts')]),
  OptionsObject: nobody,
  PostObject: on([put, ...withObject], ...written),
  PutBucketAbac: bucket('PutBucketAbac'),
  PutBucketAccelerateConfiguration: bucket('PutAccelerateConfiguration'),
  PutBucketAcl: bucket('PutBucketAcl', 's3:x-amz-acl', ...grants),
  PutBucketAnalyticsConfiguration: bucket('PutAnalyticsConfiguration'),
  PutBucketCors: bucket('PutBucketCORS'),
  PutBucketEncryption: bucket('PutEncryptionConfiguration'),
  PutBucketIntelligentTieringConfiguration: bucket('PutIntelligentTieringConfiguration'),
  PutBucketInventoryConfiguration: bucket('PutInventoryConfiguration', 's3:InventoryAccessibleOptionalFields'),
  PutBucketLifecycleConfiguration: bucket('PutLifecycleConfiguration'),
  PutBucketLogging: bucket('PutBucketLogging'),
  PutBucketMetricsConfiguration: bucket('PutMetricsConfiguration'),
  PutBucketNotificationConfiguration: bucket('PutBucketNotification'),
  PutBucketOwnershipControls: bucket('PutBucketOwnershipControls', 's3:x-amz-object-ownership'),
  PutBucketPolicy: bucket('PutBucketPolicy'),
  PutBucketReplication: bucket('PutReplicationConfiguration'),
  PutBucketRequestPayment: bucket('PutBucketRequestPayment'),
  PutBucketTagging: bucket('PutBucketTagging', 'aws:RequestTag/', 'aws:TagKeys'),
  PutBucketVersioning: bucket('PutBucketVersioning'),
  PutBucketWebsite: bucket('PutBucketWebsite'),
  PutObject: on([put, ...withObject], ...written),
  PutObjectAcl: object('PutObjectAcl', 'PutObjectVersionAcl', 's3:x-amz-acl', ...grants, ...tagged),
  PutObjectLegalHold: object('PutObjectLegalHold', 'PutObjectLegalHold', 's3:object-lock-legal-hold'),
  PutObjectLockConfiguration: bucket('PutBucketObjectLockConfiguration'),
  PutObjectRetention: on([need('object', 'PutObjectRetention'), bypass('object')], 's3:VersionId', ...retention),
  PutObjectTagging: on([putTags, replicated('ReplicateTags')], 's3:VersionId', ...tags),
  PutPublicAccessBlock: bucket('PutBucketPublicAccessBlock'),
  RenameObject: on(
    [put, need('source', 'GetObject', 'GetObjectVersion'), need('source', 'DeleteObject', 'DeleteObjectVersion')],
    ...tagged,
  ),
  RestoreObject: object('RestoreObject', 'RestoreObject', ...tagged),
  SelectObjectContent: object('GetObject', 'GetObjectVersion', ...tagged),
  UpdateBucketMetadataInventoryTableConfiguration: bucket('UpdateBucketMetadataInventoryTableConfiguration'),
  UpdateBucketMetadataJournalTableConfiguration: bucket('UpdateBucketMetadataJournalTableConfiguration'),
  UpdateObjectEncryption: object('UpdateObjectEncryption'),
  UploadPart: on([put], 's3:ObjectCreationOperation', 's3:x-amz-server-side-encryption-customer-algorithm'),
  UploadPartCopy: on([put, source], 's3:VersionId', ...tagged, 's3:x-amz-copy-source', 's3:ObjectCreationOperation'),
  WriteGetObjectResponse: nobody,
} satisfies Record<S3Operation, Permissions>;

/** What every request asks of its operation, said once. */
interface Outline extends Permissions {
  /** `keys` in lower case, for look-ups. */
  readonly lowerKeys: ReadonlySet<string>;
  /** Its conditions may ask for tags of the object as it is. */
  readonly existingTags: boolean;
  /** Something is needed of the object that is copied. */
  readonly copies: boolean;
  /** Headers may make it need more. */
  readonly caused: boolean;
  /** Only its document names what it is done to. */
  readonly document: boolean;
}

const outlines = new Map<S3Operation, Outline>();
for (const [operation, { needs, keys }] of Object.entries(table) as [S3Operation, Permissions][])
  outlines.set(operation, {
    needs,
    keys,
    lowerKeys: new Set(keys.map((key) => key.toLowerCase())),
    existingTags: keys.includes('s3:ExistingObjectTag/'),
    copies: needs.some(({ target }) => target === 'source'),
    caused: needs.some(({ cause }) => cause !== undefined),
    document: needs.every(({ target }) => target === 'each'),
  });

/** What an operation needs, in full. */
export function permissionsOf(operation: S3Operation): Outline {
  const outline = outlines.get(operation);
  invariant(outline, 'every operation says what it needs');
  return outline;
}

/** An object as a request names it. `key`: as it is stored. */
export interface NamedObject {
  readonly bucket: string;
  readonly key: string;
  /** undefined: the request names none. */
  readonly versionId: string | undefined;
}

/** What the questions of a request depend on. */
export interface RequestFacts {
  /** Empty where the request names none, as the key. */
  readonly target: NamedObject;
  readonly source: NamedObject | undefined;
  /** Objects that the document names. */
  readonly each: readonly NamedObject[];
  readonly causes: ReadonlySet<NeedCause>;
  /** What a document says that S3 otherwise says in headers, by their names; tags by themselves. Absent: the headers say it. */
  readonly said?: {
    readonly headers?: ReadonlyMap<string, string>;
    readonly tags?: Tags;
    readonly location?: string | undefined;
  };
}

/** What a request is about when it names one thing only. */
export const about = (bucket: string, key = '', versionId?: string): RequestFacts => ({
  target: { bucket, key, versionId },
  source: undefined,
  each: [],
  causes: new Set(),
});

/** One thing that must be allowed. */
export interface Question {
  /** `s3:GetObject` */
  readonly action: string;
  /** ARN. */
  readonly resource: string;
  /** The object, or bucket, that is meant; undefined: nothing that has a name. */
  readonly named: NamedObject | undefined;
  /** Whether it is the object's own tags that conditions mean: what a copy writes is not what it reads. */
  readonly tagged: boolean;
}

function sourceOf({ source }: RequestFacts): NamedObject {
  // Not asking about a source that was not found would copy without permission.
  invariant(source, 'a request that copies names its source');
  return source;
}

export function resourceOf({ target }: Need, { bucket: name, key }: NamedObject): string {
  if (target === 'account') return 'arn:aws:s3:::*';
  return target === 'bucket' ? `arn:aws:s3:::${name}` : `arn:aws:s3:::${name}/${key}`;
}

/** As policies name it. */
export const actionOf = ({ asked, versionAsked }: Need, { versionId }: NamedObject): string =>
  versionId === undefined ? asked : versionAsked;

const questionOf = (one: Need, named: NamedObject, facts: RequestFacts): Question => ({
  action: actionOf(one, named),
  resource: resourceOf(one, named),
  named: one.target === 'account' ? undefined : named,
  tagged: one.target === 'source' || (facts.source === undefined && named.key !== ''),
});

/** All that must be allowed for a request. No question at all means that nobody may. */
export function questionsOf(operation: S3Operation, facts: RequestFacts): Question[] {
  const questions: Question[] = [];
  for (const one of permissionsOf(operation).needs) {
    if (one.cause !== undefined && !facts.causes.has(one.cause)) continue;
    if (one.target === 'each') for (const named of facts.each) questions.push(questionOf(one, named, facts));
    else questions.push(questionOf(one, one.target === 'source' ? sourceOf(facts) : facts.target, facts));
  }
  return questions;
}

/** `true`: another store writes what it has to replicate, and it is replicated no further. */
export const replicaHeader = 'x-dsom-replica';

/** Whether governance is to give way; who may not say so is refused. */
export const saysBypass = (header: (name: string) => string | undefined): boolean =>
  header('x-amz-bypass-governance-retention')?.toLowerCase() === 'true';

/** Which causes the headers of a request are; `copied-tags` is known only when the source was looked up. */
export function causesOf(header: (name: string) => string | undefined, names: Iterable<string>): Set<NeedCause> {
  const causes = new Set<NeedCause>();
  const given = (name: string) => header(name) !== undefined;
  const says = (name: string) => header(name)?.toLowerCase() === 'true';
  for (const name of names) if (name === 'x-amz-acl' || name.startsWith('x-amz-grant-')) causes.add('acl');
  if (given('x-amz-tagging')) causes.add('tagging');
  if (given('x-amz-object-lock-mode') || given('x-amz-object-lock-retain-until-date')) causes.add('retention');
  if (given('x-amz-object-lock-legal-hold')) causes.add('legal-hold');
  if (saysBypass(header)) causes.add('bypass');
  if (says(replicaHeader)) causes.add('replica');
  if (says('x-amz-bucket-object-lock-enabled')) causes.add('object-lock');
  if (given('x-amz-object-ownership')) causes.add('ownership');
  return causes;
}
