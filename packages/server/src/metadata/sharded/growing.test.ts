import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { StoreError } from '../../errors.ts';
import { lookingFor } from '../../host/patience.support.ts';
import { limits } from '../../limits.ts';
import { Comparison } from '../compare.support.ts';
import { startRun } from '../driven.support.ts';
import { audit } from '../ledger.support.ts';
import { shardsOfKey } from '../machine/places.ts';
import { inlinePiece, startUpload } from '../rig.support.ts';
import { names, scenario } from '../scenarios.support.ts';
import { ShardedRig } from './rig.support.ts';
import { doubled, shardsInUseName } from './routing.ts';

/* Buckets that get more shards while they are written, read and listed: decision 0015. */

const code =
  (wanted: StoreError['code']) =>
  (error: StoreError): boolean =>
    error.code === wanted;

/** New buckets have one shard, out of as many as the rig has open. */
async function startWith(objectShards: number): Promise<ShardedRig> {
  const rig = await ShardedRig.start(objectShards);
  await rig.do({ type: 'setting.write', name: shardsInUseName, value: '1' }, 'done');
  return rig;
}

/** Twice as many shards for a bucket, if there are so many. */
async function grow(rig: ShardedRig, id: number): Promise<boolean> {
  const place = rig.reader.bucketShards(id);
  const name = rig.reader.bucketById(id)?.name;
  const shards = place && doubled(place.shards, rig.each.length - 1);
  if (!place || !name || !shards) return false;
  await rig.do({ type: 'bucket.reshard', name, shards, generation: place.generation }, 'bucket');
  return true;
}

/** The shards that hold a key: one at most. */
const holders = (rig: ShardedRig, id: number, key: Buffer): number[] =>
  [...rig.each.keys()].filter((shard) => shard > 0 && rig.each[shard]!.reader.holds(id, key));

describe('a bucket that gets more shards', () => {
  for (const shards of [2, 4])
    it(`while it is used, up to ${shards}: a plain model, listings and all`, { timeout: 120_000 }, () =>
      fc.assert(
        fc.asyncProperty(
          scenario(60),
          fc.array(fc.record({ at: fc.nat(59), bucket: fc.nat(names.length - 1) }), { minLength: 1, maxLength: 4 }),
          async ({ versioning, operations }, growths) => {
            const rig = await startWith(shards);
            const run = await startRun(versioning, rig);
            const check = (at: number): void => {
              const comparison = new Comparison(rig.reader);
              for (const [index, bucket] of run.model.entries()) {
                comparison.checkBucket(bucket, run.ids[index]!, index, operations[at]!);
                for (const text of bucket.keys.keys())
                  assert.ok(holders(rig, run.ids[index]!, Buffer.from(text, 'latin1')).length <= 1);
              }
              for (const shard of rig.each) audit(shard.kv);
            };
            for (const [at, op] of operations.entries()) {
              for (const one of growths)
                if (one.at === at) {
                  await grow(rig, run.ids[one.bucket % run.ids.length]!);
                  check(at);
                }
              await run.step(op);
              if (at % 8 === 7) check(at);
            }
            check(0);
          },
        ),
        { numRuns: 60, ...lookingFor(50_000) },
      ),
    );

  it('keeps what it has where it is, and makes new keys everywhere', async () => {
    const rig = await startWith(4);
    const id = await rig.bucket('bucket', 'enabled');
    const before = Array.from({ length: 40 }, (_, i) => `old${i}`);
    for (const key of before) await rig.put(id, key, inlinePiece(key));
    const [first] = rig.reader.shardsOf(id);
    for (const count of [2, 4]) {
      assert.ok(await grow(rig, id));
      assert.equal(rig.reader.shardsOf(id).length, count);
    }
    assert.equal(await grow(rig, id), false);
    for (const key of before) {
      const { version } = await rig.put(id, key, inlinePiece(`${key} again`));
      assert.deepEqual(holders(rig, id, Buffer.from(key)), [first]);
      assert.equal(version.isNull, false);
    }
    for (let i = 0; i < 200; i++) {
      const key = Buffer.from(`new${i}`);
      await rig.put(id, key, inlinePiece('new'));
      assert.deepEqual(holders(rig, id, key), [rig.reader.placesOf(id, key)[0]]);
    }
    const held = rig.reader.shardsOf(id).map((shard) => rig.each[shard]!.reader.bucketById(id)!.counts.objects);
    for (const objects of held) assert.ok(objects > 20, `${held}`);
    assert.equal(rig.reader.bucket('bucket')!.counts.objects, 240);
    const none = Buffer.alloc(0);
    const page = rig.reader.list({ bucket: id, prefix: none, delimiter: none, start: none, limit: 1000 });
    const listed = page.items.map((item) => ('key' in item ? item.key.toString() : ''));
    assert.deepEqual(listed, [...before, ...Array.from({ length: 200 }, (_, i) => `new${i}`)].sort());
  });

  it('takes a key that was deleted in its new place, and never again in the old one', async () => {
    const rig = await startWith(2);
    const id = await rig.bucket('bucket');
    const keys = Array.from({ length: 30 }, (_, i) => Buffer.from(`k${i}`));
    for (const key of keys) await rig.put(id, key, inlinePiece('1'));
    await grow(rig, id);
    const leaving = keys.filter((key) => rig.reader.placesOf(id, key).length === 2);
    assert.ok(leaving.length > 5);
    for (const key of leaving) {
      const [made, old] = rig.reader.placesOf(id, key) as [number, number];
      assert.equal(rig.reader.shardOf(id, key), old);
      await rig.remove(id, key);
      assert.equal(rig.reader.shardOf(id, key), made);
      // Asked by a node that does not know of the growth, it does not say that it deleted nothing.
      const items = [{ key, version: undefined, guard: undefined }];
      const late = rig.each[old]!.metadata.propose({ type: 'object.delete', bucket: id, owner: 'o', items });
      await assert.rejects(late, code('NotInThisShard'));
      await rig.put(id, key, inlinePiece('2'));
      assert.deepEqual(holders(rig, id, key), [made]);
    }
  });

  it('keeps a key with an open upload where it was begun, until it is completed or given up', async () => {
    const rig = await startWith(2);
    const id = await rig.bucket('bucket');
    const keys = Array.from({ length: 12 }, (_, i) => Buffer.from(`k${i}`));
    const uploads: Buffer[] = [];
    for (const key of keys) uploads.push(await startUpload(rig, id, key));
    const [first] = rig.reader.shardsOf(id);
    await grow(rig, id);
    for (const [at, key] of keys.entries()) {
      assert.equal(rig.reader.shardOf(id, key), first);
      const second = await startUpload(rig, id, key);
      assert.deepEqual(holders(rig, id, key), [first]);
      for (const upload of [uploads[at]!, second])
        await rig.do({ type: 'upload.abort', bucket: id, key, upload }, 'done');
      assert.equal(rig.reader.shardOf(id, key), rig.reader.placesOf(id, key)[0]);
    }
  });

  it('answers deletions of many keys in their order, wherever each is', async () => {
    const rig = await startWith(4);
    const id = await rig.bucket('bucket');
    const keys = Array.from({ length: 60 }, (_, i) => Buffer.from(`k${i}`));
    for (const [i, key] of keys.entries()) if (i % 3) await rig.put(id, key, inlinePiece(`${i}`));
    await grow(rig, id);
    for (const [i, key] of keys.entries()) if (i % 3 === 0) await rig.put(id, key, inlinePiece(`${i}`));
    await grow(rig, id);
    const items = [...keys, ...keys].map((key) => ({ key, version: undefined, guard: undefined }));
    const { results } = await rig.do({ type: 'object.delete', bucket: id, owner: 'o', items }, 'deleted');
    for (const [i, { version }] of results.entries())
      assert.equal(version?.kind === 'object' ? version.size : 0, i < 60 ? `${i}`.length : 0, `${i}`);
    assert.equal(rig.reader.bucket('bucket')!.counts.objects, 0);
  });

  it('is deleted when none of its shards holds anything, and not before', async () => {
    const rig = await startWith(4);
    const id = await rig.bucket('bucket');
    await rig.put(id, 'k', inlinePiece('1'));
    await grow(rig, id);
    await grow(rig, id);
    const remove = () => rig.do({ type: 'bucket.delete', name: 'bucket' }, 'done');
    await assert.rejects(remove(), code('BucketNotEmpty'));
    await rig.remove(id, 'k');
    await remove();
    await assert.rejects(rig.put(id, 'k', inlinePiece('2')), code('NoSuchBucket'));
  });

  it('goes on with what was taken over by some of its shards only', async () => {
    const rig = await startWith(2);
    const id = await rig.bucket('bucket');
    await rig.put(id, 'k0', inlinePiece('1'));
    const place = rig.reader.bucketShards(id)!;
    const shards = doubled(place.shards, 2)!;
    // Whoever asked died right after the system shard had it.
    await rig.each[0]!.metadata.propose({
      type: 'bucket.reshard',
      name: 'bucket',
      shards,
      generation: place.generation,
    });
    for (let i = 0; i < 40; i++) {
      const key = Buffer.from(`k${i}`);
      await rig.put(id, key, inlinePiece('2'));
      // Its old shard does not know yet, so it goes on making keys.
      assert.deepEqual(holders(rig, id, key), [place.shards[0]]);
    }
    await rig.crash();
    await rig.do({ type: 'bucket.update', name: 'bucket', versioning: 'enabled' }, 'bucket');
    for (let i = 40; i < 80; i++) {
      const key = Buffer.from(`k${i}`);
      await rig.put(id, key, inlinePiece('2'));
      assert.deepEqual(holders(rig, id, key), [rig.reader.placesOf(id, key)[0]]);
    }
    assert.equal(rig.reader.bucket('bucket')!.counts.objects, 80);
  });

  it('is refused what was asked of another generation, and more shards than a bucket may have', async () => {
    const rig = await startWith(limits.bucketShards * 2);
    const id = await rig.bucket('bucket');
    const { shards, generation } = rig.reader.bucketShards(id)!;
    while (rig.reader.shardsOf(id).length < limits.bucketShards) await grow(rig, id);
    const late = { type: 'bucket.reshard', name: 'bucket', shards: doubled(shards, 2)!, generation } as const;
    await assert.rejects(rig.metadata.propose(late), code('ConditionalRequestConflict'));
    await assert.rejects(grow(rig, id), code('InvalidRequest'));
    await assert.rejects(rig.metadata.propose({ ...late, name: 'nobody' }), code('NoSuchBucket'));
  });
});

describe('where a key of a bucket with more shards may be', () => {
  it('is where it is made first, then where it was made before', () => {
    const shards = [5, 6, 7, 8];
    const seen = new Set<string>();
    for (let i = 0; i < 200; i++) seen.add(shardsOfKey({ shards, madeWith: 1 }, 7, Buffer.from(`k${i}`)).join());
    assert.deepEqual([...seen].sort(), ['5', '6,5', '7,5', '8,6,5']);
    const two = new Set<string>();
    for (let i = 0; i < 200; i++) two.add(shardsOfKey({ shards, madeWith: 2 }, 7, Buffer.from(`k${i}`)).join());
    assert.deepEqual([...two].sort(), ['5', '6', '7,5', '8,6']);
  });

  it('is in other shards than those that it has, as many again', () => {
    assert.deepEqual(doubled([1], 4), [1, 2]);
    assert.deepEqual(doubled([3, 4], 4), [3, 4, 1, 2]);
    assert.deepEqual(doubled([4], 4), [4, 1]);
    assert.equal(doubled([1, 2], 3), undefined);
    assert.equal(doubled([1], 1), undefined);
  });
});
