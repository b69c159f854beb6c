import type { TextChange } from '../types.ts';
import type { ConfigurationKind } from './configurations.ts';
import type { BucketId, BucketRecord, BucketShards, Policy, StoredBucket, Versioning } from './records.ts';
import type { SourceCommand } from './sources.ts';

/** What may be asked about buckets, of the system shard and of those that hold their objects; decide-buckets.ts says how they go together. */
export type BucketCommand =
  | SourceCommand
  | {
      readonly type: 'bucket.create';
      readonly name: string;
      readonly owner: string;
      readonly region: string;
      readonly wrappedKey: Buffer;
      readonly versioning?: Versioning;
      /** With object lock, and so with versioning. */
      readonly locks?: boolean;
      /** {@link BucketShards.shards}; absent: this shard. */
      readonly shards?: readonly number[];
    }
  /** `generation`: the one at which every shard of the bucket was sealed; refused when the record has changed since. */
  | { readonly type: 'bucket.delete'; readonly name: string; readonly generation?: number }
  /** Begins the next generation of a bucket's record, so that what was sealed at this one can be opened again and the bucket is not deleted by it. */
  | { readonly type: 'bucket.keep'; readonly id: BucketId; readonly generation: number }
  /**
   * For an object shard: the bucket's record as the system shard has it. Nothing happens where this generation, or a later one, is there already.
   * @throws StoreError ConditionalRequestConflict where the bucket is sealed at this generation or a later one
   */
  | {
      readonly type: 'bucket.adopt';
      readonly bucket: StoredBucket;
      readonly place: BucketShards;
      /** Its configuration `objectLock`, at this generation or later; absent: it does not lock. */
      readonly lock?: Buffer;
    }
  /**
   * For an object shard: takes nothing for the bucket any more, unless it holds something of it.
   * @throws StoreError BucketNotEmpty; ConditionalRequestConflict where a later generation is there
   */
  | { readonly type: 'bucket.seal'; readonly id: BucketId; readonly generation: number }
  /**
   * Gives the bucket the shards `shards`: those that it has and as many others. `generation`: the one at which they were read.
   * @throws StoreError NoSuchBucket; InvalidRequest where its objects are in the system shard; ConditionalRequestConflict where the record has changed since
   */
  | {
      readonly type: 'bucket.reshard';
      readonly name: string;
      readonly shards: readonly number[];
      readonly generation: number;
    }
  | {
      readonly type: 'bucket.update';
      readonly name: string;
      readonly versioning?: Versioning;
      /** All tags, in place of those that are there. */
      readonly tags?: readonly (readonly [string, string])[];
      /** Over those that are there, or over `tags`. */
      readonly tagChange?: TextChange;
      readonly consistency?: BucketRecord['consistency'];
      readonly redundancy?: Policy | null;
    }
  /**
   * The configuration of this kind becomes the document, or with null goes; what is as wanted already is left alone. Refused beyond the bytes of its kind.
   * `expected`: the document that it was worked out from, null where there was none.
   * @throws StoreError ConditionalRequestConflict when another is there than expected
   */
  | {
      readonly type: 'bucket.configure';
      readonly name: string;
      readonly kind: ConfigurationKind;
      readonly document: Buffer | null;
      readonly expected?: Buffer | null;
    };
