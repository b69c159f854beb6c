import type { GroupRecord } from '../metadata/index.ts';
import { Members } from './members.ts';
import { drawStraws } from './straw.ts';
import type { PlacementDevice } from './topology.ts';

/** Draws for groups that are given new members must not repeat the draws of the slots. */
const rehomeDraws = 2 ** 20;

/** Devices that are to hold nothing any more. */
export const leavingDevices = (devices: readonly PlacementDevice[]): Set<string> =>
  new Set(devices.filter((each) => each.state === 'draining' || each.state === 'retired').map((each) => each.identity));

/**
 * The records that give every group of a device that leaves another one in its place: same id, next epoch, the other members where they were.
 * Nothing else moves. A group that cannot be completed stays as it is.
 * @param devices all that are known, here or not
 * @param leaving devices that an operator has given up, or that are to be emptied; those of state `draining` or `retired` when left out
 */
export function rehomeGroups(
  devices: readonly PlacementDevice[],
  existing: readonly GroupRecord[],
  leaving: ReadonlySet<string> = leavingDevices(devices),
): GroupRecord[] {
  const members = new Members(devices.filter((device) => !leaving.has(device.identity)));
  return existing.flatMap((group) => {
    const vacant = group.devices.filter((identity) => leaving.has(identity)).length;
    if (vacant === 0) return [];
    const deviceClass = members.classOf(group, leaving);
    const counts = members.counts(group.devices, leaving, members.capsFor(group, deviceClass));
    const candidates = members
      .candidates(deviceClass)
      .filter((device) => !group.devices.includes(device.identity))
      .map((device) => ({ name: device.identity, weight: device.weight, device }));
    const replacements: string[] = [];
    for (const { device } of drawStraws(rehomeDraws + group.id, candidates, candidates.length)) {
      if (replacements.length === vacant) break;
      if (!counts.fits(device)) continue;
      counts.add(device, 1);
      replacements.push(device.identity);
    }
    if (replacements.length < vacant) return [];
    const next = group.devices.map((each) => (leaving.has(each) ? (replacements.shift() as string) : each));
    return [{ ...group, epoch: group.epoch + 1, devices: next }];
  });
}

/**
 * Groups that have a member on `old` with `successor` in its place: an operator has put one device in for another. A group that has the successor as a member
 * already, or would lie less evenly with it than it may, is left out: its member finds a home as that of any device that leaves.
 */
export function replaceDevice(
  devices: readonly PlacementDevice[],
  existing: readonly GroupRecord[],
  old: string,
  successor: string,
): GroupRecord[] {
  const leaving = new Set([old]);
  const members = new Members(devices.filter((device) => device.identity !== old));
  const device = members.device(successor);
  if (!device) return [];
  return existing.flatMap((group) => {
    if (!group.devices.includes(old) || group.devices.includes(successor)) return [];
    const caps = members.capsFor(group, members.classOf(group, leaving));
    if (!members.counts(group.devices, leaving, caps).fits(device)) return [];
    const next = group.devices.map((each) => (each === old ? successor : each));
    return [{ ...group, epoch: group.epoch + 1, devices: next }];
  });
}
