import { setTimeout as sleep } from 'node:timers/promises';
import { area } from '../case.ts';
import { type Sent, timeOf } from '../client.ts';
import { header, ok, refused, same } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';

const { cases, rule } = area('presigned URLs', 'API/sigv4-query-string-auth');

const made = (t: Steps) =>
  t.shared('an object to presign', async (keeper) => {
    const bucket = await keeper.bucket();
    await keeper.put(bucket, 'object', 'presigned');
    return bucket;
  });
const presigned = (t: Steps, method: string, bucket: string, key: string, options: Options = {}) =>
  t.send(method, bucket, key, { ...options, signing: { form: 'query', ...options.signing } });

for (const [what, method, options] of [
  ['GET', 'GET', {}],
  ['HEAD', 'HEAD', {}],
  [
    'GET with a Range that is not signed',
    'GET',
    { signing: { spoil: ({ headers }: Sent) => (headers['range'] = 'bytes=0-100') } },
  ],
  ['GET that expires in a second', 'GET', { signing: { expires: '1' } }],
  ['GET that expires in seven days', 'GET', { signing: { expires: '604800' } }],
  [
    'GET with a header of its own that is not signed',
    'GET',
    { signing: { spoil: ({ headers }: Sent) => (headers['x-own'] = 'a') } },
  ],
] as const)
  rule(`a presigned ${what} is answered`, async (t) => {
    const answer = await presigned(t, method, await made(t), 'object', options as Options);
    ok(answer, what.includes('Range') ? 206 : 200);
    if (method === 'GET') same(answer.body.toString(), 'presigned', 'body', answer);
  });
rule('a presigned PUT writes any body', async (t) => {
  const bucket = await t.bucket();
  ok(await presigned(t, 'PUT', bucket, 'key', { body: 'any body' }));
  const answer = ok(await t.get(bucket, 'key'));
  same(answer.body.toString(), 'any body', 'content', answer);
});
rule('a presigned PUT keeps a content type that was not signed', async (t) => {
  const bucket = await t.bucket();
  ok(
    await presigned(t, 'PUT', bucket, 'key', {
      body: 'x',
      signing: { spoil: ({ headers }) => (headers['content-type'] = 'text/x-own') },
    }),
  );
  header(ok(await t.head(bucket, 'key')), 'content-type', 'text/x-own');
});
rule('a presigned DELETE deletes', async (t) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'key');
  ok(await presigned(t, 'DELETE', bucket, 'key'), 204);
  refused(await t.get(bucket, 'key'), 'NoSuchKey');
});
rule('a presigned listing lists', async (t) => {
  const answer = ok(await presigned(t, 'GET', await made(t), '', { query: { 'list-type': '2' } }));
  same(answer.texts('Key'), ['object'], 'keys', answer);
});
rule('a presigned GET with response-content-type answers this type', async (t) => {
  header(
    ok(await presigned(t, 'GET', await made(t), 'object', { query: { 'response-content-type': 'text/x-own' } })),
    'content-type',
    'text/x-own',
  );
});
rule('a presigned GET with a signed header wants this header', async (t) => {
  const options: Options = { headers: { 'x-amz-meta-a': 'a' } };
  ok(await presigned(t, 'GET', await made(t), 'object', options));
  const spoil = ({ headers }: Sent) => delete headers['x-amz-meta-a'];
  refused(
    await presigned(t, 'GET', await made(t), 'object', { ...options, signing: { spoil } }),
    'SignatureDoesNotMatch',
    'AccessDenied',
  );
});
rule('a presigned UploadPart sends a part', async (t) => {
  const bucket = await t.bucket();
  const uploadId = ok(await t.send('POST', bucket, 'key', { query: { uploads: '' } })).text('UploadId') ?? '';
  header(
    ok(await presigned(t, 'PUT', bucket, 'key', { query: { partNumber: '1', uploadId }, body: 'part' })),
    'etag',
    /^"/,
  );
});

/* Expiry. */
rule('a presigned URL is refused with AccessDenied when it has expired', async (t) => {
  const answer = refused(
    await presigned(t, 'GET', await made(t), 'object', { signing: { skewMs: -600_000, expires: '300' } }),
    'AccessDenied',
  );
  same(answer.message, 'Request has expired', 'Message', answer);
});
rule('an expired URL says when it expired and what time it is', async (t) => {
  const answer = refused(
    await presigned(t, 'GET', await made(t), 'object', { signing: { skewMs: -600_000, expires: '300' } }),
    'AccessDenied',
  );
  same(
    ['X-Amz-Expires', 'Expires', 'ServerTime'].map((name) => answer.text(name) !== undefined),
    [true, true, true],
    'details',
    answer,
  );
});
rule('a presigned URL of one second is refused two seconds later', async (t) => {
  const bucket = await made(t);
  let kept: Sent | undefined;
  await presigned(t, 'GET', bucket, 'object', {
    signing: { expires: '1', spoil: (sent) => (kept = structuredClone({ ...sent, body: Buffer.alloc(0) }) as Sent) },
  });
  await sleep(2300);
  refused(
    await t.raw({ method: 'GET', path: `/${bucket}/object` }, { ...kept!, body: Buffer.alloc(0) }),
    'AccessDenied',
  );
});
rule('a presigned URL of an hour ago that is good for two hours is answered', async (t) => {
  ok(await presigned(t, 'GET', await made(t), 'object', { signing: { skewMs: -3_600_000, expires: '7200' } }));
});
rule('a presigned URL may be signed up to 15 minutes ahead', async (t) => {
  ok(await presigned(t, 'GET', await made(t), 'object', { signing: { skewMs: 14 * 60_000 } }));
});
rule('a presigned URL of the future is refused with AccessDenied', async (t) => {
  refused(
    await presigned(t, 'GET', await made(t), 'object', { signing: { skewMs: 3_600_000 } }),
    'AccessDenied',
    'RequestTimeTooSkewed',
  );
});
for (const [what, expires] of [
  ['more than seven days', '604801'],
  ['negative', '-1'],
  ['no number', 'soon'],
  ['empty', ''],
  ['a fraction', '1.5'],
] as const)
  rule(`an X-Amz-Expires that is ${what} is refused with AuthorizationQueryParametersError`, async (t) => {
    refused(
      await presigned(t, 'GET', await made(t), 'object', { signing: { expires } }),
      'AuthorizationQueryParametersError',
    );
  });

/* What is changed or missing. */
const without = (name: string) => (sent: Sent) =>
  (sent.target = sent.target.replace(new RegExp(`[?&]${name}=[^&]*`), (found) => (found[0] === '?' ? '?a' : '')));
for (const name of ['X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Date', 'X-Amz-Expires', 'X-Amz-SignedHeaders'])
  rule(`a URL without ${name} is refused with AuthorizationQueryParametersError`, async (t) => {
    refused(
      await presigned(t, 'GET', await made(t), 'object', { signing: { spoil: without(name) } }),
      'AuthorizationQueryParametersError',
    );
  });
rule('a URL without X-Amz-Signature is refused', async (t) => {
  refused(
    await presigned(t, 'GET', await made(t), 'object', { signing: { spoil: without('X-Amz-Signature') } }),
    'AuthorizationQueryParametersError',
    'AccessDenied',
  );
});
const target = (change: (text: string) => string): Options => ({
  signing: { spoil: (sent) => (sent.target = change(sent.target)) },
});
for (const [what, options] of [
  ['another key', target((text) => text.replace('/object?', '/objecu?'))],
  ['another method', { signing: { spoil: (sent: Sent) => (sent.method = 'DELETE') } }],
  ['a parameter that was added', target((text) => `${text}&versionId=null`)],
  ['a response-content-type that was added', target((text) => `${text}&response-content-type=text%2Fhtml`)],
  ['more time than was signed', target((text) => text.replace('X-Amz-Expires=300', 'X-Amz-Expires=3000'))],
  [
    'a later date than was signed',
    target((text) => text.replace(/X-Amz-Date=\w+/, `X-Amz-Date=${timeOf(Date.now() + 5000)}`)),
  ],
  ['fewer signed headers', target((text) => text.replace('X-Amz-SignedHeaders=host', 'X-Amz-SignedHeaders=date'))],
  ['another digit of the signature', target((text) => text.slice(0, -1) + (text.endsWith('0') ? '1' : '0'))],
  ['another host', { signing: { spoil: ({ headers }: Sent) => (headers['host'] = 'elsewhere.example') } }],
] as const)
  rule(`a URL with ${what} is refused with SignatureDoesNotMatch`, async (t) => {
    const answer = await presigned(t, 'GET', await made(t), 'object', options as Options);
    refused(answer, 'SignatureDoesNotMatch', ...(what === 'fewer signed headers' ? (['AccessDenied'] as const) : []));
    ok(await t.get(await made(t), 'object'));
  });
for (const [what, header_] of [
  ['x-amz-acl', { 'x-amz-acl': 'private' }],
  ['x-amz-meta-a', { 'x-amz-meta-a': 'a' }],
  ['x-amz-copy-source', { 'x-amz-copy-source': '/bucket/key' }],
  ['x-amz-tagging', { 'x-amz-tagging': 'a=1' }],
  ['x-amz-storage-class', { 'x-amz-storage-class': 'STANDARD_IA' }],
] as const)
  rule(`a presigned PUT with ${what} that was not signed is refused`, async (t) => {
    const bucket = await t.bucket();
    const spoil = ({ headers }: Sent) => Object.assign(headers, header_);
    refused(
      await presigned(t, 'PUT', bucket, 'key', { body: 'x', signing: { spoil } }),
      'AccessDenied',
      'SignatureDoesNotMatch',
    );
    refused(await t.get(bucket, 'key'), 'NoSuchKey');
  });
for (const [what, signing, codes] of [
  ['another region', { region: 'mars-north-1' }, ['AuthorizationQueryParametersError']],
  ['another service', { service: 'ec2' }, ['AuthorizationQueryParametersError']],
  ['another ending than aws4_request', { terminal: 'aws5_request' }, ['AuthorizationQueryParametersError']],
  ['another day', { day: '20200101' }, ['AuthorizationQueryParametersError']],
] as const)
  rule(`a URL whose credential scope is of ${what} is refused with ${codes[0]}`, async (t) => {
    refused(await presigned(t, 'GET', await made(t), 'object', { signing }), ...codes);
  });
for (const [what, change] of [
  ['another algorithm', (text: string) => text.replace('AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA1')],
  ['a date in another form', (text: string) => text.replace(/X-Amz-Date=\w+/, 'X-Amz-Date=2024-01-01')],
  ['a credential without a scope', (text: string) => text.replace(/X-Amz-Credential=[^&]*/, 'X-Amz-Credential=AKID')],
] as const)
  rule(`a URL with ${what} is refused with AuthorizationQueryParametersError`, async (t) => {
    refused(await presigned(t, 'GET', await made(t), 'object', target(change)), 'AuthorizationQueryParametersError');
  });
rule('a URL of a key id that is not known is refused with InvalidAccessKeyId', async (t) => {
  refused(
    await presigned(t, 'GET', await made(t), 'object', {
      signing: { account: { accessKeyId: 'AKIANOBODY', secretAccessKey: 'x' } },
    }),
    'InvalidAccessKeyId',
  );
});
rule('a URL and an Authorization header together are refused: "Only one auth mechanism allowed"', async (t) => {
  const spoil = ({ headers }: Sent) =>
    (headers['authorization'] =
      'AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=a');
  refused(
    await presigned(t, 'GET', await made(t), 'object', { signing: { spoil } }),
    'InvalidArgument',
    'InvalidRequest',
    'AuthorizationHeaderMalformed',
  );
});
rule('a presigned URL does not make a chunked body one that is verified', async (t) => {
  const bucket = await t.bucket();
  const spoil = ({ headers }: Sent) =>
    Object.assign(headers, { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' });
  const answer = await presigned(t, 'PUT', bucket, 'key', { body: 'x', signing: { spoil } });
  same(answer.status >= 400, true, 'refused', answer);
  refused(await t.get(bucket, 'key'), 'NoSuchKey');
});

export const presignedCases = cases;
