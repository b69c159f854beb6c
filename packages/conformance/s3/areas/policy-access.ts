import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import { ok, refused } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';
import { nobody, openBucket, type Statement, second, withPolicy } from './accounts.ts';

const { cases, rule } = area('what policies allow', 'userguide/using-with-s3-policy-actions');
const read: Statement = { Action: 's3:GetObject' };

type Request = (t: Steps, bucket: string, options: Options) => Promise<Answer>;
const document = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
const requests: readonly (readonly [action: string, name: string, done: number, request: Request])[] = [
  ['s3:GetObject', 'GetObject', 200, (t, bucket, how) => t.get(bucket, 'key', how)],
  ['s3:GetObject', 'HeadObject', 200, (t, bucket, how) => t.head(bucket, 'key', how)],
  [
    's3:ListBucket',
    'ListObjectsV2',
    200,
    (t, bucket, how) => t.get(bucket, '', { ...how, query: { 'list-type': '2' } }),
  ],
  ['s3:ListBucket', 'ListObjects', 200, (t, bucket, how) => t.get(bucket, '', how)],
  ['s3:ListBucket', 'HeadBucket', 200, (t, bucket, how) => t.head(bucket, '', how)],
  [
    's3:ListBucketVersions',
    'ListObjectVersions',
    200,
    (t, bucket, how) => t.get(bucket, '', { ...how, query: { versions: '' } }),
  ],
  [
    's3:ListBucketMultipartUploads',
    'ListMultipartUploads',
    200,
    (t, bucket, how) => t.get(bucket, '', { ...how, query: { uploads: '' } }),
  ],
  ['s3:PutObject', 'PutObject', 200, (t, bucket, how) => t.send('PUT', bucket, 'new', { ...how, body: 'x' })],
  [
    's3:PutObject',
    'CreateMultipartUpload',
    200,
    (t, bucket, how) => t.send('POST', bucket, 'new', { ...how, query: { uploads: '' } }),
  ],
  ['s3:DeleteObject', 'DeleteObject', 204, (t, bucket, how) => t.remove(bucket, 'key', how)],
  [
    's3:GetObjectTagging',
    'GetObjectTagging',
    200,
    (t, bucket, how) => t.get(bucket, 'key', { ...how, query: { tagging: '' } }),
  ],
  [
    's3:PutObjectTagging',
    'PutObjectTagging',
    200,
    (t, bucket, how) => t.document('PUT', bucket, 'tagging', document, { ...how, key: 'key' }),
  ],
  [
    's3:DeleteObjectTagging',
    'DeleteObjectTagging',
    204,
    (t, bucket, how) => t.remove(bucket, 'key', { ...how, query: { tagging: '' } }),
  ],
  [
    's3:GetBucketLocation',
    'GetBucketLocation',
    200,
    (t, bucket, how) => t.get(bucket, '', { ...how, query: { location: '' } }),
  ],
  [
    's3:GetBucketVersioning',
    'GetBucketVersioning',
    200,
    (t, bucket, how) => t.get(bucket, '', { ...how, query: { versioning: '' } }),
  ],
  [
    's3:GetObjectVersion',
    'GetObject of a version',
    200,
    (t, bucket, how) => t.get(bucket, 'key', { ...how, query: { versionId: 'null' } }),
  ],
  [
    's3:DeleteObjectVersion',
    'DeleteObject of a version',
    204,
    (t, bucket, how) => t.remove(bucket, 'key', { ...how, query: { versionId: 'null' } }),
  ],
];
const filled = async (t: Steps) => {
  const bucket = await openBucket(t);
  await t.put(bucket, 'key');
  return bucket;
};
for (const [action, name, done, request] of requests)
  for (const [who, how, needs] of [
    ['an anonymous request', () => nobody, []],
    ['another account', second, ['second']],
  ] as const) {
    const more = { source: 'userguide/using-with-s3-policy-actions', needs };
    rule(
      `${name} by ${who} is refused with AccessDenied without a policy, and with one of another action`,
      async (t) => {
        const bucket = await filled(t);
        const signing = how(t);
        refused(await request(t, bucket, { signing }), 'AccessDenied');
        await withPolicy(t, bucket, { Action: action === 's3:PutObject' ? 's3:GetObject' : 's3:PutObject' });
        refused(await request(t, bucket, { signing }), 'AccessDenied');
      },
      more,
    );
    rule(
      `${name} by ${who} is allowed by ${action}, and no more by a Deny of it`,
      async (t) => {
        const bucket = await filled(t);
        const signing = how(t);
        await withPolicy(t, bucket, { Action: action });
        ok(await request(t, bucket, { signing }), done);
        await withPolicy(t, bucket, { Action: 's3:*' }, { Action: action, Effect: 'Deny' });
        refused(await request(t, bucket, { signing }), 'AccessDenied');
      },
      more,
    );
  }

/* Lists, and what is told. */
for (const [what, query, allowed] of [
  ['the prefix', { prefix: 'open/' }, true],
  ['another prefix', { prefix: 'closed/' }, false],
  ['no prefix', {}, false],
] as const)
  rule(
    `a policy for s3:prefix ${allowed ? 'allows' : 'does not allow'} a list with ${what}`,
    async (t) => {
      const bucket = await openBucket(t);
      await withPolicy(t, bucket, { Action: 's3:ListBucket', Condition: { StringEquals: { 's3:prefix': 'open/' } } });
      const answer = await t.get(bucket, '', { query: { 'list-type': '2', ...query }, signing: nobody });
      if (allowed) ok(answer);
      else refused(answer, 'AccessDenied');
    },
    { source: 'userguide/amazon-s3-policy-keys' },
  );
rule(
  'a key that is not there is AccessDenied to who may not list the bucket, and NoSuchKey to who may',
  async (t) => {
    const bucket = await openBucket(t);
    await withPolicy(t, bucket, read);
    refused(await t.get(bucket, 'missing', { signing: nobody }), 'AccessDenied');
    await withPolicy(t, bucket, { Action: ['s3:GetObject', 's3:ListBucket'] });
    refused(await t.get(bucket, 'missing', { signing: nobody }), 'NoSuchKey');
  },
  { source: 'API/API_GetObject' },
);
rule(
  'a Deny is for the owner of the bucket, too',
  async (t) => {
    const bucket = await filled(t);
    await withPolicy(t, bucket, { Action: 's3:GetObject', Effect: 'Deny' });
    refused(await t.get(bucket, 'key'), 'AccessDenied');
    ok(await t.head(bucket, ''));
  },
  { source: 'userguide/access-policy-language-overview' },
);
rule(
  'an anonymous GetObject with response-content-type is refused with InvalidRequest',
  async (t) => {
    const bucket = await filled(t);
    await withPolicy(t, bucket, read);
    refused(
      await t.get(bucket, 'key', { signing: nobody, query: { 'response-content-type': 'a/b' } }),
      'InvalidRequest',
    );
  },
  { source: 'API/API_GetObject' },
);
export const policyAccessCases = cases;
