import { lifecycleProposer } from '../api/index.ts';
import { repeat } from '../durability/index.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { type DueRestore, dueRestores } from '../metadata/index.ts';
import { eventBridgeTargets } from '../notifications/index.ts';
import type { StructuredLog } from '../telemetry/index.ts';
import { type LifecycleOwner, leadsOf } from './lifecycle.ts';

/*
 * Has archived objects restored when their time has come, and archived again when it is over. In a cluster each node does it for the shards that it owns. What is
 * due is in the state of the shard, so there is nothing to remember: whoever owns it next goes on.
 */
export function startRestoring(
  owner: Pick<LifecycleOwner, 'kvs' | 'proposer' | 'cluster' | 'thread'>,
  host: Host,
  log: Pick<StructuredLog, 'error'>,
  dayMs: number,
): { stop(): Promise<void> } {
  const { cluster } = owner;
  const { reader } = owner.thread;
  const leads = leadsOf(cluster);
  const proposer = lifecycleProposer(owner.proposer, reader, () => eventBridgeTargets(reader.targets()));
  const advance = async (shard: number, signal: AbortSignal): Promise<void> => {
    const kv = owner.kvs[shard]!.kv;
    for (let done: DueRestore | undefined; ; ) {
      signal.throwIfAborted();
      if (!leads(shard)) return;
      const items = dueRestores(kv, host.clock.now(), limits.restoreBatch);
      const [first] = items;
      // What is still there was not due by the clock of its owner.
      if (!first || (first.dueMs === done?.dueMs && first.sequence === done.sequence)) return;
      await proposer.propose({ type: 'restore.advance', shard, dayMs, items });
      done = first;
    }
  };
  return repeat({
    host,
    everyMs: limits.restoreCheckMs,
    async run(signal) {
      for (const shard of owner.kvs.keys()) await advance(shard, signal);
    },
    onError: (cause) => log.error('restores could not be brought forward; it tries again', { cause }),
  });
}
