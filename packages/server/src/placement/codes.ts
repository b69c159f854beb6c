import { limits } from '../limits.ts';
import type { Code, GroupRecord } from '../metadata/index.ts';
import { type PlacementDevice, slotDevices } from './plan.ts';

/** The codes that groups exist for. */
export function codesOf(groups: readonly GroupRecord[]): Code[] {
  const codes = new Map<string, Code>();
  for (const { code } of groups) if (code) codes.set(`${code.data}+${code.parity}`, code);
  return [...codes.values()];
}

/**
 * The group records to define so that stripes of a code can be placed on `devices`; empty when the devices are too few, or all are there. The order
 * within a group says who gets data and who parity, and data is what reads ask for: so one set of devices makes several groups, each in
 * another order, and every device serves its share. Defining the result and planning again gives nothing.
 * @param existing all groups, of any redundancy
 */
export function planCode(
  devices: readonly PlacementDevice[],
  existing: readonly GroupRecord[],
  code: Code,
): GroupRecord[] {
  const isOfCode = (group: GroupRecord): boolean => group.code?.data === code.data && group.code.parity === code.parity;
  const known = new Set(existing.filter(isOfCode).map((group) => group.devices.join(' ')));
  const records: GroupRecord[] = [];
  let id = existing.reduce((highest, group) => Math.max(highest, group.id), 0);
  for (let slot = 0; slot < limits.placementSlots && existing.length + records.length < limits.groups; slot++) {
    const chosen = slotDevices(slot, devices, code.data + code.parity);
    if (chosen.length === 0) break;
    const key = chosen.join(' ');
    if (known.has(key)) continue;
    known.add(key);
    id += 1;
    records.push({ id, epoch: 1, devices: chosen, code });
  }
  return records;
}
