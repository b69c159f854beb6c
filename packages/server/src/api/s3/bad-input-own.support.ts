import type { ErrorCode } from '../../errors.ts';
import { type Cell, type Kind, type Refused, refused, unsigned } from './bad-input-cells.support.ts';
import type { S3Operation } from './names.ts';

/* Bad input that only one operation has, by its name. */

const x = (length: number) => 'x'.repeat(length);
const argument = (line: string, message?: RegExp): Refused =>
  refused(400, 'InvalidArgument', { line, ...(message && { message }) });
const badHeader = (name: string, value: string, code: ErrorCode = 'InvalidArgument', message?: RegExp): Refused =>
  refused(400, code, { headers: { [name]: value }, ...(message && { message }) });
const noBucket = (line: string) => refused(404, 'NoSuchBucket', { line });
const noUpload = (line: string) => refused(404, 'NoSuchUpload', { line });
const noKey = (line: string) => refused(404, 'NoSuchKey', { line });
const numbers = (method: string, query: string, name: string): readonly Refused[] => [
  argument(`${method}?${query}${name}=many`, new RegExp(`^Provided ${name} not an integer or within integer range$`)),
  argument(`${method}?${query}${name}=-1`),
];
const longMetadata = badHeader('x-amz-meta-a', x(3000), 'MetadataTooLarge');
const longKey = (line: string) => refused(400, 'KeyTooLongError', { line });
const unset = (query: string, code: ErrorCode): Partial<Record<Kind, Cell>> => ({
  'wrong state': [refused(404, code, { line: `GET /bad?${query}` }), noBucket(`GET /nowhere?${query}`)],
});
const noConfiguration = (method: string, query: string): Partial<Record<Kind, Cell>> => ({
  'wrong type': [
    method === 'GET'
      ? refused(404, 'NoSuchConfiguration', { line: `GET /bad?${query}&id=a%20b%00` })
      : argument(`${method} /bad?${query}&id=a%20b%00`),
  ],
  'wrong state': [
    refused(404, 'NoSuchConfiguration', { line: `${method} /bad?${query}&id=none` }),
    noBucket(`${method} /nowhere?${query}&id=none`),
  ],
});

/** What each operation has beside the general forms, or instead of one. */
export const own: Partial<Record<S3Operation, Partial<Record<Kind, Cell>>>> = {
  ListBuckets: {
    'wrong type': [argument('GET /?max-buckets=many')],
    'too long': [argument(`GET /?continuation-token=${x(2000)}`)],
    'wrong state': 'a list of buckets wants no state',
  },
  ListDirectoryBuckets: {
    'wrong type': [argument('GET /?max-directory-buckets=many')],
    'too long': [argument(`GET /?max-directory-buckets=3&continuation-token=${x(2000)}`)],
    'wrong state': 'a list of buckets wants no state',
  },
  ListObjects: {
    'wrong type': [...numbers('GET /bad', '', 'max-keys'), argument('GET /bad?encoding-type=xml', /Encoding/)],
  },
  ListObjectsV2: {
    'wrong type': [
      ...numbers('GET /bad', 'list-type=2&', 'max-keys'),
      argument('GET /bad?list-type=2&continuation-token=none', /continuation token/i),
    ],
  },
  ListObjectVersions: { 'wrong type': numbers('GET /bad', 'versions&', 'max-keys') },
  ListMultipartUploads: { 'wrong type': numbers('GET /bad', 'uploads&', 'max-uploads') },
  ListParts: {
    'wrong type': numbers('GET /bad/u', 'uploadId={upload}&', 'max-parts'),
    'wrong state': [
      noUpload('GET /bad/u?uploadId=none'),
      noUpload('GET /bad/other?uploadId={upload}'),
      noBucket('GET /nowhere/u?uploadId=none'),
    ],
  },
  AbortMultipartUpload: {
    'wrong state': [noUpload('DELETE /bad/u?uploadId=none'), noBucket('DELETE /nowhere/u?uploadId=none')],
  },
  CompleteMultipartUpload: {
    'wrong state': [
      refused(400, 'InvalidPart'),
      noUpload('POST /bad/u?uploadId=none'),
      refused(400, 'InvalidPartOrder', {
        body: '<CompleteMultipartUpload><Part><PartNumber>2</PartNumber><ETag>e</ETag></Part><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>',
      }),
    ],
  },
  UploadPart: {
    'missing header': [
      unsigned,
      refused(411, 'MissingContentLength', { headers: { 'transfer-encoding': 'chunked' } }),
      argument('PUT /bad/u?partNumber=1', /upload/i),
    ],
    'wrong type': [
      argument(
        'PUT /bad/u?uploadId={upload}&partNumber=one',
        /^Part number must be an integer between 1 and 10000, inclusive$/,
      ),
      argument('PUT /bad/u?uploadId={upload}&partNumber=10001'),
      badHeader('content-md5', 'digest', 'InvalidDigest'),
    ],
    'wrong state': [noUpload('PUT /bad/u?uploadId=none&partNumber=1')],
  },
  UploadPartCopy: {
    'wrong type': [badHeader('x-amz-copy-source-range', 'all', 'InvalidArgument', /bytes=first-last/)],
    'wrong state': [
      noUpload('PUT /bad/u?uploadId=none&partNumber=1'),
      refused(404, 'NoSuchKey', { headers: { 'x-amz-copy-source': '/bad/none' } }),
      refused(404, 'NoSuchBucket', { headers: { 'x-amz-copy-source': '/nowhere/k' } }),
    ],
  },
  CreateMultipartUpload: {
    'wrong type': [
      badHeader('x-amz-storage-class', 'COPPER', 'InvalidStorageClass'),
      badHeader('x-amz-checksum-algorithm', 'CRC1', 'InvalidRequest'),
    ],
    'too long': [longMetadata, longKey(`POST /bad/${x(1025)}?uploads`)],
  },
  PutObject: {
    'missing header': [unsigned, refused(411, 'MissingContentLength', { headers: { 'transfer-encoding': 'chunked' } })],
    'wrong type': [
      badHeader('content-md5', 'digest', 'InvalidDigest'),
      badHeader('x-amz-storage-class', 'COPPER', 'InvalidStorageClass'),
      badHeader('x-amz-server-side-encryption', 'ROT13', 'InvalidEncryptionAlgorithmError'),
      badHeader('x-amz-tagging', 'a=b&a=c'),
      badHeader('x-amz-acl', 'everybody'),
    ],
    'too long': [longMetadata, longKey(`PUT /bad/${x(1025)}`), badHeader('x-amz-tagging', `${x(129)}=v`, 'InvalidTag')],
    'wrong state': [
      noBucket('PUT /nowhere/k'),
      refused(412, 'PreconditionFailed', { headers: { 'if-none-match': '*' } }),
    ],
  },
  CopyObject: {
    'wrong type': [
      badHeader('x-amz-metadata-directive', 'MOVE', 'InvalidArgument', /^Unknown metadata directive/),
      badHeader('x-amz-copy-source', 'k', 'InvalidArgument', /copy source/i),
    ],
    'too long': [
      refused(400, 'MetadataTooLarge', { headers: { 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-a': x(3000) } }),
      longKey(`PUT /bad/${x(1025)}`),
    ],
    'wrong state': [
      refused(400, 'InvalidRequest', {
        message: /^This copy request is illegal because it is trying to copy an object to itself/,
      }),
      refused(404, 'NoSuchKey', { headers: { 'x-amz-copy-source': '/bad/none' } }),
      refused(404, 'NoSuchBucket', { headers: { 'x-amz-copy-source': '/nowhere/k' } }),
      noBucket('PUT /nowhere/k'),
    ],
  },
  GetObject: {
    'wrong type': [
      argument('GET /bad/k?partNumber=one', /^Part number must be an integer/),
      argument('GET /bad/k?versionId=first', /^Invalid version id specified$/),
    ],
    'wrong state': [
      noKey('GET /bad/none'),
      noBucket('GET /nowhere/k'),
      refused(416, 'InvalidRange', { headers: { range: 'bytes=9-' } }),
    ],
  },
  HeadObject: {
    'wrong type': [argument('HEAD /bad/k?partNumber=one'), argument('HEAD /bad/k?versionId=first')],
    'wrong state': [
      noKey('HEAD /bad/none'),
      noBucket('HEAD /nowhere/k'),
      refused(412, 'PreconditionFailed', { headers: { 'if-match': '"other"' } }),
    ],
  },
  DeleteObject: {
    'wrong type': [argument('DELETE /bad/k?versionId=first', /^Invalid version id specified$/)],
    'wrong state': [noBucket('DELETE /nowhere/k')],
  },
  GetObjectAttributes: {
    'missing header': [
      refused(400, 'InvalidRequest', {
        headers: { 'x-amz-object-attributes': undefined },
        message:
          /^The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty$/,
      }),
    ],
    'wrong type': [
      badHeader('x-amz-object-attributes', 'Colour', 'InvalidArgument', /^Invalid attribute name specified/),
    ],
    'wrong state': [noKey('GET /bad/none?attributes'), noBucket('GET /nowhere/k?attributes')],
  },
  GetObjectTagging: {
    'wrong type': [argument('GET /bad/k?tagging&versionId=first')],
    'wrong state': [noKey('GET /bad/none?tagging'), noBucket('GET /nowhere/k?tagging')],
  },
  DeleteObjectTagging: {
    'wrong type': [argument('DELETE /bad/k?tagging&versionId=first')],
    'wrong state': [noKey('DELETE /bad/none?tagging'), noBucket('DELETE /nowhere/k?tagging')],
  },
  PutObjectTagging: {
    'too long': [
      refused(400, 'InvalidTag', {
        body: `<Tagging><TagSet><Tag><Key>${x(129)}</Key><Value/></Tag></TagSet></Tagging>`,
      }),
      refused(400, 'BadRequest', {
        body: `<Tagging><TagSet>${Array.from({ length: 11 }, (_, i) => `<Tag><Key>${i}</Key><Value/></Tag>`).join('')}</TagSet></Tagging>`,
        message: /^Object tags cannot be greater than 10$/,
      }),
      longKey(`PUT /bad/${x(1025)}?tagging`),
    ],
    'wrong state': [noKey('PUT /bad/none?tagging'), noBucket('PUT /nowhere/k?tagging')],
  },
  PutBucketTagging: {
    'too long': [
      refused(400, 'InvalidTag', {
        body: `<Tagging><TagSet><Tag><Key>k</Key><Value>${x(257)}</Value></Tag></TagSet></Tagging>`,
      }),
      refused(400, 'InvalidBucketName', { line: `PUT /${x(64)}?tagging` }),
    ],
  },
  GetObjectAcl: {
    'wrong type': [argument('GET /bad/k?acl&versionId=first')],
    'wrong state': [noKey('GET /bad/none?acl'), noBucket('GET /nowhere/k?acl')],
  },
  PutObjectAcl: {
    'missing header': [refused(400, 'MissingSecurityHeader', { body: '' })],
    'wrong state': [
      refused(400, 'AccessControlListNotSupported', {
        line: 'PUT /enforced/k?acl',
        message: /The bucket does not allow ACLs/,
      }),
      noKey('PUT /bad/none?acl'),
      noBucket('PUT /nowhere/k?acl'),
    ],
  },
  PutBucketAcl: {
    'missing header': [refused(400, 'MissingSecurityHeader', { body: '' })],
    'wrong state': [
      refused(400, 'AccessControlListNotSupported', {
        line: 'PUT /enforced?acl',
        message: /The bucket does not allow ACLs/,
      }),
      noBucket('PUT /nowhere?acl'),
    ],
  },
  GetObjectLegalHold: {
    'wrong type': [argument('GET /bad/k?legal-hold&versionId=first')],
    'wrong state': [
      refused(400, 'InvalidRequest', { message: /^Bucket is missing Object Lock Configuration$/ }),
      noBucket('GET /nowhere/k?legal-hold'),
      refused(404, 'NoSuchObjectLockConfiguration', { line: 'GET /locked/k?legal-hold' }),
    ],
  },
  GetObjectRetention: {
    'wrong type': [argument('GET /bad/k?retention&versionId=first')],
    'wrong state': [
      refused(400, 'InvalidRequest', { message: /^Bucket is missing Object Lock Configuration$/ }),
      noBucket('GET /nowhere/k?retention'),
      refused(404, 'NoSuchObjectLockConfiguration', { line: 'GET /locked/k?retention' }),
    ],
  },
  PutObjectLegalHold: {
    'wrong state': [
      refused(400, 'InvalidRequest', { message: /^Bucket is missing Object Lock Configuration$/ }),
      noKey('PUT /locked/none?legal-hold'),
      noBucket('PUT /nowhere/k?legal-hold'),
    ],
  },
  PutObjectRetention: {
    'wrong state': [
      refused(400, 'InvalidRequest', { message: /^Bucket is missing Object Lock Configuration$/ }),
      noKey('PUT /locked/none?retention'),
      noBucket('PUT /nowhere/k?retention'),
    ],
  },
  PutObjectLockConfiguration: {
    'wrong state': [refused(409, 'InvalidBucketState'), noBucket('PUT /nowhere?object-lock')],
  },
  RenameObject: {
    'missing header': [
      refused(400, 'InvalidArgument', {
        headers: { 'x-amz-rename-source': undefined },
        message: /x-amz-rename-source/,
      }),
    ],
    'wrong type': [badHeader('x-amz-rename-source', '%zz'), badHeader('x-amz-client-token', 'a b')],
    'too long': [badHeader('x-amz-client-token', x(65)), longKey(`PUT /bad/${x(1025)}?renameObject`)],
    'wrong state': [
      refused(404, 'NoSuchKey', { headers: { 'x-amz-rename-source': 'none' } }),
      noBucket('PUT /nowhere/renamed?renameObject'),
    ],
  },
  RestoreObject: {
    'wrong state': [
      refused(403, 'InvalidObjectState'),
      noKey('POST /bad/none?restore'),
      noBucket('POST /nowhere/k?restore'),
    ],
  },
  CreateBucket: {
    'wrong state': [
      refused(409, 'BucketAlreadyOwnedByYou', { line: 'PUT /bad' }),
      refused(409, 'BucketAlreadyExists', { line: 'PUT /bad', as: 'foreign' }),
    ],
  },
  DeleteBucket: {
    'wrong state': [refused(409, 'BucketNotEmpty', { line: 'DELETE /bad' }), noBucket('DELETE /nowhere')],
  },
  OptionsObject: {
    'missing header': [
      refused(400, 'BadRequest', {
        as: 'anonymous',
        message: /^Insufficient information\. Origin request header needed/,
      }),
    ],
    'wrong type': [
      refused(400, 'BadRequest', {
        as: 'anonymous',
        headers: { origin: 'https://a.example', 'access-control-request-method': 'FETCH' },
        message: /^Invalid Access-Control-Request-Method: FETCH/,
      }),
    ],
    'too long': 'nothing of it is kept, and a preflight of a key that is too long is answered by the rules, as at AWS',
    'wrong state': [
      refused(403, 'AccessForbidden', {
        as: 'anonymous',
        headers: { origin: 'https://a.example', 'access-control-request-method': 'GET' },
        message: /^CORSResponse: CORS is not enabled for this bucket/,
      }),
    ],
  },
  PostObject: {
    'missing header': [refused(412, 'PreconditionFailed', { headers: { 'content-type': undefined } })],
    'malformed XML': [refused(400, 'MalformedPOSTRequest', { as: 'anonymous', body: 'no form' })],
    'wrong type': [
      refused(400, 'MalformedPOSTRequest', {
        as: 'anonymous',
        headers: { 'content-type': 'multipart/form-data' },
        body: '',
      }),
    ],
    'unknown element': [
      refused(403, 'AccessDenied', {
        as: 'anonymous',
        body: '--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--x--\r\n',
      }),
    ],
    'too long': [
      refused(400, 'MaxPostPreDataLengthExceededError', {
        as: 'anonymous',
        body: `--x\r\nContent-Disposition: form-data; name="x-ignore-a"\r\n\r\n${x(30_000)}\r\n--x--\r\n`,
      }),
    ],
    'wrong state': [
      refused(404, 'NoSuchBucket', {
        line: 'POST /nowhere',
        as: 'anonymous',
        body: '--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--x--\r\n',
      }),
    ],
  },
  PutBucketPolicy: {
    'malformed XML': ['', '<Policy/>', '{', '[]'].map((body) =>
      body === '' ? refused(400, 'MissingRequestBodyError') : refused(400, 'MalformedPolicy', { body }),
    ),
    'wrong type': [refused(400, 'MalformedPolicy', { body: '{"Version":"2012-10-17","Statement":"all"}' })],
    'unknown element': [
      refused(400, 'MalformedPolicy', {
        body: '{"Version":"2012-10-17","Statement":[],"Colour":"red"}',
        message: /Colour/,
      }),
    ],
    'too long': [
      refused(400, 'MaxMessageLengthExceeded', { body: `{"Version":"2012-10-17","Id":"${x(21_000)}","Statement":[]}` }),
      refused(400, 'InvalidBucketName', { line: `PUT /${x(64)}?policy` }),
    ],
  },
  GetBucketPolicy: unset('policy', 'NoSuchBucketPolicy'),
  GetBucketPolicyStatus: unset('policyStatus', 'NoSuchBucketPolicy'),
  GetBucketCors: unset('cors', 'NoSuchCORSConfiguration'),
  GetBucketTagging: unset('tagging', 'NoSuchTagSet'),
  GetBucketWebsite: unset('website', 'NoSuchWebsiteConfiguration'),
  GetBucketLifecycleConfiguration: unset('lifecycle', 'NoSuchLifecycleConfiguration'),
  GetObjectLockConfiguration: unset('object-lock', 'ObjectLockConfigurationNotFoundError'),
  GetBucketReplication: unset('replication', 'ReplicationConfigurationNotFoundError'),
  GetBucketMetricsConfiguration: noConfiguration('GET', 'metrics'),
  DeleteBucketMetricsConfiguration: noConfiguration('DELETE', 'metrics'),
  GetBucketAnalyticsConfiguration: noConfiguration('GET', 'analytics'),
  DeleteBucketAnalyticsConfiguration: noConfiguration('DELETE', 'analytics'),
  GetBucketInventoryConfiguration: noConfiguration('GET', 'inventory'),
  DeleteBucketInventoryConfiguration: noConfiguration('DELETE', 'inventory'),
  GetBucketIntelligentTieringConfiguration: noConfiguration('GET', 'intelligent-tiering'),
  DeleteBucketIntelligentTieringConfiguration: noConfiguration('DELETE', 'intelligent-tiering'),
};
