/** A device as placement sees it. */
export interface PlacementDevice {
  readonly identity: string;
  /** Share of the bytes it should get, in any unit: its capacity. */
  readonly weight: number;
  /** False: keeps what it has, gets no new group. */
  readonly healthy: boolean;
  /** The machine it is in. Absent: the only machine there is. */
  readonly node?: string | undefined;
  /** What fails with one power supply, room or switch: a label of the node. Absent: a zone of all that have none. */
  readonly zone?: string | undefined;
  /** Kind of device, by which schemes choose. */
  readonly class?: string | undefined;
  /**
   * `draining`: keeps its groups until they are moved, gets no new one. `retired`: given up; what was on it is written anew from the other
   * members of its groups. Absent: in use.
   */
  readonly state?: 'active' | 'draining' | 'retired' | undefined;
}

/** Devices that fail as one below the level that can be told apart. */
export interface Domain {
  readonly name: string;
  readonly zone: string;
  readonly weight: number;
  readonly devices: readonly PlacementDevice[];
}

/** Devices that are to hold something, here or not. */
export const inUse = (devices: readonly PlacementDevice[]): PlacementDevice[] =>
  devices.filter((device) => device.weight > 0 && (device.state ?? 'active') === 'active');

/** Devices that may become members of groups now. */
export const usable = (devices: readonly PlacementDevice[], deviceClass?: string): PlacementDevice[] =>
  inUse(devices).filter((device) => device.healthy && (deviceClass === undefined || device.class === deviceClass));

export const zoneOf = (device: PlacementDevice): string => device.zone ?? '';

/** Whether nodes can be told apart: with one node only, the device is what fails. */
export const hasNodes = (devices: readonly PlacementDevice[]): boolean =>
  new Set(devices.map((device) => device.node)).size > 1;

/**
 * What fails as one: the node, or the device where all are in one node.
 * @param nodes of {@link hasNodes}
 */
export const domainOf = (device: PlacementDevice, nodes: boolean): string =>
  nodes ? (device.node ?? '') : device.identity;

export function domainsOf(devices: readonly PlacementDevice[], nodes: boolean): Domain[] {
  const byName = Map.groupBy(devices, (device) => domainOf(device, nodes));
  return [...byName].map(([name, members]) => ({
    name,
    zone: zoneOf(members[0] as PlacementDevice),
    weight: members.reduce((sum, member) => sum + member.weight, 0),
    devices: members,
  }));
}
