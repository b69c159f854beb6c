import type { Clock } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { GroupRecord, Redundancy } from '../metadata/index.ts';
import { redundancyOf, redundancyText } from './scheme.ts';

/** The placement groups, looked up by id and by redundancy. Asks its source again when it is a second old or misses an id. */
export class GroupTable {
  readonly #source: () => readonly GroupRecord[];
  readonly #clock: Clock;
  readonly #changed: (groups: readonly GroupRecord[]) => void;
  #list: readonly GroupRecord[] = [];
  #byId = new Map<number, GroupRecord>();
  #byRedundancy = new Map<string, GroupRecord[]>();
  #devices = 0;
  #readAt = Number.NEGATIVE_INFINITY;

  /** @param changed hears of every list that differs from the one before */
  constructor(
    source: () => readonly GroupRecord[],
    clock: Clock,
    changed: (groups: readonly GroupRecord[]) => void = () => undefined,
  ) {
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

  of(redundancy: Redundancy): readonly GroupRecord[] {
    if (this.#clock.monotonic() - this.#readAt > limits.groupsAgeMs) this.refresh();
    return this.#byRedundancy.get(redundancyText(redundancy)) ?? [];
  }

  /** Devices of all groups, here or not. */
  get devices(): number {
    if (this.#clock.monotonic() - this.#readAt > limits.groupsAgeMs) this.refresh();
    return this.#devices;
  }

  refresh(): void {
    this.#readAt = this.#clock.monotonic();
    const list = this.#source();
    if (list === this.#list) return;
    this.#list = list;
    this.#changed(list);
    this.#byId = new Map(list.map((group) => [group.id, group]));
    this.#byRedundancy = new Map();
    this.#devices = new Set(list.flatMap((group) => group.devices)).size;
    for (const group of list) {
      const name = redundancyText(redundancyOf(group));
      const same = this.#byRedundancy.get(name);
      if (same) same.push(group);
      else this.#byRedundancy.set(name, [group]);
    }
  }
}
