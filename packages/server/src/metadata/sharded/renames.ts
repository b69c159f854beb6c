import { FifoMap } from '../../fifo.ts';
import { limits } from '../../limits.ts';
import type { BucketId, VersionRecord } from '../machine/records.ts';
import { type HeldKey, type Hold, type RenameRecord, shardOfRename } from '../machine/renames.ts';
import type {
  ListedObject,
  ListedVersion,
  ListQuery,
  MetadataReader,
  Page,
  RenameReader,
  VersionSelector,
} from '../types.ts';

/*
 * Reading while keys get names in other shards (decision 0016). A key that its shard holds is gone once the shard of the new name says that the rename is
 * done. That is final, so it is remembered: the row that says so is forgotten as soon as the old name has gone in its own shard, and a replica of that may be
 * behind.
 */

type VersionsQuery = Parameters<MetadataReader['listVersions']>[0];
type Prefix = { readonly prefix: Buffer };

export class ShardedRenames implements RenameReader {
  readonly #shards: readonly MetadataReader[];
  /** Renames that were seen to be done. */
  readonly #done = new FifoMap<string, true>(limits.renamesKnown);

  constructor(shards: readonly MetadataReader[]) {
    this.#shards = shards;
  }

  any(): boolean {
    return this.#shards.some(({ renames }) => renames.any());
  }

  of(id: Buffer): RenameRecord | undefined {
    return this.#shards[shardOfRename(id)]?.renames.of(id);
  }

  hold(bucket: BucketId, key: Buffer): Hold | undefined {
    for (const { renames } of this.#shards) {
      const hold = renames.any() ? renames.hold(bucket, key) : undefined;
      if (hold) return hold;
    }
    return undefined;
  }

  all(): readonly RenameRecord[] {
    return this.#shards.flatMap(({ renames }) => renames.all());
  }

  holds(): readonly HeldKey[] {
    return this.#shards.flatMap(({ renames }) => (renames.any() ? renames.holds() : []));
  }

  into(bucket: BucketId): boolean {
    return this.#shards.some(({ renames }) => renames.into(bucket));
  }

  /** What became of a rename, as this replica has it; undefined: nothing is here of it, because it was given up or forgotten, or has yet to come. */
  stateOf(id: Buffer): RenameRecord['state'] | undefined {
    const name = id.toString('latin1');
    if (this.#done.get(name)) return 'done';
    const state = this.of(id)?.state;
    if (state !== 'done') return state;
    this.#done.set(name, true);
    return state;
  }

  #hasMoved({ renames }: MetadataReader, bucket: BucketId, key: Buffer): boolean {
    const hold = renames.any() ? renames.hold(bucket, key) : undefined;
    return hold !== undefined && this.stateOf(hold.rename) === 'done';
  }

  /** What a shard has of a key. */
  version(shard: MetadataReader, bucket: BucketId, key: Buffer, selector: VersionSelector): VersionRecord | undefined {
    // Looked at first: a hold that comes after this is of a rename that nobody has been told of yet.
    const moved = this.#hasMoved(shard, bucket, key);
    const found = shard.version(bucket, key, selector);
    if (!moved || !found) return found;
    const goes = selector === undefined || (selector === 'null' && found.isNull && this.#removes(bucket));
    return goes ? undefined : found;
  }

  list(shard: MetadataReader, query: ListQuery): Page<ListedObject | Prefix> {
    const moved = this.#movedIn(shard, query.bucket);
    if (moved.size === 0) return shard.list(query);
    return withoutMoved<ListedObject>(
      moved,
      query,
      () => true,
      (asked) => shard.list(asked),
    );
  }

  listVersions(shard: MetadataReader, query: VersionsQuery): Page<ListedVersion | Prefix> {
    const moved = this.#movedIn(shard, query.bucket);
    if (moved.size === 0) return shard.listVersions(query);
    const removes = this.#removes(query.bucket);
    const goes = ({ record, isLatest }: ListedVersion): boolean => removes && isLatest && record.isNull;
    const page = withoutMoved<ListedVersion>(moved, query, goes, (asked) =>
      shard.listVersions({ ...asked, after: asked.start === query.start ? query.after : undefined }),
    );
    // Its marker is about to come.
    const items = page.items.map((item) =>
      !('prefix' in item) && moved.has(item.key.toString('latin1')) ? { ...item, isLatest: false } : item,
    );
    return { ...page, items };
  }

  /** Whether the deletion of a key takes its null version away. */
  #removes(bucket: BucketId): boolean {
    return this.#shards[0]?.bucketById(bucket)?.versioning !== 'enabled';
  }

  /** Keys of a bucket in a shard that are held, and have their new names; as latin1. */
  #movedIn({ renames }: MetadataReader, bucket: BucketId): ReadonlySet<string> {
    if (!renames.any()) return none;
    const moved = renames.holds().filter((one) => one.bucket === bucket && this.stateOf(one.rename) === 'done');
    return new Set(moved.map(({ key }) => key.toString('latin1')));
  }
}

const none: ReadonlySet<string> = new Set();

/**
 * A page of a shard without what has moved. A common prefix stays only where something else is below it.
 * @param moved keys of it, as latin1, of each of which one item at most goes
 * @param goes whether an item of one of them does
 * @param list asks the shard
 */
function withoutMoved<Item extends { readonly key: Buffer }>(
  moved: ReadonlySet<string>,
  query: ListQuery,
  goes: (item: Item) => boolean,
  list: (query: ListQuery) => Page<Item | Prefix>,
): Page<Item | Prefix> {
  const isGone = (item: Item | Prefix): boolean =>
    !('prefix' in item) && moved.has(item.key.toString('latin1')) && goes(item);
  const isEmpty = ({ prefix }: Prefix): boolean => {
    const below = prefix.toString('latin1');
    const many = [...moved].filter((key) => key.startsWith(below)).length;
    if (many === 0) return false;
    const keys = list({ ...query, prefix, delimiter: Buffer.alloc(0), start: prefix, limit: many + 1 });
    return keys.items.every(isGone);
  };
  // What is left out leaves room: as many more are asked for.
  const page = list({ ...query, limit: query.limit + moved.size });
  const items = page.items.filter((item) => ('prefix' in item ? !isEmpty(item) : !isGone(item)));
  return { items: items.slice(0, query.limit), truncated: page.truncated || items.length > query.limit };
}
