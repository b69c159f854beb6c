import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../codec/index.ts';
import { limits } from '../limits.ts';
import { localNumber, numberOf, type Proposer, shardOfNumber } from '../metadata/index.ts';
import { uploadIdText, versionIdText } from './ids.ts';
import { gathered } from './pipeline.fixture.ts';
import { bodyOf, codeOf, openService, plain } from './service.fixture.ts';
import { noise } from './stripes.fixture.ts';
import type { RenameRequest } from './types.ts';

/** A service with shards, and two keys of one bucket that are in different ones. */
async function spread(through = (proposer: Proposer): Proposer => proposer) {
  const service = await openService({ shards: 4, through });
  const { id } = await service.objects.createBucket({ name: 'bucket', owner: 'o', region: 'r' });
  const { reader } = service.metadata;
  const shard = (key: string): number => reader.shardOf(id, Buffer.from(key));
  const far = Array.from({ length: 100 }, (_, i) => `k${i}`).find((key) => shard(key) !== shard('source')) as string;
  const near = Array.from({ length: 100 }, (_, i) => `n${i}`).find((key) => shard(key) === shard('source')) as string;
  return { ...service, shard, far, near };
}

const copyOf = (key: string) => ({
  source: { bucket: 'bucket', key: Buffer.from('source'), versionId: undefined, guard: undefined },
  bucket: 'bucket',
  key: Buffer.from(key),
  owner: 'o',
  guard: undefined,
  storageClass: 'STANDARD',
  checksumAlgorithm: undefined,
});

describe('objects in several shards', () => {
  it('are copied within a shard by their manifest, and to another one by their bytes', async () => {
    const { objects, put, get, stripes, far, near } = await spread();
    const bytes = noise(300_000, 1);
    await put('bucket', 'source', bytes);
    const before = stripes.created();
    await objects.copy(copyOf(near));
    assert.equal(stripes.created(), before);
    await objects.copy(copyOf(far));
    assert.ok(stripes.created() > before);
    await objects.delete('bucket', 'o', [{ key: Buffer.from('source'), versionId: undefined, guard: undefined }]);
    for (const key of [near, far]) assert.ok((await get('bucket', key)).equals(bytes));
  });

  it('made of parts have the ETag of their bytes once they are copied to another shard, and no parts', async () => {
    const { objects, far } = await spread();
    const target = { bucket: 'bucket', key: Buffer.from('source') };
    const upload = await objects.createUpload({
      ...plain,
      ...target,
      owner: 'o',
      checksumAlgorithm: 'CRC32C',
      checksumType: 'FULL_OBJECT',
    });
    const uploadId = uploadIdText(upload.id);
    const first = noise(limits.partBytesMin, 2);
    const second = noise(70_000, 3);
    const parts = [];
    for (const [index, bytes] of [first, second].entries()) {
      const part = await objects.putPart({ ...target, uploadId, number: index + 1, body: bodyOf(bytes), expected: {} });
      parts.push({ number: index + 1, etag: part.piece.md5.toString('hex'), checksum: undefined });
    }
    const made = await objects.completeUpload({
      ...target,
      uploadId,
      guard: undefined,
      parts,
      checksum: undefined,
      size: undefined,
    });
    assert.equal(made.version.etagParts, 2);
    const { version } = await objects.copy(copyOf(far));
    const whole = Buffer.concat([first, second]);
    assert.deepEqual([version.etag, version.etagParts, version.partSizes], [digestOf('MD5', whole), 0, []]);
    assert.deepEqual(version.checksum, made.version.checksum);
    const reading = await objects.read({
      bucket: 'bucket',
      key: Buffer.from(far),
      versionId: undefined,
      guard: undefined,
    });
    assert.ok((await gathered(reading.open({ start: 5 * 2 ** 20, end: whole.length }))).equals(second));
  });

  const renameOf = (key: string, more: Partial<RenameRequest> = {}): RenameRequest => ({
    bucket: 'bucket',
    key: Buffer.from(key),
    owner: 'o',
    guard: undefined,
    source: { key: Buffer.from('source'), guard: undefined },
    token: undefined,
    ...more,
  });

  it('get names in other shards, with their bytes and all that is said of them', async () => {
    const { objects, put, get, far, metadata } = await spread();
    for (const [size, tag] of [
      [0, 'a'],
      [100, 'b'],
      [300_000, 'c'],
    ] as const) {
      const bytes = noise(size, 1);
      await put('bucket', 'source', bytes, { tags: [['t', tag]], metadata: [['m', tag]] });
      const was = objects.look({ bucket: 'bucket', key: Buffer.from('source'), versionId: undefined });
      const { version } = await objects.rename(renameOf(far));
      assert.ok((await get('bucket', far)).equals(bytes));
      assert.equal(await codeOf(() => get('bucket', 'source')), 'NoSuchKey');
      const { guk: _, sequence: __, nonce: ___, manifest: ____, ...said } = was.version;
      assert.deepEqual({ ...version, ...said }, version, 'its times, too');
      assert.equal(metadata.reader.bucket('bucket')!.counts.objects, 1);
      assert.deepEqual([metadata.reader.renames.holds(), metadata.reader.renames.all()], [[], []]);
    }
  });

  it('made of parts stay so with names in other shards', async () => {
    const { objects, get, far } = await spread();
    const target = { bucket: 'bucket', key: Buffer.from('source') };
    const begun = { ...plain, ...target, owner: 'o', checksumAlgorithm: undefined, checksumType: undefined };
    const uploadId = uploadIdText((await objects.createUpload(begun)).id);
    const bytes = [noise(limits.partBytesMin, 2), noise(70_000, 3)];
    const parts = [];
    for (const [index, part] of bytes.entries()) {
      const { piece } = await objects.putPart({
        ...target,
        uploadId,
        number: index + 1,
        body: bodyOf(part),
        expected: {},
      });
      parts.push({ number: index + 1, etag: piece.md5.toString('hex'), checksum: undefined });
    }
    const completed = { ...target, uploadId, guard: undefined, parts, checksum: undefined, size: undefined };
    const made = await objects.completeUpload(completed);
    const { version } = await objects.rename(renameOf(far));
    assert.deepEqual([version.etag, version.etagParts], [made.version.etag, 2]);
    assert.ok((await get('bucket', far)).equals(Buffer.concat(bytes)));
  });

  it('whose parts borrow have their bytes for themselves in another shard, where their key can be opened', async () => {
    const customerKey = Buffer.alloc(32, 7);
    for (const secret of [undefined, customerKey]) {
      const { objects, put, get, far, near, shards } = await spread();
      const bytes = noise(5 * limits.stripeBytes, 1);
      await put('bucket', near, bytes);
      const target = { bucket: 'bucket', key: Buffer.from('source'), customerKey: secret };
      const begun = { ...plain, ...target, owner: 'o', checksumAlgorithm: undefined, checksumType: undefined };
      const uploadId = uploadIdText((await objects.createUpload(begun)).id);
      const source = { bucket: 'bucket', key: Buffer.from(near), versionId: undefined, guard: undefined };
      const slice = { start: 1, end: bytes.length };
      const { part } = await objects.copyPart({ ...target, uploadId, number: 1, source, slice });
      assert.ok('borrowed' in part.piece.body);
      const parts = [{ number: 1, etag: part.piece.md5.toString('hex'), checksum: undefined }];
      const about = { guard: undefined, parts, checksum: undefined, size: undefined };
      const made = await objects.completeUpload({ ...target, uploadId, ...about });
      if (secret) {
        assert.equal(await codeOf(() => objects.rename(renameOf(far))), 'NotImplemented');
        continue;
      }
      const { version } = await objects.rename(renameOf(far));
      assert.deepEqual([version.etag, version.etagParts], [made.version.etag, 1]);
      await objects.delete('bucket', 'o', [{ key: Buffer.from(near), versionId: undefined, guard: undefined }]);
      assert.ok((await get('bucket', far)).equals(bytes.subarray(1)));
      const [piece] = shards[shardOfNumber(version.sequence)]!.reader.pieces(version.manifest, 0, 1);
      assert.ok(piece && 'stripes' in piece.body);
    }
  });

  it('are renamed between shards as the conditions on both names say, and nothing is left of a refusal', async () => {
    const { objects, put, get, stripes, far, metadata } = await spread();
    await put('bucket', 'source', noise(50_000, 1));
    await put('bucket', far, noise(20, 2));
    const before = stripes.held.size;
    const guard = { ifNoneMatch: '*' };
    const source = { key: Buffer.from('source'), guard: { ifMatch: '"feed"' } };
    assert.equal(await codeOf(() => objects.rename(renameOf(far, { guard }))), 'PreconditionFailed');
    assert.equal(await codeOf(() => objects.rename(renameOf(far, { source }))), 'PreconditionFailed');
    const none = { key: Buffer.from('nothing'), guard: undefined };
    for (const key of [far, 'k7', 'k8', 'k9', 'k10'])
      assert.equal(await codeOf(() => objects.rename(renameOf(key, { source: none }))), 'NoSuchKey');
    assert.equal(stripes.held.size, before);
    assert.deepEqual([metadata.reader.renames.holds(), metadata.reader.renames.all()], [[], []]);
    assert.equal((await get('bucket', far)).length, 20);
    await objects.rename(renameOf(far));
    assert.equal((await get('bucket', far)).length, 50_000);
  });

  it('are renamed once by whoever asks again with the same token', async () => {
    const { objects, put, get, far } = await spread();
    await put('bucket', 'source', noise(50, 1));
    const { version } = await objects.rename(renameOf(far, { token: 't' }));
    await put('bucket', 'source', noise(60, 2));
    assert.equal((await objects.rename(renameOf(far, { token: 't' }))).version.sequence, version.sequence);
    assert.deepEqual([(await get('bucket', far)).length, (await get('bucket', 'source')).length], [50, 60]);
    await objects.rename(renameOf(far, { token: 'other' }));
    assert.equal((await get('bucket', far)).length, 60);
  });

  it('are renamed once by who asks with the same token while the first rename is under way', async () => {
    let meanwhile: (() => Promise<unknown>) | undefined;
    const { objects, put, get, far, metadata } = await spread((proposer) => ({
      async propose(...asked) {
        const made = await proposer.propose(...asked);
        const first = asked[0].type === 'rename.prepare' ? meanwhile : undefined;
        if (first) meanwhile = undefined;
        await first?.();
        return made;
      },
    }));
    for (const guard of [undefined, { ifNoneMatch: '*' }]) {
      const asked = renameOf(far, { token: guard ? 'b' : 'a', guard });
      if (guard) await objects.delete('bucket', 'o', [{ key: asked.key, versionId: undefined, guard: undefined }]);
      await put('bucket', 'source', noise(100_000, 1));
      let first: number | undefined;
      meanwhile = async () => {
        first = (await objects.rename(asked)).version.sequence;
      };
      const { version } = await objects.rename(asked);
      assert.equal(version.sequence, first);
      assert.equal((await get('bucket', far)).length, 100_000);
      assert.deepEqual([metadata.reader.renames.holds(), metadata.reader.renames.all()], [[], []]);
    }
    assert.equal(await codeOf(() => objects.rename(renameOf(far, { token: 'other' }))), 'NoSuchKey');
    assert.deepEqual(metadata.reader.renames.all(), []);
  });

  it('leave a marker below which their versions stay, where versions are kept', async () => {
    const { objects, put, get, far, metadata } = await spread();
    await objects.updateBucket('bucket', { versioning: 'enabled' });
    const first = await put('bucket', 'source', noise(10, 1));
    await put('bucket', 'source', noise(20, 2));
    const { version } = await objects.rename(renameOf(far));
    assert.equal(version.isNull, false);
    assert.equal((await get('bucket', far)).length, 20);
    assert.equal(await codeOf(() => get('bucket', 'source')), 'NoSuchKey');
    assert.equal((await get('bucket', 'source', versionIdText(first.version))).length, 10);
    assert.equal(
      metadata.reader.version(metadata.reader.bucket('bucket')!.id, Buffer.from('source'), undefined)?.kind,
      'marker',
    );
    assert.equal(await codeOf(() => objects.rename(renameOf('k9'))), 'NoSuchKey');
  });

  it('are kept for reads of their own shard', async () => {
    const { objects, put, metadata, shard } = await spread();
    await put('bucket', 'source', noise(100_000, 4));
    const reading = await objects.read({
      bucket: 'bucket',
      key: Buffer.from('source'),
      versionId: undefined,
      guard: undefined,
    });
    const mine = shard('source');
    assert.equal(shardOfNumber(reading.position), mine);
    assert.equal(objects.oldestRead(mine), metadata.reader.position(mine));
    for (const other of [0, 1, 2, 3, 4]) if (other !== mine) assert.equal(objects.oldestRead(other), undefined);
    assert.equal(numberOf(mine, localNumber(reading.position)), reading.position);
  });

  it('that were found by their GUK', async () => {
    const { objects, put } = await spread();
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      const { version } = await put('bucket', name, Buffer.from(name));
      assert.deepEqual(objects.byGuk(version.guk), { bucket: 'bucket', key: Buffer.from(name) });
    }
  });
});
