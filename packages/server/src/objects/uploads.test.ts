import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { type ChecksumAlgorithm, compositeChecksum, digestOf } from '../codec/index.ts';
import { limits } from '../limits.ts';
import type { PartRecord } from '../metadata/index.ts';
import { etagText } from './etag.ts';
import { uploadIdText } from './ids.ts';
import { gathered } from './pipeline.fixture.ts';
import { bodyOf, codeOf, openService, plain, type Service } from './service.fixture.ts';
import { noise } from './stripes.fixture.ts';

const least = limits.partBytesMin;
const key = Buffer.from('big');

type NamedPart = { readonly number: number; readonly etag: string; readonly checksum?: Buffer | undefined };

interface Upload extends Service {
  readonly id: string;
  readonly part: (number: number, bytes: Buffer, expected?: object) => Promise<PartRecord>;
  readonly complete: (parts: readonly NamedPart[], more?: object) => ReturnType<Service['objects']['completeUpload']>;
}

async function begin(
  checksumAlgorithm?: ChecksumAlgorithm,
  checksumType?: 'FULL_OBJECT' | 'COMPOSITE',
): Promise<Upload> {
  const service = await openService();
  const { objects } = service;
  await objects.createBucket({ name: 'first', owner: 'owner', region: 'here' });
  const upload = await objects.createUpload({
    ...plain,
    bucket: 'first',
    key,
    owner: 'owner',
    checksumAlgorithm,
    checksumType,
  });
  const id = uploadIdText(upload.id);
  const target = { bucket: 'first', key, uploadId: id };
  return {
    ...service,
    id,
    part: (number, bytes, expected = {}) => objects.putPart({ ...target, number, body: bodyOf(bytes), expected }),
    complete: (parts, more = {}) =>
      objects.completeUpload({
        ...target,
        guard: undefined,
        parts: parts.map((part) => ({ checksum: undefined, ...part })),
        checksum: undefined,
        size: undefined,
        ...more,
      }),
  };
}

const named = (part: PartRecord) => ({ number: part.number, etag: etagText({ etag: part.piece.md5, etagParts: 0 }) });

test('parts become one object, in the order of their numbers', async () => {
  const { objects, part, complete, get, stripes, id } = await begin();
  const bytes = [noise(least, 1), noise(least + 12_345, 2), noise(77, 3)];
  const third = await part(30, bytes[2]!);
  const second = await part(20, noise(least, 99));
  const replaced = await part(20, bytes[1]!);
  const first = await part(3, bytes[0]!);
  await part(31, noise(50_000, 4));
  assert.notDeepEqual(second.piece.md5, replaced.piece.md5);
  const { page } = objects.listParts('first', key, id, 3, 2);
  assert.deepEqual(
    page.items.map(({ number }) => number),
    [20, 30],
  );
  assert.equal(page.truncated, true);
  const { version } = await complete([named(first), named(replaced), named(third)]);
  const whole = Buffer.concat(bytes);
  assert.equal(version.size, whole.length);
  assert.equal(version.etagParts, 3);
  assert.deepEqual(version.etag, digestOf('MD5', Buffer.concat(bytes.map((one) => digestOf('MD5', one)))));
  assert.deepEqual(
    version.partSizes,
    bytes.map((one) => one.length),
  );
  assert.ok((await get('first', 'big')).equals(whole));
  const reading = await objects.read({ bucket: 'first', key, versionId: undefined, guard: undefined });
  const slice = { start: least + 10, end: whole.length - 5 };
  assert.ok((await gathered(reading.open(slice))).equals(whole.subarray(slice.start, slice.end)));
  assert.deepEqual(
    reading.parts(1, 5).map(({ number, size }) => [number, size]),
    [
      [2, least + 12_345],
      [3, 77],
    ],
  );
  assert.deepEqual(reading.parts(3, 5), []);
  assert.equal(await codeOf(() => complete([named(first)])), 'NoSuchUpload');
  assert.equal(stripes.openWriters(), 0);
});

test('what is wrong with the list of parts', async () => {
  const { part, complete } = await begin();
  const small = await part(1, noise(1000, 1));
  const last = await part(2, noise(2000, 2));
  const cases: [Parameters<typeof complete>[0], object, string][] = [
    [[], {}, 'InvalidRequest'],
    [[named(last), named(small)], {}, 'InvalidPartOrder'],
    [[named(small), named(small)], {}, 'InvalidPartOrder'],
    [[{ ...named(small), number: 0 }], {}, 'InvalidArgument'],
    [[{ ...named(small), number: 10_001 }], {}, 'InvalidArgument'],
    [[named(small), { ...named(last), number: 3 }], {}, 'InvalidPart'],
    [[named(small), { ...named(last), etag: named(small).etag }], {}, 'InvalidPart'],
    [[{ ...named(small), etag: 'nonsense' }], {}, 'InvalidPart'],
    [[{ ...named(small), checksum: Buffer.alloc(4) }], {}, 'InvalidPart'],
    [[named(small), named(last)], {}, 'EntityTooSmall'],
    [[named(last)], { size: 1999 }, 'InvalidRequest'],
  ];
  for (const [parts, more, code] of cases) assert.equal(await codeOf(() => complete(parts, more)), code);
  await assert.rejects(complete([named(small), named(last)]), (error: { detail: Record<string, string> }) => {
    assert.equal(error.detail['PartNumber'], '1');
    assert.equal(error.detail['MinSizeAllowed'], String(least));
    return true;
  });
  const bare = { ...named(last), etag: named(last).etag.slice(1, -1) };
  assert.equal((await complete([bare], { size: 2000 })).version.size, 2000);
});

test('numbers, ids and sizes of single parts', async () => {
  const { objects, part, id } = await begin();
  for (const number of [0, -1, 10_001, 1.5])
    assert.equal(await codeOf(() => part(number, noise(1, 1))), 'InvalidArgument');
  const request = { bucket: 'first', key, number: 1, body: bodyOf(noise(10, 1)), expected: {} };
  assert.equal(await codeOf(() => objects.putPart({ ...request, uploadId: '0'.repeat(32) })), 'NoSuchUpload');
  assert.equal(await codeOf(() => objects.putPart({ ...request, uploadId: 'junk' })), 'NoSuchUpload');
  assert.equal(
    await codeOf(() => objects.putPart({ ...request, key: Buffer.from('other'), uploadId: id })),
    'NoSuchUpload',
  );
  const long = { stream: bodyOf(noise(1, 1)).stream, length: limits.partBytesMax + 1 };
  assert.equal(await codeOf(() => objects.putPart({ ...request, uploadId: id, body: long })), 'EntityTooLarge');
});

describe('a completion that is repeated', () => {
  const ask = { bucket: 'first', key, versionId: undefined, guard: undefined };

  for (const [what, sizes] of [
    ['one small part', [1000]],
    ['several parts', [least, 2000]],
  ] as const)
    it(`makes no second version of ${what}, and answers the first one whatever became of the key`, async () => {
      const { objects, put, part, complete, id } = await begin('CRC32', 'COMPOSITE');
      await objects.updateBucket('first', { versioning: 'enabled' });
      const sent: PartRecord[] = [];
      // With gaps, so that the parts are moved.
      for (const [at, size] of sizes.entries()) sent.push(await part(2 + 3 * at, noise(size, at)));
      const parts = sent.map(named);
      const { version } = await complete(parts, { guard: { ifNoneMatch: '*' } });
      const first = version.sequence;
      const size = sizes.reduce((sum, each) => sum + each, 0);
      const { value } = version.checksum!;
      const checksum = { algorithm: 'CRC32', value };
      const again = async (more: object = {}) => (await complete(parts, more)).version.sequence;
      const count = () => objects.bucket('first').counts.versions;
      const check = async (versions: number) => {
        assert.equal(await again(), first);
        assert.equal(await again({ guard: { ifNoneMatch: '*' }, size, checksum, checksumType: 'COMPOSITE' }), first);
        assert.equal(await codeOf(() => again({ size: size + 1 })), 'InvalidRequest');
        assert.equal(
          await codeOf(() => again({ checksum: { algorithm: 'CRC32', value: Buffer.alloc(4) } })),
          'BadDigest',
        );
        assert.equal(await codeOf(() => again({ checksum, checksumType: 'FULL_OBJECT' })), 'BadDigest');
        for (const others of [
          [named(sent[0]!), { ...named(sent[0]!), number: 9 }],
          [{ number: 2, etag: 'f'.repeat(32) }],
          [{ number: 2, etag: 'x' }],
        ])
          assert.equal(await codeOf(() => complete(others)), 'NoSuchUpload');
        assert.equal(await codeOf(() => complete([])), 'InvalidRequest');
        assert.equal(await codeOf(() => part(1, noise(10, 1))), 'NoSuchUpload');
        assert.equal(await codeOf(() => objects.abortUpload('first', key, id)), 'NoSuchUpload');
        assert.equal(count(), versions);
      };
      await check(1);
      const copy = {
        metadata: [['a', 'b']],
        headers: {},
        storageClass: 'STANDARD',
        checksumAlgorithm: undefined,
      } as const;
      await objects.copy({ ...ask, ...copy, owner: 'owner', source: ask });
      await check(2);
      await put('first', 'big', noise(10, 3));
      await put('first', 'bigger', noise(10, 3));
      await objects.delete('first', 'owner', [{ key, versionId: undefined, guard: undefined }]);
      await check(5);
    });

  it('is refused once its version is gone, and under another key', async () => {
    const { part, put, complete } = await begin();
    const parts = [named(await part(1, noise(1000, 1)))];
    await complete(parts);
    assert.equal(await codeOf(() => complete(parts, { key: Buffer.from('other') })), 'NoSuchUpload');
    await put('first', 'big', noise(1000, 1));
    assert.equal(await codeOf(() => complete(parts)), 'NoSuchUpload');
  });

  it('is refused of what was appended to since', async () => {
    const { objects, part, complete } = await begin();
    const parts = [named(await part(1, noise(1000, 1)))];
    await complete(parts);
    const more = { offset: 1000, body: bodyOf(noise(10, 1)), expected: {}, redundancy: undefined };
    await objects.append({ ...plain, ...ask, ...more, owner: 'owner' });
    assert.equal(await codeOf(() => complete(parts)), 'NoSuchUpload');
  });

  it('is answered alike when it comes beside the first one', async () => {
    const { objects, part, complete } = await begin();
    await objects.updateBucket('first', { versioning: 'enabled' });
    const parts = [named(await part(7, noise(1000, 1)))];
    const made = await Promise.all([1, 2, 3].map(() => complete(parts)));
    assert.equal(new Set(made.map(({ version }) => version.sequence)).size, 1);
    assert.equal(objects.bucket('first').counts.versions, 1);
  });
});

test('an aborted upload is gone', async () => {
  const { objects, part, complete, id } = await begin();
  const one = await part(1, noise(10_000, 1));
  await objects.abortUpload('first', key, id);
  assert.equal(await codeOf(() => part(2, noise(10, 1))), 'NoSuchUpload');
  assert.equal(await codeOf(() => complete([named(one)])), 'NoSuchUpload');
  assert.equal(await codeOf(() => objects.abortUpload('first', key, id)), 'NoSuchUpload');
  assert.equal(await codeOf(() => objects.upload('first', key, id)), 'NoSuchUpload');
});

test('checksum types', async () => {
  const cases: [ChecksumAlgorithm | undefined, 'FULL_OBJECT' | 'COMPOSITE' | undefined, string | undefined][] = [
    [undefined, undefined, undefined],
    [undefined, 'COMPOSITE', 'InvalidRequest'],
    ['CRC32', undefined, 'COMPOSITE'],
    ['CRC32', 'FULL_OBJECT', 'FULL_OBJECT'],
    ['CRC32C', 'COMPOSITE', 'COMPOSITE'],
    ['CRC64NVME', undefined, 'FULL_OBJECT'],
    ['CRC64NVME', 'COMPOSITE', 'InvalidRequest'],
    ['SHA1', undefined, 'COMPOSITE'],
    ['SHA256', 'FULL_OBJECT', 'InvalidRequest'],
    ['SHA512', undefined, 'COMPOSITE'],
    ['SHA512', 'FULL_OBJECT', 'InvalidRequest'],
    ['MD5', undefined, 'COMPOSITE'],
    ['MD5', 'FULL_OBJECT', 'InvalidRequest'],
    ['XXHASH64', undefined, 'COMPOSITE'],
    ['XXHASH64', 'FULL_OBJECT', 'InvalidRequest'],
    ['XXHASH3', undefined, 'COMPOSITE'],
    ['XXHASH3', 'FULL_OBJECT', 'InvalidRequest'],
    ['XXHASH128', undefined, 'COMPOSITE'],
    ['XXHASH128', 'FULL_OBJECT', 'InvalidRequest'],
  ];
  for (const [algorithm, type, outcome] of cases) {
    if (outcome === 'InvalidRequest') assert.equal(await codeOf(() => begin(algorithm, type)), outcome);
    else {
      const { objects, id } = await begin(algorithm, type);
      assert.equal(objects.upload('first', key, id).checksumType, outcome);
    }
  }
});

for (const [algorithm, type] of [
  ['CRC32', 'FULL_OBJECT'],
  ['CRC64NVME', 'FULL_OBJECT'],
  ['SHA256', 'COMPOSITE'],
  ['CRC32C', 'COMPOSITE'],
  ['SHA512', 'COMPOSITE'],
  ['MD5', 'COMPOSITE'],
  ['XXHASH64', 'COMPOSITE'],
  ['XXHASH3', 'COMPOSITE'],
  ['XXHASH128', 'COMPOSITE'],
] as const) {
  test(`an upload with a ${type} ${algorithm}`, async () => {
    const { part, complete } = await begin(algorithm, type);
    const bytes = [noise(least, 1), noise(321, 2)];
    const sums = bytes.map((one) => digestOf(algorithm, one));
    const mismatch = { checksum: { algorithm: algorithm === 'SHA256' ? 'SHA1' : 'SHA256', value: undefined } };
    assert.equal(await codeOf(() => part(1, bytes[0]!, mismatch)), 'InvalidRequest');
    const wrong = { checksum: { algorithm, value: Buffer.alloc(sums[0]!.length) } };
    assert.equal(await codeOf(() => part(1, bytes[0]!, wrong)), 'BadDigest');
    // One part says its checksum, the other leaves it to the server.
    const first = await part(1, bytes[0]!, { checksum: { algorithm, value: sums[0] } });
    const second = await part(2, bytes[1]!);
    assert.deepEqual(second.piece.checksum?.value, sums[1]);
    const value =
      type === 'FULL_OBJECT' ? digestOf(algorithm, Buffer.concat(bytes)) : compositeChecksum(algorithm, sums);
    const parts = [first, second].map((one, i) => ({ ...named(one), checksum: sums[i] }));
    const bad = { checksum: { algorithm, value: Buffer.alloc(value.length) }, checksumType: type };
    assert.equal(await codeOf(() => complete(parts, bad)), 'BadDigest');
    const kind = type === 'COMPOSITE' ? 'FULL_OBJECT' : 'COMPOSITE';
    const other = { checksum: { algorithm, value }, checksumType: kind };
    assert.equal(await codeOf(() => complete(parts, other)), 'InvalidRequest');
    assert.equal(await codeOf(() => complete(parts, { checksumType: kind })), 'InvalidRequest');
    const { version } = await complete(parts, { checksum: { algorithm, value }, checksumType: type });
    assert.deepEqual(version.checksum, { algorithm, type, value });
  });
}

test('an upload that was not told of a checksum takes one that its parts have, and no other', async () => {
  const { part, complete } = await begin();
  const bytes = noise(1000, 1);
  const value = digestOf('CRC64NVME', bytes);
  const one = await part(1, bytes, { checksum: { algorithm: 'CRC64NVME', value } });
  const other = { checksum: { algorithm: 'CRC32', value: Buffer.alloc(4) }, checksumType: 'FULL_OBJECT' };
  assert.equal(await codeOf(() => complete([named(one)], other)), 'InvalidRequest');
  const checksum = { algorithm: 'CRC64NVME', value };
  const { version } = await complete([named(one)], { checksum });
  assert.deepEqual(version.checksum, { ...checksum, type: 'FULL_OBJECT' });
});

test('parts are copied from objects, whole and in part', async () => {
  const { objects, put, get, part, complete, id } = await begin('CRC32', 'FULL_OBJECT');
  const bytes = noise(least + 100_000, 1);
  await put('first', 'source', bytes);
  const source = { bucket: 'first', key: Buffer.from('source'), versionId: undefined, guard: undefined };
  const copy = (number: number, slice?: { start: number; end: number }, more: object = {}) =>
    objects.copyPart({ bucket: 'first', key, uploadId: id, number, source: { ...source, ...more }, slice });
  const slice = { start: 17, end: least + 17 };
  const first = await copy(1, slice);
  assert.equal(first.source.size, bytes.length);
  assert.deepEqual(first.part.piece.md5, digestOf('MD5', bytes.subarray(17, least + 17)));
  const second = await copy(2);
  const third = await part(3, noise(10, 2));
  assert.equal(await codeOf(() => copy(4, { start: 0, end: bytes.length + 1 })), 'InvalidArgument');
  assert.equal(await codeOf(() => copy(4, undefined, { guard: { ifMatch: '"0"' } })), 'PreconditionFailed');
  assert.equal(await codeOf(() => copy(4, undefined, { key: Buffer.from('none') })), 'NoSuchKey');
  const { version } = await complete([named(first.part), named(second.part), named(third)]);
  const whole = Buffer.concat([bytes.subarray(17, least + 17), bytes, noise(10, 2)]);
  assert.ok((await get('first', 'big')).equals(whole));
  assert.deepEqual(version.checksum?.value, digestOf('CRC32', whole));
});

test('an upload keeps its parts with what it was begun with, and an object says what it has', async () => {
  const { objects, stripes } = await openService({ copies: 2 });
  await objects.createBucket({ name: 'first', owner: 'owner', region: 'here' });
  const request = {
    ...plain,
    bucket: 'first',
    key,
    owner: 'owner',
    checksumAlgorithm: undefined,
    checksumType: undefined,
  };
  for (const redundancy of [{ copies: 3 }, { data: 4, parity: 2 }])
    assert.equal(await codeOf(() => objects.createUpload({ ...request, redundancy })), 'UnsupportedRedundancy');
  const { id, redundancy } = await objects.createUpload({ ...request, redundancy: { copies: 2 } });
  assert.deepEqual(redundancy, { copies: 2 });
  const target = { bucket: 'first', key, uploadId: uploadIdText(id) };
  const parts: PartRecord[] = [];
  for (const [number, bytes] of [
    [1, noise(least, 1)],
    [2, noise(10, 2)],
  ] as const)
    parts.push(await objects.putPart({ ...target, number, body: bodyOf(bytes), expected: {} }));
  assert.deepEqual(stripes.asked, [{ copies: 2 }, { copies: 2 }], 'the small part too');
  const { version } = await objects.completeUpload({
    ...target,
    guard: undefined,
    parts: parts.map((part) => ({ checksum: undefined, ...named(part) })),
    checksum: undefined,
    size: undefined,
  });
  assert.equal(version.manifest.embedded, undefined);
  assert.deepEqual(objects.stored(version).redundancy, { copies: 2 });
  const inline = await objects.put({
    ...request,
    body: bodyOf(noise(10, 3)),
    expected: {},
    guard: undefined,
    redundancy: undefined,
  });
  assert.deepEqual(objects.stored(inline.version).redundancy, { copies: 1 });
});
