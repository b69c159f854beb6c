import { area } from '../case.ts';
import { header, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';

const { cases, rule } = area('versioning', 'userguide/Versioning');
const configuring = { source: 'API/API_PutBucketVersioning' };
const adding = { source: 'userguide/AddingObjectstoVersioningEnabledBuckets' };
const reading = { source: 'userguide/RetrievingObjectVersions' };
const _deleting = { source: 'userguide/DeletingObjectVersions' };
const _markers = { source: 'userguide/DeleteMarker' };
const _suspended = { source: 'userguide/VersionSuspendedBehavior' };

const status = async (t: Steps, bucket: string) => ok(await t.send('GET', bucket, '', { query: { versioning: '' } }));
const configure = (t: Steps, bucket: string, inner: string) =>
  t.document('PUT', bucket, 'versioning', `<VersioningConfiguration>${inner}</VersioningConfiguration>`);

/* PutBucketVersioning, GetBucketVersioning. */
rule(
  'a bucket that never had versions has no Status',
  async (t) => {
    const answer = shape(await status(t, await t.bucket()), 'VersioningConfiguration');
    same(answer.text('Status'), undefined, 'Status', answer);
  },
  { source: 'API/API_GetBucketVersioning' },
);
for (const value of ['Enabled', 'Suspended'] as const)
  rule(
    `versioning that was put as ${value} reads as ${value}`,
    async (t) => {
      const bucket = await t.bucket();
      await t.versioning(bucket, value);
      shape(await status(t, bucket), 'VersioningConfiguration', { Status: value });
    },
    configuring,
  );
rule(
  'versioning may be enabled, suspended and enabled again',
  async (t) => {
    const bucket = await t.versioned();
    await t.versioning(bucket, 'Suspended');
    await t.versioning(bucket, 'Enabled');
    shape(await status(t, bucket), 'VersioningConfiguration', { Status: 'Enabled' });
  },
  configuring,
);
for (const [what, inner] of [
  ['a Status that is not known', '<Status>Paused</Status>'],
  ['a Status in lower case', '<Status>enabled</Status>'],
  ['Status Disabled', '<Status>Disabled</Status>'],
] as const)
  rule(
    `PutBucketVersioning with ${what} is refused with MalformedXML`,
    async (t) => {
      refused(await configure(t, await t.bucket(), inner), 'MalformedXML');
    },
    configuring,
  );
rule(
  'PutBucketVersioning without a Status is refused with IllegalVersioningConfigurationException',
  async (t) => {
    refused(await configure(t, await t.bucket(), ''), 'IllegalVersioningConfigurationException', 'MalformedXML');
  },
  configuring,
);
rule(
  'a PutBucketVersioning that was refused changes nothing',
  async (t) => {
    const bucket = await t.versioned();
    await configure(t, bucket, '<Status>Paused</Status>');
    shape(await status(t, bucket), 'VersioningConfiguration', { Status: 'Enabled' });
  },
  configuring,
);

/* Writes. */
rule(
  'PutObject in a bucket with versions answers a version id',
  async (t) => {
    header(await t.put(await t.versioned(), 'key'), 'x-amz-version-id', /^[A-Za-z0-9._-]{1,1024}$/);
  },
  adding,
);
rule(
  'every PutObject has a version id of its own',
  async (t) => {
    const bucket = await t.versioned();
    const ids = [await t.put(bucket, 'key'), await t.put(bucket, 'key'), await t.put(bucket, 'other')].map(
      ({ versionId }) => versionId,
    );
    same(new Set(ids).size, 3, 'different version ids', await t.head(bucket, 'key'));
  },
  adding,
);
rule(
  'an object from before versioning has the version id null',
  async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, 'key', 'before');
    await t.versioning(bucket, 'Enabled');
    const answer = ok(await t.get(bucket, 'key', { query: { versionId: 'null' } }));
    same(answer.body.toString(), 'before', 'content', answer);
  },
  adding,
);
rule(
  'an object from before versioning stays when it is replaced',
  async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, 'key', 'before');
    await t.versioning(bucket, 'Enabled');
    await t.put(bucket, 'key', 'after');
    const answer = ok(await t.get(bucket, 'key', { query: { versionId: 'null' } }));
    same(answer.body.toString(), 'before', 'content', answer);
  },
  adding,
);
rule(
  'CopyObject in a bucket with versions answers a version id',
  async (t) => {
    const bucket = await t.versioned();
    await t.put(bucket, 'source');
    header(
      ok(await t.send('PUT', bucket, 'copy', { headers: { 'x-amz-copy-source': `/${bucket}/source` } })),
      'x-amz-version-id',
      /./,
    );
  },
  adding,
);
rule(
  'CompleteMultipartUpload in a bucket with versions answers a version id',
  async (t) => {
    const bucket = await t.versioned();
    const uploadId = ok(await t.send('POST', bucket, 'key', { query: { uploads: '' } })).text('UploadId') ?? '';
    const { etag } = ok(await t.send('PUT', bucket, 'key', { query: { partNumber: '1', uploadId }, body: 'part' }));
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`;
    header(ok(await t.send('POST', bucket, 'key', { query: { uploadId }, body })), 'x-amz-version-id', /./);
  },
  adding,
);

/* Reads. */
rule(
  'GET without a version id gives the current version',
  async (t) => {
    const bucket = await t.versioned();
    await t.put(bucket, 'key', 'old');
    const { versionId } = await t.put(bucket, 'key', 'new');
    const answer = ok(await t.get(bucket, 'key'));
    same(answer.body.toString(), 'new', 'content', answer);
    header(answer, 'x-amz-version-id', versionId);
  },
  reading,
);
for (const method of ['GET', 'HEAD'] as const)
  rule(
    `${method} with a version id gives this version and names it`,
    async (t) => {
      const bucket = await t.versioned();
      const { versionId, etag } = await t.put(bucket, 'key', 'old');
      await t.put(bucket, 'key', 'new');
      const answer = ok(await t.send(method, bucket, 'key', { query: { versionId } }));
      header(answer, 'x-amz-version-id', versionId);
      header(answer, 'etag', etag);
    },
    reading,
  );
rule(
  'GET of a version that is no version id is refused with InvalidArgument',
  async (t) => {
    const bucket = await t.versioned();
    await t.put(bucket, 'key');
    refused(await t.get(bucket, 'key', { query: { versionId: 'no version' } }), 'InvalidArgument');
  },
  reading,
);
rule(
  'GET of a version of a key that has it no more is refused with NoSuchVersion',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = await t.put(bucket, 'key');
    await t.put(bucket, 'key');
    ok(await t.remove(bucket, 'key', { query: { versionId } }), 204);
    refused(await t.get(bucket, 'key', { query: { versionId } }), 'NoSuchVersion');
  },
  reading,
);
rule(
  'a version id of another key is not one of this key',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = await t.put(bucket, 'one');
    await t.put(bucket, 'two');
    refused(await t.get(bucket, 'two', { query: { versionId } }), 'NoSuchVersion');
  },
  reading,
);
rule(
  'an empty version id is refused with InvalidArgument',
  async (t) => {
    const bucket = await t.versioned();
    await t.put(bucket, 'key');
    refused(await t.get(bucket, 'key', { query: { versionId: '' } }), 'InvalidArgument');
  },
  reading,
);
rule(
  'each version has tags and metadata of its own',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = await t.put(bucket, 'key', 'old', { 'x-amz-meta-a': 'old' });
    await t.put(bucket, 'key', 'new', { 'x-amz-meta-a': 'new' });
    header(ok(await t.head(bucket, 'key', { query: { versionId } })), 'x-amz-meta-a', 'old');
  },
  reading,
);

export const versioningCases = cases;
