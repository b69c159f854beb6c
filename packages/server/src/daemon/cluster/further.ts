import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { MetadataReader, NodeRecord, Proposer } from '../../metadata/index.ts';
import { objectShardsOf } from './sharding.ts';

/*
 * Opens the object shards that the cluster is given further while this node runs (decision 0015). What a node says in a shard, that it has it open, is what the
 * others go by when they take the shard into use: so it is said last, when every thread of this server reads the shard.
 */

/** An object shard that this node has open. */
interface Opened {
  readonly shard: Pick<Proposer, 'propose'> & { readonly reader: Pick<MetadataReader, 'nodes'> };
}

export interface FurtherOptions {
  /** The system shard, as this node has it. */
  readonly system: Pick<MetadataReader, 'setting' | 'nodes'>;
  /** What this node has said of itself. */
  readonly record: NodeRecord;
  /** The object shards that it has open, from number 1 on. */
  readonly open: readonly Opened[];
  /** Opens the one behind them, for every thread of this server, and adds it to them. */
  readonly openNext: () => Promise<unknown>;
  readonly host: Pick<Host, 'timers'>;
  /** Hears of what could not be done; it is tried again. */
  readonly onError: (cause: unknown) => void;
}

/** Says in a shard that this node has it open, unless that is said, or the node was removed. */
async function sayOpen(
  { shard }: Opened,
  { system, record }: Pick<FurtherOptions, 'system' | 'record'>,
): Promise<void> {
  const { id, incarnation } = record;
  if (
    shard.reader
      .nodes()
      .find((one) => one.id === id)
      ?.incarnation.equals(incarnation)
  )
    return;
  if (system.nodes().find((one) => one.id === id)?.state === 'removed') return;
  await shard.propose({ type: 'node.write', node: { ...record, zone: '', state: 'active' } });
}

/** Opens what lacks, one after the other, and says so. Those that were open when `said` was counted have said so. @returns how many have */
export async function openFurther(options: Omit<FurtherOptions, 'host' | 'onError'>, said: number): Promise<number> {
  const { system, open, openNext } = options;
  let number = said;
  while (number < Math.max(open.length, objectShardsOf(system) ?? 0)) {
    const next = open[number];
    if (next) {
      await sayOpen(next, options);
      number += 1;
    } else await openNext();
  }
  return number;
}

/** Does so until it is stopped. `stop` waits for what is under way, `limits.etcdStopMs` at most: an etcd that does not answer is waited for much longer. */
export function keepOpening(options: FurtherOptions): { stop(): Promise<void> } {
  const { host, open, onError } = options;
  const stop = new AbortController();
  const loop = (async () => {
    for (let said = open.length; !stop.signal.aborted; ) {
      said = await openFurther(options, said).catch((cause: unknown) => {
        if (!stop.signal.aborted) onError(cause);
        return said;
      });
      await host.timers.sleep(limits.openShardsMs, stop.signal);
    }
  })();
  return {
    async stop() {
      stop.abort();
      await Promise.race([loop, host.timers.sleep(limits.etcdStopMs)]);
    },
  };
}
