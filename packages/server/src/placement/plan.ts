import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import type { GroupRecord } from '../metadata/index.ts';
import { type Candidate, drawStraws } from './straw.ts';

/** A device as placement sees it. */
export interface PlacementDevice {
  readonly identity: string;
  /** Share of the bytes it should get, in any unit: its capacity. */
  readonly weight: number;
  /** False: keeps what it has, gets no new group. */
  readonly healthy: boolean;
  /** What fails as one; two copies of a stripe never share it. Absent: the device itself (one machine). */
  readonly domain?: string;
}

interface Domain extends Candidate {
  readonly devices: readonly (Candidate & PlacementDevice)[];
}

/** Draws for groups that are given new members must not repeat the draws of the slots. */
const rehomeDraws = 2 ** 20;

const domainOf = (device: PlacementDevice): string => device.domain ?? device.identity;

function domainsOf(devices: readonly PlacementDevice[]): Domain[] {
  const domains = new Map<string, (Candidate & PlacementDevice)[]>();
  for (const device of devices) {
    if (!device.healthy || !(device.weight > 0)) continue;
    const member = { ...device, name: device.identity };
    const members = domains.get(domainOf(device));
    if (members) members.push(member);
    else domains.set(domainOf(device), [member]);
  }
  return [...domains].map(([name, members]) => ({
    name,
    weight: members.reduce((sum, member) => sum + member.weight, 0),
    devices: members,
  }));
}

/** One device out of each of the `count` domains with the longest straws. */
function drawDevices(draw: number, domains: readonly Domain[], count: number): string[] {
  return drawStraws(draw, domains, count).map((domain) => {
    const [device] = drawStraws(draw, domain.devices, 1);
    invariant(device, 'a domain that was drawn has a device');
    return device.identity;
  });
}

/** The devices that one virtual slot maps to, longest straw first; empty when the domains are fewer than the copies. */
export function slotDevices(slot: number, devices: readonly PlacementDevice[], copies: number): readonly string[] {
  const domains = domainsOf(devices);
  return domains.length < copies ? [] : drawDevices(slot, domains, copies);
}

const setKey = (devices: readonly string[]): string => [...devices].sort().join(' ');

/**
 * The group records to define so that `copies` copies can be placed on `devices`: the sets that no group has yet. Existing groups stay as
 * they are, also those of a device that is not here now: it may come back. Defining the result and planning again gives nothing.
 * @param existing all groups, of any number of copies
 */
export function planGroups(
  devices: readonly PlacementDevice[],
  existing: readonly GroupRecord[],
  copies: number,
): GroupRecord[] {
  invariant(Number.isInteger(copies) && copies >= 1, 'copies is a whole number of at least 1');
  const domains = domainsOf(devices);
  if (domains.length < copies) return [];
  const records: GroupRecord[] = [];
  const known = new Set(
    existing.filter((group) => !group.code && group.devices.length === copies).map((group) => setKey(group.devices)),
  );
  let id = existing.reduce((highest, group) => Math.max(highest, group.id), 0);
  for (let slot = 0; slot < limits.placementSlots && existing.length + records.length < limits.groups; slot++) {
    const chosen = drawDevices(slot, domains, copies);
    const key = setKey(chosen);
    if (known.has(key)) continue;
    known.add(key);
    id += 1;
    records.push({ id, epoch: 1, devices: chosen });
  }
  return records;
}

/** {@link planGroups} for every number of copies that the devices can give: what a server defines when it starts. */
export function planLayout(devices: readonly PlacementDevice[], existing: readonly GroupRecord[]): GroupRecord[] {
  const records: GroupRecord[] = [];
  const most = Math.min(domainsOf(devices).length, limits.copies);
  for (let copies = 1; copies <= most; copies++) {
    records.push(...planGroups(devices, [...existing, ...records], copies));
  }
  return records;
}

/**
 * The records that give every group of a lost device another one in its place: same id, next epoch, the other members where they were. A
 * group that cannot be completed stays as it is. Only for devices that an operator has given up: all their bytes are written anew.
 */
export function rehomeGroups(
  devices: readonly PlacementDevice[],
  existing: readonly GroupRecord[],
  lost: ReadonlySet<string>,
): GroupRecord[] {
  const left = devices.filter((device) => !lost.has(device.identity));
  const domains = domainsOf(left);
  const domainByDevice = new Map(left.map((device) => [device.identity, domainOf(device)]));
  return existing.flatMap((group) => {
    const vacant = group.devices.filter((identity) => lost.has(identity)).length;
    if (vacant === 0) return [];
    const taken = new Set(group.devices.map((identity) => domainByDevice.get(identity)));
    const free = domains.filter((domain) => !taken.has(domain.name));
    const replacements = drawDevices(rehomeDraws + group.id, free, vacant);
    if (replacements.length < vacant) return [];
    const members = group.devices.map((identity) =>
      lost.has(identity) ? (replacements.shift() ?? identity) : identity,
    );
    return [{ ...group, epoch: group.epoch + 1, devices: members }];
  });
}
