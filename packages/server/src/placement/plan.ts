import { limits } from '../limits.ts';
import type { GroupRecord } from '../metadata/index.ts';
import { drawSlot, slotsOf } from './draw.ts';
import { layoutOf } from './layout.ts';
import { isOf, type Scheme } from './scheme.ts';
import { hasNodes, type PlacementDevice, usable } from './topology.ts';

/** The devices that one virtual slot maps to, longest straw first; empty when the scheme cannot be placed. */
export function slotDevices(slot: number, devices: readonly PlacementDevice[], scheme: Scheme): readonly string[] {
  const layout = layoutOf(devices, scheme);
  return 'refused' in layout ? [] : drawSlot(layout, slot);
}

/**
 * What tells one group of a scheme from another: its set of devices. Of a code the order counts too, because it says who gets data and who
 * parity, and data is what reads ask for: one set makes several groups, each in another order, and every device serves its share.
 */
const groupKey = (devices: readonly string[], scheme: Scheme): string =>
  ('copies' in scheme ? [...devices].sort() : devices).join(' ');

/**
 * The group records to define so that stripes of a scheme can be placed on `devices`: the sets that no group has yet. Existing groups stay
 * as they are, also those of a device that is not here now: it may come back. Defining the result and planning again gives nothing.
 * Nothing when the scheme cannot be placed: {@link layoutOf} says why.
 * @param existing all groups, of any scheme
 */
export function planGroups(
  devices: readonly PlacementDevice[],
  existing: readonly GroupRecord[],
  scheme: Scheme,
): GroupRecord[] {
  const layout = layoutOf(devices, scheme);
  if ('refused' in layout) return [];
  const code = 'copies' in scheme ? {} : { code: { data: scheme.data, parity: scheme.parity } };
  const records: GroupRecord[] = [];
  const known = new Set(
    existing.filter((group) => isOf(group, scheme)).map((group) => groupKey(group.devices, scheme)),
  );
  const { slots } = slotsOf(layout);
  let id = existing.reduce((highest, group) => Math.max(highest, group.id), 0);
  for (let slot = 0; slot < slots && existing.length + records.length < limits.groups; slot++) {
    const chosen = drawSlot(layout, slot);
    const key = groupKey(chosen, scheme);
    if (known.has(key)) continue;
    known.add(key);
    id += 1;
    records.push({ id, epoch: 1, devices: chosen, ...code });
  }
  return records;
}

/** Every number of copies that lie in as many domains. */
function allCopies(devices: readonly PlacementDevice[]): Scheme[] {
  const members = usable(devices);
  const domains = hasNodes(members) ? new Set(members.map((device) => device.node)).size : members.length;
  return Array.from({ length: Math.min(domains, limits.copies) }, (_, index) => ({ copies: index + 1 }));
}

/**
 * {@link planGroups} for several schemes: what a server defines when it starts, or when devices or policies were added.
 * @param schemes every number of copies that the devices can give, when left out
 */
export function planLayout(
  devices: readonly PlacementDevice[],
  existing: readonly GroupRecord[],
  schemes: readonly Scheme[] = allCopies(devices),
): GroupRecord[] {
  const records: GroupRecord[] = [];
  for (const scheme of schemes) records.push(...planGroups(devices, [...existing, ...records], scheme));
  return records;
}

/** The epoch of the map of all groups: one more with every record that is defined. */
export const mapEpoch = (groups: readonly GroupRecord[]): number => groups.reduce((sum, group) => sum + group.epoch, 0);
