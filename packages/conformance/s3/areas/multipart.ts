import { area } from '../case.ts';
import { md5 } from '../client.ts';
import { header, holds, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { complete, initiate, part, uploaded } from './uploads.ts';

const creating = 'API/API_CreateMultipartUpload';
const { cases, rule } = area('multipart', creating);
const sending = { source: 'API/API_UploadPart' };
const _completing = { source: 'API/API_CompleteMultipartUpload' };
const _aborting = { source: 'API/API_AbortMultipartUpload' };
const limits = { source: 'userguide/qfacts' };
const bucketOf = (t: Steps) => t.shared('a bucket for uploads', (keeper) => keeper.bucket());
const nowhere = 'bm90LWFuLXVwbG9hZC1pZA';

/* CreateMultipartUpload. */
rule('CreateMultipartUpload answers bucket, key and upload id', async (t) => {
  const bucket = await bucketOf(t);
  const answer = ok(await t.send('POST', bucket, 'a key', { query: { uploads: '' } }));
  shape(answer, 'InitiateMultipartUploadResult', { Bucket: bucket, Key: 'a key', UploadId: /./ });
});
rule('each CreateMultipartUpload has an upload id of its own', async (t) => {
  const bucket = await bucketOf(t);
  const [one, two] = [await initiate(t, bucket, 'twice'), await initiate(t, bucket, 'twice')];
  holds(one !== two, 'two uploads have one id');
});
rule('CreateMultipartUpload in a bucket that is not there is refused with NoSuchBucket', async (t) => {
  refused(await t.send('POST', t.newName(), 'key', { query: { uploads: '' } }), 'NoSuchBucket');
});
rule('an upload that is not completed is no object', async (t) => {
  const bucket = await bucketOf(t);
  await uploaded(t, bucket, 'unfinished', 'part');
  refused(await t.get(bucket, 'unfinished'), 'NoSuchKey');
});
rule('an upload that is not completed leaves the object alone that is there', async (t) => {
  const bucket = await bucketOf(t);
  await t.put(bucket, 'there', 'old');
  await uploaded(t, bucket, 'there', 'new');
  const answer = ok(await t.get(bucket, 'there'));
  same(answer.body.toString(), 'old', 'content', answer);
});
for (const [name, value] of [
  ['content-type', 'text/x-parts'],
  ['cache-control', 'no-store'],
  ['content-disposition', 'inline'],
  ['content-encoding', 'br'],
  ['content-language', 'it'],
  ['expires', 'Thu, 01 Dec 2033 16:00:00 GMT'],
  ['x-amz-meta-own', 'value'],
  ['x-amz-website-redirect-location', '/elsewhere'],
  ['x-amz-storage-class', 'STANDARD_IA'],
] as const)
  rule(`the object has the ${name} that CreateMultipartUpload was given`, async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId, etag } = await uploaded(t, bucket, `with ${name}`, 'part', { [name]: value });
    ok(await complete(t, bucket, `with ${name}`, uploadId, [[1, etag]]));
    header(ok(await t.head(bucket, `with ${name}`)), name, value);
  });
rule('the object has the tags that CreateMultipartUpload was given', async (t) => {
  const bucket = await bucketOf(t);
  const { uploadId, etag } = await uploaded(t, bucket, 'tagged', 'part', { 'x-amz-tagging': 'a=1' });
  ok(await complete(t, bucket, 'tagged', uploadId, [[1, etag]]));
  header(ok(await t.head(bucket, 'tagged')), 'x-amz-tagging-count', '1');
});
rule('CreateMultipartUpload with a storage class that is not known is refused with InvalidStorageClass', async (t) => {
  const headers = { 'x-amz-storage-class': 'GOLD' };
  refused(await t.send('POST', await bucketOf(t), 'class', { query: { uploads: '' }, headers }), 'InvalidStorageClass');
});

/* UploadPart. */
rule(
  'UploadPart answers the MD5 of the part as its ETag',
  async (t) => {
    const bucket = await bucketOf(t);
    const { etag } = await uploaded(t, bucket, 'etag', 'a part');
    holds(etag === `"${md5('a part').toString('hex')}"`, `ETag: ${etag}`);
  },
  sending,
);
rule(
  'a part that is sent again replaces the first',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId } = await uploaded(t, bucket, 'again', 'first');
    const { etag } = ok(await part(t, bucket, 'again', uploadId, 1, 'second'));
    ok(await complete(t, bucket, 'again', uploadId, [[1, etag]]));
    const answer = ok(await t.get(bucket, 'again'));
    same(answer.body.toString(), 'second', 'content', answer);
  },
  sending,
);
for (const number of ['0', '10001', '-1', 'one', ''])
  rule(
    `UploadPart with part number ${number === '' ? 'empty' : number} is refused with InvalidArgument: 1 to 10,000`,
    async (t) => {
      const bucket = await bucketOf(t);
      const uploadId = await initiate(t, bucket, 'number');
      refused(
        await t.send('PUT', bucket, 'number', { query: { partNumber: number, uploadId }, body: 'x' }),
        'InvalidArgument',
      );
    },
    limits,
  );
rule(
  'UploadPart takes part number 10,000',
  async (t) => {
    const bucket = await bucketOf(t);
    ok(await part(t, bucket, 'last', await initiate(t, bucket, 'last'), 10_000, 'x'));
  },
  limits,
);
rule(
  'UploadPart to an upload that is not there is refused with NoSuchUpload',
  async (t) => {
    refused(await part(t, await bucketOf(t), 'nowhere', nowhere, 1, 'x'), 'NoSuchUpload');
  },
  sending,
);
rule(
  'UploadPart to an upload of another key is refused with NoSuchUpload',
  async (t) => {
    const bucket = await bucketOf(t);
    refused(await part(t, bucket, 'two', await initiate(t, bucket, 'one'), 1, 'x'), 'NoSuchUpload');
  },
  sending,
);
rule(
  'UploadPart with a part number and without an upload id does not write the object',
  async (t) => {
    const bucket = await bucketOf(t);
    await t.put(bucket, 'no-upload', 'old');
    await t.send('PUT', bucket, 'no-upload', { query: { partNumber: '1' }, body: 'x' });
    const answer = ok(await t.get(bucket, 'no-upload'));
    same(answer.body.toString(), 'old', 'content', answer);
  },
  sending,
);
rule(
  'UploadPart with the Content-MD5 of another body is refused with BadDigest',
  async (t) => {
    const bucket = await bucketOf(t);
    const uploadId = await initiate(t, bucket, 'digest');
    const headers = { 'content-md5': md5('another').toString('base64') };
    refused(
      await t.send('PUT', bucket, 'digest', { query: { partNumber: '1', uploadId }, body: 'x', headers }),
      'BadDigest',
    );
  },
  sending,
);
rule(
  'UploadPart with a Content-MD5 that is no digest is refused with InvalidDigest',
  async (t) => {
    const bucket = await bucketOf(t);
    const uploadId = await initiate(t, bucket, 'digest');
    const headers = { 'content-md5': 'short' };
    refused(
      await t.send('PUT', bucket, 'digest', { query: { partNumber: '1', uploadId }, body: 'x', headers }),
      'InvalidDigest',
    );
  },
  sending,
);

export const multipartCases = cases;
