import { xxh3 } from '@node-rs/xxhash';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { BucketId, BucketShards } from './records.ts';
import type { View } from './view.ts';

/*
 * Which of its shards a key is in. Never to be changed: what was written by one version of this is looked for by all later ones.
 *
 * A bucket may get more shards, each time twice as many, the ones before first. Then a key that is there stays where it is, for as long as it has a
 * version or an open upload, and one that is not there is made in the place that the present number of shards gives. So a key is in one shard at any
 * time, and the shard that it leaves, by being deleted, never takes it again (decision 0015).
 */

const scratch = Buffer.allocUnsafe(4 + limits.keyBytes);

/** Place of a key among the `count` shards of its bucket, `count` being a power of two: the low bits of XXH3-64 of bucket id (u32 big-endian) ‖ key. */
export function placeOfKey(bucket: BucketId, key: Uint8Array, count: number): number {
  if (count === 1 || key.length > limits.keyBytes) return 0;
  scratch.writeUInt32BE(bucket, 0);
  scratch.set(key, 4);
  return Number(xxh3.xxh64(scratch.subarray(0, 4 + key.length)) & BigInt(count - 1));
}

type Shards = Pick<BucketShards, 'shards' | 'madeWith'>;

/** The shards that may hold a key: the one in which it is made first, then those that may have it from before, the latest first. */
export function shardsOfKey({ shards, madeWith }: Shards, bucket: BucketId, key: Uint8Array): readonly number[] {
  let place = placeOfKey(bucket, key, shards.length);
  const found = [shards[place] as number];
  if (madeWith === undefined) return found;
  for (let count = shards.length / 2; count >= madeWith; count /= 2) {
    const before = place & (count - 1);
    if (before !== place) found.push(shards[before] as number);
    place = before;
  }
  return found;
}

/** Whether a shard, which has such a row of a bucket, makes the key no more. */
export const leaves = (row: BucketShards, shard: number, key: Uint8Array): boolean =>
  row.madeWith !== undefined && shardsOfKey(row, row.id, key)[0] !== shard;

/**
 * A key that is not here, and is made elsewhere from now on, is never here again: so whoever is told this once can rely on it.
 * @throws StoreError NotInThisShard
 */
export function checkHere(view: View, bucket: BucketId, key: Buffer, shard: number): void {
  // The system shard holds the objects of buckets that have no such row.
  const row = shard === 0 ? undefined : view.bucketShards(bucket);
  if (row?.madeWith === undefined || !view.bucket(bucket)) return;
  if (leaves(row, shard, key) && !view.holds(bucket, key)) throw new StoreError('NotInThisShard');
}
