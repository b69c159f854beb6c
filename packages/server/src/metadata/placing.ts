import type { Position } from '../log/index.ts';
import type { BucketId, BucketShards } from './machine/records.ts';

/** Which shards hold what, as a reader knows it. Where there is one shard, it is number 0. */
export interface ShardPlaces {
  /** Newest applied position; of several shards, that of the one named (default: the system shard), as a number of that shard. */
  position(shard?: number): Position;
  /** How many shards there are; the first is the system shard. */
  readonly shards: number;
  /**
   * The shard that decides what happens to a key, as far as can be seen here; `gone`: shards that have said that they do not any more.
   * @throws StoreError ServiceUnavailable where this node does not have it open
   */
  shardOf(bucket: BucketId, key: Buffer, gone?: ReadonlySet<number>): number;
  /** The shards that a key may be in. It is in one of them; the first is where it is made when it is in none. */
  placesOf(bucket: BucketId, key: Buffer): readonly number[];
  /** Whether this replica has anything of a key: a version, a marker, an open upload. */
  holds(bucket: BucketId, key: Buffer): boolean;
  /** The shards that hold objects of a bucket. */
  shardsOf(bucket: BucketId): readonly number[];
  /** Where the system shard says that a bucket's objects are; undefined: in the system shard. Of another shard: what that has taken over. */
  bucketShards(bucket: BucketId, shard?: number): BucketShards | undefined;
  /** The shard that has the intent of this stripe, fragment or prefix; 0 when none has. */
  shardOfIntent(id: Buffer): number;
}
