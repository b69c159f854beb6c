import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../codec/index.ts';
import { limits } from '../limits.ts';
import { localNumber, numberOf, shardOfNumber } from '../metadata/index.ts';
import { uploadIdText } from './ids.ts';
import { gathered } from './pipeline.fixture.ts';
import { bodyOf, openService, plain } from './service.fixture.ts';
import { noise } from './stripes.fixture.ts';

/** A service with shards, and two keys of one bucket that are in different ones. */
async function spread() {
  const service = await openService({ shards: 4 });
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
