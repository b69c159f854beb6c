import type { GroupRecord } from '../metadata/index.ts';

/** Golden ratio: its multiples modulo 1 spread evenly, whatever their number. */
const step = (Math.sqrt(5) - 1) / 2;

/** The `count`-th of a row of points in [0, 1) that are spread evenly: better than dice for a small number of groups. */
export function spreadPoint(count: number): number {
  return (count * step) % 1;
}

/**
 * One group, each with the probability of its free space (that of its fullest device) when `point` is uniform; undefined when all are
 * excluded or full.
 * @param point in [0, 1)
 * @param free bytes (or any unit) that a device can still take
 * @param exclude devices that must not be used
 */
export function chooseGroup(
  groups: readonly GroupRecord[],
  point: number,
  free: (device: string) => number,
  exclude: ReadonlySet<string>,
): GroupRecord | undefined {
  let total = 0;
  for (const group of groups) total += room(group, free, exclude);
  if (total <= 0) return undefined;
  let rest = point * total;
  let last: GroupRecord | undefined;
  for (const group of groups) {
    const weight = room(group, free, exclude);
    if (weight <= 0) continue;
    last = group;
    rest -= weight;
    if (rest < 0) return group;
  }
  return last;
}

function room(group: GroupRecord, free: (device: string) => number, exclude: ReadonlySet<string>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const device of group.devices) {
    if (exclude.has(device)) return 0;
    least = Math.min(least, free(device));
  }
  return Number.isFinite(least) && least > 0 ? least : 0;
}
