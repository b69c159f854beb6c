import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { StoreError } from '../../errors.ts';
import { lookingFor } from '../../host/patience.support.ts';
import { Comparison } from '../compare.support.ts';
import { type Run, startRun } from '../driven.support.ts';
import { audit } from '../ledger.support.ts';
import { localNumber, numberOf, shardOfNumber } from '../machine/numbering.ts';
import { placeOfKey } from '../machine/places.ts';
import { inlinePiece } from '../rig.support.ts';
import { type Operation, scenario } from '../scenarios.support.ts';
import { ShardedRig } from './rig.support.ts';
import { shardsForBucket } from './routing.ts';

function check(run: Run, rig: ShardedRig, op: Operation): void {
  const comparison = new Comparison(rig.reader);
  for (const [index, bucket] of run.model.entries()) comparison.checkBucket(bucket, run.ids[index]!, index, op);
  for (const shard of rig.each) audit(shard.kv);
}

const code =
  (wanted: StoreError['code']) =>
  (error: StoreError): boolean =>
    error.code === wanted;

describe('several shards', () => {
  for (const shards of [1, 2, 4, 8])
    it(`of which ${shards} hold objects are as one: a plain model, listings and all`, { timeout: 240_000 }, () =>
      fc.assert(
        fc.asyncProperty(scenario(50), async ({ versioning, operations }) => {
          const rig = await ShardedRig.start(shards);
          const run = await startRun(versioning, rig);
          for (const [at, op] of operations.entries()) {
            await run.step(op);
            if (at % 8 === 7) check(run, rig, op);
          }
          check(run, rig, operations[0]!);
        }),
        { numRuns: 30, ...lookingFor(30_000) },
      ),
    );

  it('hold all that was put, each a part', async () => {
    const rig = await ShardedRig.start(4);
    const bucket = await rig.bucket('spread');
    for (let i = 0; i < 200; i++) await rig.put(bucket, `k${i}`, inlinePiece(`${i}`));
    const held = rig.each.map(({ reader }) => reader.bucket('spread')!.counts.objects);
    assert.equal(held[0], 0);
    for (const objects of held.slice(1)) assert.ok(objects > 20, `${held}`);
    assert.equal(rig.reader.bucket('spread')!.counts.objects, 200);
    const numbers = rig.each.slice(1).map(({ reader }) => reader.position());
    assert.deepEqual(
      numbers,
      [1, 2, 3, 4].map((shard) => localNumber(rig.reader.position(shard))),
    );
    const { version } = await rig.put(bucket, 'k1', inlinePiece('again'));
    const shard = rig.reader.shardOf(bucket, Buffer.from('k1'));
    assert.equal(shardOfNumber(version.sequence), shard);
    assert.deepEqual(rig.reader.byGuk(version.guk), { bucket, key: Buffer.from('k1') });
    assert.equal(shardOfNumber(numberOf(shard, 5)), shard);
  });

  it('take deletions of many keys apart, and answer in their order', async () => {
    const rig = await ShardedRig.start(4);
    const bucket = await rig.bucket('many');
    const keys = Array.from({ length: 40 }, (_, i) => Buffer.from(`k${i}`));
    for (const [i, key] of keys.entries()) if (i % 3) await rig.put(bucket, key, inlinePiece(`${i}`));
    const items = keys.map((key) => ({ key, version: undefined, guard: undefined }));
    const { results } = await rig.do({ type: 'object.delete', bucket, owner: 'o', items }, 'deleted');
    for (const [i, result] of results.entries())
      assert.equal(result.version?.kind === 'object' ? result.version.size : 0, i % 3 ? `${i}`.length : 0);
    assert.equal(rig.reader.bucket('many')!.counts.objects, 0);
  });

  it('know of versioning before it is answered', async () => {
    const rig = await ShardedRig.start(4);
    const bucket = await rig.bucket('kept');
    await rig.do({ type: 'bucket.update', name: 'kept', versioning: 'enabled' }, 'bucket');
    for (const shard of rig.each.slice(1)) assert.equal(shard.reader.bucket('kept')!.versioning, 'enabled');
    const { version } = await rig.put(bucket, 'k', inlinePiece('1'));
    assert.equal(version.isNull, false);
  });
});

describe('a bucket over several shards', () => {
  const remove = (rig: ShardedRig) => rig.do({ type: 'bucket.delete', name: 'bucket' }, 'done');

  it('is deleted when no shard holds anything of it', async () => {
    const rig = await ShardedRig.start(4);
    const bucket = await rig.bucket('bucket');
    await rig.put(bucket, 'k', inlinePiece('1'));
    await assert.rejects(remove(rig), code('BucketNotEmpty'));
    await rig.remove(bucket, 'k');
    await remove(rig);
    assert.equal(rig.reader.bucket('bucket'), undefined);
    await assert.rejects(rig.put(bucket, 'k', inlinePiece('2')), code('NoSuchBucket'));
    // Its name is free again, and what an old record says of it stays without effect.
    const again = await rig.bucket('bucket');
    await rig.put(again, 'k', inlinePiece('3'));
    assert.equal(rig.reader.bucket('bucket')!.counts.objects, 1);
  });

  it('that a deletion which came to nothing left sealed is opened by the next write', async () => {
    const rig = await ShardedRig.start(4);
    const bucket = await rig.bucket('bucket');
    const { generation } = rig.reader.bucketShards(bucket)!;
    for (const shard of rig.each.slice(1))
      await shard.metadata.propose({ type: 'bucket.seal', id: bucket, generation });
    await rig.put(bucket, 'k', inlinePiece('1'));
    assert.equal(rig.reader.bucket('bucket')!.counts.objects, 1);
    // The deletion goes on only now: it finds the next generation.
    const late = rig.each[0]!.metadata.propose({ type: 'bucket.delete', name: 'bucket', generation });
    await assert.rejects(late, code('ConditionalRequestConflict'));
    assert.equal(rig.reader.bucket('bucket')!.counts.objects, 1);
  });

  it('is not opened again by an old record once it is gone', async () => {
    const rig = await ShardedRig.start(2);
    const bucket = await rig.bucket('bucket');
    const { counts: _, ...record } = rig.reader.bucket('bucket')!;
    const place = rig.reader.bucketShards(bucket)!;
    await remove(rig);
    for (const shard of rig.each.slice(1)) {
      const adopt = shard.metadata.propose({ type: 'bucket.adopt', bucket: record, place });
      await assert.rejects(adopt, code('ConditionalRequestConflict'));
    }
  });

  it('loses no write that was acknowledged, whatever deletes it meanwhile', { timeout: 240_000 }, () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ writes: fc.boolean(), key: fc.nat(5), turns: fc.nat(4) }), {
          minLength: 6,
          maxLength: 14,
        }),
        fc.boolean(),
        async (steps, crashes) => {
          const rig = await ShardedRig.start(4);
          const id = await rig.bucket('bucket');
          const acknowledged = new Set<string>();
          let deleted = 0;
          const running: Promise<unknown>[] = [];
          for (const { writes, key, turns } of steps) {
            const name = `k${key}`;
            running.push(
              writes
                ? rig.put(id, name, inlinePiece(name)).then(
                    () => acknowledged.add(name),
                    (error: StoreError) => assert.equal(error.code, 'NoSuchBucket'),
                  )
                : remove(rig).then(
                    () => deleted++,
                    (error: StoreError) =>
                      assert.ok(['BucketNotEmpty', 'NoSuchBucket', 'ConditionalRequestConflict'].includes(error.code)),
                  ),
            );
            for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
          }
          await Promise.all(running);
          if (crashes) await rig.crash();
          assert.ok(deleted <= 1);
          if (deleted === 1) {
            assert.equal(acknowledged.size, 0, 'a write was acknowledged in a bucket that was deleted');
            assert.equal(rig.reader.bucket('bucket'), undefined);
            return;
          }
          for (const name of acknowledged)
            assert.equal(rig.reader.version(id, Buffer.from(name), undefined)?.kind, 'object');
          // Whatever was left half way stands in nobody's way.
          await rig.put(id, 'last', inlinePiece('last'));
          assert.equal(rig.reader.bucket('bucket')!.counts.objects, acknowledged.size + 1);
        },
      ),
      { numRuns: 150, ...lookingFor(40_000) },
    ),
  );
});

describe('where a key is', () => {
  it('never changes', () => {
    // Of stores that exist: a line that does not match any more is a broken store.
    const places = ['', 'a', 'key', 'photos/2026/1.jpg', '\u00e9'].map((key) => placeOfKey(7, Buffer.from(key), 16));
    assert.deepEqual(places, [12, 1, 1, 2, 15]);
    // With half as many shards, it is the same place modulo their number.
    for (const key of ['a', 'b', 'c'])
      assert.equal(placeOfKey(7, Buffer.from(key), 16) % 8, placeOfKey(7, Buffer.from(key), 8));
  });

  it('is in as many shards as a power of two, of those that there are', () => {
    assert.deepEqual(shardsForBucket('any', 0), []);
    for (const count of [1, 2, 3, 4, 7, 64]) {
      const shards = shardsForBucket('any', count);
      assert.ok(Number.isInteger(Math.log2(shards.length)));
      assert.equal(new Set(shards).size, shards.length);
      for (const shard of shards) assert.ok(shard >= 1 && shard <= count);
    }
  });
});
