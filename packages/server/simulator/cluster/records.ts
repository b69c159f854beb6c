import type { ClusterShard } from '../../src/daemon/cluster/shard.ts';
import { features, type NodeRecord } from '../../src/metadata/index.ts';

/* What a node says of itself and of its devices when it starts. */

export const addressOf = (name: string): string => `${name}:1`;

/** What the node tells the others of this life. */
export function recordOf(
  shard: ClusterShard,
  { name, zone }: { readonly name: string; readonly zone: string | undefined },
  incarnation: Buffer,
): NodeRecord {
  const before = shard.reader.nodes().find((one) => one.id === name);
  return {
    id: name,
    address: addressOf(name),
    apiAddress: `${name}:2`,
    zone: zone ?? before?.zone ?? '',
    roles: ['gateway', 'metadata', 'storage'],
    state: before?.state ?? 'active',
    version: '1',
    features,
    incarnation,
  };
}

/** Says that it has a device, unless that is said. */
export async function register(shard: ClusterShard, node: NodeRecord, identity: string): Promise<void> {
  const before = shard.reader.devices().find((device) => device.identity === identity);
  if (before) return;
  const capacity = { capacityBytes: 2 ** 30, weight: 2 ** 30 };
  const device = { identity, node: node.id, class: 'memory', state: 'active', ...capacity } as const;
  await shard.propose({ type: 'device.write', device, keeps: 'state' });
}
