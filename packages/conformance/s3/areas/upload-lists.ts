import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import { holds, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { all, find } from '../xml.ts';
import { complete, initiate, MiB, part } from './uploads.ts';

const { cases, rule } = area('listing uploads and parts', 'API/API_ListMultipartUploads');
const ofParts = { source: 'API/API_ListParts' };

/** Two uploads of `a`, one of `b/1`, `b/2` and `c`. */
const made = (t: Steps) =>
  t.shared('uploads to list', async (keeper) => {
    const bucket = await keeper.bucket();
    const ids: { key: string; id: string }[] = [];
    for (const key of ['a', 'a', 'b/1', 'b/2', 'c']) ids.push({ key, id: await initiate(keeper, bucket, key) });
    return { bucket, ids };
  });
const rows = (answer: Answer) =>
  all(answer.xml, 'Upload').map((one) => ({
    key: find(one, 'Key')?.text ?? '',
    id: find(one, 'UploadId')?.text ?? '',
  }));
const list = async (t: Steps, query: Record<string, string> = {}) =>
  shape(
    ok(await t.get((await made(t)).bucket, '', { query: { uploads: '', ...query } })),
    'ListMultipartUploadsResult',
  );

rule('ListMultipartUploads lists uploads in the order of their keys, then of their beginning', async (t) => {
  const answer = shape(await list(t), 'ListMultipartUploadsResult', { IsTruncated: 'false' });
  same(rows(answer), (await made(t)).ids, 'uploads', answer);
});
rule('ListMultipartUploads gives initiator, owner, class and time of each upload', async (t) => {
  const upload = all((await list(t)).xml, 'Upload')[0];
  for (const name of ['Initiator', 'Owner', 'StorageClass', 'Initiated'])
    holds(find(upload, name) !== undefined, `an upload has no ${name}`);
});
rule('ListMultipartUploads with a prefix lists uploads of keys that begin with it', async (t) => {
  const answer = await list(t, { prefix: 'b/' });
  same(
    rows(answer).map(({ key }) => key),
    ['b/1', 'b/2'],
    'keys',
    answer,
  );
});
rule('ListMultipartUploads with a delimiter rolls up what has it', async (t) => {
  const answer = await list(t, { delimiter: '/' });
  same(
    [rows(answer).map(({ key }) => key), answer.texts('Prefix').filter((text) => text !== '')],
    [['a', 'a', 'c'], ['b/']],
    'keys and common prefixes',
    answer,
  );
});
rule('ListMultipartUploads with key-marker begins behind this key', async (t) => {
  const answer = await list(t, { 'key-marker': 'a' });
  same(
    rows(answer).map(({ key }) => key),
    ['b/1', 'b/2', 'c'],
    'keys',
    answer,
  );
});
rule('ListMultipartUploads with key-marker and upload-id-marker begins behind this upload', async (t) => {
  const { ids } = await made(t);
  const answer = await list(t, { 'key-marker': 'a', 'upload-id-marker': ids[0]!.id });
  same(rows(answer), ids.slice(1), 'uploads', answer);
});
rule('upload-id-marker without key-marker is passed over', async (t) => {
  const { ids } = await made(t);
  const answer = await list(t, { 'upload-id-marker': ids[0]!.id });
  same(rows(answer), ids, 'uploads', answer);
});
for (const size of [1, 2, 4])
  rule(`pages of ${size} give every upload once`, async (t) => {
    const { ids } = await made(t);
    const found: unknown[] = [];
    let more: Record<string, string> = {};
    for (let page = 0; page < 8; page++) {
      const answer = await list(t, { 'max-uploads': String(size), ...more });
      found.push(...rows(answer));
      if (answer.text('IsTruncated') === 'false') {
        same(found, ids, 'uploads', answer);
        return;
      }
      more = {
        'key-marker': answer.text('NextKeyMarker') ?? '',
        'upload-id-marker': answer.text('NextUploadIdMarker') ?? '',
      };
    }
    holds(false, 'the pages do not end');
  });
for (const [name, query, value] of [
  ['Prefix', { prefix: 'b' }, 'b'],
  ['Delimiter', { delimiter: '/' }, '/'],
  ['MaxUploads', { 'max-uploads': '3' }, '3'],
  ['KeyMarker', { 'key-marker': 'b/1' }, 'b/1'],
  ['EncodingType', { 'encoding-type': 'url' }, 'url'],
] as const)
  rule(`ListMultipartUploads repeats ${name}`, async (t) => {
    shape(await list(t, query), 'ListMultipartUploadsResult', { [name]: value });
  });
rule('ListMultipartUploads without max-uploads says that a page has at most 1,000', async (t) => {
  shape(await list(t), 'ListMultipartUploadsResult', { MaxUploads: '1000' });
});
rule('ListMultipartUploads does not list completed uploads', async (t) => {
  const bucket = await t.bucket();
  const uploadId = await initiate(t, bucket, 'key');
  const { etag } = ok(await part(t, bucket, 'key', uploadId, 1, 'x'));
  ok(await complete(t, bucket, 'key', uploadId, [[1, etag]]));
  const answer = ok(await t.get(bucket, '', { query: { uploads: '' } }));
  same(rows(answer), [], 'uploads', answer);
});
rule('ListMultipartUploads does not list aborted uploads', async (t) => {
  const bucket = await t.bucket();
  const uploadId = await initiate(t, bucket, 'key');
  ok(await t.remove(bucket, 'key', { query: { uploadId } }), 204);
  const answer = ok(await t.get(bucket, '', { query: { uploads: '' } }));
  same(rows(answer), [], 'uploads', answer);
});
for (const [what, query] of [
  ['max-uploads that is negative', { 'max-uploads': '-1' }],
  ['max-uploads that is no number', { 'max-uploads': 'few' }],
  ['encoding-type that is not url', { 'encoding-type': 'hex' }],
] as const)
  rule(`ListMultipartUploads refuses ${what} with InvalidArgument`, async (t) => {
    refused(await t.get((await made(t)).bucket, '', { query: { uploads: '', ...query } }), 'InvalidArgument');
  });
rule('ListMultipartUploads of a bucket that is not there is refused with NoSuchBucket', async (t) => {
  refused(await t.get(t.newName(), '', { query: { uploads: '' } }), 'NoSuchBucket');
});

/* ListParts. */
const withParts = (t: Steps) =>
  t.shared('an upload with parts', async (keeper) => {
    const bucket = await keeper.bucket();
    const uploadId = await initiate(keeper, bucket, 'parts');
    const etags: string[] = [];
    for (const number of [1, 2, 5, 9])
      etags.push(ok(await part(keeper, bucket, 'parts', uploadId, number, `part ${number}`)).etag);
    return { bucket, uploadId, etags };
  });
const numbers = (answer: Answer) => all(answer.xml, 'Part').map((one) => Number(find(one, 'PartNumber')?.text));
const parts = async (t: Steps, query: Record<string, string> = {}) => {
  const { bucket, uploadId } = await withParts(t);
  return ok(await t.get(bucket, 'parts', { query: { uploadId, ...query } }));
};
rule(
  'ListParts lists parts in the order of their numbers',
  async (t) => {
    const answer = shape(await parts(t), 'ListPartsResult', { IsTruncated: 'false' });
    same(numbers(answer), [1, 2, 5, 9], 'numbers', answer);
  },
  ofParts,
);
rule(
  'ListParts gives size, ETag and time of each part',
  async (t) => {
    const { etags } = await withParts(t);
    const answer = await parts(t);
    same(
      all(answer.xml, 'Part').map((one) => [find(one, 'Size')?.text, find(one, 'ETag')?.text]),
      etags.map((etag) => ['6', etag]),
      'sizes and ETags',
      answer,
    );
    holds(/^\d{4}-.*Z$/.test(answer.texts('LastModified')[0] ?? ''), 'LastModified is no date');
  },
  ofParts,
);
rule(
  'ListParts names bucket, key and upload',
  async (t) => {
    const { bucket, uploadId } = await withParts(t);
    shape(await parts(t), 'ListPartsResult', {
      Bucket: bucket,
      Key: 'parts',
      UploadId: uploadId,
      StorageClass: 'STANDARD',
      MaxParts: '1000',
    });
  },
  ofParts,
);
rule(
  'ListParts names initiator and owner',
  async (t) => {
    const answer = await parts(t);
    for (const name of ['Initiator', 'Owner']) holds(answer.text(name, 'ID') !== undefined, `no ${name}`);
  },
  ofParts,
);
rule(
  'ListParts with part-number-marker begins behind this number',
  async (t) => {
    const answer = await parts(t, { 'part-number-marker': '2' });
    same(numbers(answer), [5, 9], 'numbers', answer);
  },
  ofParts,
);
rule(
  'ListParts with a part-number-marker of no part begins behind where it would be',
  async (t) => {
    const answer = await parts(t, { 'part-number-marker': '3' });
    same(numbers(answer), [5, 9], 'numbers', answer);
  },
  ofParts,
);
rule(
  'ListParts with max-parts gives a page and NextPartNumberMarker',
  async (t) => {
    const answer = await parts(t, { 'max-parts': '2' });
    same(
      [numbers(answer), answer.text('IsTruncated'), answer.text('NextPartNumberMarker'), answer.text('MaxParts')],
      [[1, 2], 'true', '2', '2'],
      'page',
      answer,
    );
  },
  ofParts,
);
rule(
  'ListParts with max-parts of as many as there are is not truncated',
  async (t) => {
    const answer = await parts(t, { 'max-parts': '4' });
    same([numbers(answer).length, answer.text('IsTruncated')], [4, 'false'], 'page', answer);
  },
  ofParts,
);
for (const [what, query] of [
  ['max-parts that is negative', { 'max-parts': '-1' }],
  ['max-parts that is no number', { 'max-parts': 'few' }],
  ['part-number-marker that is no number', { 'part-number-marker': 'one' }],
  ['part-number-marker that is negative', { 'part-number-marker': '-1' }],
] as const)
  rule(
    `ListParts refuses ${what} with InvalidArgument`,
    async (t) => {
      const { bucket, uploadId } = await withParts(t);
      refused(await t.get(bucket, 'parts', { query: { uploadId, ...query } }), 'InvalidArgument');
    },
    ofParts,
  );
rule(
  'ListParts of an upload that is not there is refused with NoSuchUpload',
  async (t) => {
    refused(
      await t.get((await withParts(t)).bucket, 'parts', { query: { uploadId: 'bm90LWFuLXVwbG9hZC1pZA' } }),
      'NoSuchUpload',
    );
  },
  ofParts,
);
rule(
  'ListParts of an upload without parts is empty',
  async (t) => {
    const { bucket } = await withParts(t);
    const uploadId = await initiate(t, bucket, 'no-parts');
    const answer = ok(await t.get(bucket, 'no-parts', { query: { uploadId } }));
    same([numbers(answer), answer.text('IsTruncated')], [[], 'false'], 'parts', answer);
  },
  ofParts,
);
rule(
  'ListParts gives the newest of a part that was sent again',
  async (t) => {
    const { bucket } = await withParts(t);
    const uploadId = await initiate(t, bucket, 'again');
    ok(await part(t, bucket, 'again', uploadId, 1, 'short'));
    ok(await part(t, bucket, 'again', uploadId, 1, 'x'.repeat(MiB)));
    const answer = ok(await t.get(bucket, 'again', { query: { uploadId } }));
    same(answer.texts('Size'), [String(MiB)], 'sizes', answer);
  },
  ofParts,
);

export const uploadListCases = cases;
