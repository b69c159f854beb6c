import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { Metadata, MetadataReader } from '../../metadata/index.ts';

/*
 * What an object shard has of the system shard: records of buckets, features, and which nodes were removed. Whoever changes them tells the shards
 * before he answers; this is for the changes whose maker died in between. The node that owns a shard looks whenever the system shard has moved on.
 */

type System = Pick<MetadataReader, 'position' | 'buckets' | 'bucketShards' | 'configuration' | 'features' | 'nodes'>;
type Shard = Pick<Metadata, 'propose'> & { readonly reader: MetadataReader };

/** Takes over what is newer in the system shard. */
export async function followSystem(number: number, shard: Shard, system: System): Promise<void> {
  const known = new Set(shard.reader.features());
  for (const feature of system.features())
    if (!known.has(feature)) await shard.propose({ type: 'feature.enable', feature });
  for (const node of system.nodes()) {
    const here = node.state === 'removed' && shard.reader.nodes().find(({ id }) => id === node.id);
    if (here && here.state !== 'removed')
      await shard.propose({ type: 'node.write', node: { ...here, state: 'removed' } });
  }
  for (let start = '', more = true; more; ) {
    const { items, truncated } = system.buckets(start, limits.listPage);
    for (const { counts: _, ...bucket } of items) {
      const place = system.bucketShards(bucket.id);
      if (!place?.shards.includes(number)) continue;
      const here = shard.reader.bucketShards(bucket.id);
      if (here && here.generation >= place.generation) continue;
      const lock = system.configuration(bucket.id, 'objectLock');
      const adopt = { type: 'bucket.adopt', bucket, place, ...(lock && { lock }) } as const;
      await shard.propose(adopt).catch((error: unknown) => {
        // Changed, sealed or gone since it was read: the next look finds that.
        if (!(error instanceof StoreError) || error.http >= 500) throw error;
      });
    }
    more = truncated;
    start = `${items.at(-1)?.name ?? ''}\0`;
  }
}

/** Does so while this node owns the shard. */
export function keepBuckets(
  number: number,
  shard: Shard,
  system: System,
  host: Host,
  onError: (cause: unknown) => void,
): { stop(): Promise<void> } {
  const stop = new AbortController();
  let seen = -1;
  const run = async (): Promise<void> => {
    const position = system.position();
    if (position === seen) return;
    await followSystem(number, shard, system);
    seen = position;
  };
  const loop = (async () => {
    while (!stop.signal.aborted) {
      await run().catch((cause: unknown) => {
        if (!stop.signal.aborted) onError(cause);
      });
      await host.timers.sleep(limits.followBucketsMs, stop.signal);
    }
  })();
  return {
    async stop() {
      stop.abort();
      await loop;
    },
  };
}
