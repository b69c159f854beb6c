import { limits } from '../../limits.ts';
import type { NodeRecord } from '../../metadata/index.ts';
import type { NodeState } from './network.ts';

interface Seen {
  readonly id: string;
  readonly state: Pick<NodeState, 'shards' | 'leadsEtcd'> | undefined;
}

/** The node that asks. */
interface Self {
  readonly id: string;
  /** Position of the shard that it has applied: a node that is far behind it cannot own it. */
  readonly applied: number;
  readonly leadsEtcd: boolean;
}

/**
 * The node that should own an object shard, so that each owns about as many as the others: the nodes that can, in order of their ids, take turns. The one
 * whose member leads etcd is passed over while there is another (apart.ts). All nodes come to the same answer, as far as they see the same nodes;
 * who owns a shard in the meantime does so as well as any other.
 */
export function preferredOwner(
  shard: number,
  me: Self,
  nodes: readonly Pick<NodeRecord, 'id' | 'state' | 'roles'>[],
  seen: readonly Seen[],
): string | undefined {
  const stateOf = (id: string): Seen['state'] => seen.find((one) => one.id === id)?.state;
  const isAble = (id: string): boolean => {
    const applied = id === me.id ? me.applied : stateOf(id)?.shards?.[shard - 1];
    return applied !== undefined && applied + limits.yieldEntries >= me.applied;
  };
  const able = nodes
    .filter(({ state, roles }) => (state === 'active' || state === 'draining') && roles.includes('metadata'))
    .map(({ id }) => id)
    .filter(isAble)
    .sort();
  const apart = able.filter((id) => !(id === me.id ? me.leadsEtcd : stateOf(id)?.leadsEtcd));
  const candidates = apart.length > 0 ? apart : able;
  return candidates[shard % candidates.length];
}
