import type { Clock } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { GroupRecord, Redundancy } from '../metadata/index.ts';
import { redundancyOf, redundancyText } from './scheme.ts';

/** The placement groups, looked up by id and by redundancy. Asks its source again when it is a second old or misses an id. */
export class GroupTable {
  readonly #source: () => readonly GroupRecord[];
  readonly #clock: Clock;
  readonly #changed: (groups: readonly GroupRecord[]) => void;
  readonly #nodes: (() => ReadonlyMap<string, string>) | undefined;
  #list: readonly GroupRecord[] = [];
  #byId = new Map<number, GroupRecord>();
  #byRedundancy = new Map<string, GroupRecord[]>();
  #devices = 0;
  #readAt = Number.NEGATIVE_INFINITY;

  /**
   * @param changed hears of every list that differs from the one before
   * @param nodes the node of each device; left out: all are in one
   */
  constructor(
    source: () => readonly GroupRecord[],
    clock: Clock,
    changed: (groups: readonly GroupRecord[]) => void = () => undefined,
    nodes?: () => ReadonlyMap<string, string>,
  ) {
    this.#nodes = nodes;
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
   * Those that new stripes may go to: of the groups with this redundancy the ones that are spread over the most nodes. Others are of a time when there
   * were fewer nodes, and keep what they have until it is moved.
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

  #leaveCrowded(nodes: ReadonlyMap<string, string>): void {
    const spread = ({ devices }: GroupRecord): number => new Set(devices.map((device) => nodes.get(device))).size;
    for (const [name, groups] of this.#byRedundancy) {
      const widest = Math.max(...groups.map(spread));
      this.#byRedundancy.set(
        name,
        groups.filter((group) => spread(group) === widest),
      );
    }
  }

  refresh(): void {
    this.#readAt = this.#clock.monotonic();
    const list = this.#source();
    const isSame = list === this.#list;
    // The same groups may be spread otherwise: a device that is put into another node keeps its groups.
    if (isSame && !this.#nodes) return;
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
    if (this.#nodes) this.#leaveCrowded(this.#nodes());
  }
}
