import type { GroupRecord } from '../metadata/index.ts';
import type { Members } from './members.ts';
import { domainOf, hasNodes, inUse, type PlacementDevice } from './topology.ts';

/** A device, what it holds, and what it should hold. */
export interface Load {
  readonly device: PlacementDevice;
  readonly share: number;
  /** What it may be given: no more than its weight says, even where others cannot take their part. */
  readonly due: number;
  bytes: number;
}

export const fill = (load: Load): number => load.bytes / load.share;

interface Bound {
  readonly devices: readonly PlacementDevice[];
  readonly weight: number;
  /** What all groups together may put here. */
  readonly most: number;
}

/**
 * What the devices that can be used hold of all bytes, and their shares of them: by weight, but no more for a node than one group after the other may
 * put there. What one cannot take goes to the others.
 * @param bytes what one member of a group holds
 */
export function loadsOf(
  members: Members,
  groups: readonly GroupRecord[],
  bytes: (group: GroupRecord) => number,
): ReadonlyMap<string, Load> {
  const devices = [...members.candidates(undefined)].sort((a, b) => (a.identity < b.identity ? -1 : 1));
  const held = new Map(devices.map((device) => [device.identity, 0]));
  const perDomain = new Map<number, number>();
  let total = 0;
  for (const group of groups) {
    const size = bytes(group);
    const cap = members.capsFor(group, members.classOf(group, new Set())).perDomain;
    perDomain.set(cap, (perDomain.get(cap) ?? 0) + size);
    for (const identity of group.devices) {
      const before = held.get(identity);
      if (before === undefined) continue;
      held.set(identity, before + size);
      total += size;
    }
  }
  const nodes = hasNodes(inUse(members.devices));
  const bounds = [...Map.groupBy(devices, (device) => domainOf(device, nodes)).values()].map((inside) => ({
    devices: inside,
    weight: inside.reduce((sum, device) => sum + device.weight, 0),
    most: [...perDomain].reduce((sum, [cap, size]) => sum + Math.min(cap, inside.length) * size, 0),
  }));
  const shares = sharesOf(bounds, total);
  const weight = devices.reduce((sum, device) => sum + device.weight, 0);
  return new Map(
    devices.map((device) => {
      const share = shares.get(device.identity) as number;
      const due = Math.min(share, (total * device.weight) / weight);
      return [device.identity, { device, share, due, bytes: held.get(device.identity) as number }];
    }),
  );
}

function sharesOf(bounds: readonly Bound[], total: number): ReadonlyMap<string, number> {
  const shares = new Map<string, number>();
  const give = ({ devices, weight }: Bound, amount: number) => {
    for (const device of devices) shares.set(device.identity, (amount * device.weight) / weight);
  };
  let open = [...bounds];
  let left = total;
  for (;;) {
    const weight = open.reduce((sum, bound) => sum + bound.weight, 0);
    const perWeight = left / weight;
    const full = open.filter((bound) => perWeight * bound.weight > bound.most);
    if (full.length === 0 || full.length === open.length) {
      for (const bound of open) give(bound, perWeight * bound.weight);
      return shares;
    }
    for (const bound of full) {
      give(bound, bound.most);
      left -= bound.most;
    }
    open = open.filter((bound) => !full.includes(bound));
  }
}
