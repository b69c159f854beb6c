import { area } from '../case.ts';
import { md5 } from '../client.ts';
import { refused } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';
import { legalHold, locking, put, retention } from './lock-steps.ts';
import { initiate } from './uploads.ts';

/* Every operation on a version, asked for one that is not there. */
const { cases, rule } = area('version ids', 'API/ErrorResponses');

const bucketOf = (t: Steps) =>
  t.shared('a bucket whose key has a version no more', async (keeper) => {
    const bucket = await locking(keeper);
    const versionId = await put(keeper, bucket, 'key');
    await put(keeper, bucket, 'key');
    await keeper.remove(bucket, 'key', { query: { versionId } });
    return { bucket, gone: versionId };
  });

const tags = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
const asking = (query: string, options: Options = {}, method = 'GET') =>
  ((t, bucket, versionId) =>
    t.send(method, bucket, 'key', {
      ...options,
      query: { ...(query && { [query]: '' }), versionId },
      headers: { ...(options.body && { 'content-md5': md5(options.body).toString('base64') }), ...options.headers },
    })) satisfies Ask;
type Ask = (t: Steps, bucket: string, versionId: string) => ReturnType<Steps['send']>;

const operations: readonly (readonly [name: string, ask: Ask])[] = [
  ['GetObject', asking('')],
  ['HeadObject', asking('', {}, 'HEAD')],
  ['GetObjectAttributes', asking('attributes', { headers: { 'x-amz-object-attributes': 'ETag' } })],
  ['GetObjectTagging', asking('tagging')],
  ['PutObjectTagging', asking('tagging', { body: tags }, 'PUT')],
  ['DeleteObjectTagging', asking('tagging', {}, 'DELETE')],
  ['GetObjectAcl', asking('acl')],
  ['GetObjectRetention', asking('retention')],
  ['PutObjectRetention', asking('retention', { body: retention('GOVERNANCE', 1) }, 'PUT')],
  ['GetObjectLegalHold', asking('legal-hold')],
  ['PutObjectLegalHold', asking('legal-hold', { body: legalHold('OFF') }, 'PUT')],
  ['RestoreObject', asking('restore', { body: '<RestoreRequest><Days>1</Days></RestoreRequest>' }, 'POST')],
  [
    'CopyObject',
    (t, bucket, id) =>
      t.send('PUT', bucket, 'copy', {
        headers: { 'x-amz-copy-source': `/${bucket}/key?versionId=${encodeURIComponent(id)}` },
      }),
  ],
  [
    'UploadPartCopy',
    async (t, bucket, id) =>
      t.send('PUT', bucket, 'parts', {
        query: { partNumber: '1', uploadId: await initiate(t, bucket, 'parts') },
        headers: { 'x-amz-copy-source': `/${bucket}/key?versionId=${encodeURIComponent(id)}` },
      }),
  ],
];

for (const [name, ask] of operations) {
  rule(`${name} of a version that is no more is refused with NoSuchVersion`, async (t) => {
    const { bucket, gone } = await bucketOf(t);
    refused(await ask(t, bucket, gone), 'NoSuchVersion');
  });
  rule(`${name} of a version with an id as another store gives it is refused with NoSuchVersion`, async (t) => {
    const { bucket } = await bucketOf(t);
    refused(await ask(t, bucket, 'OYcLXagmS.WaD..oyH4KRguB95_YhLs7'), 'NoSuchVersion');
  });
  rule(`${name} of what is no version id is refused with InvalidArgument`, async (t) => {
    const { bucket } = await bucketOf(t);
    refused(await ask(t, bucket, 'no version'), 'InvalidArgument');
  });
}

export const versionIdCases = cases;
