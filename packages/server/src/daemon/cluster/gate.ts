import type { Freshness, Scope } from '../../api/index.ts';
import { StoreError } from '../../errors.ts';
import type { Clock, Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { Position, SharedLog } from '../../log/index.ts';
import {
  localNumber,
  type MetadataReader,
  type ShardReplica,
  shardNotOpen,
  shardOfNumber,
  shardsInUseName,
} from '../../metadata/index.ts';

/*
 * How fresh this node is. The owner's thread follows the log, and all threads read the KV that it commits to: what it has applied, they see.
 * For how long nothing was heard from the log engine stands in shared memory, because it is asked for in passing.
 */

/** What threads ask the one that follows the log. */
export interface GateCalls {
  /** Resolves when all that was answered about this before the call, by any node, can be read on this one. Absent: about anything. */
  latest(scope?: Scope): Promise<void>;
  reached(position: Position): Promise<void>;
}

/** Shared by the threads: when the log engine was last heard from, in milliseconds since 1970. */
export type Heard = Float64Array;

export const newHeard = (): Heard => new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT));

export function createGate(log: SharedLog, replica: ShardReplica, { timers }: Pick<Host, 'timers'>): GateCalls {
  const applied = async (position: Position): Promise<void> => {
    if (replica.applied() >= position) return;
    const over = new AbortController();
    const cancel = timers.after(limits.freshMs, () => over.abort());
    await replica.reached(position, over.signal).finally(cancel);
    if (replica.applied() < position)
      throw new StoreError('ServiceUnavailable', {
        message: `This node has applied the log up to ${replica.applied()}, and not yet up to ${position}. Try again, or ask another node.`,
        retryAfter: 1,
      });
  };
  return {
    latest: async () => applied(await log.barrier()),
    async reached(position) {
      if (replica.applied() >= position) return;
      const head = await log.barrier();
      if (position > head)
        throw new StoreError('InvalidToken', {
          message: `x-dsom-token names position ${position}, and the log ends at ${head}: it comes from another store, or from before a restore.`,
        });
      await applied(position);
    },
  };
}

/** What the system shard alone knows: no bucket is called so. */
export const systemScope: Scope = { bucket: '' };

type Places = Pick<MetadataReader, 'bucket' | 'placesOf' | 'shardsOf'>;

/** Shards that have a part in what a request is about, as far as this node knows; undefined: all. Buckets are the system shard's. */
function shardsIn(reader: Places, { bucket: name, key, wide = false }: Scope): readonly number[] | undefined {
  if (wide || name === undefined) return undefined;
  const bucket = reader.bucket(name);
  if (!bucket) return [0];
  return [0, ...(key ? reader.placesOf(bucket.id, key) : reader.shardsOf(bucket.id))];
}

/** The gates of several shards, by number, as one. The array may get longer. */
export function joinGates(gates: readonly GateCalls[], reader: Places): GateCalls {
  const gateOf = (shard: number): GateCalls => {
    const gate = gates[shard];
    if (gate) return gate;
    throw shardNotOpen(shard);
  };
  return {
    async latest(scope = {}) {
      const done = new Set<number>();
      // A bucket that this node does not know before it has looked may be in more shards than it asked.
      for (let turn = 0; turn < 2; turn++) {
        const wanted = new Set(shardsIn(reader, scope) ?? gates.keys());
        for (const shard of done) wanted.delete(shard);
        for (const shard of wanted) done.add(shard);
        if (wanted.size > 0) await Promise.all(Array.from(wanted, (shard) => gateOf(shard).latest()));
      }
    },
    async reached(position) {
      await gateOf(shardOfNumber(position)).reached(localNumber(position));
    },
  };
}

/** Renames that hold keys of what a request is about. */
function holding(
  reader: Pick<MetadataReader, 'bucket' | 'renames'>,
  { bucket: name, key, wide = false }: Scope,
): readonly Buffer[] {
  const { renames } = reader;
  if (wide || name === undefined) return renames.holds().map(({ rename }) => rename);
  const id = reader.bucket(name)?.id;
  if (id === undefined) return [];
  if (!key) return renames.holds().flatMap(({ bucket, rename }) => (bucket === id ? [rename] : []));
  const hold = renames.hold(id, key);
  return hold ? [hold.rename] : [];
}

/**
 * What is held in a scope may have its new name already (decision 0016): then the old one is gone. Whoever knows nothing of a rename that holds a key
 * has to know how the shard of the old name stands behind that: it may be forgotten.
 */
async function settled(
  calls: GateCalls,
  reader: Pick<MetadataReader, 'bucket' | 'renames'>,
  scope: Scope,
): Promise<void> {
  const held = holding(reader, scope);
  if (held.length === 0) return;
  await calls.latest();
  const states = held.map((rename) => reader.renames.stateOf(rename));
  if (states.includes(undefined)) await calls.latest();
}

/** The gate as a protocol asks it, in any thread. */
export function freshnessOf(
  calls: GateCalls,
  reader: Pick<MetadataReader, 'bucket' | 'bucketShards' | 'features' | 'renames' | 'setting' | 'shards'>,
  heard: Heard,
  clock: Clock,
): NonNullable<Freshness['shared']> {
  return {
    async latest(scope) {
      await calls.latest(scope);
      if (reader.shards > 1 && reader.renames.any()) await settled(calls, reader, scope);
    },
    reached: (position) => calls.reached(position),
    moves({ bucket: name, wide = false }, shards) {
      // No bucket has got more shards where the cluster never did, and a key is held only while it gets a name in another one.
      if (wide) return reader.setting(shardsInUseName) !== undefined || reader.features().includes('renames');
      const id = name === undefined ? undefined : reader.bucket(name)?.id;
      if (id !== undefined && reader.renames.into(id)) return true;
      const place = id === undefined ? undefined : reader.bucketShards(id);
      if (id === undefined || !place) return false;
      if (place.madeWith !== undefined) return true;
      // What this node has not heard yet of the system shard, a shard that the session has seen may have taken over.
      for (const shard of shards) if ((reader.bucketShards(id, shard)?.generation ?? 0) > place.generation) return true;
      return false;
    },
    levelOf: (bucket) => reader.bucket(bucket)?.consistency ?? 'strong',
    staleMs() {
      const age = Math.max(0, Math.round(clock.now() - (heard[0] as number)));
      return age > limits.staleMs ? age : 0;
    },
  };
}
