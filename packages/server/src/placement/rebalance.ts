import type { GroupRecord } from '../metadata/index.ts';
import { Members } from './members.ts';
import { leavingDevices } from './rehome.ts';
import { fill, type Load, loadsOf } from './shares.ts';
import { strawLength } from './straw.ts';
import type { PlacementDevice } from './topology.ts';

interface Move {
  readonly group: GroupRecord;
  /** The place of the member that leaves. */
  readonly at: number;
  readonly from: Load;
}

/** A device that holds less of its share than `lacking` gets members until it holds `wanted`: what is nearly even is not worth moves. */
const lacking = 0.8;
const wanted = 0.9;
/** What a device may hold of its share for the sake of groups that are crowded. */
const tolerated = 1.1;

/**
 * The records that move members of groups to devices that hold less than their share: to new ones above all. Each gives one member's place to
 * another device, at the next epoch; a group moves one member at a time, so a plan that was carried out may be followed by another, until one
 * is empty. First come groups with more members in one domain than the layout wants, as after a third node joined two; then nothing moves that
 * does not make shares more even. No device gets more than 1.1 of its share by weight, so a new node costs no more than it must and is not filled up. Devices that leave
 * are none of its business: {@link rehomeGroups}.
 * @param devices all that are known, here or not
 * @param bytes what one member of a group holds
 */
export function rebalanceGroups(
  devices: readonly PlacementDevice[],
  existing: readonly GroupRecord[],
  bytes: (group: GroupRecord) => number,
): GroupRecord[] {
  const plan = new Plan(devices, existing, bytes);
  plan.spread();
  plan.level();
  return plan.records;
}

class Plan {
  readonly #members: Members;
  readonly #leaving: ReadonlySet<string>;
  readonly #loads: ReadonlyMap<string, Load>;
  readonly #bytes: (group: GroupRecord) => number;
  /** Groups that were not moved so far, by id. */
  readonly #groups: Map<number, GroupRecord>;
  readonly records: GroupRecord[] = [];

  constructor(
    devices: readonly PlacementDevice[],
    existing: readonly GroupRecord[],
    bytes: (group: GroupRecord) => number,
  ) {
    this.#members = new Members(devices);
    this.#leaving = leavingDevices(devices);
    this.#loads = loadsOf(this.#members, existing, bytes);
    this.#bytes = bytes;
    const ordered = [...existing].sort((a, b) => a.id - b.id);
    this.#groups = new Map(ordered.map((group) => [group.id, group]));
  }

  /** One member of each crowded group goes to the emptiest device where it fits. */
  spread(): void {
    for (const group of this.#groups.values()) {
      const size = this.#bytes(group);
      const places = this.#places(group);
      if (!places.crowded) continue;
      let best: { readonly at: number; readonly from: Load; readonly to: Load } | undefined;
      for (const to of this.#loads.values()) {
        if (to.bytes + size > tolerated * to.due || (best && fill(to) >= fill(best.to))) continue;
        const [first] = places.giving(to.device).sort((a, b) => fill(b.from) - fill(a.from));
        if (first) best = { ...first, to };
      }
      if (best) this.#move({ group, ...best }, best.to);
    }
  }

  /** Devices that hold least get members of those that hold most. */
  level(): void {
    const open = new Set([...this.#loads.values()].filter((load) => load.bytes < lacking * load.due));
    for (let to = emptiest(open); to; to = emptiest(open)) {
      const move = this.#bestMove(to);
      if (move) this.#move(move, to);
      else open.delete(to);
    }
  }

  #move({ group, at, from }: Move, to: Load): void {
    const next = group.devices.map((each, place) => (place === at ? to.device.identity : each));
    this.records.push({ ...group, epoch: group.epoch + 1, devices: next });
    this.#groups.delete(group.id);
    from.bytes -= this.#bytes(group);
    to.bytes += this.#bytes(group);
  }

  /** From the fullest device that may give a place to this one; of its groups that with the longest straw. */
  #bestMove(to: Load): Move | undefined {
    let best: (Move & { readonly straw: number }) | undefined;
    for (const group of this.#groups.values()) {
      const size = this.#bytes(group);
      if (size <= 0 || to.bytes + size > wanted * to.due) continue;
      // Most groups end here: only members that are fuller than any so far are looked at closely.
      const worth = (from: Load | undefined) => from !== undefined && mayGive(from, to, size, best?.from);
      if (!group.devices.some((identity) => worth(this.#loads.get(identity)))) continue;
      const straw = strawLength(group.id, to.device.identity, to.device.weight);
      for (const { at, from } of this.#places(group).giving(to.device)) {
        if (!worth(from) || (best && fill(from) === fill(best.from) && straw <= best.straw)) continue;
        best = { group, at, from, straw };
      }
    }
    return best;
  }

  #places(group: GroupRecord): {
    /** More members lie in one domain than the layout wants. */
    readonly crowded: boolean;
    /** Members whose place `device` may take; of a crowded group those who crowd it. */
    giving(device: PlacementDevice): { readonly at: number; readonly from: Load }[];
  } {
    const deviceClass = this.#members.classOf(group, this.#leaving);
    const counts = this.#members.counts(group.devices, this.#leaving, this.#members.capsFor(group, deviceClass));
    const crowds = group.devices.map((identity) => {
      const device = this.#members.device(identity);
      return device !== undefined && counts.crowds(device);
    });
    const crowded = crowds.includes(true);
    return {
      crowded,
      giving: (device) => {
        if (group.devices.includes(device.identity)) return [];
        if (deviceClass !== undefined && device.class !== deviceClass) return [];
        return group.devices.flatMap((identity, at) => {
          const from = this.#loads.get(identity);
          if (!from || (crowded && !crowds[at])) return [];
          return counts.allows(from.device, device) ? [{ at, from }] : [];
        });
      },
    };
  }
}

function emptiest(open: ReadonlySet<Load>): Load | undefined {
  let least: Load | undefined;
  for (const load of open) if (load.bytes < wanted * load.due && (!least || fill(load) < fill(least))) least = load;
  return least;
}

/** Whether a move makes shares more even, and comes from a device above its share, no emptier than the best one so far. */
function mayGive(from: Load, to: Load, size: number, best: Load | undefined): boolean {
  if (fill(from) <= 1 || (best && fill(from) < fill(best))) return false;
  // The sum of bytes² / share over all devices must fall, or moves could go round in circles.
  return (2 * to.bytes + size) / to.share < (2 * from.bytes - size) / from.share;
}
