import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseTarget } from '../../access/index.ts';
import { detect } from './detect.ts';
import { refusedOperations, type S3Operation, supportedOperations, unsetOperations } from './names.ts';
import { operations } from './operations.ts';
import { permissionsOf } from './permissions.ts';

const of = (line: string, headers: Record<string, string> = {}) => {
  const [method, url] = line.split(' ') as [string, string];
  return detect(method, parseTarget(url, undefined, []), headers);
};

/** One request for every operation there is. */
const examples: Readonly<Record<S3Operation, string | readonly [string, Record<string, string>]>> = {
  AbortMultipartUpload: 'DELETE /b/k?uploadId=1',
  CompleteMultipartUpload: 'POST /b/k?uploadId=1',
  CopyObject: ['PUT /b/k', { 'x-amz-copy-source': '/b/k' }],
  CreateBucket: 'PUT /b',
  CreateBucketMetadataConfiguration: 'POST /b?metadataConfiguration',
  CreateBucketMetadataTableConfiguration: 'POST /b?metadataTable',
  CreateMultipartUpload: 'POST /b/k?uploads',
  CreateSession: 'GET /b?session',
  DeleteBucket: 'DELETE /b',
  DeleteBucketAnalyticsConfiguration: 'DELETE /b?analytics&id=1',
  DeleteBucketCors: 'DELETE /b?cors',
  DeleteBucketEncryption: 'DELETE /b?encryption',
  DeleteBucketIntelligentTieringConfiguration: 'DELETE /b?intelligent-tiering&id=1',
  DeleteBucketInventoryConfiguration: 'DELETE /b?inventory&id=1',
  DeleteBucketLifecycle: 'DELETE /b?lifecycle',
  DeleteBucketMetadataConfiguration: 'DELETE /b?metadataConfiguration',
  DeleteBucketMetadataTableConfiguration: 'DELETE /b?metadataTable',
  DeleteBucketMetricsConfiguration: 'DELETE /b?metrics&id=1',
  DeleteBucketOwnershipControls: 'DELETE /b?ownershipControls',
  DeleteBucketPolicy: 'DELETE /b?policy',
  DeleteBucketReplication: 'DELETE /b?replication',
  DeleteBucketTagging: 'DELETE /b?tagging',
  DeleteBucketWebsite: 'DELETE /b?website',
  DeleteObject: 'DELETE /b/k?versionId=1',
  DeleteObjectTagging: 'DELETE /b/k?tagging',
  DeleteObjects: 'POST /b?delete',
  DeletePublicAccessBlock: 'DELETE /b?publicAccessBlock',
  GetBucketAbac: 'GET /b?abac',
  GetBucketAccelerateConfiguration: 'GET /b?accelerate',
  GetBucketAcl: 'GET /b?acl',
  GetBucketAnalyticsConfiguration: 'GET /b?analytics&id=1',
  GetBucketCors: 'GET /b?cors',
  GetBucketEncryption: 'GET /b?encryption',
  GetBucketIntelligentTieringConfiguration: 'GET /b?intelligent-tiering&id=1',
  GetBucketInventoryConfiguration: 'GET /b?inventory&id=1',
  GetBucketLifecycleConfiguration: 'GET /b?lifecycle',
  GetBucketLocation: 'GET /b?location',
  GetBucketLogging: 'GET /b?logging',
  GetBucketMetadataConfiguration: 'GET /b?metadataConfiguration',
  GetBucketMetadataTableConfiguration: 'GET /b?metadataTable',
  GetBucketMetricsConfiguration: 'GET /b?metrics&id=1',
  GetBucketNotificationConfiguration: 'GET /b?notification',
  GetBucketOwnershipControls: 'GET /b?ownershipControls',
  GetBucketPolicy: 'GET /b?policy',
  GetBucketPolicyStatus: 'GET /b?policyStatus',
  GetBucketReplication: 'GET /b?replication',
  GetBucketRequestPayment: 'GET /b?requestPayment',
  GetBucketTagging: 'GET /b?tagging',
  GetBucketVersioning: 'GET /b?versioning',
  GetBucketWebsite: 'GET /b?website',
  GetObject: 'GET /b/k?x-id=GetObject&response-content-type=a',
  GetObjectAcl: 'GET /b/k?acl',
  GetObjectAttributes: 'GET /b/k?attributes',
  GetObjectLegalHold: 'GET /b/k?legal-hold',
  GetObjectLockConfiguration: 'GET /b?object-lock',
  GetObjectRetention: 'GET /b/k?retention',
  GetObjectTagging: 'GET /b/k?tagging',
  GetObjectTorrent: 'GET /b/k?torrent',
  GetPublicAccessBlock: 'GET /b?publicAccessBlock',
  HeadBucket: 'HEAD /b',
  HeadObject: 'HEAD /b/k?partNumber=1',
  ListBucketAnalyticsConfigurations: 'GET /b?analytics',
  ListBucketIntelligentTieringConfigurations: 'GET /b?intelligent-tiering',
  ListBucketInventoryConfigurations: 'GET /b?inventory',
  ListBucketMetricsConfigurations: 'GET /b?metrics',
  ListBuckets: 'GET /?prefix=a',
  ListDirectoryBuckets: 'GET /?max-directory-buckets=3',
  ListMultipartUploads: 'GET /b?uploads&prefix=p',
  ListObjectVersions: 'GET /b?versions',
  ListObjects: 'GET /b?prefix=p&delimiter=/',
  ListObjectsV2: 'GET /b?list-type=2',
  ListParts: 'GET /b/k?uploadId=1',
  OptionsObject: 'OPTIONS /b/k',
  PostObject: ['POST /b', { 'content-type': 'multipart/form-data; boundary=x' }],
  PutBucketAbac: 'PUT /b?abac',
  PutBucketAccelerateConfiguration: 'PUT /b?accelerate',
  PutBucketAcl: 'PUT /b?acl',
  PutBucketAnalyticsConfiguration: 'PUT /b?analytics&id=1',
  PutBucketCors: 'PUT /b?cors',
  PutBucketEncryption: 'PUT /b?encryption',
  PutBucketIntelligentTieringConfiguration: 'PUT /b?intelligent-tiering&id=1',
  PutBucketInventoryConfiguration: 'PUT /b?inventory&id=1',
  PutBucketLifecycleConfiguration: 'PUT /b?lifecycle',
  PutBucketLogging: 'PUT /b?logging',
  PutBucketMetricsConfiguration: 'PUT /b?metrics&id=1',
  PutBucketNotificationConfiguration: 'PUT /b?notification',
  PutBucketOwnershipControls: 'PUT /b?ownershipControls',
  PutBucketPolicy: 'PUT /b?policy',
  PutBucketReplication: 'PUT /b?replication',
  PutBucketRequestPayment: 'PUT /b?requestPayment',
  PutBucketTagging: 'PUT /b?tagging',
  PutBucketVersioning: 'PUT /b?versioning',
  PutBucketWebsite: 'PUT /b?website',
  PutObject: 'PUT /b/k?x-id=PutObject',
  PutObjectAcl: 'PUT /b/k?acl',
  PutObjectLegalHold: 'PUT /b/k?legal-hold',
  PutObjectLockConfiguration: 'PUT /b?object-lock',
  PutObjectRetention: 'PUT /b/k?retention',
  PutObjectTagging: 'PUT /b/k?tagging',
  PutPublicAccessBlock: 'PUT /b?publicAccessBlock',
  RenameObject: 'PUT /b/k?renameObject',
  RestoreObject: 'POST /b/k?restore',
  SelectObjectContent: 'POST /b/k?select&select-type=2',
  UpdateBucketMetadataInventoryTableConfiguration: 'PUT /b?metadataInventoryTable',
  UpdateBucketMetadataJournalTableConfiguration: 'PUT /b?metadataJournalTable',
  UpdateObjectEncryption: 'PUT /b/k?encryption',
  UploadPart: 'PUT /b/k?uploadId=1&partNumber=2',
  UploadPartCopy: ['PUT /b/k?uploadId=1&partNumber=2', { 'x-amz-copy-source': '/b/k' }],
  WriteGetObjectResponse: ['POST /WriteGetObjectResponse', { 'x-amz-request-route': 'r' }],
};

const all = [...supportedOperations, ...unsetOperations, ...refusedOperations];

describe('detect', () => {
  for (const name of all) {
    it(name, () => {
      const example = examples[name];
      assert.equal(typeof example === 'string' ? of(example) : of(...example), name);
    });
  }

  it('has one row for every operation, and a handler for all but the refused', () => {
    assert.equal(new Set(all).size, all.length);
    assert.deepEqual([...operations.keys()].sort(), [...all].sort());
    for (const [name, row] of operations)
      assert.equal(row.handle === undefined, (refusedOperations as readonly string[]).includes(name), name);
  });

  it('calls nothing a read that changes anything', () => {
    for (const name of all) {
      const { needs } = permissionsOf(name);
      if (needs.length === 0) continue;
      const reads = needs.every(({ action }) => /^(?:Get|List)/.test(action));
      const verb = typeof examples[name] === 'string' ? examples[name] : examples[name][0];
      if (reads) assert.match(verb, /^(GET|HEAD|OPTIONS|POST \/b\/k\?select)/, name);
      else assert.match(verb, /^(PUT|POST|DELETE)/, name);
    }
  });

  it('takes a trailing slash behind the bucket for the bucket', () => {
    assert.equal(of('PUT /b/'), 'CreateBucket');
    assert.equal(of('GET /b/?location'), 'GetBucketLocation');
  });

  it('does not let a part number without an upload replace an object', () => {
    assert.equal(of('PUT /b/k?partNumber=1'), 'UploadPart');
    assert.equal(of('PUT /b/k?partNumber=1', { 'x-amz-copy-source': 'b/k' }), 'UploadPartCopy');
  });

  it('refuses two subresources, and methods that a resource does not have', () => {
    assert.deepEqual(of('GET /b?acl&versioning'), { refused: 'Conflicting', names: ['acl', 'versioning'] });
    assert.deepEqual(of('PUT /b/k?tagging&uploadId=1'), { refused: 'Conflicting', names: ['tagging', 'uploadId'] });
    for (const line of [
      'DELETE /b?acl',
      'POST /',
      'PUT /',
      'DELETE /',
      'PATCH /b/k',
      'TRACE /b',
      'GET /b/k?restore',
      'POST /b/k',
      'HEAD /b/k?tagging',
      'CONNECT /b/k',
    ]) {
      assert.equal((of(line) as { refused: string }).refused, 'MethodNotAllowed', line);
    }
  });

  it('is total, also for names that every object has', () => {
    const word = fc.oneof(
      fc.constantFrom(
        'acl',
        'uploads',
        'uploadId',
        'partNumber',
        'versions',
        'delete',
        'list-type',
        '__proto__',
        'constructor',
        'hasOwnProperty',
        'id',
        'toString',
      ),
      fc.string({ maxLength: 6 }),
    );
    const method = fc.oneof(
      fc.constantFrom(
        'GET',
        'PUT',
        'POST',
        'DELETE',
        'HEAD',
        'OPTIONS',
        'PATCH',
        '__proto__',
        'constructor',
        'toString',
      ),
      fc.string({ maxLength: 8 }),
    );
    fc.assert(
      fc.property(
        method,
        fc.boolean(),
        fc.array(fc.tuple(word, word), { maxLength: 4 }),
        fc.boolean(),
        (verb, object, pairs, copy) => {
          const query = pairs
            .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
            .join('&');
          const detected = detect(
            verb,
            parseTarget(`/b${object ? '/k' : ''}${query === '' ? '' : `?${query}`}`, undefined, []),
            copy ? { 'x-amz-copy-source': '/b/k' } : {},
          );
          if (typeof detected === 'string') assert.ok(operations.has(detected));
          else assert.ok(detected.refused === 'MethodNotAllowed' || detected.names.length === 2);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
