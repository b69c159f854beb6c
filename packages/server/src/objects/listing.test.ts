import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { uploadIdText, versionIdText } from './ids.ts';
import { behindPrefix, successor } from './listing.ts';
import { openService, plain, type Service } from './service.fixture.ts';

const none = Buffer.alloc(0);

test('the least key behind a key, and behind all with a prefix', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 4 }).map((a) => Buffer.from(a));
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      assert.equal(Buffer.compare(b, successor(a)) >= 0, Buffer.compare(b, a) > 0);
      const behind = behindPrefix(a);
      const begins = b.subarray(0, a.length).equals(a);
      const above = Buffer.compare(b, a) > 0 && !begins;
      assert.equal(behind !== undefined && Buffer.compare(b, behind) >= 0, above);
    }),
  );
  assert.equal(behindPrefix(Buffer.from([0xff, 0xff])), undefined);
  assert.deepEqual(behindPrefix(Buffer.from([1, 0xff])), Buffer.from([2]));
});

async function filled(keys: Iterable<string>): Promise<Service> {
  const service = await openService();
  await service.objects.createBucket({ name: 'first', owner: 'owner', region: 'here', versioning: 'enabled' });
  for (const key of keys) await service.put('first', key, Buffer.from(key));
  return service;
}

type Item = { readonly key: Buffer } | { readonly prefix: Buffer };
const nameOf = (item: Item): string => ('prefix' in item ? `${item.prefix.toString()}…` : item.key.toString());

/** What a listing must give, from all keys. */
function expected(keys: readonly string[], prefix: string, delimiter: string): string[] {
  const names = new Set<string>();
  for (const key of [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
    if (!key.startsWith(prefix)) continue;
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    names.add(cut < 0 ? key : `${key.slice(0, cut + delimiter.length)}…`);
  }
  return [...names];
}

test('pages of any size, by the last key or prefix of the page before, give every item once', async () => {
  const letter = fc.constantFrom('a', 'b', '/', 'ü', '//');
  const word = fc.array(letter, { minLength: 1, maxLength: 4 }).map((letters) => letters.join(''));
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(word, { maxLength: 15 }),
      fc.constantFrom('', 'a', 'a/', '/', 'b//'),
      fc.constantFrom('', '/', '//', 'a'),
      fc.integer({ min: 1, max: 4 }),
      async (keys, prefix, delimiter, limit) => {
        const { objects } = await filled(keys);
        const found: string[] = [];
        let after: Buffer = none;
        for (let pages = 0; pages < 40; pages++) {
          const query = {
            bucket: 'first',
            prefix: Buffer.from(prefix),
            delimiter: Buffer.from(delimiter),
            after,
            limit,
          };
          const { items, truncated } = objects.list(query);
          found.push(...items.map(nameOf));
          assert.ok(items.length <= limit);
          if (!truncated) break;
          const last = items.at(-1)!;
          after = 'prefix' in last ? last.prefix : last.key;
        }
        assert.deepEqual(found, expected(keys, prefix, delimiter));
      },
    ),
    { numRuns: 60 },
  );
});

test('a key after, a key from, and no room at all', async () => {
  const { objects } = await filled(['a', 'b/1', 'b/2', 'c']);
  const list = (more: object) =>
    objects.list({ bucket: 'first', prefix: none, delimiter: none, after: none, limit: 10, ...more }).items.map(nameOf);
  const slash = Buffer.from('/');
  assert.deepEqual(list({ after: Buffer.from('b/1') }), ['b/2', 'c']);
  assert.deepEqual(list({ from: Buffer.from('b/1') }), ['b/1', 'b/2', 'c']);
  assert.deepEqual(list({ delimiter: slash, after: Buffer.from('b/') }), ['c']);
  assert.deepEqual(list({ after: Buffer.from([0xff]) }), []);
  assert.deepEqual(list({ limit: 0 }), []);
  const odd = { delimiter: Buffer.from([0xff]), after: Buffer.from([0xff]) };
  assert.deepEqual(list(odd), [], 'behind the last prefix of all there is nothing');
});

test('versions and markers, page by page', async () => {
  const { objects, put } = await filled(['a', 'b', 'b', 'b', 'c']);
  await objects.delete('first', 'owner', [{ key: Buffer.from('b'), versionId: undefined, guard: undefined }]);
  await objects.updateBucket('first', { versioning: 'suspended' });
  await put('first', 'a', Buffer.from('null one'));
  const found: string[] = [];
  let after: Buffer = none;
  let versionMarker: string | undefined;
  for (let pages = 0; pages < 20; pages++) {
    const { items, truncated } = objects.listVersions({
      bucket: 'first',
      prefix: none,
      delimiter: none,
      after,
      limit: 1,
      versionMarker,
    });
    for (const item of items) {
      assert.ok('record' in item);
      found.push(
        `${item.key.toString()} ${item.record.kind}${item.record.isNull ? ' null' : ''}${item.isLatest ? ' latest' : ''}`,
      );
      after = item.key;
      versionMarker = versionIdText(item.record);
    }
    if (!truncated) break;
  }
  assert.deepEqual(found, [
    'a object null latest',
    'a object',
    'b marker latest',
    'b object',
    'b object',
    'b object',
    'c object latest',
  ]);
  const gone = {
    bucket: 'first',
    prefix: none,
    delimiter: none,
    after: Buffer.from('b'),
    limit: 9,
    versionMarker: 'null',
  };
  for (const versionMarker of ['null', 'OYcLXagmS.WaD..oyH4KRguB95_YhLs7']) {
    const { items } = objects.listVersions({ ...gone, versionMarker });
    assert.deepEqual(
      items.map((item) => ('key' in item ? item.key.toString() : '')),
      ['c'],
    );
  }
});

test('uploads, page by page', async () => {
  const { objects } = await filled([]);
  for (const key of ['x', 'a', 'x', 'b/1', 'b/2']) {
    const request = {
      bucket: 'first',
      key: Buffer.from(key),
      owner: 'owner',
      checksumAlgorithm: undefined,
      checksumType: undefined,
    };
    await objects.createUpload({ ...plain, ...request });
  }
  const found: string[] = [];
  let after: Buffer = none;
  let uploadIdMarker: string | undefined;
  for (let pages = 0; pages < 20; pages++) {
    const query = { bucket: 'first', prefix: none, delimiter: Buffer.from('/'), after, limit: 1, uploadIdMarker };
    const { items, truncated } = objects.listUploads(query);
    for (const item of items) {
      found.push(nameOf(item));
      after = 'prefix' in item ? item.prefix : item.key;
      uploadIdMarker = 'prefix' in item ? undefined : uploadIdText(item.id);
    }
    if (!truncated) break;
  }
  assert.deepEqual(found, ['a', 'b/…', 'x', 'x']);
});
