import { redundancyText, writeQuorum } from '../../durability/index.ts';
import { limits } from '../../limits.ts';
import { codesOf, isOf } from '../../placement/index.ts';
import type { Owner } from '../owner.ts';
import type { ClusterLink } from '../shard.ts';
import { copiesOver } from '../thread.ts';

/** Whether this node of a cluster could take a write, and what lacks although it can. */
export function clusterHealth(
  owner: Owner,
  cluster: ClusterLink,
): { readonly reasons: readonly string[]; readonly degraded: readonly string[] } {
  const { reader } = owner.metadata;
  const { network, conditions, devices } = owner.thread;
  const reasons: string[] = [];
  const degraded: string[] = [];
  const silence = cluster.ageMs();
  if (silence > limits.staleMs)
    reasons.push(`the log engine (etcd) has not answered for ${Math.round(silence / 1000)} s: look at its members`);
  for (const node of reader.nodes()) {
    if (node.state === 'removed' || node.id === cluster.node) continue;
    const seen = network?.neighbours().find((one) => one.id === node.id);
    if (!seen?.state) degraded.push(`node ${node.id} (${node.address}) does not answer`);
  }
  const here = (device: string): boolean =>
    devices.has(device) ? conditions.of(device).healthy : network?.condition(device)?.healthy === true;
  const width = copiesOver(reader);
  const groups = reader.groups().filter((group) => group.devices.length === width && !group.code);
  const short = groups.filter((group) => group.devices.filter(here).length < writeQuorum({ copies: width }));
  if (groups.length === 0) reasons.push('no placement group is defined yet: no node has offered a device');
  else if (short.length === groups.length)
    reasons.push(
      `none of the ${groups.length} placement groups of ${width} copies has its write quorum: too many devices are away`,
    );
  else for (const group of short) degraded.push(`placement group ${group.id} has lost its write quorum`);
  for (const code of codesOf(reader.groups())) {
    const coded = reader.groups().filter((group) => isOf(group, code));
    if (coded.every((group) => group.devices.filter(here).length < writeQuorum(code)))
      degraded.push(
        `none of the ${coded.length} placement groups of ${redundancyText(code)} has its write quorum: objects that ask for it are refused until devices that are away are back`,
      );
  }
  return { reasons, degraded };
}
