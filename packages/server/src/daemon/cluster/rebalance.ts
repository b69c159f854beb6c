import type { Holding } from '../../durability/index.ts';
import { repeat } from '../../durability/index.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { GroupRecord, Metadata } from '../../metadata/index.ts';
import { rebalanceGroups } from '../../placement/index.ts';
import { pack, unpack } from '../../transport/index.ts';
import type { NodeWork } from '../mending.ts';
import type { Thread } from '../thread.ts';
import { placementDevices } from './layout.ts';
import { callNames } from './serve.ts';
import { type RebalanceSetting, readRebalance, rebalanceName } from './settings.ts';
import type { ClusterShard } from './shard.ts';

/*
 * Evens out what devices hold, when an operator asks for it: after a node was added above all. The node that leads plans; each plan gives some groups
 * another device for one member, and the next comes only when every node says that it lacks nothing at the position of the last. That, and whether it
 * runs, is all there is to know, so a node that leads next goes on where the last one stopped.
 */

export interface RebalanceStatus extends RebalanceSetting {
  /** Members that were given to other devices since this node leads, and what they held. */
  readonly moved: number;
  readonly movedBytes: number;
  /** What the last plan still wanted to move; null until there was one. */
  readonly left: number | null;
  readonly leftBytes: number | null;
  /** Why nothing is planned now; null when it is. */
  readonly waitsFor: string | null;
}

/** What a rebalance waits for that was paused. */
const forStart = 'dsom rebalance start';

export interface RebalanceInput {
  readonly owner: { readonly metadata: Metadata; readonly thread: Pick<Thread, 'network'> };
  readonly cluster: { readonly node: string; readonly shard: Pick<ClusterShard, 'leads'> };
  readonly host: Host;
  readonly work: () => NodeWork;
  /** What the devices of this node hold. */
  readonly holdings: () => Promise<readonly Holding[]>;
  readonly onError: (cause: unknown) => void;
}

export interface Rebalance {
  status(): RebalanceStatus;
  change(change: {
    readonly state?: RebalanceSetting['state'];
    readonly bytesPerSecond?: number;
  }): Promise<RebalanceStatus>;
  stop(): Promise<void>;
}

/** What one member of each group holds: the most that any device has of it. */
export function bytesOfMembers(holdings: readonly Holding[]): ReadonlyMap<number, number> {
  const most = new Map<number, number>();
  for (const { group, bytes } of holdings) most.set(group, Math.max(most.get(group) ?? 0, bytes));
  return most;
}

/** The first moves of a plan, one at least, that a node writes in about `limits.rebalanceBatchMs`. */
export function batchOf(
  plan: readonly GroupRecord[],
  bytes: (group: GroupRecord) => number,
  bytesPerSecond: number,
): GroupRecord[] {
  const most = (bytesPerSecond * limits.rebalanceBatchMs) / 1000;
  let sum = 0;
  const batch: GroupRecord[] = [];
  for (const group of plan.slice(0, limits.rebalanceBatch)) {
    sum += bytes(group);
    if (batch.length > 0 && sum > most) break;
    batch.push(group);
  }
  return batch;
}

export function startRebalance({ owner, cluster, host, work, holdings, onError }: RebalanceInput): Rebalance {
  const { reader } = owner.metadata;
  const { network } = owner.thread;
  let moved = 0;
  let movedBytes = 0;
  let left: { readonly groups: number; readonly bytes: number } | undefined;
  let waitsFor: string | null = null;
  /** Position of the last batch of this node. */
  let since = 0;
  let known: { readonly at: number; readonly bytes: ReadonlyMap<number, number> } | undefined;

  const setting = (): RebalanceSetting => readRebalance(reader);
  const status = (): RebalanceStatus => ({
    ...setting(),
    moved,
    movedBytes,
    left: left?.groups ?? null,
    leftBytes: left?.bytes ?? null,
    // A change of the setting counts at once, what the last turn found from the next one on.
    waitsFor: setting().state === 'paused' ? forStart : waitsFor === forStart ? null : waitsFor,
  });
  const write = async (next: RebalanceSetting): Promise<void> => {
    await owner.metadata.propose({ type: 'setting.write', name: rebalanceName, value: JSON.stringify(next) });
  };

  /** Who is not known to lack nothing, as a sentence; undefined when all are. */
  const lacking = (): string | undefined => {
    const names = reader.nodes().flatMap(({ id, state, roles }) => {
      if (state === 'removed' || !roles.includes('storage')) return [];
      const at =
        id === cluster.node
          ? work().completeAt
          : network?.neighbours().find((one) => one.id === id)?.state?.work?.completeAt;
      return at !== undefined && at >= since ? [] : [id];
    });
    return names.length === 0 ? undefined : `fragments are missing, or may be, on ${names.join(', ')}`;
  };

  const everywhere = async (): Promise<ReadonlyMap<number, number>> => {
    const now = host.clock.monotonic();
    if (known && now - known.at < limits.holdingsAgeMs) return known.bytes;
    const others = (network?.neighbours() ?? []).filter(({ state }) => state !== undefined);
    const answers = await Promise.all(
      others.map(async ({ peer }) =>
        unpack<readonly Holding[]>(
          (await peer.call(callNames.holdings, pack(null), { deadlineMs: limits.holdingsMs })).body,
        ),
      ),
    );
    const bytes = bytesOfMembers([...(await holdings()), ...answers.flat()]);
    known = { at: host.clock.monotonic(), bytes };
    return bytes;
  };

  const turn = async (): Promise<void> => {
    const { state, bytesPerSecond } = setting();
    if (!cluster.shard.leads || state !== 'running') {
      waitsFor = state === 'paused' ? forStart : null;
      known = undefined;
      return;
    }
    // What was planned before this node led, by whomever, was logged before it.
    if (since === 0) since = reader.position();
    waitsFor = lacking() ?? null;
    if (waitsFor !== null) return;
    const sizes = await everywhere();
    const bytes = ({ id }: GroupRecord): number => sizes.get(id) ?? 0;
    const plan = rebalanceGroups(placementDevices(reader), reader.groups(), bytes);
    const batch = batchOf(plan, bytes, bytesPerSecond);
    const sum = (groups: readonly GroupRecord[]): number => groups.reduce((all, group) => all + bytes(group), 0);
    left = { groups: plan.length - batch.length, bytes: sum(plan) - sum(batch) };
    if (batch.length === 0) {
      await write({ state: 'stopped', bytesPerSecond });
      return;
    }
    const { position } = await owner.metadata.propose({ type: 'group.define', groups: batch });
    since = position;
    moved += batch.length;
    movedBytes += sum(batch);
    waitsFor = lacking() ?? null;
  };
  const repeated = repeat({ host, everyMs: limits.rebalanceMs, run: turn, onError });
  return {
    status,
    async change(change) {
      await write({ ...setting(), ...change });
      repeated.nudge();
      return status();
    },
    stop: () => repeated.stop(),
  };
}
