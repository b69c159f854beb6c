import { randomBytes } from 'node:crypto';
import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import type { Code } from '../errors.ts';
import { header, holds, ok, refused, same } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';

const { cases, rule } = area('every operation', 'API/ErrorResponses');
const owner = { source: 'userguide/bucket-owner-condition' };
const denied = { source: 'userguide/access-control-block-public-access' };

/** One request of an operation on a bucket or, with a key, an object. */
type Operation = readonly [name: string, method: string, key: string, options?: Options];
const nowhere = 'bm90LWFuLXVwbG9hZC1pZA';
const ofBuckets: readonly Operation[] = [
  ['ListObjects', 'GET', ''],
  ['ListObjectsV2', 'GET', '', { query: { 'list-type': '2' } }],
  ['ListObjectVersions', 'GET', '', { query: { versions: '' } }],
  ['ListMultipartUploads', 'GET', '', { query: { uploads: '' } }],
  ['GetBucketLocation', 'GET', '', { query: { location: '' } }],
  ['GetBucketVersioning', 'GET', '', { query: { versioning: '' } }],
  ['GetBucketTagging', 'GET', '', { query: { tagging: '' } }],
  ['GetBucketCors', 'GET', '', { query: { cors: '' } }],
  ['GetBucketEncryption', 'GET', '', { query: { encryption: '' } }],
  ['GetBucketOwnershipControls', 'GET', '', { query: { ownershipControls: '' } }],
  ['GetPublicAccessBlock', 'GET', '', { query: { publicAccessBlock: '' } }],
  ['GetBucketRequestPayment', 'GET', '', { query: { requestPayment: '' } }],
  ['GetBucketAccelerateConfiguration', 'GET', '', { query: { accelerate: '' } }],
  ['GetBucketAcl', 'GET', '', { query: { acl: '' } }],
  ['GetBucketPolicy', 'GET', '', { query: { policy: '' } }],
  ['GetBucketPolicyStatus', 'GET', '', { query: { policyStatus: '' } }],
  ['GetBucketLogging', 'GET', '', { query: { logging: '' } }],
  ['GetBucketNotificationConfiguration', 'GET', '', { query: { notification: '' } }],
  ['GetBucketReplication', 'GET', '', { query: { replication: '' } }],
  ['GetBucketWebsite', 'GET', '', { query: { website: '' } }],
  ['GetObjectLockConfiguration', 'GET', '', { query: { 'object-lock': '' } }],
  ['HeadBucket', 'HEAD', ''],
  ['DeleteBucket', 'DELETE', ''],
  ['DeleteBucketTagging', 'DELETE', '', { query: { tagging: '' } }],
  ['DeleteBucketCors', 'DELETE', '', { query: { cors: '' } }],
  ['DeleteBucketEncryption', 'DELETE', '', { query: { encryption: '' } }],
];
const ofKeys: readonly Operation[] = [
  ['GetObject', 'GET', 'object'],
  ['HeadObject', 'HEAD', 'object'],
  ['GetObjectTagging', 'GET', 'object', { query: { tagging: '' } }],
  ['GetObjectAcl', 'GET', 'object', { query: { acl: '' } }],
  [
    'GetObjectAttributes',
    'GET',
    'object',
    { query: { attributes: '' }, headers: { 'x-amz-object-attributes': 'ETag' } },
  ],
  ['PutObject', 'PUT', 'object', { body: 'x' }],
  ['DeleteObject', 'DELETE', 'object'],
  ['DeleteObjectTagging', 'DELETE', 'object', { query: { tagging: '' } }],
  ['CreateMultipartUpload', 'POST', 'object', { query: { uploads: '' } }],
  ['UploadPart', 'PUT', 'object', { query: { partNumber: '1', uploadId: nowhere }, body: 'x' }],
  ['ListParts', 'GET', 'object', { query: { uploadId: nowhere } }],
  ['AbortMultipartUpload', 'DELETE', 'object', { query: { uploadId: nowhere } }],
];
const operations = [...ofBuckets, ...ofKeys];
const page = (name: string) => ({ source: `API/API_${name}` });
const made = (t: Steps) =>
  t.shared('a bucket that is not for everybody', async (keeper) => {
    const bucket = await keeper.bucket();
    await keeper.put(bucket, 'object');
    return bucket;
  });
/** For requests that would change something where they are not refused: a bucket that no other case looks at. */
const placeOf = async (t: Steps, [, method]: Operation): Promise<string> => {
  if (method === 'GET' || method === 'HEAD') return made(t);
  const bucket = await t.bucket();
  await t.put(bucket, 'object');
  return bucket;
};
const send = (t: Steps, [, method, key, options = {}]: Operation, bucket: string, more: Options = {}) =>
  t.send(method, bucket, key, { ...options, ...more, headers: { ...options.headers, ...more.headers } });

for (const operation of operations) {
  const [name] = operation;
  rule(
    `${name} of a bucket that is not there is refused with NoSuchBucket`,
    async (t) => {
      refused(await send(t, operation, t.newName()), 'NoSuchBucket');
    },
    page(name),
  );
  rule(
    `${name} without a signature is refused with AccessDenied`,
    async (t) => {
      refused(await send(t, operation, await placeOf(t, operation), { signing: { form: 'none' } }), 'AccessDenied');
    },
    denied,
  );
  rule(
    `${name} with another x-amz-expected-bucket-owner is refused with AccessDenied`,
    async (t) => {
      refused(
        await send(t, operation, await placeOf(t, operation), {
          headers: { 'x-amz-expected-bucket-owner': '999999999999' },
        }),
        'AccessDenied',
      );
    },
    owner,
  );
  rule(
    `${name} with an x-amz-expected-bucket-owner that is no account is refused with InvalidBucketOwnerAWSAccountID`,
    async (t) => {
      refused(
        await send(t, operation, await placeOf(t, operation), { headers: { 'x-amz-expected-bucket-owner': 'nobody' } }),
        'InvalidBucketOwnerAWSAccountID',
      );
    },
    owner,
  );
  rule(
    `${name} in a bucket of another account is refused with AccessDenied`,
    async (t) => {
      refused(
        await send(t, operation, await placeOf(t, operation), { signing: { account: t.store.second! } }),
        'AccessDenied',
      );
    },
    { source: 'userguide/access-management', needs: ['second'] },
  );
}
rule(
  'operations that are refused without a signature leave bucket and object alone',
  async (t) => {
    const bucket = await t.bucket();
    const { etag } = await t.put(bucket, 'object');
    for (const operation of operations)
      refused(await send(t, operation, bucket, { signing: { form: 'none' } }), 'AccessDenied');
    header(ok(await t.head(bucket, 'object')), 'etag', etag);
  },
  denied,
);
for (const operation of ofKeys.filter(([name]) => /^(Get|Head)/.test(name)))
  rule(
    `${operation[0]} of a key that is not there is refused with NoSuchKey`,
    async (t) => {
      const [name, method, , options = {}] = operation;
      refused(await send(t, [name, method, 'not-there', options], await made(t)), 'NoSuchKey');
    },
    page(operation[0]),
  );

/* Settings that a bucket does not have until they are made. */
const unset: readonly (readonly [string, string, Code])[] = [
  ['GetBucketPolicy', 'policy', 'NoSuchBucketPolicy'],
  ['GetBucketPolicyStatus', 'policyStatus', 'NoSuchBucketPolicy'],
  ['GetBucketReplication', 'replication', 'ReplicationConfigurationNotFoundError'],
  ['GetBucketWebsite', 'website', 'NoSuchWebsiteConfiguration'],
  ['GetObjectLockConfiguration', 'object-lock', 'ObjectLockConfigurationNotFoundError'],
];
for (const [name, subresource, code] of unset)
  rule(`${name} of a bucket that never had one is refused with ${code}`, async (t) => {
    refused(await t.get(await t.bucket(), '', { query: { [subresource]: '' } }), code);
  });
for (const [name, subresource, root] of [
  ['GetBucketLogging', 'logging', 'BucketLoggingStatus'],
  ['GetBucketNotificationConfiguration', 'notification', 'NotificationConfiguration'],
] as const)
  rule(
    `${name} of a bucket that never had one answers an empty ${root}`,
    async (t) => {
      const answer = ok(await t.get(await t.bucket(), '', { query: { [subresource]: '' } }));
      same([answer.xml.name, answer.xml.children.length], [root, 0], 'document', answer);
    },
    page(name),
  );

/* What every answer has. */
const answers: readonly (readonly [string, (t: Steps) => Promise<Answer>])[] = [
  ['a success', async (t) => t.get(await made(t), 'object')],
  ['an error', async (t) => t.get(await made(t), 'not-there')],
  ['a refusal', async (t) => t.get(await made(t), 'object', { signing: { form: 'none' } })],
  ['a HEAD of nothing', async (t) => t.head(await made(t), 'not-there')],
  ['a listing', async (t) => t.get(await made(t), '')],
];
const common = { source: 'API/RESTCommonResponseHeaders' };
for (const [what, request] of answers) {
  rule(
    `${what} has an x-amz-request-id`,
    async (t) => void header(await request(t), 'x-amz-request-id', /^[\w-]+$/),
    common,
  );
  rule(`${what} has an x-amz-id-2`, async (t) => void header(await request(t), 'x-amz-id-2', /./), common);
  rule(`${what} has a Date`, async (t) => void header(await request(t), 'date', /GMT$/), common);
}
rule(
  'two answers have two x-amz-request-id',
  async (t) => {
    const [one, two] = [await t.get(await made(t), 'object'), await t.get(await made(t), 'object')];
    holds(one.headers['x-amz-request-id'] !== two.headers['x-amz-request-id'], 'two answers have one id');
  },
  common,
);
for (const [element, form] of [
  ['Code', /^NoSuchKey$/],
  ['Message', /./],
  ['RequestId', /./],
  ['HostId', /./],
  ['Resource', /./],
  ['Key', /^not-there$/],
] as const)
  rule(`an error has the element ${element}`, async (t) => {
    const answer = refused(await t.get(await made(t), 'not-there'), 'NoSuchKey');
    if (element === 'Resource' && answer.text('Resource') === undefined) return;
    same(form.test(answer.text(element) ?? ''), true, `${element} is there`, answer);
  });
rule('the RequestId of an error is that of its header', async (t) => {
  const answer = await t.get(await made(t), 'not-there');
  same(answer.text('RequestId'), answer.headers['x-amz-request-id'], 'RequestId', answer);
});
rule('an error is application/xml', async (t) => {
  header(await t.get(await made(t), 'not-there'), 'content-type', /^application\/xml/);
});

/* Methods that a resource does not have. */
for (const [what, method, key, query] of [
  ['POST of an object', 'POST', 'object', {}],
  ['PATCH of an object', 'PATCH', 'object', {}],
  ['DELETE of the ACL of a bucket', 'DELETE', '', { acl: '' }],
  ['DELETE of versioning', 'DELETE', '', { versioning: '' }],
  ['PUT of the location', 'PUT', '', { location: '' }],
  ['POST of the tags of an object', 'POST', 'object', { tagging: '' }],
] as const)
  rule(`${what} is refused with MethodNotAllowed`, async (t) => {
    refused(await t.send(method, await made(t), key, { query }), 'MethodNotAllowed');
  });
rule('POST to the service is refused with MethodNotAllowed', async (t) => {
  refused(await t.at('POST', '/'), 'MethodNotAllowed');
});
rule('MethodNotAllowed names the method and the resource', async (t) => {
  const answer = refused(await t.send('POST', await made(t), 'object'), 'MethodNotAllowed');
  same([answer.text('Method'), answer.text('ResourceType')], ['POST', 'OBJECT'], 'Method and ResourceType', answer);
});
rule('a PutObject whose length is not said is refused with MissingContentLength', async (t) => {
  const spoil = (sent: { headers: Record<string, string> }) => {
    delete sent.headers['content-length'];
    sent.headers['transfer-encoding'] = 'chunked';
  };
  refused(
    await t.send('PUT', await made(t), 'unsaid', { body: randomBytes(10), signing: { spoil } }),
    'MissingContentLength',
  );
});
rule('a query parameter that is not known is passed over', async (t) => {
  ok(await t.get(await made(t), 'object', { query: { 'x-own': 'a' } }));
});

export const everywhereCases = cases;
