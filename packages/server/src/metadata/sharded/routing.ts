import { xxh3 } from '@node-rs/xxhash';
import { limits } from '../../limits.ts';
import type { BucketId } from '../machine/records.ts';

/* Which of its shards a key is in. Never to be changed: what was written by one version of this is looked for by all later ones. */

const scratch = Buffer.allocUnsafe(4 + limits.keyBytes);

/** Place of a key among the `count` shards of its bucket, `count` being a power of two: the low bits of XXH3-64 of bucket id (u32 big-endian) ‖ key. */
export function placeOfKey(bucket: BucketId, key: Uint8Array, count: number): number {
  if (count === 1 || key.length > limits.keyBytes) return 0;
  scratch.writeUInt32BE(bucket, 0);
  scratch.set(key, 4);
  return Number(xxh3.xxh64(scratch.subarray(0, 4 + key.length)) & BigInt(count - 1));
}

/** Shards for a new bucket out of those that there are besides the system shard: as many as a power of two, beginning where its name says. */
export function shardsForBucket(name: string, objectShards: number): readonly number[] {
  const most = Math.min(objectShards, limits.bucketShards);
  if (most < 1) return [];
  const count = 2 ** Math.floor(Math.log2(most));
  const first = Number(xxh3.xxh64(Buffer.from(name)) % BigInt(objectShards));
  return Array.from({ length: count }, (_, at) => 1 + ((first + at) % objectShards));
}
