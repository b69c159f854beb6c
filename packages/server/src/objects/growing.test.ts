import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limits } from '../limits.ts';
import { doubled, shardOfNumber, shardsInUseName, type UploadRecord } from '../metadata/index.ts';
import { uploadIdText } from './ids.ts';
import { gathered } from './pipeline.fixture.ts';
import { bodyOf, codeOf, openService, plain } from './service.fixture.ts';
import { noise } from './stripes.fixture.ts';

/* Objects of a bucket that gets more shards: their bytes, uploads, copies and reads (decision 0015). */

const bucket = 'bucket';
const named = (key: string) => ({ bucket, key: Buffer.from(key), versionId: undefined, guard: undefined });

/** A bucket of one shard; `grow` gives it a second one. `leaving`: keys that would be made there from then on. */
async function service() {
  const made = await openService({ shards: 2 });
  const { metadata, objects } = made;
  const { reader } = metadata;
  await metadata.propose({ type: 'setting.write', name: shardsInUseName, value: '1' });
  const { id } = await objects.createBucket({ name: bucket, owner: 'o', region: 'r' });
  const grow = async (): Promise<void> => {
    const { shards, generation } = reader.bucketShards(id)!;
    await metadata.propose({ type: 'bucket.reshard', name: bucket, shards: doubled(shards, 2)!, generation });
  };
  const shard = (key: string): number => reader.shardOf(id, Buffer.from(key));
  const leaves = (key: string): boolean => reader.placesOf(id, Buffer.from(key)).length === 2;
  const remove = (key: string) =>
    objects.delete(bucket, 'o', [{ key: Buffer.from(key), versionId: undefined, guard: undefined }]);
  return { ...made, id, grow, shard, leaves, remove };
}

const keys = Array.from({ length: 16 }, (_, i) => `k${i}`);

describe('objects of a bucket that gets more shards', () => {
  it('are read, replaced, and made again elsewhere, with their bytes', async () => {
    const { put, get, grow, shard, leaves, remove, stripes } = await service();
    const bytes = keys.map((_, i) => noise(i % 2 ? 200_000 : 300, i));
    for (const [i, key] of keys.entries()) await put(bucket, key, bytes[i]!);
    const [one] = keys.map(shard);
    await grow();
    for (const [i, key] of keys.entries()) assert.ok((await get(bucket, key)).equals(bytes[i]!));
    for (const [i, key] of keys.entries()) {
      const again = noise(150_000, 100 + i);
      await put(bucket, key, again);
      assert.equal(shard(key), one);
      assert.ok((await get(bucket, key)).equals(again));
      await remove(key);
      assert.equal(await codeOf(() => get(bucket, key)), 'NoSuchKey');
      const { version } = await put(bucket, key, bytes[i]!);
      assert.equal(shardOfNumber(version.sequence) === one, !leaves(key));
      assert.ok((await get(bucket, key)).equals(bytes[i]!));
    }
    assert.ok(keys.some(leaves));
    assert.ok(stripes.created() > 16);
  });

  it('are completed from uploads that were begun before, in the shard of the upload', async () => {
    const { objects, grow, shard, leaves, get } = await service();
    const uploads: UploadRecord[] = [];
    for (const one of keys)
      uploads.push(
        await objects.createUpload({
          ...plain,
          bucket,
          key: Buffer.from(one),
          owner: 'o',
          checksumAlgorithm: undefined,
          checksumType: undefined,
        }),
      );
    const before = shard('k0');
    await grow();
    for (const [i, one] of keys.entries()) {
      const target = { bucket, key: Buffer.from(one), uploadId: uploadIdText(uploads[i]!.id) };
      const body = noise(90_000, i);
      const part = await objects.putPart({ ...target, number: 1, body: bodyOf(body), expected: {} });
      const parts = [{ number: 1, etag: part.piece.md5.toString('hex'), checksum: undefined }];
      const about = { ...target, guard: undefined, parts, checksum: undefined, size: undefined };
      const { version } = await objects.completeUpload(about);
      assert.equal(shardOfNumber(version.sequence), before);
      assert.ok((await get(bucket, one)).equals(body));
    }
    assert.ok(keys.some(leaves));
  });

  it('are copied by their bytes where the copy is made in another shard, and else share them', async () => {
    const { objects, put, get, grow, shard, leaves, remove, stripes } = await service();
    const bytes = noise(200_000, 1);
    await put(bucket, 'source', bytes);
    await grow();
    const copyTo = (key: string) =>
      objects.copy({
        source: named('source'),
        bucket,
        key: Buffer.from(key),
        owner: 'o',
        guard: undefined,
        storageClass: 'STANDARD',
        checksumAlgorithm: undefined,
      });
    for (const key of keys) {
      const before = stripes.created();
      await copyTo(key);
      assert.equal(stripes.created() > before, leaves(key), key);
    }
    await remove('source');
    for (const key of keys) assert.ok((await get(bucket, key)).equals(bytes));
    assert.equal(new Set(keys.map(shard)).size, 2);
  });

  it('whose key leaves its shard while their bytes come are refused, to be put again', async () => {
    const { put, get, grow, leaves, remove, metadata } = await service();
    for (const one of keys) await put(bucket, one, noise(100, 1));
    await grow();
    const leaving = keys.filter(leaves);
    assert.ok(leaving.length > 0);
    for (const one of leaving) {
      const bytes = noise(limits.frameBytes * 3, 7);
      const half = Promise.withResolvers<void>();
      const body = {
        stream: (async function* () {
          yield bytes.subarray(0, limits.frameBytes);
          await half.promise;
          yield bytes.subarray(limits.frameBytes);
        })(),
        length: bytes.length,
      };
      const late = put(bucket, one, bytes, { body });
      const refused = codeOf(() => late);
      await remove(one);
      half.resolve();
      assert.equal(await refused, 'ServiceUnavailable');
      assert.equal(await codeOf(() => get(bucket, one)), 'NoSuchKey');
      await put(bucket, one, bytes);
      assert.ok((await get(bucket, one)).equals(bytes));
    }
    assert.equal(metadata.reader.bucket(bucket)!.counts.objects, keys.length);
  });

  it('keep the bytes of a read that is under way, in whichever shard they are', async () => {
    const { objects, put, grow, leaves, remove, shard } = await service();
    for (const key of keys) await put(bucket, key, noise(200_000, 3));
    await grow();
    for (const key of keys.filter(leaves)) {
      await remove(key);
      const bytes = noise(220_000, 4);
      await put(bucket, key, bytes);
      const reading = await objects.read(named(key));
      const stream = reading.open({ start: 0, end: bytes.length });
      assert.equal(shardOfNumber(reading.position), shard(key));
      await remove(key);
      assert.ok((objects.oldestRead(shardOfNumber(reading.position)) ?? Infinity) <= reading.position);
      assert.ok((await gathered(stream)).equals(bytes));
    }
  });
});
