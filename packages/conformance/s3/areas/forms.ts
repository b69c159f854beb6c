import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import { md5 } from '../client.ts';
import type { Code } from '../errors.ts';
import { header, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { nobody, openBucket, second, withPolicy } from './accounts.ts';
import { type Fields, formOf, type Policy, part, sendForm, signedFields, type Upload } from './form-steps.ts';

const { cases, rule } = area('uploads by form', 'API/RESTObjectPOST');
const policies = { source: 'API/sigv4-HTTPPOSTConstructPolicy' };
const signing = { source: 'API/sigv4-authentication-HTTPPOST' };

const key = { key: 'key' };
const send = (t: Steps, bucket: string, fields: Fields, policy: Policy = {}, upload: Upload = {}) =>
  sendForm(t, bucket, formOf(signedFields(t, bucket, fields, policy), upload));
const content = async (t: Steps, bucket: string, name = 'key', expected = 'content') => {
  const answer = ok(await t.get(bucket, name));
  return same(answer.body.toString(), expected, 'content', answer);
};

/* What is stored, and what is answered. */
rule('a form that is signed stores its file, and is answered 204', async (t) => {
  const bucket = await t.bucket();
  header(ok(await send(t, bucket, key), 204), 'etag', `"${md5('content').toString('hex')}"`);
  await content(t, bucket);
});
for (const [status, expected] of [
  ['200', 200],
  ['201', 201],
  ['204', 204],
  ['404', 204],
] as const)
  rule(`success_action_status ${status} is answered ${expected}`, async (t) => {
    ok(await send(t, await t.bucket(), { ...key, success_action_status: status }), expected);
  });
rule('success_action_status 201 answers a PostResponse', async (t) => {
  const bucket = await t.bucket();
  const answer = ok(await send(t, bucket, { ...key, success_action_status: '201' }), 201);
  shape(answer, 'PostResponse', { Bucket: bucket, Key: 'key', ETag: answer.etag, Location: /key$/ });
});
rule('success_action_redirect sends the browser on with bucket, key and etag', async (t) => {
  const bucket = await t.bucket();
  const answer = ok(await send(t, bucket, { ...key, success_action_redirect: 'http://app.example/done' }), 303);
  const to = new URL(String(answer.headers.location));
  const seen = [
    to.host + to.pathname,
    to.searchParams.get('bucket'),
    to.searchParams.get('key'),
    to.searchParams.get('etag'),
  ];
  same(seen, ['app.example/done', bucket, 'key', answer.etag], 'where to', answer);
});
rule('success_action_redirect that is no URL is passed over', async (t) => {
  ok(await send(t, await t.bucket(), { ...key, success_action_redirect: 'nowhere' }), 204);
});
for (const [name, value] of [
  ['Content-Type', 'text/html'],
  ['Cache-Control', 'no-store'],
  ['Content-Disposition', 'attachment'],
  ['Content-Encoding', 'x-own'],
  ['Expires', 'Thu, 01 Dec 2044 16:00:00 GMT'],
  ['x-amz-meta-color', 'blue'],
  ['x-amz-storage-class', 'STANDARD_IA'],
  ['x-amz-website-redirect-location', '/elsewhere'],
  ['x-amz-server-side-encryption', 'AES256'],
] as const)
  rule(`the field ${name} is kept with the object`, async (t) => {
    const bucket = await t.bucket();
    ok(await send(t, bucket, { ...key, [name]: value }), 204);
    header(ok(await t.head(bucket, 'key')), name, value);
  });
rule('the field tagging holds tags as XML', async (t) => {
  const bucket = await t.bucket();
  const tagging = '<Tagging><TagSet><Tag><Key>a</Key><Value>b c</Value></Tag></TagSet></Tagging>';
  ok(await send(t, bucket, { ...key, tagging }), 204);
  const answer = ok(await t.get(bucket, 'key', { query: { tagging: '' } }));
  same([answer.texts('Key'), answer.texts('Value')], [['a'], ['b c']], 'tags', answer);
});
rule('the field acl is the list of the object', async (t) => {
  const bucket = await openBucket(t, { headers: { 'x-amz-object-ownership': 'ObjectWriter' } });
  ok(await send(t, bucket, { ...key, acl: 'public-read' }), 204);
  ok(await t.get(bucket, 'key', { signing: nobody }));
});
for (const [filename, expected] of [
  ['photo.jpg', 'photo.jpg'],
  ['C:\\Photos\\photo.jpg', 'photo.jpg'],
  ['/home/ann/photo.jpg', 'photo.jpg'],
] as const)
  rule(`\${filename} in the key stands for the name of the file ${filename}, without its folders`, async (t) => {
    const bucket = await t.bucket();
    const policy = { unnamed: ['key'], conditions: [['starts-with', '$key', 'user/']] };
    ok(await send(t, bucket, { key: 'user/${filename}' }, policy, { filename }), 204);
    await content(t, bucket, `user/${expected}`);
  });
rule('a form of a bucket with versions makes a version', async (t) => {
  const bucket = await t.versioned();
  header(ok(await send(t, bucket, key), 204), 'x-amz-version-id', /./);
});
rule('fields behind the file count for nothing', async (t) => {
  const bucket = await t.bucket();
  ok(await send(t, bucket, key, {}, { after: part('submit', 'Upload') }), 204);
  await content(t, bucket);
});

/* Conditions. */
interface Tried {
  readonly what: string;
  readonly fields?: Fields;
  readonly policy: Policy;
  readonly upload?: Upload;
  readonly code?: Code;
}
const range = (least: unknown, most: unknown) => ({ conditions: [['content-length-range', least, most]] });
const keyed = (...condition: unknown[]) => ({ unnamed: ['key'], conditions: [condition] });
const tried: readonly Tried[] = [
  { what: 'an exact value as an object', policy: {} },
  { what: 'an exact value as eq', policy: keyed('eq', '$key', 'key') },
  { what: 'another value as eq', policy: keyed('eq', '$key', 'other'), code: 'AccessDenied' },
  { what: 'a value in another case as eq', policy: keyed('eq', '$key', 'KEY'), code: 'AccessDenied' },
  { what: 'its beginning as starts-with', policy: keyed('starts-with', '$key', 'k') },
  { what: 'nothing as starts-with', policy: keyed('starts-with', '$key', '') },
  { what: 'another beginning as starts-with', policy: keyed('starts-with', '$key', 'x'), code: 'AccessDenied' },
  { what: 'an operator in another case', policy: keyed('Starts-With', '$key', 'k') },
  { what: 'the name of a field in another case', policy: keyed('eq', '$KEY', 'key') },
  { what: 'a field that is not sent', policy: { conditions: [{ 'x-amz-meta-a': 'b' }] }, code: 'AccessDenied' },
  {
    what: 'nothing of a field that is sent',
    fields: { ...key, 'x-amz-meta-a': 'b' },
    policy: { unnamed: ['x-amz-meta-a'] },
    code: 'AccessDenied',
  },
  { what: 'nothing of a field x-ignore-', fields: { ...key, 'x-ignore-a': 'b' }, policy: { unnamed: ['x-ignore-a'] } },
  { what: 'nothing of the key', policy: { unnamed: ['key'] }, code: 'AccessDenied' },
  {
    what: 'several types, each with the beginning',
    fields: { ...key, 'Content-Type': 'image/jpg,image/png' },
    policy: { unnamed: ['Content-Type'], conditions: [['starts-with', '$Content-Type', 'image/']] },
  },
  {
    what: 'several types, one without the beginning',
    fields: { ...key, 'Content-Type': 'image/jpg,text/html' },
    policy: { unnamed: ['Content-Type'], conditions: [['starts-with', '$Content-Type', 'image/']] },
    code: 'AccessDenied',
  },
  { what: 'another bucket', policy: { conditions: [{ bucket: 'another-bucket' }] }, code: 'AccessDenied' },
  { what: 'a range that the file is within', policy: range(1, 100) },
  { what: 'a range that the file just fits', policy: range(7, 7) },
  { what: 'a range in texts', policy: range('1', '100') },
  { what: 'a range below the file', policy: range(1, 6), code: 'EntityTooLarge' },
  { what: 'a range above the file', policy: range(8, 100), code: 'EntityTooSmall' },
  { what: 'a time that has passed', policy: { expiration: '2020-01-01T00:00:00.000Z' }, code: 'AccessDenied' },
  { what: 'a time that is none', policy: { expiration: 'tomorrow' }, code: 'InvalidPolicyDocument' },
  { what: 'no expiration', policy: { change: ({ conditions }) => ({ conditions }) }, code: 'InvalidPolicyDocument' },
  { what: 'no conditions', policy: { change: ({ expiration }) => ({ expiration }) }, code: 'InvalidPolicyDocument' },
  {
    what: 'an element that is not known',
    policy: { change: (policy) => ({ ...policy, other: 1 }) },
    code: 'InvalidPolicyDocument',
  },
  { what: 'text that is no JSON', policy: { change: () => '{' }, code: 'InvalidPolicyDocument' },
  { what: 'a list in the place of the policy', policy: { change: () => [] }, code: 'InvalidPolicyDocument' },
  { what: 'an operator that there is not', policy: keyed('ends-with', '$key', 'y'), code: 'InvalidPolicyDocument' },
  { what: 'a condition without a value', policy: keyed('eq', '$key'), code: 'InvalidPolicyDocument' },
  { what: 'a condition on a name without $', policy: keyed('eq', 'key', 'key'), code: 'InvalidPolicyDocument' },
  {
    what: 'a condition of two pairs',
    policy: { conditions: [{ acl: 'private', tagging: 'x' }] },
    code: 'InvalidPolicyDocument',
  },
  { what: 'a condition that is a number', policy: { conditions: [7] }, code: 'InvalidPolicyDocument' },
  { what: 'a range of words', policy: range('few', 'many'), code: 'InvalidPolicyDocument' },
];
for (const { what, fields = key, policy, upload = {}, code } of tried)
  rule(
    `a policy that says ${what} ${code ? `refuses the form with ${code}` : 'takes the form'}`,
    async (t) => {
      const bucket = await t.bucket();
      const answer = await send(t, bucket, fields, policy, upload);
      if (code === undefined) {
        ok(answer, 204);
        await content(t, bucket);
      } else {
        refused(answer, code);
        refused(await t.get(bucket, 'key'), 'NoSuchKey');
      }
    },
    policies,
  );

/* Signatures. */
const spoilt: readonly (readonly [
  what: string,
  change: (fields: Record<string, string>) => Record<string, string | undefined>,
  ...codes: Code[],
])[] = [
  ['another signature', () => ({ 'x-amz-signature': '0'.repeat(64) }), 'SignatureDoesNotMatch'],
  [
    'a signature cut short',
    (fields) => ({ 'x-amz-signature': fields['x-amz-signature']!.slice(1) }),
    'SignatureDoesNotMatch',
  ],
  [
    'another policy than the signed one',
    () => ({ policy: Buffer.from('{}').toString('base64') }),
    'SignatureDoesNotMatch',
  ],
  [
    'a key that there is not',
    (fields) => ({ 'x-amz-credential': `NOBODY/${fields['x-amz-credential']!.split('/').slice(1).join('/')}` }),
    'InvalidAccessKeyId',
  ],
  ['no signature', () => ({ 'x-amz-signature': undefined }), 'InvalidArgument', 'AccessDenied'],
  ['no credential', () => ({ 'x-amz-credential': undefined }), 'InvalidArgument'],
  ['no date', () => ({ 'x-amz-date': undefined }), 'InvalidArgument', 'AccessDenied'],
  ['no algorithm', () => ({ 'x-amz-algorithm': undefined }), 'InvalidArgument'],
  ['no policy', () => ({ policy: undefined }), 'InvalidArgument'],
  ['an algorithm that there is not', () => ({ 'x-amz-algorithm': 'AWS4-HMAC-MD5' }), 'InvalidArgument'],
  [
    'a credential without its scope',
    (fields) => ({ 'x-amz-credential': fields['x-amz-credential']!.split('/')[0] }),
    'InvalidArgument',
    'AuthorizationHeaderMalformed',
  ],
];
for (const [what, change, ...codes] of spoilt)
  rule(
    `a form with ${what} is refused with ${codes[0]}`,
    async (t) => {
      const bucket = await t.bucket();
      const fields = signedFields(t, bucket, key);
      const all = Object.entries({ ...fields, ...change(fields) }).filter((pair) => pair[1] !== undefined);
      refused(await sendForm(t, bucket, formOf(Object.fromEntries(all) as Fields)), ...codes);
      refused(await t.get(bucket, 'key'), 'NoSuchKey');
    },
    signing,
  );
rule(
  'a form signed by another account that may not write is refused with AccessDenied',
  async (t) => {
    refused(await send(t, await t.bucket(), key, { account: t.store.second! }), 'AccessDenied');
  },
  { ...signing, needs: ['second'] },
);
rule('a form without a policy is refused with AccessDenied where nobody may write', async (t) => {
  refused(await sendForm(t, await t.bucket(), formOf(key)), 'AccessDenied');
});
rule('a form without a policy is taken where everybody may write', async (t) => {
  const bucket = await openBucket(t);
  await withPolicy(t, bucket, { Action: 's3:PutObject' });
  ok(await sendForm(t, bucket, formOf(key)), 204);
  await content(t, bucket);
});

/* What is no form. */
const open = async (t: Steps) => {
  const bucket = await openBucket(t);
  await withPolicy(t, bucket, { Action: 's3:PutObject' });
  return bucket;
};
const odd: readonly (readonly [what: string, body: string, ...codes: Code[]])[] = [
  ['without a key', formOf({ other: 'x' }), 'UserKeyMustBeSpecified', 'InvalidArgument'],
  ['with an empty key', formOf({ key: '' }), 'InvalidArgument'],
  ['with a key of 1,025 bytes', formOf({ key: 'x'.repeat(1025) }), 'KeyTooLongError'],
  ['without a file', formOf(key, { file: undefined }), 'IncorrectNumberOfFilesInPostRequest', 'InvalidArgument'],
  [
    'with two files',
    formOf(key, { after: part('file', 'x', '; filename="two"') }),
    'IncorrectNumberOfFilesInPostRequest',
  ],
  [
    'with 30,000 bytes before the file',
    formOf({ ...key, 'x-ignore-a': 'x'.repeat(30_000) }),
    'MaxPostPreDataLengthExceededError',
  ],
  ['that ends within its file', formOf(key).slice(0, -20), 'MalformedPOSTRequest'],
  ['that ends within a field', formOf(key).slice(0, 60), 'MalformedPOSTRequest'],
  ['whose file has an empty name', formOf(key).replace('name="file"', 'name=""'), 'MalformedPOSTRequest'],
  ['of nothing', '', 'MalformedPOSTRequest'],
  ['of text', 'no form at all', 'MalformedPOSTRequest'],
  ['with tags that are no XML', formOf({ ...key, tagging: 'a=b' }), 'MalformedXML', 'InvalidArgument', 'AccessDenied'],
];
for (const [what, body, ...codes] of odd)
  rule(`a form ${what} is refused with ${codes[0]}, and nothing is stored`, async (t) => {
    const bucket = await open(t);
    refused(await sendForm(t, bucket, body), ...codes);
    refused(await t.get(bucket, 'key'), 'NoSuchKey');
  });
rule('a form to a bucket that is not there is refused with NoSuchBucket', async (t) => {
  const bucket = t.newName();
  refused(await send(t, bucket, key), 'NoSuchBucket');
});
for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/xml', undefined])
  for (const [who, form] of [
    ['anonymous', 'none'],
    ['signed in its header', 'header'],
    ['presigned', 'query'],
  ] as const)
    rule(
      `a POST to a bucket that is ${type ?? 'of no type'}, ${who}, is refused: it must be multipart/form-data`,
      async (t) => {
        const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type };
        const answer: Answer = await t.send('POST', await open(t), '', { body: 'x', headers, signing: { form } });
        refused(answer, 'PreconditionFailed', 'RequestIsNotMultiPartContent');
      },
    );
rule(
  'a form says nothing of who reads: GET by another account stays AccessDenied',
  async (t) => {
    const bucket = await t.bucket();
    ok(await send(t, bucket, key), 204);
    refused(await t.get(bucket, 'key', { signing: second(t) }), 'AccessDenied');
  },
  { needs: ['second'] },
);

export const formCases = cases;
