import type { IncomingHttpHeaders } from 'node:http';
import type { Target } from '../../access/index.ts';
import type { S3Operation } from './names.ts';

type Method = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
type ByMethod = Partial<Record<Method, S3Operation>>;

/** The addressed thing and the query of a request, as far as detection looks at them. */
export type DetectTarget = Pick<Target, 'bucket' | 'key' | 'query'>;

/** What a request asks for, or why it asks for nothing that exists. */
export type Detected =
  | S3Operation
  /** The method is not one of this resource; `resource` is the name that the error gives it. */
  | { readonly refused: 'MethodNotAllowed'; readonly resource: string }
  /** Two subresources at once: which of them was meant, and authorised, cannot be told. */
  | { readonly refused: 'Conflicting'; readonly names: readonly string[] };

/** Operations chosen by one name in the query, on a bucket. */
const ofBucket: Readonly<Record<string, ByMethod>> = {
  abac: { GET: 'GetBucketAbac', PUT: 'PutBucketAbac' },
  accelerate: { GET: 'GetBucketAccelerateConfiguration', PUT: 'PutBucketAccelerateConfiguration' },
  acl: { GET: 'GetBucketAcl', PUT: 'PutBucketAcl' },
  analytics: {
    GET: 'ListBucketAnalyticsConfigurations',
    PUT: 'PutBucketAnalyticsConfiguration',
    DELETE: 'DeleteBucketAnalyticsConfiguration',
  },
  cors: { GET: 'GetBucketCors', PUT: 'PutBucketCors', DELETE: 'DeleteBucketCors' },
  delete: { POST: 'DeleteObjects' },
  encryption: { GET: 'GetBucketEncryption', PUT: 'PutBucketEncryption', DELETE: 'DeleteBucketEncryption' },
  'intelligent-tiering': {
    GET: 'ListBucketIntelligentTieringConfigurations',
    PUT: 'PutBucketIntelligentTieringConfiguration',
    DELETE: 'DeleteBucketIntelligentTieringConfiguration',
  },
  inventory: {
    GET: 'ListBucketInventoryConfigurations',
    PUT: 'PutBucketInventoryConfiguration',
    DELETE: 'DeleteBucketInventoryConfiguration',
  },
  lifecycle: {
    GET: 'GetBucketLifecycleConfiguration',
    PUT: 'PutBucketLifecycleConfiguration',
    DELETE: 'DeleteBucketLifecycle',
  },
  location: { GET: 'GetBucketLocation' },
  logging: { GET: 'GetBucketLogging', PUT: 'PutBucketLogging' },
  metadataConfiguration: {
    GET: 'GetBucketMetadataConfiguration',
    POST: 'CreateBucketMetadataConfiguration',
    DELETE: 'DeleteBucketMetadataConfiguration',
  },
  metadataInventoryTable: { PUT: 'UpdateBucketMetadataInventoryTableConfiguration' },
  metadataJournalTable: { PUT: 'UpdateBucketMetadataJournalTableConfiguration' },
  metadataTable: {
    GET: 'GetBucketMetadataTableConfiguration',
    POST: 'CreateBucketMetadataTableConfiguration',
    DELETE: 'DeleteBucketMetadataTableConfiguration',
  },
  metrics: {
    GET: 'ListBucketMetricsConfigurations',
    PUT: 'PutBucketMetricsConfiguration',
    DELETE: 'DeleteBucketMetricsConfiguration',
  },
  notification: { GET: 'GetBucketNotificationConfiguration', PUT: 'PutBucketNotificationConfiguration' },
  'object-lock': { GET: 'GetObjectLockConfiguration', PUT: 'PutObjectLockConfiguration' },
  ownershipControls: {
    GET: 'GetBucketOwnershipControls',
    PUT: 'PutBucketOwnershipControls',
    DELETE: 'DeleteBucketOwnershipControls',
  },
  policy: { GET: 'GetBucketPolicy', PUT: 'PutBucketPolicy', DELETE: 'DeleteBucketPolicy' },
  policyStatus: { GET: 'GetBucketPolicyStatus' },
  publicAccessBlock: { GET: 'GetPublicAccessBlock', PUT: 'PutPublicAccessBlock', DELETE: 'DeletePublicAccessBlock' },
  replication: { GET: 'GetBucketReplication', PUT: 'PutBucketReplication', DELETE: 'DeleteBucketReplication' },
  requestPayment: { GET: 'GetBucketRequestPayment', PUT: 'PutBucketRequestPayment' },
  session: { GET: 'CreateSession' },
  tagging: { GET: 'GetBucketTagging', PUT: 'PutBucketTagging', DELETE: 'DeleteBucketTagging' },
  uploads: { GET: 'ListMultipartUploads' },
  versioning: { GET: 'GetBucketVersioning', PUT: 'PutBucketVersioning' },
  versions: { GET: 'ListObjectVersions' },
  website: { GET: 'GetBucketWebsite', PUT: 'PutBucketWebsite', DELETE: 'DeleteBucketWebsite' },
};

/** Configurations with an `id` are read one by one, those without are listed. */
const withId: Readonly<Partial<Record<S3Operation, S3Operation>>> = {
  ListBucketAnalyticsConfigurations: 'GetBucketAnalyticsConfiguration',
  ListBucketIntelligentTieringConfigurations: 'GetBucketIntelligentTieringConfiguration',
  ListBucketInventoryConfigurations: 'GetBucketInventoryConfiguration',
  ListBucketMetricsConfigurations: 'GetBucketMetricsConfiguration',
};

/** Operations chosen by one name in the query, on an object. */
const ofObject: Readonly<Record<string, ByMethod>> = {
  acl: { GET: 'GetObjectAcl', PUT: 'PutObjectAcl' },
  attributes: { GET: 'GetObjectAttributes' },
  encryption: { PUT: 'UpdateObjectEncryption' },
  'legal-hold': { GET: 'GetObjectLegalHold', PUT: 'PutObjectLegalHold' },
  renameObject: { PUT: 'RenameObject' },
  restore: { POST: 'RestoreObject' },
  retention: { GET: 'GetObjectRetention', PUT: 'PutObjectRetention' },
  select: { POST: 'SelectObjectContent' },
  tagging: { GET: 'GetObjectTagging', PUT: 'PutObjectTagging', DELETE: 'DeleteObjectTagging' },
  torrent: { GET: 'GetObjectTorrent' },
  uploadId: { GET: 'ListParts', PUT: 'UploadPart', POST: 'CompleteMultipartUpload', DELETE: 'AbortMultipartUpload' },
  uploads: { POST: 'CreateMultipartUpload' },
};

const plainBucket: ByMethod = { GET: 'ListObjects', HEAD: 'HeadBucket', PUT: 'CreateBucket', DELETE: 'DeleteBucket' };
const plainObject: ByMethod = { GET: 'GetObject', HEAD: 'HeadObject', PUT: 'PutObject', DELETE: 'DeleteObject' };

const notAllowed = (resource: string): Detected => ({ refused: 'MethodNotAllowed', resource });

/** The one subresource that the query names; several are a conflict. `Object.hasOwn` keeps `__proto__` and the like out. */
function subresource(
  query: Target['query'],
  table: Readonly<Record<string, ByMethod>>,
): string | undefined | readonly string[] {
  let found: string | undefined;
  for (const [name] of query.pairs) {
    if (!Object.hasOwn(table, name) || name === found) continue;
    if (found !== undefined) return [found, name];
    found = name;
  }
  return found;
}

function pick(row: ByMethod, verb: Method): S3Operation | undefined {
  return Object.hasOwn(row, verb) ? row[verb] : undefined;
}

/**
 * Names the operation of a request. Total: every request is a known operation, supported or not, or a refusal; nothing falls
 * through to a default that an unknown subresource could reach. (Unknown names in the query are ignored, as AWS does.)
 */
export function detect(method: string, target: DetectTarget, headers: IncomingHttpHeaders): Detected {
  const verb = method as Method;
  const { bucket, key, query } = target;
  if (bucket === undefined) {
    if (verb !== 'GET') return notAllowed('SERVICE');
    return query.has('max-directory-buckets') ? 'ListDirectoryBuckets' : 'ListBuckets';
  }
  if (method === 'OPTIONS') return 'OptionsObject';
  const object = key.length > 0;
  if (query.pairs.length > 0) {
    const table = object ? ofObject : ofBucket;
    const name = subresource(query, table);
    if (name !== undefined && typeof name !== 'string') return { refused: 'Conflicting', names: name };
    if (name !== undefined) {
      const operation = pick(table[name]!, verb);
      if (operation === undefined) return notAllowed(name.toUpperCase());
      if (operation === 'UploadPart' && headers['x-amz-copy-source'] !== undefined) return 'UploadPartCopy';
      return query.has('id') ? (withId[operation] ?? operation) : operation;
    }
  }
  if (object) {
    if (verb === 'PUT') {
      // A part number without its upload must not replace the object.
      if (query.has('partNumber')) return headers['x-amz-copy-source'] === undefined ? 'UploadPart' : 'UploadPartCopy';
      return headers['x-amz-copy-source'] === undefined ? 'PutObject' : 'CopyObject';
    }
    return pick(plainObject, verb) ?? notAllowed('OBJECT');
  }
  if (verb === 'GET' && query.get('list-type') === '2') return 'ListObjectsV2';
  if (verb === 'POST') {
    if (headers['x-amz-request-route'] !== undefined) return 'WriteGetObjectResponse';
    return 'PostObject';
  }
  return pick(plainBucket, verb) ?? notAllowed('BUCKET');
}
