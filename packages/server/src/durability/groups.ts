import type { Clock } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { GroupRecord, Redundancy } from '../metadata/index.ts';
import { redundancyOf, redundancyText } from './scheme.ts';

/** What fails together with a device. */
export interface Place {
  readonly node: string;
  /** Empty: the zone of all nodes that name none. */
  readonly zone: string;
}

/** Those that measure least. */
function leastBy(groups: readonly GroupRecord[], measure: (group: GroupRecord) => number): GroupRecord[] {
  const measures = groups.map(measure);
  const least = Math.min(...measures);
  return groups.filter((_, index) => measures[index] === least);
}

/** The placement groups, looked up by id and by redundancy. Asks its source again when it is a second old or misses an id. */
export class GroupTable {
  readonly #source: () => readonly GroupRecord[];
  readonly #clock: Clock;
  readonly #changed: (groups: readonly GroupRecord[]) => void;
  readonly #places: (() => ReadonlyMap<string, Place>) | undefined;
  #list: readonly GroupRecord[] = [];
  #byId = new Map<number, GroupRecord>();
  #byRedundancy = new Map<string, GroupRecord[]>();
  #devices = 0;
  #readAt = Number.NEGATIVE_INFINITY;

  /**
   * @param changed hears of every list that differs from the one before
   * @param places of each device; left out: all are in one node
   */
  constructor(
    source: () => readonly GroupRecord[],
    clock: Clock,
    changed: (groups: readonly GroupRecord[]) => void = () => undefined,
    places?: () => ReadonlyMap<string, Place>,
  ) {
    this.#places = places;
    this.#source = source;
    this.#changed = changed;
    this.#clock = clock;
  }

  byId(id: number): GroupRecord | undefined {
    if (this.#clock.monotonic() - this.#readAt > limits.groupsAgeMs) this.refresh();
    const group = this.#byId.get(id);
    if (group) return group;
    this.refresh();
    return this.#byId.get(id);
  }

  /**
   * Those that new stripes may go to: of the groups with this redundancy the ones with the fewest members in one zone, and of these the ones that are
   * spread over the most nodes. Others are of a time when there were fewer zones or nodes, and keep what they have until it is moved.
   */
  of(redundancy: Redundancy): readonly GroupRecord[] {
    if (this.#clock.monotonic() - this.#readAt > limits.groupsAgeMs) this.refresh();
    return this.#byRedundancy.get(redundancyText(redundancy)) ?? [];
  }

  /** Devices of all groups, here or not. */
  get devices(): number {
    if (this.#clock.monotonic() - this.#readAt > limits.groupsAgeMs) this.refresh();
    return this.#devices;
  }

  #leaveCrowded(places: ReadonlyMap<string, Place>): void {
    const inOneZone = ({ devices }: GroupRecord): number =>
      Math.max(...[...Map.groupBy(devices, (device) => places.get(device)?.zone).values()].map((each) => each.length));
    const spread = ({ devices }: GroupRecord): number =>
      new Set(devices.map((device) => places.get(device)?.node)).size;
    for (const [name, groups] of this.#byRedundancy) {
      const even = leastBy(groups, inOneZone);
      this.#byRedundancy.set(
        name,
        leastBy(even, (group) => -spread(group)),
      );
    }
  }

  refresh(): void {
    this.#readAt = this.#clock.monotonic();
    const list = this.#source();
    const isSame = list === this.#list;
    // The same groups may be spread otherwise: a device that is put into another node, or a node into another zone, keeps its groups.
    if (isSame && !this.#places) return;
    this.#list = list;
    if (!isSame) this.#changed(list);
    this.#byId = new Map(list.map((group) => [group.id, group]));
    this.#byRedundancy = new Map();
    this.#devices = new Set(list.flatMap((group) => group.devices)).size;
    for (const group of list) {
      const name = redundancyText(redundancyOf(group));
      const same = this.#byRedundancy.get(name);
      if (same) same.push(group);
      else this.#byRedundancy.set(name, [group]);
    }
    if (this.#places) this.#leaveCrowded(this.#places());
  }
}
