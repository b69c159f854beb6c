import { area } from '../case.ts';
import { md5 } from '../client.ts';
import { header, ok, refused, same } from '../expect.ts';
import type { Steps } from '../steps.ts';

const { cases, rule } = area('appending', 'userguide/directory-buckets-objects-append');
const putting = { source: 'API/API_PutObject' };

const append = (
  t: Steps,
  bucket: string,
  offset: number | string,
  body: string,
  headers: Record<string, string> = {},
) => t.send('PUT', bucket, 'log', { body, headers: { 'x-amz-write-offset-bytes': String(offset), ...headers } });
const content = async (t: Steps, bucket: string, expected: string) => {
  const answer = ok(await t.get(bucket, 'log'));
  same(answer.body.toString(), expected, 'content', answer);
};
const begun = async (t: Steps, headers: Record<string, string> = {}) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'log', 'abc', headers);
  return bucket;
};

rule('PutObject at the end of an object appends to it', async (t) => {
  const bucket = await begun(t);
  ok(await append(t, bucket, 3, 'def'));
  await content(t, bucket, 'abcdef');
});
rule('PutObject at offset 0 makes an object where there is none', async (t) => {
  const bucket = await t.bucket();
  ok(await append(t, bucket, 0, 'abc'));
  await content(t, bucket, 'abc');
});
rule('PutObject at offset 0 appends to an empty object', async (t) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'log', '');
  ok(await append(t, bucket, 0, 'abc'));
  await content(t, bucket, 'abc');
});
rule('appends follow each other, each at the size that there is', async (t) => {
  const bucket = await t.bucket();
  for (let at = 0; at < 10; at++) ok(await append(t, bucket, at * 2, `${at};`));
  await content(t, bucket, '0;1;2;3;4;5;6;7;8;9;');
});
rule('an append of nothing is one', async (t) => {
  const bucket = await begun(t);
  ok(await append(t, bucket, 3, ''));
  await content(t, bucket, 'abc');
});
rule(
  'an append answers the size of the object in x-amz-object-size',
  async (t) => void header(ok(await append(t, await begun(t), 3, 'def')), 'x-amz-object-size', '6'),
  putting,
);
rule(
  'a PutObject that is no append answers no x-amz-object-size',
  async (t) => void header(await t.put(await t.bucket(), 'log'), 'x-amz-object-size', undefined),
  putting,
);
rule('an append answers the ETag that the object has then, which is another than before', async (t) => {
  const bucket = await begun(t);
  const before = (await t.head(bucket, 'log')).etag;
  const answer = ok(await append(t, bucket, 3, 'def'));
  same(answer.etag, (await t.head(bucket, 'log')).etag, 'ETag', answer);
  same(answer.etag === before, false, 'the ETag is that of before', answer);
});
rule('ranges reach over what was appended', async (t) => {
  const bucket = await begun(t);
  ok(await append(t, bucket, 3, 'def'));
  const answer = ok(await t.get(bucket, 'log', { headers: { range: 'bytes=2-4' } }), 206);
  same(answer.body.toString(), 'cde', 'content', answer);
  header(answer, 'content-range', 'bytes 2-4/6');
});
for (const [what, offset] of [
  ['before the end', 2],
  ['at the beginning', 0],
  ['behind the end', 4],
  ['far behind the end', 1e12],
] as const)
  rule(
    `PutObject at an offset ${what} of the object is refused with InvalidWriteOffset, and changes nothing`,
    async (t) => {
      const bucket = await begun(t);
      refused(await append(t, bucket, offset, 'x'), 'InvalidWriteOffset');
      await content(t, bucket, 'abc');
    },
    putting,
  );
rule(
  'PutObject at an offset where there is no object is refused with InvalidWriteOffset, and makes none',
  async (t) => {
    const bucket = await t.bucket();
    refused(await append(t, bucket, 3, 'x'), 'InvalidWriteOffset', 'NoSuchKey');
    refused(await t.get(bucket, 'log'), 'NoSuchKey');
  },
  putting,
);
for (const offset of ['', 'x', '-1', '1.5', '0x3', '3 3', '9'.repeat(25)])
  rule(
    `PutObject with the offset "${offset}" is refused with InvalidArgument`,
    async (t) => {
      const bucket = await begun(t);
      refused(await append(t, bucket, offset, 'x'), 'InvalidArgument');
      await content(t, bucket, 'abc');
    },
    putting,
  );
for (const [what, headers, code] of [
  ['If-Match of another ETag', { 'if-match': '"0123456789abcdef0123456789abcdef"' }, 'PreconditionFailed'],
  ['If-None-Match: *', { 'if-none-match': '*' }, 'PreconditionFailed'],
  ['the Content-MD5 of another body', { 'content-md5': md5('other').toString('base64') }, 'BadDigest'],
  ['a Content-MD5 that is none', { 'content-md5': 'x' }, 'InvalidDigest'],
  ['the checksum of another body', { 'x-amz-checksum-crc32': 'AAAAAA==' }, 'BadDigest'],
  ['a checksum that is none', { 'x-amz-checksum-crc32': '!' }, 'InvalidRequest'],
] as const)
  rule(
    `an append with ${what} is refused with ${code}, and changes nothing`,
    async (t) => {
      const bucket = await begun(t);
      refused(await append(t, bucket, 3, 'x', headers), code);
      await content(t, bucket, 'abc');
    },
    putting,
  );
rule(
  'an append with If-Match of the ETag of the object is done',
  async (t) => {
    const bucket = await begun(t);
    const { etag } = await t.head(bucket, 'log');
    ok(await append(t, bucket, 3, 'def', { 'if-match': etag }));
    await content(t, bucket, 'abcdef');
  },
  putting,
);
rule('an append keeps the content type and metadata of the object', async (t) => {
  const bucket = await begun(t, { 'content-type': 'text/log', 'x-amz-meta-a': 'b' });
  ok(await append(t, bucket, 3, 'def'));
  const answer = header(ok(await t.head(bucket, 'log')), 'content-type', 'text/log');
  header(answer, 'x-amz-meta-a', 'b');
});
rule('of appends of the same moment at one offset one is done', async (t) => {
  const bucket = await begun(t);
  const all = await Promise.all(['1', '2', '3', '4', '5'].map((body) => append(t, bucket, 3, body)));
  const done = all.filter(({ status }) => status === 200);
  same(done.length, 1, 'appends that were done', all[0]!);
  for (const answer of all) if (answer !== done[0]) refused(answer, 'InvalidWriteOffset', 'OperationAborted');
  const answer = ok(await t.get(bucket, 'log'));
  same(answer.body.length, 4, 'bytes', answer);
});
for (const [name, request] of [
  [
    'CopyObject',
    (t: Steps, bucket: string, headers: Record<string, string>) =>
      t.send('PUT', bucket, 'copy', { headers: { 'x-amz-copy-source': `/${bucket}/log`, ...headers } }),
  ],
  [
    'CreateMultipartUpload',
    (t: Steps, bucket: string, headers: Record<string, string>) =>
      t.send('POST', bucket, 'up', { query: { uploads: '' }, headers }),
  ],
] as const)
  rule(
    `${name} with x-amz-write-offset-bytes is refused with InvalidRequest`,
    async (t) => void refused(await request(t, await begun(t), { 'x-amz-write-offset-bytes': '3' }), 'InvalidRequest'),
    { source: `API/API_${name}` },
  );
rule(
  'an append in a bucket that is not there is refused with NoSuchBucket',
  async (t) => {
    refused(await append(t, t.newName(), 0, 'x'), 'NoSuchBucket');
  },
  putting,
);

export const appendCases = cases;
