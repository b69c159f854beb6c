import { area } from '../case.ts';
import type { Code } from '../errors.ts';
import { header, ok, refused, same, shape } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';
import { openBucket, policyOf, type Statement, second, theirAccount, withPolicy } from './accounts.ts';

const { cases, rule } = area('bucket policies', 'API/API_PutBucketPolicy');
const reading = { source: 'API/API_GetBucketPolicy' };
const deleting = { source: 'API/API_DeleteBucketPolicy' };
const status = { source: 'API/API_GetBucketPolicyStatus' };
const language = { source: 'userguide/access-policy-language-overview' };

const put = (t: Steps, bucket: string, body: string, options: Options = {}) =>
  t.send('PUT', bucket, '', { query: { policy: '' }, body, ...options });
const get = (t: Steps, bucket: string, options: Options = {}) =>
  t.get(bucket, '', { query: { policy: '' }, ...options });
const remove = (t: Steps, bucket: string, options: Options = {}) =>
  t.send('DELETE', bucket, '', { query: { policy: '' }, ...options });
const statusOf = (t: Steps, bucket: string) => t.get(bucket, '', { query: { policyStatus: '' } });
const read: Statement = { Action: 's3:GetObject' };

rule('PutBucketPolicy answers 204, and nothing with it', async (t) => {
  const bucket = await openBucket(t);
  const answer = ok(await put(t, bucket, policyOf(bucket, read)), 204);
  same(answer.body.length, 0, 'bytes of the body', answer);
});
rule(
  'GetBucketPolicy answers the policy as JSON',
  async (t) => {
    const bucket = await openBucket(t);
    const text = policyOf(bucket, read);
    ok(await put(t, bucket, text), 204);
    const answer = header(ok(await get(t, bucket)), 'content-type', /^application\/json/);
    same(JSON.parse(answer.body.toString()), JSON.parse(text), 'policy', answer);
  },
  reading,
);
rule('PutBucketPolicy replaces the policy', async (t) => {
  const bucket = await openBucket(t);
  await withPolicy(t, bucket, read);
  await withPolicy(t, bucket, { Action: 's3:ListBucket' });
  const answer = ok(await get(t, bucket));
  same(/GetObject/.test(answer.body.toString()), false, 'the first policy is there', answer);
});
for (const [operation, source, request] of [
  ['GetBucketPolicy', reading, get],
  ['GetBucketPolicyStatus', status, statusOf],
] as const) {
  rule(
    `${operation} of a bucket without a policy is refused with NoSuchBucketPolicy`,
    async (t) => void refused(await request(t, await t.bucket()), 'NoSuchBucketPolicy'),
    source,
  );
  rule(
    `${operation} once the policy was deleted is refused with NoSuchBucketPolicy`,
    async (t) => {
      const bucket = await openBucket(t);
      await withPolicy(t, bucket, read);
      ok(await remove(t, bucket), 204);
      refused(await request(t, bucket), 'NoSuchBucketPolicy');
    },
    source,
  );
}
rule(
  'NoSuchBucketPolicy names the bucket',
  async (t) => {
    const bucket = await t.bucket();
    const answer = refused(await get(t, bucket), 'NoSuchBucketPolicy');
    same(answer.text('BucketName'), bucket, 'BucketName', answer);
  },
  reading,
);
rule(
  'DeleteBucketPolicy answers 204, also when there is no policy',
  async (t) => {
    const bucket = await t.bucket();
    for (let time = 0; time < 2; time++) ok(await remove(t, bucket), 204);
  },
  deleting,
);
for (const [operation, source, request] of [
  ['PutBucketPolicy', {}, (t: Steps, bucket: string) => put(t, bucket, policyOf(bucket, read))],
  ['GetBucketPolicy', reading, get],
  ['DeleteBucketPolicy', deleting, remove],
  ['GetBucketPolicyStatus', status, statusOf],
] as const) {
  rule(
    `${operation} of a bucket that is not there is refused with NoSuchBucket`,
    async (t) => void refused(await request(t, t.newName()), 'NoSuchBucket'),
    source,
  );
}

/* What is no policy. */
const bad: readonly (readonly [what: string, text: (bucket: string) => string, ...codes: Code[]])[] = [
  ['JSON that ends early', (bucket) => policyOf(bucket, read).slice(0, -1), 'MalformedPolicy'],
  ['XML', () => '<Policy/>', 'MalformedPolicy'],
  ['a list', () => '[]', 'MalformedPolicy'],
  ['no Statement', () => '{"Version":"2012-10-17"}', 'MalformedPolicy'],
  ['an empty object', () => '{}', 'MalformedPolicy'],
  [
    'a Version that there is not',
    (bucket) => policyOf(bucket, read).replace('2012-10-17', '2013-01-01'),
    'MalformedPolicy',
  ],
  ['an element that is not known', (bucket) => policyOf(bucket, read).replace('{', '{"Owner":"x",'), 'MalformedPolicy'],
  [
    'an element of a statement that is not known',
    (bucket) => policyOf(bucket, { ...read, Actions: 'x' } as Statement),
    'MalformedPolicy',
  ],
  [
    'an Effect that is not known',
    (bucket) => policyOf(bucket, { ...read, Effect: 'Maybe' } as never),
    'MalformedPolicy',
  ],
  ['no Effect', (bucket) => policyOf(bucket, read).replace('"Effect":"Allow",', ''), 'MalformedPolicy'],
  ['no Principal', (bucket) => policyOf(bucket, read).replace('"Principal":"*",', ''), 'MalformedPolicy'],
  ['no Action', (bucket) => policyOf(bucket, read).replace(',"Action":"s3:GetObject"', ''), 'MalformedPolicy'],
  [
    'no Resource',
    (bucket) => policyOf(bucket, { ...read, Resource: 'x' }).replace('"Resource":"x",', ''),
    'MalformedPolicy',
  ],
  [
    'Action and NotAction',
    (bucket) => policyOf(bucket, { ...read, NotAction: 's3:PutObject' } as Statement),
    'MalformedPolicy',
  ],
  ['an action of another service', (bucket) => policyOf(bucket, { Action: 'iam:CreateUser' }), 'MalformedPolicy'],
  ['an action that S3 does not have', (bucket) => policyOf(bucket, { Action: 's3:GetObjekt' }), 'MalformedPolicy'],
  ['an action without its service', (bucket) => policyOf(bucket, { Action: 'GetObject' }), 'MalformedPolicy'],
  ['a resource of another bucket', () => policyOf('another-bucket-of-others', read), 'MalformedPolicy'],
  ['a resource that is no ARN', (bucket) => policyOf(bucket, { ...read, Resource: bucket }), 'MalformedPolicy'],
  [
    'a resource of another service',
    (bucket) => policyOf(bucket, { ...read, Resource: 'arn:aws:sqs:::queue' }),
    'MalformedPolicy',
  ],
  [
    'a principal that is none',
    (bucket) => policyOf(bucket, { ...read, Principal: { AWS: 'nobody in particular' } }),
    'MalformedPolicy',
  ],
  [
    'a kind of principal that there is not',
    (bucket) => policyOf(bucket, { ...read, Principal: { Dog: '*' } }),
    'MalformedPolicy',
  ],
  [
    'an operator that there is not',
    (bucket) => policyOf(bucket, { ...read, Condition: { Like: { 'aws:SourceIp': '192.0.2.1' } } }),
    'MalformedPolicy',
  ],
  [
    'a condition key that there is not',
    (bucket) => policyOf(bucket, { ...read, Condition: { StringEquals: { 's3:nothing': 'x' } } }),
    'MalformedPolicy',
  ],
  [
    'an address that is none',
    (bucket) => policyOf(bucket, { ...read, Condition: { IpAddress: { 'aws:SourceIp': '1.2.3' } } }),
    'MalformedPolicy',
  ],
  ['nothing', () => '', 'MissingRequestBodyError', 'MalformedPolicy'],
];
for (const [what, text, ...codes] of bad)
  rule(
    `PutBucketPolicy with ${what} is refused with ${codes[0]}`,
    async (t) => {
      const bucket = await openBucket(t);
      refused(await put(t, bucket, text(bucket)), ...codes);
      refused(await get(t, bucket), 'NoSuchBucketPolicy');
    },
    language,
  );
rule(
  'PutBucketPolicy of more than 20 KB is refused',
  async (t) => {
    const bucket = await openBucket(t);
    const long = policyOf(bucket, {
      ...read,
      Resource: Array.from({ length: 300 }, (_, i) => `arn:aws:s3:::${bucket}/${'x'.repeat(60)}${i}`),
    });
    refused(await put(t, bucket, long), 'MaxMessageLengthExceeded', 'MalformedPolicy', 'PolicyTooLarge');
  },
  { source: 'userguide/bucket-policies' },
);
rule('PutBucketPolicy with the Content-MD5 of another is refused with BadDigest', async (t) => {
  const bucket = await openBucket(t);
  const headers = { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' };
  refused(await put(t, bucket, policyOf(bucket, read), { headers }), 'BadDigest');
});

/* Whether it is public. */
const publicness: readonly (readonly [what: string, isPublic: boolean, statement: Statement])[] = [
  ['everyone', true, read],
  ['everyone in a list', true, { ...read, Principal: { AWS: ['*'] } }],
  [
    'everyone under a range of addresses',
    false,
    { ...read, Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } } },
  ],
  [
    'everyone under one account',
    false,
    { ...read, Condition: { StringEquals: { 'aws:PrincipalAccount': '111122223333' } } },
  ],
  ['everyone by his user agent', true, { ...read, Condition: { StringEquals: { 'aws:UserAgent': 'x' } } }],
  ['everyone over TLS', true, { ...read, Condition: { Bool: { 'aws:SecureTransport': 'true' } } }],
  ['everyone, who is denied', false, { ...read, Effect: 'Deny' }],
];
for (const [what, isPublic, statement] of publicness)
  rule(
    `GetBucketPolicyStatus of a policy for ${what} answers ${isPublic}`,
    async (t) => {
      const bucket = await openBucket(t);
      await withPolicy(t, bucket, statement);
      shape(ok(await statusOf(t, bucket)), 'PolicyStatus', { IsPublic: new RegExp(`^${isPublic}$`, 'i') });
    },
    { source: 'userguide/access-control-block-public-access' },
  );
rule(
  'GetBucketPolicyStatus of a policy for one account answers false',
  async (t) => {
    const bucket = await openBucket(t);
    await withPolicy(t, bucket, { ...read, Principal: { AWS: await theirAccount(t) } });
    shape(ok(await statusOf(t, bucket)), 'PolicyStatus', { IsPublic: /^false$/i });
  },
  { source: 'userguide/access-control-block-public-access', needs: ['second'] },
);

rule(
  'whoever is root of the account can read and delete a policy that denies everything',
  async (t) => {
    const bucket = await openBucket(t);
    const headers = { 'x-amz-confirm-remove-self-bucket-access': 'true' };
    ok(await put(t, bucket, policyOf(bucket, { Action: 's3:*', Effect: 'Deny' }), { headers }), 204);
    ok(await get(t, bucket));
    ok(await remove(t, bucket), 204);
    ok(await t.head(bucket, ''));
  },
  deleting,
);
for (const [name, request] of [
  ['GetBucketPolicy', get],
  ['DeleteBucketPolicy', remove],
  ['PutBucketPolicy', (t: Steps, bucket: string, how: Options) => put(t, bucket, policyOf(bucket, read), how)],
] as const)
  rule(
    `${name} by another account that the policy allows everything is refused with MethodNotAllowed`,
    async (t) => {
      const bucket = await openBucket(t);
      await withPolicy(t, bucket, { Action: 's3:*', Principal: { AWS: await theirAccount(t) } });
      refused(await request(t, bucket, { signing: second(t) }), 'MethodNotAllowed');
    },
    { source: `API/API_${name}`, needs: ['second'] },
  );

export const policyCases = cases;
