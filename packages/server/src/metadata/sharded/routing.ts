import { xxh3 } from '@node-rs/xxhash';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { MetadataReader } from '../types.ts';

/* Which shards a bucket gets. Where a key is among them: machine/places.ts. */

/** Name of the setting that says how many object shards a cluster is to have. */
export const objectShardsName = 'objectShards';

/** Name of the setting that says how many object shards are in use; absent: all that there are. */
export const shardsInUseName = 'objectShardsInUse';

/**
 * Object shards that buckets may be given: of those that this node has open, the ones that every node has.
 * @param open how many this node has open
 */
export function shardsInUse(reader: Pick<MetadataReader, 'setting'>, open: number): number {
  const said = reader.setting(shardsInUseName);
  return said === undefined ? open : Math.min(open, Math.max(0, Math.trunc(Number(said)) || 0));
}

/** What is said of a shard that the cluster has, and this node has yet to open. */
export const shardNotOpen = (shard: number): StoreError =>
  new StoreError('ServiceUnavailable', {
    message: `This node does not have shard ${shard} open yet: ask again in a few seconds, or ask another node.`,
    retryAfter: 5,
  });

/** The shards of a bucket and as many others, out of those in use; undefined: there are not so many. */
export function doubled(shards: readonly number[], inUse: number): readonly number[] | undefined {
  const last = shards.at(-1) ?? 0;
  const others = Array.from({ length: inUse }, (_, at) => 1 + ((last + at) % inUse)).filter(
    (shard) => !shards.includes(shard),
  );
  return others.length < shards.length ? undefined : [...shards, ...others.slice(0, shards.length)];
}

/** Shards for a new bucket out of those that there are besides the system shard: as many as a power of two, beginning where its name says. */
export function shardsForBucket(name: string, objectShards: number): readonly number[] {
  const most = Math.min(objectShards, limits.bucketShards);
  if (most < 1) return [];
  const count = 2 ** Math.floor(Math.log2(most));
  const first = Number(xxh3.xxh64(Buffer.from(name)) % BigInt(objectShards));
  return Array.from({ length: count }, (_, at) => 1 + ((first + at) % objectShards));
}
