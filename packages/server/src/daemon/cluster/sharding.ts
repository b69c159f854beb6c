import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import {
  doubled,
  type Metadata,
  type MetadataReader,
  objectShardsName,
  shardsInUse,
  shardsInUseName,
} from '../../metadata/index.ts';

/*
 * How many object shards the cluster has, how many of them are in use, and which buckets need more (decision 0015). A setting says how many every node
 * opens, when it starts and while it runs (further.ts). A shard is given to buckets once every node has it open: what another node wrote there would be
 * garbage to a node without it. A node that opens a shard says so in the shard, and whenever it starts again it opens at least as many.
 */

/** How many object shards the cluster is to have; undefined: it was begun before there were any. */
export function objectShardsOf(reader: Pick<MetadataReader, 'setting'>): number | undefined {
  const value = reader.setting(objectShardsName);
  return value === undefined ? undefined : Math.max(0, Math.min(limits.objectShards, Math.trunc(Number(value)) || 0));
}

type NodesOf = Pick<MetadataReader, 'nodes'>;

/** Nodes that have not said in a shard that they have it open. */
export function lacking(system: NodesOf, shard: NodesOf): readonly string[] {
  const there = new Set(shard.nodes().flatMap(({ id, state }) => (state === 'removed' ? [] : [id])));
  return system.nodes().flatMap(({ id, state }) => (state === 'removed' || there.has(id) ? [] : [id]));
}

export interface ShardingOptions {
  /** The system shard, which this node leads. */
  readonly system: Pick<Metadata, 'propose'> & { readonly reader: MetadataReader };
  /** Readers of the object shards that this node has open, from number 1 on. */
  readonly objectShards: () => readonly MetadataReader[];
  readonly host: Host;
  /** Versions in each of its shards beyond which a bucket gets more. */
  readonly keysPerShard: number;
  readonly onEvent: (text: string, fields: Readonly<Record<string, unknown>>) => void;
  /** Hears of what could not be done; it is tried again. */
  readonly onError: (cause: unknown) => void;
}

/** Takes further shards into use as far as every node has them open, one after the other. */
export async function useShards(options: Omit<ShardingOptions, 'keysPerShard' | 'host' | 'onError'>): Promise<void> {
  const { system, objectShards, onEvent } = options;
  const open = objectShards();
  const wanted = objectShardsOf(system.reader) ?? 0;
  // Where nobody asked for more, all are in use.
  if (system.reader.setting(shardsInUseName) === undefined) return;
  for (let next = shardsInUse(system.reader, wanted) + 1; next <= wanted; next++) {
    const shard = open[next - 1];
    if (!shard || lacking(system.reader, shard).length > 0) return;
    await system.propose({ type: 'setting.write', name: shardsInUseName, value: String(next) });
    onEvent('every node has this object shard open: buckets may use it', { shard: next });
  }
}

/** Doubles the shards of buckets that have too much in each, as far as there are so many. Their shards take it over by themselves. */
export async function growBuckets(options: Omit<ShardingOptions, 'host' | 'onError'>): Promise<void> {
  const { system, objectShards, keysPerShard, onEvent } = options;
  const open = objectShards();
  const inUse = shardsInUse(system.reader, open.length);
  for (let start = '', more = true; more; ) {
    const { items, truncated } = system.reader.buckets(start, limits.listPage);
    for (const { id, name } of items) {
      const place = system.reader.bucketShards(id);
      const shards = place && doubled(place.shards, inUse);
      if (!shards || shards.length > limits.bucketShards) continue;
      const held = place.shards.map((shard) => open[shard - 1]?.bucketById(id)?.counts.versions ?? 0);
      // Over all of them: the old ones get no smaller by this, and would ask for it again.
      const versions = held.reduce((sum, one) => sum + one, 0);
      if (versions <= keysPerShard * place.shards.length) continue;
      await system.propose({ type: 'bucket.reshard', name, shards, generation: place.generation });
      onEvent('the bucket has many keys in each of its shards: it gets more of them', {
        bucket: name,
        versions,
        shards: shards.length,
      });
    }
    more = truncated;
    start = `${items.at(-1)?.name ?? ''}\0`;
  }
}

/** Does both while this node leads the system shard. */
export function keepSharding(options: ShardingOptions): { stop(): Promise<void> } {
  const { system, host, onError } = options;
  const stop = new AbortController();
  const hasBegun = (): boolean => system.reader.features().includes('reshard');
  const loop = (async () => {
    for (let turn = 0; !stop.signal.aborted; turn++) {
      const work = async (): Promise<void> => {
        if (!hasBegun()) return;
        await useShards(options);
        if (turn % limits.growBucketsTurns === 0) await growBuckets(options);
      };
      await work().catch((cause: unknown) => {
        if (!stop.signal.aborted) onError(cause);
      });
      await host.timers.sleep(limits.useShardsMs, stop.signal);
    }
  })();
  return {
    stop() {
      stop.abort();
      return loop;
    },
  };
}
