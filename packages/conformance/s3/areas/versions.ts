import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import { holds, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { all, find } from '../xml.ts';

const { cases, rule } = area('listing versions', 'API/API_ListObjectVersions');

/** a: two versions; b/1: a version below a marker; b/2: one version; c: a marker; d: three versions. In the order of a listing. */
const made = (t: Steps) =>
  t.shared('versions to list', async (keeper) => {
    const bucket = await keeper.versioned();
    const ids: [string, string][] = [];
    const put = async (key: string) => ids.push([key, (await keeper.put(bucket, key)).versionId]);
    const remove = async (key: string) => ids.push([key, ok(await keeper.remove(bucket, key), 204).versionId]);
    for (const key of ['d', 'd', 'd']) await put(key);
    await remove('c');
    await put('b/2');
    await put('b/1');
    await remove('b/1');
    for (const key of ['a', 'a']) await put(key);
    const order = ids.toReversed().map(([key, id]) => ({ key, id }));
    return { bucket, order: order.toSorted((x, y) => (x.key < y.key ? -1 : x.key > y.key ? 1 : 0)) };
  });

/** Versions and markers as they stand in the document, which mixes them. */
const rows = (answer: Answer) =>
  answer.xml.children
    .filter(({ name }) => name === 'Version' || name === 'DeleteMarker')
    .map((one) => ({ key: find(one, 'Key')?.text ?? '', id: find(one, 'VersionId')?.text ?? '' }));
const keysOf = (answer: Answer) => rows(answer).map(({ key }) => key);
const list = async (t: Steps, query: Record<string, string> = {}) =>
  shape(ok(await t.get((await made(t)).bucket, '', { query: { versions: '', ...query } })), 'ListVersionsResult');

rule('lists keys in order, and the versions of each from the newest to the oldest', async (t) => {
  const answer = shape(await list(t), 'ListVersionsResult', { IsTruncated: 'false' });
  const { order } = await made(t);
  same(rows(answer), order, 'versions', answer);
});
rule('marks the newest of each key with IsLatest', async (t) => {
  const answer = await list(t);
  const latest = answer.xml.children
    .filter((one) => find(one, 'IsLatest')?.text === 'true')
    .map((one) => find(one, 'Key')?.text);
  same(latest, ['a', 'b/1', 'b/2', 'c', 'd'], 'keys of latest versions', answer);
});
rule('a delete marker has no size, ETag or storage class', async (t) => {
  const answer = await list(t, { prefix: 'c' });
  const marker = all(answer.xml, 'DeleteMarker')[0];
  same(
    ['Size', 'ETag', 'StorageClass'].map((name) => find(marker, name)?.text ?? null),
    [null, null, null],
    'Size, ETag, StorageClass',
    answer,
  );
});
rule('a version has size, ETag, storage class, time and owner', async (t) => {
  const answer = await list(t, { prefix: 'a' });
  const version = all(answer.xml, 'Version')[0];
  for (const name of ['Size', 'ETag', 'StorageClass', 'LastModified', 'Owner'])
    holds(find(version, name) !== undefined, `a version has no ${name}`);
});
rule('a delete marker has an owner and a time', async (t) => {
  const marker = all((await list(t, { prefix: 'c' })).xml, 'DeleteMarker')[0];
  for (const name of ['Owner', 'LastModified'])
    holds(find(marker, name) !== undefined, `a delete marker has no ${name}`);
});
rule('with a prefix lists the keys that begin with it', async (t) => {
  const answer = await list(t, { prefix: 'b/' });
  same(keysOf(answer), ['b/1', 'b/1', 'b/2'], 'keys', answer);
});
rule('with a delimiter rolls up what has it', async (t) => {
  const answer = await list(t, { delimiter: '/' });
  same(
    [keysOf(answer), all(answer.xml, 'CommonPrefixes').map((one) => find(one, 'Prefix')?.text)],
    [['a', 'a', 'c', 'd', 'd', 'd'], ['b/']],
    'keys and common prefixes',
    answer,
  );
});
rule('with prefix and delimiter lists what is directly below the prefix', async (t) => {
  const answer = await list(t, { delimiter: '/', prefix: 'b/' });
  same(keysOf(answer), ['b/1', 'b/1', 'b/2'], 'keys', answer);
});
rule('with key-marker begins behind all versions of this key', async (t) => {
  const answer = await list(t, { 'key-marker': 'b/1' });
  same(keysOf(answer), ['b/2', 'c', 'd', 'd', 'd'], 'keys', answer);
});
rule('with a key-marker that is no key begins behind where it would be', async (t) => {
  const answer = await list(t, { 'key-marker': 'bb' });
  same(keysOf(answer), ['c', 'd', 'd', 'd'], 'keys', answer);
});
rule('with key-marker and version-id-marker begins behind this version', async (t) => {
  const { order } = await made(t);
  const marker = order.filter(({ key }) => key === 'd')[0]!;
  const answer = await list(t, { 'key-marker': 'd', 'version-id-marker': marker.id });
  same(rows(answer), order.slice(-2), 'versions', answer);
});
rule('with version-id-marker of the oldest version of the last key is empty', async (t) => {
  const { order } = await made(t);
  const answer = await list(t, { 'key-marker': 'd', 'version-id-marker': order.at(-1)!.id });
  same(rows(answer), [], 'versions', answer);
});
rule('refuses a version-id-marker without a key-marker with InvalidArgument', async (t) => {
  const { bucket, order } = await made(t);
  refused(await t.get(bucket, '', { query: { versions: '', 'version-id-marker': order[0]!.id } }), 'InvalidArgument');
});
for (const size of [1, 2, 3, 4, 8])
  rule(`pages of ${size} give every version once and in order`, async (t) => {
    const { order } = await made(t);
    const found: unknown[] = [];
    let more: Record<string, string> = {};
    for (let page = 0; page < 12; page++) {
      const answer = await list(t, { 'max-keys': String(size), ...more });
      found.push(...rows(answer));
      if (answer.text('IsTruncated') === 'false') {
        same(found, order, 'versions', answer);
        return;
      }
      same(rows(answer).length, size, 'versions of a page', answer);
      more = {
        'key-marker': answer.text('NextKeyMarker') ?? '',
        'version-id-marker': answer.text('NextVersionIdMarker') ?? '',
      };
    }
    holds(false, 'the pages do not end');
  });
rule('a page that is truncated names the last version in NextKeyMarker and NextVersionIdMarker', async (t) => {
  const { order } = await made(t);
  const answer = await list(t, { 'max-keys': '3' });
  same(
    [answer.text('NextKeyMarker'), answer.text('NextVersionIdMarker')],
    [order[2]!.key, order[2]!.id],
    'markers',
    answer,
  );
});
rule('a page that is not truncated has no NextKeyMarker', async (t) => {
  const answer = await list(t);
  same(answer.text('NextKeyMarker'), undefined, 'NextKeyMarker', answer);
});
rule('a page that ends with a common prefix goes on behind it', async (t) => {
  const first = await list(t, { delimiter: '/', 'max-keys': '3' });
  same(
    [first.text('IsTruncated'), first.text('NextKeyMarker')],
    ['true', 'b/'],
    'IsTruncated and NextKeyMarker',
    first,
  );
  const second = await list(t, { delimiter: '/', 'key-marker': 'b/' });
  same(
    [keysOf(second), all(second.xml, 'CommonPrefixes').length],
    [['c', 'd', 'd', 'd'], 0],
    'keys and common prefixes',
    second,
  );
});
for (const [name, query, value] of [
  ['KeyMarker', { 'key-marker': 'b/1' }, 'b/1'],
  ['Prefix', { prefix: 'b' }, 'b'],
  ['Delimiter', { delimiter: '/' }, '/'],
  ['MaxKeys', { 'max-keys': '5' }, '5'],
  ['EncodingType', { 'encoding-type': 'url' }, 'url'],
] as const)
  rule(`repeats ${name}`, async (t) => {
    shape(await list(t, query), 'ListVersionsResult', { [name]: value });
  });
rule('without max-keys says that a page has at most 1,000', async (t) => {
  shape(await list(t), 'ListVersionsResult', { MaxKeys: '1000', KeyMarker: '', VersionIdMarker: '' });
});
rule('with max-keys=0 is empty', async (t) => {
  const answer = await list(t, { 'max-keys': '0' });
  same([rows(answer), answer.text('IsTruncated')], [[], 'false'], 'versions', answer);
});
for (const [what, query] of [
  ['max-keys that is negative', { 'max-keys': '-1' }],
  ['max-keys that is no number', { 'max-keys': 'few' }],
  ['encoding-type that is not url', { 'encoding-type': 'hex' }],
] as const)
  rule(`refuses ${what} with InvalidArgument`, async (t) => {
    refused(await t.get((await made(t)).bucket, '', { query: { versions: '', ...query } }), 'InvalidArgument');
  });
rule('with encoding-type=url encodes keys and markers', async (t) => {
  const bucket = await t.versioned();
  await t.put(bucket, 'ä+b');
  const answer = ok(await t.get(bucket, '', { query: { versions: '', 'encoding-type': 'url', 'key-marker': 'ä' } }));
  same([keysOf(answer), answer.text('KeyMarker')], [['%C3%A4%2Bb'], '%C3%A4'], 'Key and KeyMarker', answer);
});
rule('lists objects of a bucket without versions as null', async (t) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'key');
  const answer = ok(await t.get(bucket, '', { query: { versions: '' } }));
  same([rows(answer), answer.texts('IsLatest')], [[{ key: 'key', id: 'null' }], ['true']], 'versions', answer);
});
rule('of a bucket that is not there is refused with NoSuchBucket', async (t) => {
  refused(await t.get(t.newName(), '', { query: { versions: '' } }), 'NoSuchBucket');
});
rule('a null version stands where its time puts it', async (t) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'key', 'before');
  await t.versioning(bucket, 'Enabled');
  const { versionId } = await t.put(bucket, 'key', 'after');
  const answer = ok(await t.get(bucket, '', { query: { versions: '' } }));
  same(
    rows(answer).map(({ id }) => id),
    [versionId, 'null'],
    'versions',
    answer,
  );
});
rule('a null version that was written last comes first', async (t) => {
  const bucket = await t.versioned();
  const { versionId } = await t.put(bucket, 'key', 'before');
  await t.versioning(bucket, 'Suspended');
  await t.put(bucket, 'key', 'after');
  const answer = ok(await t.get(bucket, '', { query: { versions: '' } }));
  same(
    rows(answer).map(({ id }) => id),
    ['null', versionId],
    'versions',
    answer,
  );
});

export const versionListingCases = cases;
