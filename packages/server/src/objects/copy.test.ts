import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../codec/index.ts';
import { limits } from '../limits.ts';
import { etagText } from './etag.ts';
import { versionIdText } from './ids.ts';
import { bodyOf, codeOf, openService, plain, type Service } from './service.fixture.ts';
import { noise } from './stripes.fixture.ts';
import type { CopyRequest } from './types.ts';

const frame = limits.frameBytes;
const at = (bucket: string, key: string, versionId?: string) => ({
  bucket,
  key: Buffer.from(key),
  versionId,
  guard: undefined,
});

function copyOf(from: [string, string, string?], to: [string, string], more: Partial<CopyRequest> = {}): CopyRequest {
  return {
    source: at(...from),
    bucket: to[0],
    key: Buffer.from(to[1]),
    owner: 'owner',
    guard: undefined,
    storageClass: 'STANDARD',
    checksumAlgorithm: undefined,
    ...more,
  };
}

async function twoBuckets(): Promise<Service> {
  const service = await openService();
  for (const name of ['one', 'two']) await service.objects.createBucket({ name, owner: 'owner', region: 'here' });
  return service;
}

test('a copy shares the bytes, across buckets too, and outlives its source', async () => {
  const { objects, put, get, stripes } = await twoBuckets();
  for (const bytes of [noise(2 * frame + 1, 1), noise(100, 2), Buffer.alloc(0)]) {
    const source = await put('one', 'k', bytes, { metadata: [['a', 'b']], tags: [['t', 'v']] });
    const before = stripes.held.size;
    const copied = await objects.copy(copyOf(['one', 'k'], ['two', 'c']));
    assert.equal(stripes.held.size, before, 'no byte is written');
    assert.deepEqual(copied.version.etag, source.version.etag);
    assert.deepEqual(copied.version.metadata, [['a', 'b']]);
    assert.deepEqual(copied.version.tags, [['t', 'v']]);
    assert.equal(copied.source.sequence, source.version.sequence);
    assert.ok(!copied.version.wrappedKey.equals(source.version.wrappedKey));
    await objects.delete('one', 'owner', [{ key: Buffer.from('k'), versionId: undefined, guard: undefined }]);
    assert.ok((await get('two', 'c')).equals(bytes));
  }
});

test('what is said anew replaces what was said', async () => {
  const { objects, put } = await twoBuckets();
  await put('one', 'k', Buffer.from('x'), { metadata: [['a', 'b']], headers: { contentType: 'text/plain' } });
  const more = {
    headers: { contentType: 'image/png' },
    metadata: [['c', 'd']],
    tags: [['e', 'f']],
    storageClass: 'STANDARD_IA',
  } as const;
  const { version } = await objects.copy(copyOf(['one', 'k'], ['one', 'c'], more));
  const { headers, metadata, tags, storageClass } = version;
  assert.deepEqual({ headers, metadata, tags, storageClass }, more);
});

test('a copy onto itself must change something', async () => {
  const { objects, put, get } = await twoBuckets();
  await put('one', 'k', Buffer.from('x'));
  const self = (more?: Partial<CopyRequest>) => objects.copy(copyOf(['one', 'k'], ['one', 'k'], more));
  assert.equal(await codeOf(() => self()), 'InvalidRequest');
  assert.equal(await codeOf(() => self({ tags: [['a', 'b']] })), 'InvalidRequest');
  assert.deepEqual((await self({ metadata: [['a', 'b']], headers: {} })).version.metadata, [['a', 'b']]);
  assert.equal((await self({ storageClass: 'STANDARD_IA' })).version.storageClass, 'STANDARD_IA');
  assert.equal(
    (await self({ storageClass: 'STANDARD_IA', checksumAlgorithm: 'SHA1' })).version.checksum?.algorithm,
    'SHA1',
  );
  assert.equal((await get('one', 'k')).toString(), 'x');
});

test('an older version can be copied over the newest', async () => {
  const { objects, put, get } = await twoBuckets();
  await objects.updateBucket('one', { versioning: 'enabled' });
  const old = await put('one', 'k', noise(2 * frame, 3));
  await put('one', 'k', Buffer.from('new'));
  await objects.copy(copyOf(['one', 'k', versionIdText(old.version)], ['one', 'k']));
  assert.ok((await get('one', 'k')).equals(noise(2 * frame, 3)));
});

test('conditions on the source and on the target', async () => {
  const { objects, put } = await twoBuckets();
  const { version } = await put('one', 'k', Buffer.from('x'));
  const etag = etagText(version);
  const withSource = (guard: object) =>
    objects.copy(copyOf(['one', 'k'], ['two', 'c'], { source: { ...at('one', 'k'), guard } }));
  assert.equal(await codeOf(() => withSource({ ifMatch: '"0"' })), 'PreconditionFailed');
  assert.equal(await codeOf(() => withSource({ ifNoneMatch: etag })), 'PreconditionFailed');
  assert.equal(await codeOf(() => withSource({ ifMatch: etag })), 'no error');
  const withTarget = (guard: object) => objects.copy(copyOf(['one', 'k'], ['two', 'c'], { guard }));
  assert.equal(await codeOf(() => withTarget({ ifNoneMatch: '*' })), 'PreconditionFailed');
  assert.equal(await codeOf(() => withTarget({ ifMatch: etag })), 'no error');
  assert.equal(await codeOf(() => objects.copy(copyOf(['one', 'none'], ['two', 'c']))), 'NoSuchKey');
  assert.equal(await codeOf(() => objects.copy(copyOf(['one', 'k'], ['three', 'c']))), 'NoSuchBucket');
});

test('a checksum of another algorithm is computed from the bytes, the same one is kept', async () => {
  const { objects, put, stripes } = await twoBuckets();
  const bytes = noise(2 * frame, 4);
  const checksum = { algorithm: 'CRC32', value: undefined } as const;
  const { version } = await put('one', 'k', bytes, { expected: { checksum } });
  assert.deepEqual(version.checksum?.value, digestOf('CRC32', bytes));
  stripes.reads.length = 0;
  const kept = await objects.copy(copyOf(['one', 'k'], ['two', 'c']));
  const same = await objects.copy(copyOf(['one', 'k'], ['two', 'c'], { checksumAlgorithm: 'CRC32' }));
  assert.deepEqual([kept.version.checksum, same.version.checksum], [version.checksum, version.checksum]);
  assert.equal(stripes.reads.length, 0);
  for (const checksumAlgorithm of ['SHA256', 'SHA512', 'MD5', 'XXHASH64', 'XXHASH3', 'XXHASH128'] as const) {
    const other = await objects.copy(copyOf(['one', 'k'], ['two', 'c'], { checksumAlgorithm }));
    const value = digestOf(checksumAlgorithm, bytes);
    assert.deepEqual(other.version.checksum, { algorithm: checksumAlgorithm, type: 'FULL_OBJECT', value });
    const again = await objects.copy(copyOf(['two', 'c'], ['one', 'd']));
    assert.deepEqual(again.version.checksum, other.version.checksum, 'and stays with the copy of a copy');
  }
});

test('a copy whose source is replaced again and again gives one of its versions whole', async () => {
  const { objects, put, get } = await twoBuckets();
  await put('one', 'k', noise(2 * frame, 0));
  let writing = true;
  const writer = (async () => {
    for (let i = 1; i < 20; i++) await put('one', 'k', noise(2 * frame, i));
    writing = false;
  })();
  let copies = 0;
  for (; writing || copies < 5; copies++) {
    await objects.copy(copyOf(['one', 'k'], ['two', 'c']));
    const bytes = await get('two', 'c');
    assert.ok(Array.from({ length: 20 }, (_, i) => noise(2 * frame, i)).some((one) => one.equals(bytes)));
  }
  await writer;
});

test('appends: offsets, growth, conflicts, checksums', async () => {
  const { objects, stripes, get } = await twoBuckets();
  const append = (bytes: Buffer, offset: number | undefined, more: object = {}) =>
    objects.append({
      ...plain,
      bucket: 'one',
      key: Buffer.from('log'),
      owner: 'owner',
      body: bodyOf(bytes),
      expected: {},
      guard: undefined,
      redundancy: undefined,
      offset,
      ...more,
    });
  const parts = [noise(10, 1), noise(5000, 2), noise(2 * frame, 3), Buffer.alloc(0), noise(20, 4)];
  assert.equal(await codeOf(() => append(noise(10, 1), 1)), 'InvalidWriteOffset');
  const crc = { expected: { checksum: { algorithm: 'CRC32C', value: undefined } } } as const;
  let whole = Buffer.alloc(0);
  for (const [i, part] of parts.entries()) {
    const held = stripes.held.size;
    // Only the first says a checksum: the others are joined to it all the same.
    const { version } = await append(part, i % 2 === 0 ? whole.length : undefined, i === 0 ? crc : {});
    assert.ok(stripes.held.size - held <= 1, 'what was there is not written again');
    whole = Buffer.concat([whole, part]);
    assert.equal(version.size, whole.length);
    assert.deepEqual(version.checksum?.value, digestOf('CRC32C', whole));
    assert.ok((await get('one', 'log')).equals(whole));
  }
  const { version } = await objects.read(at('one', 'log'));
  assert.equal(version.etagParts, parts.length);
  const before = stripes.held.size;
  assert.equal(await codeOf(() => append(noise(5000, 5), 7)), 'InvalidWriteOffset');
  assert.equal(
    await codeOf(() => append(noise(5000, 5), undefined, { guard: { ifMatch: '"0"' } })),
    'PreconditionFailed',
  );
  assert.equal(stripes.held.size, before);
  // Two at the same offset: one wins, the other is told.
  const both = await Promise.all([
    codeOf(() => append(noise(5000, 6), whole.length)),
    codeOf(() => append(noise(5000, 7), whole.length)),
  ]);
  assert.deepEqual(both.sort(), ['InvalidWriteOffset', 'no error']);
  assert.equal(stripes.held.size, before + 1);
});

test('an append to an object that was replaced meanwhile is a conflict, and its bytes are removed', async () => {
  const { objects, put, get, stripes } = await twoBuckets();
  await put('one', 'k', Buffer.from('first'));
  let replaced = false;
  async function* slow() {
    yield noise(5000, 1);
    await put('one', 'k', Buffer.from('other'));
    replaced = true;
    yield noise(5000, 2);
  }
  const request = {
    ...plain,
    bucket: 'one',
    key: Buffer.from('k'),
    owner: 'owner',
    body: { stream: slow(), length: 10_000 },
    expected: {},
    guard: undefined,
    redundancy: undefined,
    offset: undefined,
  };
  assert.equal(await codeOf(() => objects.append(request)), 'ConditionalRequestConflict');
  assert.ok(replaced);
  assert.equal(stripes.held.size, 0);
  assert.equal((await get('one', 'k')).toString(), 'other');
});
