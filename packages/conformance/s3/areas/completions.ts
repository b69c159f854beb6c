import { randomBytes } from 'node:crypto';
import { area } from '../case.ts';
import { md5 } from '../client.ts';
import { header, holds, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { complete, completion, initiate, MiB, part, threeParts, uploaded } from './uploads.ts';

const _creating = 'API/API_CreateMultipartUpload';
const { cases, rule } = area('completing uploads', 'API/API_CompleteMultipartUpload');
const _sending = { source: 'API/API_UploadPart' };
const completing = { source: 'API/API_CompleteMultipartUpload' };
const aborting = { source: 'API/API_AbortMultipartUpload' };
const limits = { source: 'userguide/qfacts' };
const bucketOf = (t: Steps) => t.shared('a bucket for uploads', (keeper) => keeper.bucket());
const nowhere = 'bm90LWFuLXVwbG9hZC1pZA';

/* CompleteMultipartUpload. */
rule(
  'CompleteMultipartUpload answers location, bucket, key and ETag',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId, etag } = await uploaded(t, bucket, 'done', 'part');
    const answer = ok(await complete(t, bucket, 'done', uploadId, [[1, etag]]));
    shape(answer, 'CompleteMultipartUploadResult', {
      Location: /done$/,
      Bucket: bucket,
      Key: 'done',
      ETag: /^"[0-9a-f]{32}-1"$/,
    });
  },
  completing,
);
rule(
  'the ETag of the object is the MD5 of the MD5s of its parts, and their number',
  async (t) => {
    const { bucket, bodies } = await threeParts(t);
    const whole = md5(Buffer.concat(bodies.map((body) => md5(body)))).toString('hex');
    header(ok(await t.head(bucket, 'three')), 'etag', `"${whole}-3"`);
  },
  { source: 'API/API_Object' },
);
rule(
  'the object is its parts one behind the other',
  async (t) => {
    const { bucket, bodies } = await threeParts(t);
    holds(ok(await t.get(bucket, 'three')).body.equals(Buffer.concat(bodies)), 'the bytes are others');
  },
  completing,
);
rule(
  'parts are joined in the order of their numbers, not of their arrival',
  async (t) => {
    const bucket = await bucketOf(t);
    const uploadId = await initiate(t, bucket, 'order');
    const last = ok(await part(t, bucket, 'order', uploadId, 2, 'end')).etag;
    const body = randomBytes(5 * MiB);
    const first = ok(await part(t, bucket, 'order', uploadId, 1, body)).etag;
    ok(
      await complete(t, bucket, 'order', uploadId, [
        [1, first],
        [2, last],
      ]),
    );
    const got = ok(await t.get(bucket, 'order'));
    holds(got.body.equals(Buffer.concat([body, Buffer.from('end')])), 'the bytes are others');
  },
  completing,
);
rule(
  'part numbers may have gaps',
  async (t) => {
    const bucket = await bucketOf(t);
    const uploadId = await initiate(t, bucket, 'gaps');
    const first = ok(await part(t, bucket, 'gaps', uploadId, 3, randomBytes(5 * MiB))).etag;
    const last = ok(await part(t, bucket, 'gaps', uploadId, 77, 'end')).etag;
    ok(
      await complete(t, bucket, 'gaps', uploadId, [
        [3, first],
        [77, last],
      ]),
    );
  },
  completing,
);
rule(
  'parts that are not named are not in the object',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId, etag } = await uploaded(t, bucket, 'some', 'in');
    ok(await part(t, bucket, 'some', uploadId, 2, 'out'));
    ok(await complete(t, bucket, 'some', uploadId, [[1, etag]]));
    const answer = ok(await t.get(bucket, 'some'));
    same(answer.body.toString(), 'in', 'content', answer);
  },
  completing,
);
rule(
  'ETags of parts may be given without quotes',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId, etag } = await uploaded(t, bucket, 'bare', 'part');
    ok(await complete(t, bucket, 'bare', uploadId, [[1, etag.slice(1, -1)]]));
  },
  completing,
);
rule(
  'a part that was not sent is refused with InvalidPart',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId, etag } = await uploaded(t, bucket, 'missing', 'part');
    refused(
      await complete(t, bucket, 'missing', uploadId, [
        [1, etag],
        [2, etag],
      ]),
      'InvalidPart',
    );
  },
  completing,
);
rule(
  'a part with another ETag is refused with InvalidPart',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId } = await uploaded(t, bucket, 'other', 'part');
    refused(await complete(t, bucket, 'other', uploadId, [[1, `"${'0'.repeat(32)}"`]]), 'InvalidPart');
  },
  completing,
);
for (const [what, numbers] of [
  ['descending', [2, 1]],
  ['repeated', [1, 1]],
] as const)
  rule(
    `parts in ${what} order are refused with InvalidPartOrder`,
    async (t) => {
      const bucket = await bucketOf(t);
      const uploadId = await initiate(t, bucket, what);
      const etags = new Map<number, string>();
      for (const number of new Set(numbers))
        etags.set(number, ok(await part(t, bucket, what, uploadId, number, 'x')).etag);
      refused(
        await complete(
          t,
          bucket,
          what,
          uploadId,
          numbers.map((number) => [number, etags.get(number) ?? '']) as [number, string][],
        ),
        'InvalidPartOrder',
      );
    },
    completing,
  );
rule(
  'a part of less than 5 MiB that is not the last is refused with EntityTooSmall',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId, etag } = await uploaded(t, bucket, 'small', 'small');
    const last = ok(await part(t, bucket, 'small', uploadId, 2, 'end')).etag;
    refused(
      await complete(t, bucket, 'small', uploadId, [
        [1, etag],
        [2, last],
      ]),
      'EntityTooSmall',
    );
  },
  limits,
);
rule(
  'a part of 5 MiB less one byte is refused with EntityTooSmall',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId, etag } = await uploaded(t, bucket, 'nearly', randomBytes(5 * MiB - 1));
    const last = ok(await part(t, bucket, 'nearly', uploadId, 2, 'end')).etag;
    refused(
      await complete(t, bucket, 'nearly', uploadId, [
        [1, etag],
        [2, last],
      ]),
      'EntityTooSmall',
    );
  },
  limits,
);
rule(
  'an upload goes on after a completion that was refused',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId, etag } = await uploaded(t, bucket, 'retried', 'part');
    refused(await complete(t, bucket, 'retried', uploadId, [[1, `"${'0'.repeat(32)}"`]]), 'InvalidPart');
    ok(await complete(t, bucket, 'retried', uploadId, [[1, etag]]));
  },
  completing,
);
for (const [what, body] of [
  ['without parts', completion([])],
  ['with a part without a number', '<CompleteMultipartUpload><Part><ETag>"x"</ETag></Part></CompleteMultipartUpload>'],
  [
    'with a part without an ETag',
    '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>',
  ],
  [
    'with a part number that is none',
    '<CompleteMultipartUpload><Part><PartNumber>one</PartNumber><ETag>"x"</ETag></Part></CompleteMultipartUpload>',
  ],
  ['of another name', '<Complete><Part><PartNumber>1</PartNumber><ETag>"x"</ETag></Part></Complete>'],
] as const)
  rule(
    `a completion ${what} is refused with MalformedXML`,
    async (t) => {
      const bucket = await bucketOf(t);
      const { uploadId } = await uploaded(t, bucket, 'malformed', 'part');
      refused(await t.send('POST', bucket, 'malformed', { query: { uploadId }, body }), 'MalformedXML');
    },
    completing,
  );
rule(
  'CompleteMultipartUpload of an upload that is not there is refused with NoSuchUpload',
  async (t) => {
    refused(await complete(t, await bucketOf(t), 'nowhere', nowhere, [[1, '"x"']]), 'NoSuchUpload');
  },
  completing,
);
for (const [where, make] of [
  ['in a bucket', (t: Steps) => t.bucket()],
  ['in a bucket with versions', (t: Steps) => t.versioned()],
] as const)
  rule(
    `CompleteMultipartUpload again, as after a lost answer, answers as before ${where}, and makes no other version`,
    async (t) => {
      const bucket = await make(t);
      const { uploadId, etag } = await uploaded(t, bucket, 'again', 'part');
      const first = ok(await complete(t, bucket, 'again', uploadId, [[1, etag]]));
      const again = ok(await complete(t, bucket, 'again', uploadId, [[1, etag]]));
      same(again.text('ETag'), first.text('ETag'), 'ETag', again);
      same(again.versionId, first.versionId, 'x-amz-version-id', again);
      const listed = ok(await t.send('GET', bucket, '', { query: { versions: '' } }));
      same(listed.texts('Version').length, 1, 'versions', listed);
    },
    completing,
  );
rule(
  'CompleteMultipartUpload again with If-None-Match: *, as after a lost answer, is no conflict with itself',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId, etag } = await uploaded(t, bucket, 'again if none', 'part');
    const condition = { 'if-none-match': '*' };
    ok(await complete(t, bucket, 'again if none', uploadId, [[1, etag]], condition));
    ok(await complete(t, bucket, 'again if none', uploadId, [[1, etag]], condition));
  },
  completing,
);
rule(
  'UploadPart after the completion is refused with NoSuchUpload',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId, etag } = await uploaded(t, bucket, 'closed', 'part');
    ok(await complete(t, bucket, 'closed', uploadId, [[1, etag]]));
    refused(await part(t, bucket, 'closed', uploadId, 2, 'x'), 'NoSuchUpload');
  },
  completing,
);
rule(
  'AbortMultipartUpload after the completion is refused with NoSuchUpload',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId, etag } = await uploaded(t, bucket, 'closed too', 'part');
    ok(await complete(t, bucket, 'closed too', uploadId, [[1, etag]]));
    const gone = await t.remove(bucket, 'closed too', { query: { uploadId } });
    // "If the upload was completed" AWS answers 204 for a while.
    holds([204, 404].includes(gone.status), `abort of a completed upload: ${gone.status}`);
    ok(await t.get(bucket, 'closed too'));
  },
  aborting,
);
rule(
  'CompleteMultipartUpload with x-amz-mp-object-size of the object succeeds',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId, etag } = await uploaded(t, bucket, 'sized', 'part');
    ok(await complete(t, bucket, 'sized', uploadId, [[1, etag]], { 'x-amz-mp-object-size': '4' }));
  },
  completing,
);
rule(
  'CompleteMultipartUpload with another x-amz-mp-object-size is refused with InvalidRequest',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId, etag } = await uploaded(t, bucket, 'mis-sized', 'part');
    refused(
      await complete(t, bucket, 'mis-sized', uploadId, [[1, etag]], { 'x-amz-mp-object-size': '5' }),
      'InvalidRequest',
    );
    refused(await t.get(bucket, 'mis-sized'), 'NoSuchKey');
  },
  completing,
);
rule(
  'of two uploads of a key the one that is completed last is the object',
  async (t) => {
    const bucket = await bucketOf(t);
    const one = await uploaded(t, bucket, 'race', 'one');
    const two = await uploaded(t, bucket, 'race', 'two');
    ok(await complete(t, bucket, 'race', two.uploadId, [[1, two.etag]]));
    ok(await complete(t, bucket, 'race', one.uploadId, [[1, one.etag]]));
    const answer = ok(await t.get(bucket, 'race'));
    same(answer.body.toString(), 'one', 'content', answer);
  },
  completing,
);

/* AbortMultipartUpload. */
rule(
  'AbortMultipartUpload answers 204 and the upload is not there any more',
  async (t) => {
    const bucket = await bucketOf(t);
    const { uploadId } = await uploaded(t, bucket, 'aborted', 'part');
    ok(await t.remove(bucket, 'aborted', { query: { uploadId } }), 204);
    refused(await part(t, bucket, 'aborted', uploadId, 2, 'x'), 'NoSuchUpload');
  },
  aborting,
);
rule(
  'AbortMultipartUpload of an upload that is not there is refused with NoSuchUpload',
  async (t) => {
    refused(await t.remove(await bucketOf(t), 'nowhere', { query: { uploadId: nowhere } }), 'NoSuchUpload');
  },
  aborting,
);
rule(
  'AbortMultipartUpload leaves the object alone that is there',
  async (t) => {
    const bucket = await bucketOf(t);
    await t.put(bucket, 'kept', 'old');
    const uploadId = await initiate(t, bucket, 'kept');
    ok(await t.remove(bucket, 'kept', { query: { uploadId } }), 204);
    ok(await t.get(bucket, 'kept'));
  },
  aborting,
);

/* Reading parts. */
for (const number of [1, 2, 3])
  for (const method of ['GET', 'HEAD'] as const)
    rule(
      `${method} with partNumber=${number} of an object of three parts answers this part`,
      async (t) => {
        const { bucket, bodies } = await threeParts(t);
        const answer = ok(await t.send(method, bucket, 'three', { query: { partNumber: String(number) } }), 206);
        header(answer, 'x-amz-mp-parts-count', '3');
        const start = bodies.slice(0, number - 1).reduce((sum, body) => sum + body.length, 0);
        const size = bodies.reduce((sum, body) => sum + body.length, 0);
        const length = bodies[number - 1]!.length;
        header(answer, 'content-range', `bytes ${start}-${start + length - 1}/${size}`);
        if (method === 'GET') holds(answer.body.equals(bodies[number - 1]!), 'the bytes are others');
      },
      { source: method === 'GET' ? 'API/API_GetObject' : 'API/API_HeadObject' },
    );
rule(
  'partNumber beyond the parts of an object is refused with InvalidPartNumber',
  async (t) => {
    const { bucket } = await threeParts(t);
    refused(await t.get(bucket, 'three', { query: { partNumber: '4' } }), 'InvalidPartNumber');
  },
  { source: 'API/API_GetObject' },
);
rule(
  'a range over the border of two parts is answered from both',
  async (t) => {
    const { bucket, bodies } = await threeParts(t);
    const border = bodies[0]!.length;
    const answer = ok(await t.get(bucket, 'three', { headers: { range: `bytes=${border - 3}-${border + 2}` } }), 206);
    holds(answer.body.equals(Buffer.concat(bodies).subarray(border - 3, border + 3)), 'the bytes are others');
  },
  { source: 'API/API_GetObject' },
);

export const completionCases = cases;
