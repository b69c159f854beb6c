import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { Metadata } from '../../metadata/index.ts';
import {
  codesOf,
  leavingDevices,
  mapEpoch,
  type PlacementDevice,
  planGroups,
  planLayout,
  rehomeGroups,
} from '../../placement/index.ts';

/*
 * Keeps the placement groups in step with the devices: while this node leads, it plans again whenever nodes or devices have changed, and logs
 * what is new. Devices that drain or are retired leave their groups; what they held is then missing on others, and mended.
 */

/** Devices of the cluster as placement sees them. Those of a node share what becomes of it. */
export function placementDevices(reader: Pick<Metadata['reader'], 'nodes' | 'devices'>): PlacementDevice[] {
  const nodes = new Map(reader.nodes().map((node) => [node.id, node]));
  return reader.devices().map((device) => {
    const node = nodes.get(device.node);
    const state =
      !node || node.state === 'removed' || device.state === 'retired'
        ? 'retired'
        : node.state === 'draining'
          ? 'draining'
          : device.state;
    return {
      identity: device.identity,
      weight: device.weight,
      healthy: true,
      node: device.node,
      zone: node?.zone,
      class: device.class,
      state,
    };
  });
}

/**
 * @param healthy whether a device answers now: those that leave are replaced only by such
 * @param onError hears of plans that could not be made or logged; they are tried again
 */
export function keepLayout(
  metadata: Metadata,
  host: Host,
  healthy: (device: string) => boolean,
  onError: (cause: unknown) => void,
): { stop(): Promise<void> } {
  const stop = new AbortController();
  let planned = '';
  const run = async (): Promise<void> => {
    const { reader } = metadata;
    const devices = placementDevices(reader);
    const groups = reader.groups();
    const leaving = leavingDevices(devices);
    const isHeld = groups.some((group) => group.devices.some((device) => leaving.has(device)));
    // Who is away for a while is no home for others, and changes nothing else.
    const homes = isHeld ? devices.map((device) => ({ ...device, healthy: healthy(device.identity) })) : devices;
    const seen = JSON.stringify([homes, mapEpoch(groups)]);
    if (seen === planned) return;
    const moved = rehomeGroups(homes, groups);
    const now = new Map([...groups, ...moved].map((group) => [group.id, group]));
    const added = planLayout(devices, [...now.values()]);
    for (const code of codesOf(groups)) added.push(...planGroups(devices, [...now.values(), ...added], code));
    if (moved.length + added.length > 0) await metadata.propose({ type: 'group.define', groups: [...moved, ...added] });
    else planned = seen;
  };
  const loop = (async () => {
    while (!stop.signal.aborted) {
      await run().catch((cause: unknown) => {
        if (!stop.signal.aborted) onError(cause);
      });
      await host.timers.sleep(limits.layoutMs, stop.signal);
    }
  })();
  return {
    stop() {
      stop.abort();
      return loop;
    },
  };
}
