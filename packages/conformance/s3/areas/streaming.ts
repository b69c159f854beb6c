import { area } from '../case.ts';
import { header, ok, refused, same } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { aws, type Chunked } from './chunks.ts';

const { cases, rule } = area('chunked bodies', 'API/sigv4-streaming');
const trailers = { source: 'API/sigv4-streaming-trailers' };

const content = 'a chunk of text, '.repeat(3000);
const crc: readonly [string, string] = ['x-amz-checksum-crc32', ''];
const bucketOf = (t: Steps) => t.shared('a bucket for chunks', (keeper) => keeper.bucket());
const send = async (t: Steps, how: Partial<Chunked>, key = 'chunked') =>
  aws(t, await bucketOf(t), key, { form: 'signed', content, ...how });

/** Refused, and nothing was written. */
async function fails(t: Steps, how: Partial<Chunked>, ...codes: Parameters<typeof refused>[1][]): Promise<void> {
  const bucket = await t.bucket();
  refused(await aws(t, bucket, 'key', { form: 'signed', content, ...how }), ...codes);
  refused(await t.get(bucket, 'key'), 'NoSuchKey');
}

for (const [what, how] of [
  ['of one chunk', {}],
  ['of chunks of 8 KiB', { chunk: 8192 }],
  ['of chunks of 16,000 bytes', { chunk: 16_000 }],
  ['whose last chunk is one byte', { chunk: content.length - 1 }],
  ['that is empty', { content: '' }],
  ['of one byte', { content: 'x' }],
] as const)
  rule(`a signed chunked body ${what} comes back without its chunks`, async (t) => {
    const bucket = await bucketOf(t);
    ok(await send(t, how, `whole ${what}`));
    const answer = ok(await t.get(bucket, `whole ${what}`));
    const expected = 'content' in how ? how.content : content;
    same(answer.body.toString() === expected, true, 'the same bytes', answer);
    header(answer, 'content-encoding', undefined);
  });
rule('another encoding beside aws-chunked is kept', async (t) => {
  ok(await send(t, { headers: { 'content-encoding': 'aws-chunked,gzip' } }, 'encoded'));
  header(ok(await t.head(await bucketOf(t), 'encoded')), 'content-encoding', 'gzip');
});
rule('a signed chunked body needs no Content-Encoding', async (t) => {
  ok(await send(t, { headers: { 'content-encoding': '' } }, 'unnamed'));
});
rule('a part may be sent in signed chunks', async (t) => {
  const bucket = await bucketOf(t);
  const uploadId = ok(await t.send('POST', bucket, 'part', { query: { uploads: '' } })).text('UploadId') ?? '';
  ok(await send(t, { query: { partNumber: '1', uploadId } }, 'part'));
});

/* Signatures of chunks. */
rule('a wrong signature of the first chunk is refused with SignatureDoesNotMatch', (t) =>
  fails(t, { badChunk: 0 }, 'SignatureDoesNotMatch'),
);
rule('a wrong signature of a later chunk is refused with SignatureDoesNotMatch', (t) =>
  fails(t, { chunk: 8192, badChunk: 3 }, 'SignatureDoesNotMatch'),
);
rule('a wrong signature of the last, empty chunk is refused with SignatureDoesNotMatch', (t) =>
  fails(t, { badChunk: 1 }, 'SignatureDoesNotMatch'),
);
for (const [what, spoil, codes] of [
  [
    'a byte of a chunk that was changed',
    (body: string) => body.replace('a chunk', 'b chunk'),
    ['SignatureDoesNotMatch'],
  ],
  ['two chunks that were exchanged', exchanged, ['SignatureDoesNotMatch']],
  ['a chunk that was left out', leftOut, ['SignatureDoesNotMatch', 'IncompleteBody']],
  [
    'a chunk without a signature',
    (body: string) => body.replace(/;chunk-signature=\w+/, ''),
    ['SignatureDoesNotMatch', 'InvalidRequest', 'IncompleteBody', 'InvalidArgument', 'AccessDenied'],
  ],
  [
    'a size that is no hexadecimal number',
    (body: string) => body.replace(/^[0-9a-f]+/, 'zz'),
    ['IncompleteBody', 'InvalidRequest', 'InvalidArgument', 'SignatureDoesNotMatch'],
  ],
  [
    'a size beyond 64 bits',
    (body: string) => body.replace(/^[0-9a-f]+/, 'fffffffffffffffffff'),
    ['IncompleteBody', 'InvalidRequest', 'InvalidArgument', 'SignatureDoesNotMatch', 'InvalidChunkSizeError'],
  ],
  [
    'a size that is too large',
    (body: string) => body.replace(/^[0-9a-f]+/, 'ffff'),
    ['IncompleteBody', 'SignatureDoesNotMatch', 'InvalidRequest'],
  ],
  [
    'no last chunk',
    (body: string) => body.slice(0, body.lastIndexOf('0;chunk-signature')),
    ['IncompleteBody', 'SignatureDoesNotMatch'],
  ],
  [
    'bytes behind the last chunk',
    (body: string) => `${body}more`,
    ['IncompleteBody', 'InvalidRequest', 'SignatureDoesNotMatch', 'MalformedTrailerError', 'InvalidArgument'],
  ],
  [
    'a body that is cut within a chunk',
    (body: string) => body.slice(0, 1000),
    ['IncompleteBody', 'SignatureDoesNotMatch'],
  ],
] as const)
  rule(`a signed chunked body with ${what} is refused`, (t) => fails(t, { chunk: 16_384, spoil }, ...codes));

/** First and second chunk, sizes and signatures with them. */
function exchanged(body: string): string {
  const starts = [...body.matchAll(/[0-9a-f]+;chunk-signature=\w{64}\r\n/g)].map(({ index }) => index);
  const [a = 0, b = 0, c = 0] = starts;
  return body.slice(b, c) + body.slice(a, b) + body.slice(c);
}

function leftOut(body: string): string {
  const [, second = 0] = [...body.matchAll(/[0-9a-f]+;chunk-signature=\w{64}\r\n/g)].map(({ index }) => index);
  return body.slice(second);
}

/* Lengths. */
rule('a chunk of less than 8,192 bytes that is not the last is refused with InvalidChunkSizeError', (t) =>
  fails(t, { chunk: 8191 }, 'InvalidChunkSizeError'),
);
rule('a body without x-amz-decoded-content-length is refused with MissingContentLength', (t) =>
  fails(t, { headers: { 'x-amz-decoded-content-length': '' } }, 'MissingContentLength'),
);
for (const [what, value, codes] of [
  ['more than there is', String(content.length + 1), ['IncompleteBody']],
  ['less than there is', String(content.length - 1), ['IncompleteBody', 'InvalidRequest']],
  ['negative', '-1', ['InvalidArgument', 'InvalidRequest', 'MissingContentLength']],
  ['no number', 'long', ['InvalidArgument', 'InvalidRequest', 'MissingContentLength']],
] as const)
  rule(`an x-amz-decoded-content-length that is ${what} is refused with ${codes[0]}`, (t) =>
    fails(t, { headers: { 'x-amz-decoded-content-length': value } }, ...codes),
  );

/* Trailers. */
for (const form of ['signed', 'unsigned'] as const) {
  const how = { form, content: 'trailing', trailer: ['x-amz-checksum-crc32', 'xFNSwQ=='] as const };
  rule(
    `a checksum behind a ${form} chunked body that is announced and missing is refused`,
    (t) =>
      fails(
        t,
        { ...how, spoil: (body) => body.replace(/x-amz-checksum-crc32:[^\r]*\r\n/, '') },
        'MalformedTrailerError',
        'SignatureDoesNotMatch',
        'InvalidRequest',
        'BadDigest',
      ),
    trailers,
  );
  rule(
    `a trailer behind a ${form} chunked body that is not announced is refused`,
    (t) =>
      fails(
        t,
        { ...how, headers: { 'x-amz-trailer': '' } },
        'MalformedTrailerError',
        'InvalidRequest',
        'SignatureDoesNotMatch',
      ),
    trailers,
  );
  rule(
    `a trailer behind a ${form} chunked body of another name than announced is refused`,
    (t) =>
      fails(
        t,
        { ...how, headers: { 'x-amz-trailer': 'x-amz-checksum-sha256' } },
        'MalformedTrailerError',
        'InvalidRequest',
        'SignatureDoesNotMatch',
        'BadDigest',
      ),
    trailers,
  );
  rule(
    `a trailer behind a ${form} chunked body whose value is no checksum is refused`,
    (t) =>
      fails(
        t,
        { ...how, trailer: ['x-amz-checksum-crc32', '!!'] },
        'InvalidRequest',
        'BadDigest',
        'MalformedTrailerError',
      ),
    trailers,
  );
  rule(
    `a trailer behind a ${form} chunked body of an unknown name is refused with InvalidRequest`,
    (t) => fails(t, { ...how, trailer: ['x-amz-unknown', 'a'] }, 'InvalidRequest', 'MalformedTrailerError'),
    trailers,
  );
}
rule(
  'a wrong signature of the trailer is refused with SignatureDoesNotMatch',
  (t) => fails(t, { content: 'x', trailer: [crc[0], 'jNwWgw=='], badTrailer: true }, 'SignatureDoesNotMatch'),
  trailers,
);
rule(
  'a signed chunked body whose trailer has no signature is refused',
  (t) =>
    fails(
      t,
      {
        content: 'x',
        trailer: [crc[0], 'jNwWgw=='],
        spoil: (body) => body.replace(/x-amz-trailer-signature:\w+\r\n/, ''),
      },
      'SignatureDoesNotMatch',
      'MalformedTrailerError',
      'InvalidRequest',
      'AccessDenied',
    ),
  trailers,
);
rule(
  'a chunk of less than 8,192 bytes of an unsigned body is refused with InvalidChunkSizeError, too',
  (t) =>
    fails(t, { form: 'unsigned', chunk: 100, trailer: ['x-amz-checksum-crc32', 'xFNSwQ=='] }, 'InvalidChunkSizeError'),
  trailers,
);
rule(
  'an unsigned chunked body without a trailer is taken',
  async (t) => {
    ok(await send(t, { form: 'unsigned', content: 'hello' }, 'no trailer'));
  },
  trailers,
);

export const streamingCases = cases;
