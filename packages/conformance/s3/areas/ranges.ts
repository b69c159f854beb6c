import { area } from '../case.ts';
import { header, ok, refused, same } from '../expect.ts';
import type { Steps } from '../steps.ts';

const { cases, rule } = area('ranges', 'API/API_GetObject');

const text = 'abcdefghijklmnopqrstuvwxyz0123456789';
const size = text.length;
const made = (t: Steps) =>
  t.shared('an object of 36 bytes', async (keeper) => {
    const bucket = await keeper.bucket();
    const { etag } = await keeper.put(bucket, 'object', text);
    await keeper.put(bucket, 'empty', '');
    const modified = String((await keeper.head(bucket, 'object')).headers['last-modified']);
    return { bucket, etag, modified };
  });

/* One range: RFC 9110 §14.1.2, which GetObject refers to. */
const slices: readonly (readonly [string, string, number, number])[] = [
  ['the first byte', 'bytes=0-0', 0, 0],
  ['the first ten bytes', 'bytes=0-9', 0, 9],
  ['bytes in the middle', 'bytes=10-19', 10, 19],
  ['one byte in the middle', 'bytes=17-17', 17, 17],
  ['the last byte by its number', 'bytes=35-35', 35, 35],
  ['all bytes', 'bytes=0-35', 0, 35],
  ['everything from a first byte on', 'bytes=20-', 20, 35],
  ['everything from 0 on', 'bytes=0-', 0, 35],
  ['the last byte from its number on', 'bytes=35-', 35, 35],
  ['the last five bytes', 'bytes=-5', 31, 35],
  ['the last byte as a suffix', 'bytes=-1', 35, 35],
  ['as many last bytes as there are', 'bytes=-36', 0, 35],
  ['more last bytes than there are: all', 'bytes=-1000', 0, 35],
  ['bytes beyond the end: up to the end', 'bytes=30-1000', 30, 35],
  ['bytes up to one beyond the end', 'bytes=30-36', 30, 35],
  ['bytes up to a number beyond 64 bits', 'bytes=30-99999999999999999999', 30, 35],
];
for (const method of ['GET', 'HEAD'] as const) {
  for (const [what, range, first, last] of slices)
    rule(
      `${method} of ${what} (${range}) answers 206 with these bytes and their Content-Range`,
      async (t) => {
        const { bucket } = await made(t);
        const answer = ok(await t.send(method, bucket, 'object', { headers: { range } }), 206);
        header(answer, 'content-range', `bytes ${first}-${last}/${size}`);
        header(answer, 'content-length', String(last - first + 1));
        if (method === 'GET') same(answer.body.toString(), text.slice(first, last + 1), 'body', answer);
      },
      { source: method === 'GET' ? 'API/API_GetObject' : 'API/API_HeadObject' },
    );

  for (const [what, range] of [
    ['that begins at the end of the object', 'bytes=36-'],
    ['that begins at the end of the object and has an end', 'bytes=36-40'],
    ['that begins far beyond the end', 'bytes=1000-2000'],
    ['of the last 0 bytes', 'bytes=-0'],
    ['that begins beyond 64 bits', 'bytes=99999999999999999999-'],
  ] as const)
    rule(
      `${method} of a range ${what} (${range}) is refused with InvalidRange`,
      async (t) => {
        const { bucket } = await made(t);
        refused(await t.send(method, bucket, 'object', { headers: { range } }), 'InvalidRange');
      },
      { source: 'https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2' },
    );

  for (const [what, range] of [
    ['whose end is before its beginning', 'bytes=9-3'],
    ['of another unit', 'items=0-3'],
    ['without a unit', '0-3'],
    ['without numbers', 'bytes=-'],
    ['with letters', 'bytes=a-b'],
    ['with a negative end', 'bytes=0--5'],
    ['with fractions', 'bytes=0.5-3'],
    ['that is empty', 'bytes='],
  ] as const)
    rule(
      `${method} with a Range ${what} (${range}) is answered as without one`,
      async (t) => {
        const { bucket } = await made(t);
        const answer = ok(await t.send(method, bucket, 'object', { headers: { range } }));
        header(answer, 'content-length', String(size));
        header(answer, 'content-range', undefined);
      },
      { source: 'https://www.rfc-editor.org/rfc/rfc9110#section-14.2' },
    );
}
rule(
  'GET of several ranges at once answers the whole object: "Amazon S3 doesn\'t support retrieving multiple ranges"',
  async (t) => {
    const { bucket } = await made(t);
    const answer = ok(await t.get(bucket, 'object', { headers: { range: 'bytes=0-1,5-6' } }));
    same(answer.body.toString(), text, 'body', answer);
  },
);
rule(
  'the unit of a range may be in capitals',
  async (t) => {
    const { bucket } = await made(t);
    ok(await t.get(bucket, 'object', { headers: { range: 'Bytes=0-1' } }), 206);
  },
  { source: 'https://www.rfc-editor.org/rfc/rfc9110#section-14.1' },
);
rule(
  'InvalidRange names the range that was asked for and the size of the object',
  async (t) => {
    const { bucket } = await made(t);
    const answer = refused(await t.get(bucket, 'object', { headers: { range: 'bytes=50-60' } }), 'InvalidRange');
    same(answer.text('ActualObjectSize'), String(size), 'ActualObjectSize', answer);
    same(answer.text('RangeRequested'), 'bytes=50-60', 'RangeRequested', answer);
  },
  { source: 'API/ErrorResponses' },
);
rule('every GET says that it takes ranges of bytes', async (t) => {
  const { bucket } = await made(t);
  header(ok(await t.get(bucket, 'object')), 'accept-ranges', 'bytes');
});
for (const range of ['bytes=0-0', 'bytes=0-', 'bytes=-1'])
  rule(
    `GET of ${range} of an empty object is refused with InvalidRange`,
    async (t) => {
      const { bucket } = await made(t);
      refused(await t.get(bucket, 'empty', { headers: { range } }), 'InvalidRange');
    },
    { source: 'https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2' },
  );
rule('a range is decided after the conditions: If-None-Match with the same ETag answers 304', async (t) => {
  const { bucket, etag } = await made(t);
  ok(await t.get(bucket, 'object', { headers: { range: 'bytes=0-1', 'if-none-match': etag } }), 304);
});
rule('a range is decided after the conditions: If-Match with another ETag answers 412', async (t) => {
  const { bucket } = await made(t);
  const headers = { range: 'bytes=0-1', 'if-match': '"00000000000000000000000000000000"' };
  refused(await t.get(bucket, 'object', { headers }), 'PreconditionFailed');
});
rule('an answer to a range has the ETag of the whole object', async (t) => {
  const { bucket, etag } = await made(t);
  header(ok(await t.get(bucket, 'object', { headers: { range: 'bytes=3-4' } }), 206), 'etag', etag);
});

/* If-Range: RFC 9110 §13.1.5. */
const ifRange = { source: 'https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5' };
const conditional: readonly (readonly [string, (made: { etag: string; modified: string }) => string, 200 | 206])[] = [
  ['the ETag of the object answers the range', ({ etag }) => etag, 206],
  ['another ETag answers the whole object', () => '"00000000000000000000000000000000"', 200],
  ['a weak ETag answers the whole object', ({ etag }) => `W/${etag}`, 200],
  ['the time of the object answers the range', ({ modified }) => modified, 206],
  ['an earlier time answers the whole object', () => 'Sat, 01 Jan 2000 00:00:00 GMT', 200],
];
for (const [what, value, status] of conditional)
  rule(
    `If-Range with ${what}`,
    async (t) => {
      const it = await made(t);
      ok(await t.get(it.bucket, 'object', { headers: { range: 'bytes=0-1', 'if-range': value(it) } }), status);
    },
    ifRange,
  );
rule(
  'If-Range without a Range means nothing',
  async (t) => {
    const { bucket } = await made(t);
    ok(await t.get(bucket, 'object', { headers: { 'if-range': '"00000000000000000000000000000000"' } }));
  },
  ifRange,
);

/* partNumber of an object that was not uploaded in parts. */
rule('partNumber=1 of an object without parts is the whole object, as a range', async (t) => {
  const { bucket } = await made(t);
  const answer = ok(await t.get(bucket, 'object', { query: { partNumber: '1' } }), 206);
  same(answer.body.toString(), text, 'body', answer);
});
rule('partNumber=2 of an object without parts is refused with InvalidPartNumber', async (t) => {
  const { bucket } = await made(t);
  refused(await t.get(bucket, 'object', { query: { partNumber: '2' } }), 'InvalidPartNumber');
});
for (const number of ['0', '10001', '-1', 'one'])
  rule(`partNumber=${number} is refused with InvalidArgument: it is between 1 and 10,000`, async (t) => {
    const { bucket } = await made(t);
    refused(await t.get(bucket, 'object', { query: { partNumber: number } }), 'InvalidArgument');
  });
rule('partNumber and Range together are refused with InvalidRequest', async (t) => {
  const { bucket } = await made(t);
  refused(
    await t.get(bucket, 'object', { query: { partNumber: '1' }, headers: { range: 'bytes=0-1' } }),
    'InvalidRequest',
  );
});

export const rangeCases = cases;
