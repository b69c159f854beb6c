import type { GroupRecord } from '../metadata/index.ts';
import { type Caps, capsFor } from './layout.ts';
import { schemeOf } from './scheme.ts';
import { domainOf, type PlacementDevice, usable, zoneOf } from './topology.ts';

/** What may take the place of what, in the groups that are there. */
export class Members {
  readonly devices: readonly PlacementDevice[];
  readonly #byIdentity: ReadonlyMap<string, PlacementDevice>;
  readonly #caps = new Map<string, Caps>();
  readonly #candidates = new Map<string | undefined, readonly PlacementDevice[]>();

  /** @param devices all that are known, here or not */
  constructor(devices: readonly PlacementDevice[]) {
    this.devices = devices;
    this.#byIdentity = new Map(devices.map((device) => [device.identity, device]));
  }

  device(identity: string): PlacementDevice | undefined {
    return this.#byIdentity.get(identity);
  }

  /** The class that all members who stay have: only devices of it take the place of others. */
  classOf(group: GroupRecord, leaving: ReadonlySet<string>): string | undefined {
    const staying = group.devices.flatMap((each) => (leaving.has(each) ? [] : (this.device(each) ?? [])));
    const classes = new Set(staying.map((device) => device.class));
    return classes.size === 1 ? [...classes][0] : undefined;
  }

  candidates(deviceClass: string | undefined): readonly PlacementDevice[] {
    let found = this.#candidates.get(deviceClass);
    if (!found) this.#candidates.set(deviceClass, (found = usable(this.devices, deviceClass)));
    return found;
  }

  capsFor(group: GroupRecord, deviceClass: string | undefined): Caps {
    const scheme = { ...schemeOf(group), class: deviceClass };
    const key = JSON.stringify(scheme);
    let caps = this.#caps.get(key);
    if (!caps) this.#caps.set(key, (caps = capsFor(this.devices, scheme)));
    return caps;
  }

  /** Members of a group in each domain, and in each zone, but for those who leave. */
  counts(members: readonly string[], leaving: ReadonlySet<string>, caps: Caps): Counts {
    const counts = new Counts(caps);
    for (const identity of members) {
      const device = this.device(identity);
      if (device && !leaving.has(identity)) counts.add(device, 1);
    }
    return counts;
  }
}

/** How many members of one group lie where. */
export class Counts {
  readonly #caps: Caps;
  readonly #domains = new Map<string, number>();
  readonly #zones = new Map<string, number>();

  constructor(caps: Caps) {
    this.#caps = caps;
  }

  add(device: PlacementDevice, by: 1 | -1): void {
    const domain = domainOf(device, this.#caps.nodes);
    this.#domains.set(domain, (this.#domains.get(domain) ?? 0) + by);
    this.#zones.set(zoneOf(device), (this.#zones.get(zoneOf(device)) ?? 0) + by);
  }

  /** Whether one member more may lie on `device`. */
  fits(device: PlacementDevice): boolean {
    const { nodes, perDomain, perZone } = this.#caps;
    const domain = this.#domains.get(domainOf(device, nodes)) ?? 0;
    return domain < perDomain && (this.#zones.get(zoneOf(device)) ?? 0) < perZone;
  }

  /** Whether a member may go from one device to another: there is room, and the group does not lie less evenly. */
  allows(from: PlacementDevice, to: PlacementDevice): boolean {
    this.add(from, -1);
    const fits = this.fits(to);
    this.add(from, 1);
    const { nodes } = this.#caps;
    const notMore = (members: ReadonlyMap<string, number>, left: string, entered: string) =>
      left === entered || (members.get(entered) ?? 0) < (members.get(left) ?? 0);
    return (
      fits &&
      notMore(this.#domains, domainOf(from, nodes), domainOf(to, nodes)) &&
      notMore(this.#zones, zoneOf(from), zoneOf(to))
    );
  }

  /** Whether more members than the layout allows lie where this one does. */
  crowds(device: PlacementDevice): boolean {
    const { nodes, perDomain, perZone } = this.#caps;
    const domain = this.#domains.get(domainOf(device, nodes)) ?? 0;
    return domain > perDomain || (this.#zones.get(zoneOf(device)) ?? 0) > perZone;
  }
}
