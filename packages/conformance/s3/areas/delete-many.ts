import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import { md5, sha256 } from '../client.ts';
import { ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { all, escapeXml, find } from '../xml.ts';

const { cases, rule } = area('deleting many', 'API/API_DeleteObjects');

const object = (key: string, more = ''): string => `<Object><Key>${escapeXml(key)}</Key>${more}</Object>`;
const document = (rows: readonly string[], quiet?: boolean): string =>
  `<Delete>${quiet === undefined ? '' : `<Quiet>${quiet}</Quiet>`}${rows.join('')}</Delete>`;
const send = (t: Steps, bucket: string, body: string, headers: Record<string, string> = {}) =>
  t.document('POST', bucket, 'delete', body, { headers });
const deleted = (answer: Answer) => all(answer.xml, 'Deleted').map((one) => find(one, 'Key')?.text);
const filled = async (t: Steps, keys: readonly string[]) => {
  const bucket = await t.bucket();
  await Promise.all(keys.map((key) => t.put(bucket, key)));
  return bucket;
};
const left = async (t: Steps, bucket: string) =>
  shape(ok(await t.get(bucket, '', { query: { 'list-type': '2', 'max-keys': '5' } })), 'ListBucketResult').texts('Key');

rule('answers a DeleteResult that names each object in the order of the request', async (t) => {
  const bucket = await filled(t, ['a', 'b', 'c']);
  const answer = shape(ok(await send(t, bucket, document(['c', 'a'].map((key) => object(key))))), 'DeleteResult');
  same(deleted(answer).toSorted(), ['a', 'c'], 'deleted', answer);
  same(await left(t, bucket), ['b'], 'objects that are left', answer);
});
rule('names keys as deleted that were not there', async (t) => {
  const answer = ok(await send(t, await t.bucket(), document([object('never')])));
  same(deleted(answer), ['never'], 'deleted', answer);
});
rule('with Quiet true names nothing that was deleted', async (t) => {
  const bucket = await filled(t, ['a']);
  const answer = shape(ok(await send(t, bucket, document([object('a')], true))), 'DeleteResult');
  same([deleted(answer), await left(t, bucket)], [[], []], 'deleted, left', answer);
});
rule('with Quiet false names what was deleted', async (t) => {
  const answer = ok(await send(t, await filled(t, ['a']), document([object('a')], false)));
  same(deleted(answer), ['a'], 'deleted', answer);
});
rule('takes Quiet behind the objects, too', async (t) => {
  const answer = ok(await send(t, await filled(t, ['a']), `<Delete>${object('a')}<Quiet>true</Quiet></Delete>`));
  same(deleted(answer), [], 'deleted', answer);
});
for (const [what, key] of [
  ['with markup', '<a>&"b"'],
  ['beyond ASCII', 'größe/🔑'],
  ['with spaces', ' a  b '],
  ['with a carriage return', 'a\rb'],
  ['that looks percent-encoded', 'a%2Fb'],
  ['of 1,024 bytes', 'k'.repeat(1024)],
] as const)
  rule(`deletes a key ${what}`, async (t) => {
    const bucket = await filled(t, [key]);
    const answer = ok(await send(t, bucket, document([object(key)])));
    same(await left(t, bucket), [], 'objects that are left', answer);
  });
rule('deletes 1,000 objects', async (t) => {
  const keys = Array.from({ length: 1000 }, (_, at) => `key-${at}`);
  const bucket = await filled(t, keys.slice(0, 20));
  const answer = ok(await send(t, bucket, document(keys.map((key) => object(key)))));
  same([deleted(answer).length, await left(t, bucket)], [1000, []], 'deleted, left', answer);
});
rule('refuses 1,001 objects with MalformedXML', async (t) => {
  const rows = Array.from({ length: 1001 }, (_, at) => object(`key-${at}`));
  refused(await send(t, await t.bucket(), document(rows)), 'MalformedXML');
});
for (const [what, body] of [
  ['no object', '<Delete></Delete>'],
  ['an object without a key', '<Delete><Object></Object></Delete>'],
  ['another root', `<Remove>${object('a')}</Remove>`],
  ['a document that is not whole', '<Delete><Object><Key>a</Key>'],
  ['text that is no XML', 'delete everything'],
] as const)
  rule(`refuses ${what} with MalformedXML`, async (t) => {
    refused(await send(t, await t.bucket(), body), 'MalformedXML');
  });
rule('deletes nothing when the document is refused', async (t) => {
  const bucket = await filled(t, ['a']);
  refused(await send(t, bucket, `<Delete>${object('a')}<Object></Object></Delete>`), 'MalformedXML');
  ok(await t.get(bucket, 'a'));
});
rule('is refused with InvalidRequest without Content-MD5 or a checksum', async (t) => {
  refused(
    await t.send('POST', await t.bucket(), '', { query: { delete: '' }, body: document([object('a')]) }),
    'InvalidRequest',
  );
});
rule('takes a checksum in place of Content-MD5', async (t) => {
  const body = document([object('a')]);
  const headers = { 'x-amz-checksum-sha256': Buffer.from(sha256(body), 'hex').toString('base64') };
  ok(await t.send('POST', await t.bucket(), '', { query: { delete: '' }, body, headers }));
});
rule('is refused with BadDigest when the checksum is of another document', async (t) => {
  const headers = { 'x-amz-checksum-sha256': Buffer.from(sha256('another'), 'hex').toString('base64') };
  refused(
    await t.send('POST', await t.bucket(), '', { query: { delete: '' }, body: document([object('a')]), headers }),
    'BadDigest',
  );
});
rule('is refused with BadDigest when Content-MD5 is of another document, and deletes nothing', async (t) => {
  const bucket = await filled(t, ['a']);
  refused(
    await send(t, bucket, document([object('a')]), { 'content-md5': md5('another').toString('base64') }),
    'BadDigest',
  );
  ok(await t.get(bucket, 'a'));
});
rule('is refused with InvalidDigest when Content-MD5 is no digest', async (t) => {
  refused(await send(t, await t.bucket(), document([object('a')]), { 'content-md5': 'none' }), 'InvalidDigest');
});
rule('of a bucket that is not there is refused with NoSuchBucket', async (t) => {
  refused(await send(t, t.newName(), document([object('a')])), 'NoSuchBucket');
});
rule('refuses a key of more than 1,024 bytes', async (t) => {
  const answer = await send(t, await t.bucket(), document([object('k'.repeat(1025))]));
  if (answer.status === 200) same(answer.text('Error', 'Code'), 'KeyTooLongError', 'Code of the Error', answer);
  else refused(answer, 'KeyTooLongError', 'MalformedXML');
});

/* Versions. */
const versions = { source: 'userguide/DeletingObjectVersions' };
rule(
  'makes delete markers in a bucket with versions, and names them',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = await t.put(bucket, 'a');
    const answer = ok(await send(t, bucket, document([object('a')])));
    same(answer.text('Deleted', 'DeleteMarker'), 'true', 'DeleteMarker', answer);
    same(
      (answer.text('Deleted', 'DeleteMarkerVersionId') ?? '') === '',
      false,
      'DeleteMarkerVersionId is empty',
      answer,
    );
    ok(await t.get(bucket, 'a', { query: { versionId } }));
  },
  versions,
);
rule(
  'deletes a version for good when it is named',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = await t.put(bucket, 'a');
    await t.put(bucket, 'a', 'kept');
    const answer = ok(await send(t, bucket, document([object('a', `<VersionId>${versionId}</VersionId>`)])));
    same(
      [answer.text('Deleted', 'VersionId'), answer.text('Deleted', 'DeleteMarker')],
      [versionId, undefined],
      'VersionId, DeleteMarker',
      answer,
    );
    refused(await t.get(bucket, 'a', { query: { versionId } }), 'NoSuchVersion');
    ok(await t.get(bucket, 'a'));
  },
  versions,
);
rule(
  'deletes a delete marker when it is named, and says that it was one',
  async (t) => {
    const bucket = await t.versioned();
    await t.put(bucket, 'a');
    const { versionId } = ok(await t.remove(bucket, 'a'), 204);
    const answer = ok(await send(t, bucket, document([object('a', `<VersionId>${versionId}</VersionId>`)])));
    same(
      [answer.text('Deleted', 'DeleteMarker'), answer.text('Deleted', 'DeleteMarkerVersionId')],
      ['true', versionId],
      'DeleteMarker',
      answer,
    );
    ok(await t.get(bucket, 'a'));
  },
  versions,
);
rule(
  'deletes several versions of one key',
  async (t) => {
    const bucket = await t.versioned();
    const ids = [await t.put(bucket, 'a'), await t.put(bucket, 'a')].map(({ versionId }) => versionId);
    const answer = ok(await send(t, bucket, document(ids.map((id) => object('a', `<VersionId>${id}</VersionId>`)))));
    same(
      ok(await t.get(bucket, '', { query: { versions: '' } })).texts('VersionId'),
      [],
      'versions that are left',
      answer,
    );
  },
  versions,
);
rule(
  'answers an Error of an object whose version id is none, and deletes the others',
  async (t) => {
    const bucket = await filled(t, ['a', 'b']);
    const answer = ok(await send(t, bucket, document([object('a', '<VersionId>no version</VersionId>'), object('b')])));
    same([answer.text('Error', 'Key'), deleted(answer)], ['a', ['b']], 'Error and Deleted', answer);
  },
  versions,
);

export const deleteManyCases = cases;
