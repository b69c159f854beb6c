import { limits } from '../../limits.ts';
import type { NodeRecord } from '../../metadata/index.ts';
import type { NodeState } from './network.ts';

interface Seen {
  readonly id: string;
  readonly state: Pick<NodeState, 'shards'> | undefined;
}

/**
 * The node that should own an object shard, so that each owns about as many as the others: the nodes that can, in order of their ids, take turns. All
 * nodes come to the same answer, as far as they see the same nodes; who owns a shard in the meantime does so as well as any other.
 * @param here position of the shard that this node has applied: one that is far behind cannot
 */
export function preferredOwner(
  shard: number,
  node: string,
  nodes: readonly Pick<NodeRecord, 'id' | 'state' | 'roles'>[],
  seen: readonly Seen[],
  here: number,
): string | undefined {
  const able = (id: string): boolean => {
    if (id === node) return true;
    const applied = seen.find((one) => one.id === id)?.state?.shards?.[shard - 1];
    return applied !== undefined && applied + limits.yieldEntries >= here;
  };
  const candidates = nodes
    .filter(({ state, roles }) => (state === 'active' || state === 'draining') && roles.includes('metadata'))
    .map(({ id }) => id)
    .filter(able)
    .sort();
  return candidates[shard % candidates.length];
}
