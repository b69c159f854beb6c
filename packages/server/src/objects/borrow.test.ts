import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compositeChecksum, digestOf } from '../codec/index.ts';
import { crossCheck } from '../durability/index.ts';
import { lookingFor } from '../host/patience.support.ts';
import { limits } from '../limits.ts';
import { type ChecksumAlgorithm, features, type PartRecord, type Piece, type Policy } from '../metadata/index.ts';
import { audit } from '../metadata/ledger.support.ts';
import { uploadIdText } from './ids.ts';
import { gathered } from './pipeline.fixture.ts';
import { openRecoding } from './recode.fixture.ts';
import { bodyOf, codeOf, openService, plain } from './service.fixture.ts';
import type { CopySource, ObjectService, Slice } from './types.ts';

type CreateUploadRequest = Parameters<ObjectService['createUpload']>[0];

const MiB = 1024 * 1024;
const large = 34 * MiB + 12_345;
const code: Policy = { data: 8, parity: 3 };
const customerKey = Buffer.alloc(32, 7);

const isBorrowed = ({ body }: Piece): boolean => 'borrowed' in body;

async function setUp() {
  const setting = await openRecoding(11);
  const { objects, run } = setting;
  for (const name of ['source', 'target'])
    await run(objects.createBucket({ name, owner: 'owner', region: 'r', versioning: 'off' }));
  const bytes = (length: number): Buffer => setting.host.entropy.bytes(length);
  const begin = async (key: string, more: Partial<CreateUploadRequest> = {}) => {
    const target = { bucket: 'target', key: Buffer.from(key) };
    const none = { checksumAlgorithm: undefined, checksumType: undefined };
    const { id } = await run(objects.createUpload({ ...plain, ...target, owner: 'owner', ...none, ...more }));
    const its = { ...target, uploadId: uploadIdText(id), customerKey: more.customerKey };
    const parts: PartRecord[] = [];
    return {
      id,
      parts,
      async copy(key: string, slice?: Slice, source: Partial<CopySource> = {}) {
        const from = { bucket: 'source', key: Buffer.from(key), versionId: undefined, guard: undefined, ...source };
        const number = parts.length + 1;
        const { part } = await run(objects.copyPart({ ...its, number, source: from, slice }));
        parts.push(part);
        return part;
      },
      async part(content: Buffer) {
        const number = parts.length + 1;
        parts.push(await run(objects.putPart({ ...its, number, body: bodyOf(content), expected: {} })));
      },
      complete: () =>
        run(
          objects.completeUpload({
            ...its,
            guard: undefined,
            parts: parts.map(({ number, piece }) => ({ number, etag: piece.md5.toString('hex'), checksum: undefined })),
            checksum: undefined,
            size: undefined,
          }),
        ),
      abort: () => run(objects.abortUpload('target', target.key, its.uploadId)),
    };
  };
  const remove = (bucket: string, key: string) =>
    run(objects.delete(bucket, 'owner', [{ key: Buffer.from(key), versionId: undefined, guard: undefined }]));
  /** What a piece on the garbage list held becomes garbage when that is collected. */
  const settle = async (): Promise<void> => {
    for (let looks = 0; setting.reader.garbage(1).length > 0; looks++) {
      assert.ok(looks <= 2 * limits.borrowedDepth, 'it comes to an end');
      setting.host.advance(20_000);
      await run(setting.collector.run());
    }
    await setting.settle();
  };
  return { ...setting, settle, bytes, begin, remove };
}

describe('a part that borrows', () => {
  it('writes nothing, reads as its source, outlives it, and lets its bytes go in the end', async () => {
    const setting = await setUp();
    const source = setting.bytes(large);
    await setting.put('source', 'k', source);
    const before = setting.bytesOnDevices();
    const upload = await setting.begin('t');
    const slices = [
      { start: 0, end: 5 * MiB + 1 },
      { start: 5 * MiB + 1, end: 30 * MiB },
      { start: 70_000, end: large },
    ];
    for (const slice of slices) assert.ok(isBorrowed((await upload.copy('k', slice)).piece));
    const { version } = await upload.complete();
    assert.equal(setting.bytesOnDevices(), before);
    const whole = Buffer.concat(slices.map(({ start, end }) => source.subarray(start, end)));
    assert.equal(version.size, whole.length);
    assert.ok((await setting.get('target', 't')).equals(whole));
    audit(setting.kv);
    await setting.remove('source', 'k');
    await setting.settle();
    audit(setting.kv);
    assert.equal(setting.bytesOnDevices(), before);
    assert.ok((await setting.get('target', 't')).equals(whole));
    await setting.remove('target', 't');
    await setting.settle();
    audit(setting.kv);
    assert.equal(setting.bytesOnDevices(), 0);
  });

  it('may be of any slice of an object of several parts that was appended to, and be read by any range', async () => {
    const setting = await setUp();
    const first = await setting.begin('many');
    const pieces = [5 * MiB + 3, 9 * MiB, 5 * MiB].map((size) => setting.bytes(size));
    for (const piece of pieces) await first.part(piece);
    await first.complete();
    const more = setting.bytes(100_000);
    const append = {
      bucket: 'target',
      key: Buffer.from('many'),
      owner: 'owner',
      offset: undefined,
      guard: undefined,
      redundancy: undefined,
    };
    await setting.run(setting.objects.append({ ...plain, ...append, body: bodyOf(more), expected: {} }));
    const source = Buffer.concat([...pieces, more]);
    const inside = fc.record({ at: fc.nat(source.length - 1), length: fc.nat(source.length) });
    const sliceOf = ({ at, length }: { at: number; length: number }, size: number): Slice => {
      const start = at % size;
      return { start, end: Math.min(size, start + 1 + length) };
    };
    await fc.assert(
      fc.asyncProperty(inside, fc.array(inside, { minLength: 1, maxLength: 4 }), async (wanted, ranges) => {
        const slice = sliceOf(wanted, source.length);
        const upload = await setting.begin('t');
        const part = await upload.copy('many', slice, { bucket: 'target' });
        assert.ok(isBorrowed(part.piece));
        await upload.complete();
        const expected = source.subarray(slice.start, slice.end);
        const found = await setting.reading('target', 't');
        for (const range of ranges) {
          const { start, end } = sliceOf(range, expected.length);
          const read = await setting.run(gathered(found.open({ start, end })));
          assert.ok(read.equals(expected.subarray(start, end)), `${start} to ${end}`);
        }
      }),
      { numRuns: 25, ...lookingFor(60_000) },
    );
    await setting.settle();
    audit(setting.kv);
  });

  it('may borrow from parts that borrow, so often and no oftener', async () => {
    const setting = await setUp();
    const source = setting.bytes(large);
    await setting.put('source', 'k', source);
    let from = { bucket: 'source', key: 'k' };
    for (let depth = 1; depth <= limits.borrowedDepth + 1; depth++) {
      const upload = await setting.begin(`t${depth}`);
      const slice = { start: depth, end: large - 2 * depth };
      const part = await upload.copy(from.key, slice, { bucket: from.bucket });
      assert.equal(isBorrowed(part.piece), depth <= limits.borrowedDepth);
      await upload.part(setting.bytes(depth));
      await upload.complete();
      await setting.remove(from.bucket, from.key);
      from = { bucket: 'target', key: `t${depth}` };
    }
    const last = await setting.get('target', from.key);
    // Each has what the one before had from its own number on.
    const skipped = Array.from({ length: limits.borrowedDepth + 1 }, (_, index) => index + 1).reduce((a, b) => a + b);
    assert.ok(last.subarray(0, 20 * MiB).equals(source.subarray(skipped, skipped + 20 * MiB)));
    await setting.settle();
    audit(setting.kv);
    await setting.remove('target', from.key);
    await setting.settle();
    assert.equal(setting.bytesOnDevices(), 0);
  });

  it('lets go when another part takes its number, and when its upload is given up', async () => {
    const setting = await setUp();
    await setting.put('source', 'k', setting.bytes(large));
    const upload = await setting.begin('t');
    await upload.copy('k');
    upload.parts.pop();
    await upload.copy('k', { start: 1, end: large });
    const manifest = setting.version('source', 'k').manifest.id;
    await setting.settle();
    assert.equal(setting.reader.references(manifest), 2);
    await upload.abort();
    await setting.remove('source', 'k');
    audit(setting.kv);
    const { reader, stores, host } = setting;
    const check = crossCheck({ reader, groups: () => reader.groups(), stores, host });
    assert.deepEqual((await setting.run(check.report)).findings, [], 'what garbage holds is neither garbage nor lost');
    await setting.settle();
    audit(setting.kv);
    assert.equal(setting.bytesOnDevices(), 0);
  });

  it('has the ETag and the checksum of a piece that it has whole, the checksum of its bytes, and the same name for the same bytes', async () => {
    const setting = await setUp();
    const source = setting.bytes(large);
    await setting.put('source', 'k', source);
    const plainly = await setting.begin('t');
    assert.deepEqual((await plainly.copy('k')).piece.md5, digestOf('MD5', source));
    const slice = { start: 3, end: 6 * MiB };
    const [a, b] = [await plainly.copy('k', slice), await plainly.copy('k', slice)];
    assert.deepEqual(a.piece.md5, b.piece.md5);
    assert.notDeepEqual((await plainly.copy('k', { ...slice, start: 4 })).piece.md5, a.piece.md5);
    const algorithm: ChecksumAlgorithm = 'CRC32C';
    const summed = await setting.begin('u', { checksumAlgorithm: algorithm, checksumType: 'FULL_OBJECT' });
    const part = await summed.copy('k', slice);
    assert.ok(isBorrowed(part.piece));
    assert.deepEqual(part.piece.checksum?.value, digestOf(algorithm, source.subarray(3, 6 * MiB)));
    await summed.copy('k');
    const { version } = await summed.complete();
    const whole = Buffer.concat([source.subarray(3, 6 * MiB), source]);
    assert.deepEqual(version.checksum?.value, digestOf(algorithm, whole));
  });

  it('has a checksum that cannot be joined, of its own bytes', async () => {
    const setting = await setUp();
    const source = setting.bytes(large);
    await setting.put('source', 'k', source);
    const slice = { start: 3, end: 6 * MiB };
    for (const algorithm of ['SHA512', 'MD5', 'XXHASH64', 'XXHASH3', 'XXHASH128'] as const) {
      const upload = await setting.begin(algorithm, { checksumAlgorithm: algorithm, checksumType: 'COMPOSITE' });
      const parts = [await upload.copy('k', slice), await upload.copy('k')];
      assert.ok(parts.every(({ piece }) => isBorrowed(piece)));
      const values = [source.subarray(slice.start, slice.end), source].map((bytes) => digestOf(algorithm, bytes));
      assert.deepEqual(
        parts.map(({ piece }) => piece.checksum?.value),
        values,
      );
      const { version } = await upload.complete();
      assert.deepEqual(version.checksum, { algorithm, type: 'COMPOSITE', value: compositeChecksum(algorithm, values) });
    }
  });

  it('needs the key of its own object only', async () => {
    const setting = await setUp();
    const source = setting.bytes(large);
    await setting.put('source', 'k', source);
    const upload = await setting.begin('t', { customerKey });
    assert.ok(isBorrowed((await upload.copy('k')).piece));
    await upload.complete();
    const read = (key?: Buffer) =>
      setting.objects.read({
        bucket: 'target',
        key: Buffer.from('t'),
        versionId: undefined,
        guard: undefined,
        customerKey: key,
      });
    await assert.rejects(async () => read(), { code: 'InvalidRequest' });
    await assert.rejects(async () => read(Buffer.alloc(32, 8)), { code: 'AccessDenied' });
    const found = await read(customerKey);
    assert.ok((await setting.run(gathered(found.open({ start: 0, end: large })))).equals(source));
  });

  it('is kept as its object is to be kept, once nobody else has the bytes; until then they only become safer', async () => {
    const setting = await setUp();
    const source = setting.bytes(large);
    await setting.put('source', 'k', source);
    const upload = await setting.begin('t');
    await upload.copy('k');
    await upload.complete();
    assert.deepEqual(setting.kept(setting.version('target', 't')), [{ copies: 2 }]);
    await setting.run(setting.objects.updateBucket('target', { redundancy: code }));
    await setting.walk();
    assert.deepEqual(setting.kept(setting.version('target', 't')), [code], 'three losses are more than one');
    await setting.run(setting.objects.updateBucket('target', { redundancy: { copies: 2 } }));
    await setting.walk();
    assert.deepEqual(setting.kept(setting.version('target', 't')), [code]);
    await setting.remove('source', 'k');
    await setting.settle();
    await setting.walk();
    assert.deepEqual(setting.kept(setting.version('target', 't')), [{ copies: 2 }]);
    assert.ok((await setting.get('target', 't')).equals(source));
    await setting.settle();
    audit(setting.kv);
  });
});

describe('the bytes of a part are copied', () => {
  const copied = async (setting: Awaited<ReturnType<typeof setUp>>, key: string, more: Partial<CopySource> = {}) => {
    const upload = await setting.begin('t');
    const { piece } = await upload.copy(key, undefined, more);
    assert.equal(isBorrowed(piece), false);
    await upload.abort();
  };

  it('from an object of a few stripes, and from one that is encrypted with a key of its own', async () => {
    const setting = await setUp();
    await setting.put('source', 'small', setting.bytes(limits.embeddedStripes * limits.stripeBytes));
    await copied(setting, 'small');
    await setting.put('source', 'sealed', setting.bytes(large), { customerKey });
    await copied(setting, 'sealed', { customerKey });
    await setting.put('source', 'k', setting.bytes(large));
    assert.equal(await codeOf(() => copied(setting, 'k', { customerKey })), 'InvalidRequest');
  });

  it('where the two are to be kept in different ways', async () => {
    const setting = await setUp();
    await setting.put('source', 'k', setting.bytes(large));
    await setting.run(setting.objects.updateBucket('target', { redundancy: code }));
    await copied(setting, 'k');
    await setting.run(setting.objects.updateBucket('source', { redundancy: code }));
    const upload = await setting.begin('u');
    assert.ok(isBorrowed((await upload.copy('k')).piece));
    const hybrid: Policy = { hot: { copies: 2 }, cold: code, afterIdleMs: 1000 };
    for (const bucket of ['source', 'target'])
      await setting.run(setting.objects.updateBucket(bucket, { redundancy: hybrid }));
    await copied(setting, 'k');
  });

  it('in a cluster of which not every node knows parts that borrow', async () => {
    const setting = await setUp();
    await setting.put('source', 'k', setting.bytes(large));
    const node = {
      id: 'n1',
      address: 'n1:7000',
      apiAddress: 'n1:9000',
      zone: 'z',
      roles: ['gateway', 'metadata', 'storage'],
      state: 'active',
      version: '0.2.0',
      features: [] as string[],
      incarnation: Buffer.alloc(8, 1),
    } as const;
    await setting.run(setting.metadata.propose({ type: 'node.write', node }));
    await copied(setting, 'k');
    const newer = { ...node, features: [...features] };
    await setting.run(setting.metadata.propose({ type: 'node.write', node: newer }));
    await copied(setting, 'k');
    await setting.run(setting.metadata.propose({ type: 'feature.enable', feature: 'borrowedParts' }));
    const upload = await setting.begin('u');
    assert.ok(isBorrowed((await upload.copy('k')).piece));
    setting.refuse('upload.part');
    assert.equal(await codeOf(() => upload.copy('k')), 'NotImplemented', 'not of the loan, but of the copy');
  });

  it('from another shard, where no row can hold them', async () => {
    const { objects, put, metadata } = await openService({ shards: 2 });
    await objects.createBucket({ name: 'target', owner: 'owner', region: 'here' });
    const { id } = metadata.reader.bucket('target') as { id: number };
    const keys = Array.from({ length: 16 }, (_, index) => `k${index}`);
    const [first, other] = [0, 1].map((which) =>
      keys.find((key) => metadata.reader.shardOf(id, Buffer.from(key)) === metadata.reader.shardsOf(id)[which]),
    ) as [string, string];
    const bytes = Buffer.alloc(large, 'x');
    for (const key of [first, other]) await put('target', key, bytes);
    const target = { bucket: 'target', key: Buffer.from(first) };
    const none = { checksumAlgorithm: undefined, checksumType: undefined };
    const upload = await objects.createUpload({ ...plain, ...target, owner: 'owner', ...none });
    for (const [number, key] of [first, other].entries()) {
      const source = { bucket: 'target', key: Buffer.from(key), versionId: undefined, guard: undefined };
      const its = { ...target, uploadId: uploadIdText(upload.id), number: number + 1, source, slice: undefined };
      assert.equal(isBorrowed((await objects.copyPart(its)).part.piece), key === first);
    }
  });
});
