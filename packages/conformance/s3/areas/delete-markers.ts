import { area } from '../case.ts';
import { header, ok, refused, same } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { all, find } from '../xml.ts';

const { cases, rule } = area('deleting versions', 'userguide/DeleteMarker');
const _configuring = { source: 'API/API_PutBucketVersioning' };
const _adding = { source: 'userguide/AddingObjectstoVersioningEnabledBuckets' };
const _reading = { source: 'userguide/RetrievingObjectVersions' };
const deleting = { source: 'userguide/DeletingObjectVersions' };
const markers = { source: 'userguide/DeleteMarker' };
const suspended = { source: 'userguide/VersionSuspendedBehavior' };

/* Deletes. */
rule(
  'DeleteObject without a version id makes a delete marker and names it',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = await t.put(bucket, 'key');
    const gone = ok(await t.remove(bucket, 'key'), 204);
    header(gone, 'x-amz-delete-marker', 'true');
    header(gone, 'x-amz-version-id', /./);
    ok(await t.get(bucket, 'key', { query: { versionId } }));
  },
  markers,
);
for (const method of ['GET', 'HEAD'] as const) {
  rule(
    `${method} of a key whose current version is a delete marker answers 404 and x-amz-delete-marker`,
    async (t) => {
      const bucket = await t.versioned();
      await t.put(bucket, 'key');
      ok(await t.remove(bucket, 'key'), 204);
      header(refused(await t.send(method, bucket, 'key'), 'NoSuchKey'), 'x-amz-delete-marker', 'true');
    },
    markers,
  );
  rule(
    `${method} of a delete marker by its version id answers 405 and x-amz-delete-marker`,
    async (t) => {
      const bucket = await t.versioned();
      await t.put(bucket, 'key');
      const { versionId } = ok(await t.remove(bucket, 'key'), 204);
      header(
        refused(await t.send(method, bucket, 'key', { query: { versionId } }), 'MethodNotAllowed'),
        'x-amz-delete-marker',
        'true',
      );
    },
    markers,
  );
}
rule(
  'a 405 for a delete marker says in Allow that it may be deleted',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = ok(await t.remove(bucket, 'key'), 204);
    header(refused(await t.get(bucket, 'key', { query: { versionId } }), 'MethodNotAllowed'), 'allow', /DELETE/);
  },
  markers,
);
rule(
  'a 405 for a delete marker says when it was made',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = ok(await t.remove(bucket, 'key'), 204);
    header(refused(await t.head(bucket, 'key', { query: { versionId } }), 'MethodNotAllowed'), 'last-modified', /GMT$/);
  },
  { source: 'API/API_HeadObject' },
);
rule(
  'DeleteObject of a key that was never there makes a delete marker in a bucket with versions',
  async (t) => {
    header(ok(await t.remove(await t.versioned(), 'never'), 204), 'x-amz-delete-marker', 'true');
  },
  markers,
);
rule(
  'DeleteObject twice makes two delete markers',
  async (t) => {
    const bucket = await t.versioned();
    const ids = [await t.remove(bucket, 'key'), await t.remove(bucket, 'key')].map(({ versionId }) => versionId);
    const listed = ok(await t.get(bucket, '', { query: { versions: '' } }));
    same(new Set(ids).size, 2, 'version ids', listed);
    same(all(listed.xml, 'DeleteMarker').length, 2, 'delete markers', listed);
  },
  markers,
);
rule(
  'deleting the delete marker brings the object back',
  async (t) => {
    const bucket = await t.versioned();
    await t.put(bucket, 'key', 'back');
    const { versionId } = ok(await t.remove(bucket, 'key'), 204);
    const gone = ok(await t.remove(bucket, 'key', { query: { versionId } }), 204);
    header(gone, 'x-amz-delete-marker', 'true');
    header(gone, 'x-amz-version-id', versionId);
    same(ok(await t.get(bucket, 'key')).body.toString(), 'back', 'content', gone);
  },
  markers,
);
rule(
  'DeleteObject with a version id deletes this version for good and names it',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = await t.put(bucket, 'key', 'old');
    await t.put(bucket, 'key', 'new');
    const gone = ok(await t.remove(bucket, 'key', { query: { versionId } }), 204);
    header(gone, 'x-amz-version-id', versionId);
    header(gone, 'x-amz-delete-marker', undefined);
    same(ok(await t.get(bucket, 'key')).body.toString(), 'new', 'content', gone);
  },
  deleting,
);
rule(
  'DeleteObject of the current version makes the one before it current',
  async (t) => {
    const bucket = await t.versioned();
    await t.put(bucket, 'key', 'old');
    const { versionId } = await t.put(bucket, 'key', 'new');
    const gone = ok(await t.remove(bucket, 'key', { query: { versionId } }), 204);
    same(ok(await t.get(bucket, 'key')).body.toString(), 'old', 'content', gone);
  },
  deleting,
);
rule(
  'DeleteObject of the only version leaves nothing',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = await t.put(bucket, 'key');
    ok(await t.remove(bucket, 'key', { query: { versionId } }), 204);
    header(refused(await t.get(bucket, 'key'), 'NoSuchKey'), 'x-amz-delete-marker', undefined);
  },
  deleting,
);
rule(
  'DeleteObject of a version that is not there any more answers 204',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = await t.put(bucket, 'key');
    for (let time = 0; time < 2; time++) ok(await t.remove(bucket, 'key', { query: { versionId } }), 204);
  },
  deleting,
);
rule(
  'DeleteObject with a version id that is none is refused with InvalidArgument',
  async (t) => {
    refused(await t.remove(await t.versioned(), 'key', { query: { versionId: 'no version' } }), 'InvalidArgument');
  },
  deleting,
);

/* Suspended. */
const suspendedBucket = async (t: Steps) => {
  const bucket = await t.versioned();
  await t.versioning(bucket, 'Suspended');
  return bucket;
};
rule(
  'PutObject while versioning is suspended has the version id null',
  async (t) => {
    header(await t.put(await suspendedBucket(t), 'key'), 'x-amz-version-id', 'null');
  },
  suspended,
);
rule(
  'PutObject while versioning is suspended replaces the null version',
  async (t) => {
    const bucket = await suspendedBucket(t);
    for (const body of ['one', 'two']) await t.put(bucket, 'key', body);
    const listed = ok(await t.get(bucket, '', { query: { versions: '' } }));
    same(listed.texts('VersionId'), ['null'], 'versions', listed);
  },
  suspended,
);
rule(
  'PutObject while versioning is suspended leaves earlier versions alone',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = await t.put(bucket, 'key', 'kept');
    await t.versioning(bucket, 'Suspended');
    await t.put(bucket, 'key', 'null');
    const answer = ok(await t.get(bucket, 'key', { query: { versionId } }));
    same(answer.body.toString(), 'kept', 'content', answer);
  },
  suspended,
);
rule(
  'DeleteObject while versioning is suspended removes the null version and makes a delete marker null',
  async (t) => {
    const bucket = await suspendedBucket(t);
    await t.put(bucket, 'key');
    const gone = ok(await t.remove(bucket, 'key'), 204);
    header(gone, 'x-amz-version-id', 'null');
    header(gone, 'x-amz-delete-marker', 'true');
    const listed = ok(await t.get(bucket, '', { query: { versions: '' } }));
    same(
      [all(listed.xml, 'Version').length, all(listed.xml, 'DeleteMarker').length],
      [0, 1],
      'versions and markers',
      listed,
    );
  },
  suspended,
);
rule(
  'DeleteObject while versioning is suspended leaves earlier versions behind the marker',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = await t.put(bucket, 'key', 'kept');
    await t.versioning(bucket, 'Suspended');
    ok(await t.remove(bucket, 'key'), 204);
    refused(await t.get(bucket, 'key'), 'NoSuchKey');
    ok(await t.get(bucket, 'key', { query: { versionId } }));
  },
  suspended,
);
rule(
  'a null version stays when versioning is enabled again and the key is written',
  async (t) => {
    const bucket = await suspendedBucket(t);
    await t.put(bucket, 'key', 'null');
    await t.versioning(bucket, 'Enabled');
    await t.put(bucket, 'key', 'new');
    const answer = ok(await t.get(bucket, 'key', { query: { versionId: 'null' } }));
    same(answer.body.toString(), 'null', 'content', answer);
  },
  suspended,
);
rule(
  'DeleteObject of versionId=null deletes the null version only',
  async (t) => {
    const bucket = await t.versioned();
    await t.put(bucket, 'key', 'kept');
    await t.versioning(bucket, 'Suspended');
    await t.put(bucket, 'key', 'null');
    ok(await t.remove(bucket, 'key', { query: { versionId: 'null' } }), 204);
    const answer = ok(await t.get(bucket, 'key'));
    same(answer.body.toString(), 'kept', 'content', answer);
  },
  suspended,
);
rule('IsLatest is true of one version of each key', async (t) => {
  const bucket = await t.versioned();
  for (const body of ['1', '2', '3']) await t.put(bucket, 'key', body);
  const listed = ok(await t.get(bucket, '', { query: { versions: '' } }));
  same(
    all(listed.xml, 'Version').map((one) => find(one, 'IsLatest')?.text),
    ['true', 'false', 'false'],
    'IsLatest',
    listed,
  );
});

export const deleteMarkerCases = cases;
