import { area } from '../case.ts';
import type { Code } from '../errors.ts';
import { header, ok, refused, same } from '../expect.ts';
import type { Steps } from '../steps.ts';

const { cases, rule } = area('archived objects', 'API/API_RestoreObject');

const asks = (inner: string) =>
  `<RestoreRequest xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</RestoreRequest>`;
const days = (count: number, tier = 'Standard') =>
  asks(`<Days>${count}</Days><GlacierJobParameters><Tier>${tier}</Tier></GlacierJobParameters>`);
const restore = (t: Steps, bucket: string, key: string, text: string, query: Record<string, string> = {}) =>
  t.document('POST', bucket, 'restore', text, { key, query });
const archivedBy = (t: Steps) => ({ 'x-amz-storage-class': t.store.archive ?? '' });

/* What any store may be asked. */
rule('RestoreObject of an object that is not archived is refused with InvalidObjectState', async (t) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'key');
  refused(await restore(t, bucket, 'key', days(1)), 'InvalidObjectState');
});
rule('RestoreObject of a key that is not there is refused with NoSuchKey', async (t) => {
  refused(await restore(t, await t.bucket(), 'key', days(1)), 'NoSuchKey');
});
rule('RestoreObject in a bucket that is not there is refused with NoSuchBucket', async (t) => {
  refused(await restore(t, t.newName(), 'key', days(1)), 'NoSuchBucket');
});
rule('RestoreObject of a version that is not there is refused with NoSuchVersion', async (t) => {
  const bucket = await t.versioned();
  const put = await t.put(bucket, 'key');
  const versionId = String(put.headers['x-amz-version-id']);
  ok(await t.remove(bucket, 'key', { query: { versionId } }), 204);
  refused(await restore(t, bucket, 'key', days(1), { versionId }), 'NoSuchVersion');
});
const wrong: readonly (readonly [what: string, text: string, ...codes: Code[]])[] = [
  ['a document that is none', '<RestoreRequest>', 'MalformedXML'],
  ['another document', '<Restore><Days>1</Days></Restore>', 'MalformedXML'],
  ['no days', asks(''), 'MalformedXML'],
  ['days that are no number', asks('<Days>soon</Days>'), 'MalformedXML'],
  ['no day at all', days(0), 'InvalidArgument', 'MalformedXML'],
  ['a tier that there is not', days(1, 'Fast'), 'MalformedXML'],
];

/* An object in an archive. */
const needs = { needs: ['archive'] as const };
const made = (t: Steps) =>
  t.shared('an archived object', async (keeper) => {
    const bucket = await keeper.bucket();
    await keeper.put(bucket, 'key', 'archived bytes', archivedBy(keeper));
    return bucket;
  });
const own = async (t: Steps) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'key', 'archived bytes', archivedBy(t));
  return bucket;
};
for (const [what, text, ...codes] of wrong)
  rule(
    `RestoreObject with ${what} is refused with ${codes[0]}`,
    async (t) => void refused(await restore(t, await made(t), 'key', text), ...codes),
    needs,
  );
for (const [what, send] of [
  ['GetObject', async (t: Steps) => t.get(await made(t), 'key')],
  ['GetObject of a range', async (t: Steps) => t.get(await made(t), 'key', { headers: { range: 'bytes=0-1' } })],
  [
    'CopyObject',
    async (t: Steps) =>
      t.send('PUT', await t.bucket(), 'copy', { headers: { 'x-amz-copy-source': `/${await made(t)}/key` } }),
  ],
] as const)
  rule(
    `${what} of an archived object is refused with InvalidObjectState`,
    async (t) => void refused(await send(t), 'InvalidObjectState'),
    { ...needs, source: 'userguide/archived-objects' },
  );
rule(
  'HeadObject of an archived object answers its class and size, and nothing of a restore',
  async (t) => {
    const answer = header(ok(await t.head(await made(t), 'key')), 'x-amz-storage-class', t.store.archive);
    header(header(answer, 'content-length', '14'), 'x-amz-restore', undefined);
  },
  { ...needs, source: 'API/API_HeadObject' },
);
rule(
  'ListObjectsV2 shows an archived object with its class',
  async (t) => {
    const answer = ok(await t.send('GET', await made(t), '', { query: { 'list-type': '2' } }));
    same(answer.texts('StorageClass'), [t.store.archive], 'StorageClass', answer);
  },
  { ...needs, source: 'API/API_ListObjectsV2' },
);
rule(
  'RestoreObject is accepted with 202, and HEAD says that it is under way',
  async (t) => {
    const bucket = await own(t);
    ok(await restore(t, bucket, 'key', days(2)), 202);
    header(ok(await t.head(bucket, 'key')), 'x-amz-restore', 'ongoing-request="true"');
    refused(await t.get(bucket, 'key'), 'InvalidObjectState');
  },
  needs,
);
rule(
  'RestoreObject again while it is under way is refused with RestoreAlreadyInProgress',
  async (t) => {
    const bucket = await own(t);
    ok(await restore(t, bucket, 'key', days(2)), 202);
    refused(await restore(t, bucket, 'key', days(2)), 'RestoreAlreadyInProgress');
  },
  needs,
);
rule(
  'RestoreObject again with a faster tier is accepted with 202',
  async (t) => {
    const bucket = await own(t);
    ok(await restore(t, bucket, 'key', days(2, 'Bulk')), 202);
    ok(await restore(t, bucket, 'key', days(2)), 202);
  },
  needs,
);
rule(
  'RestoreObject of a version leaves the others archived',
  async (t) => {
    const bucket = await t.versioned();
    const first = await t.put(bucket, 'key', 'archived bytes', archivedBy(t));
    await t.put(bucket, 'key', 'archived bytes', archivedBy(t));
    const versionId = String(first.headers['x-amz-version-id']);
    ok(await restore(t, bucket, 'key', days(1), { versionId }), 202);
    header(ok(await t.head(bucket, 'key', { query: { versionId } })), 'x-amz-restore', 'ongoing-request="true"');
    header(ok(await t.head(bucket, 'key')), 'x-amz-restore', undefined);
  },
  needs,
);
rule(
  'an archived object is deleted, tagged and written anew as any',
  async (t) => {
    const bucket = await own(t);
    const tagging = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
    ok(await t.document('PUT', bucket, 'tagging', tagging, { key: 'key' }));
    await t.put(bucket, 'key', 'new');
    const answer = ok(await t.get(bucket, 'key'));
    same(answer.body.toString(), 'new', 'content', answer);
    ok(await t.remove(bucket, 'key'), 204);
  },
  { ...needs, source: 'userguide/archived-objects' },
);

export const restoringCases = cases;
