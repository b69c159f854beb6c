import { diskClass, fileVolume } from '../../device/index.ts';
import type { DeviceRecord, NodeRecord } from '../../metadata/index.ts';
import type { DeviceSite } from '../sites.ts';
import type { ClusterShard } from './shard.ts';

/** Tells the cluster of this node's devices, as far as it does not know them yet. @returns those it had and that are not here */
export async function registerDevices(
  shard: ClusterShard,
  node: NodeRecord,
  sites: readonly DeviceSite[],
): Promise<string[]> {
  const mine = shard.reader.devices().filter((device) => device.node === node.id);
  if (node.roles.includes('storage'))
    for (const { identity, folder } of sites) {
      const before = mine.find((device) => device.identity === identity.device);
      const { total } = await fileVolume(folder).capacity();
      const record: DeviceRecord = {
        identity: identity.device,
        node: node.id,
        class: await diskClass(folder),
        capacityBytes: total,
        weight: total,
        state: before?.state ?? 'active',
      };
      if (JSON.stringify(before) !== JSON.stringify(record))
        await shard.propose({ type: 'device.write', device: record, keeps: 'state' });
    }
  const here = new Set(sites.map(({ identity }) => identity.device));
  return mine.map(({ identity }) => identity).filter((identity) => !here.has(identity));
}
