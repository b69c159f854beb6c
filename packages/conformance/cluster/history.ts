/*
 * Linearizability of one register (an object) whose writes are all different, in O(n log n).
 *
 * Every write has a value of its own, so each read names the write that it saw. The operations on one value form a cluster; its zone goes from
 * the earliest end to the latest beginning of them. A zone is forward when the earliest end comes first (the value was surely there from its
 * beginning to its end), else backward. The history is linearizable when no two forward zones overlap and no backward zone lies within a
 * forward one. Source: P. B. Gibbons, E. Korach, "Testing Shared Memories", SIAM J. Comput. 26(4), 1997 (read mapping, section 5).
 *
 * A write whose outcome is not known may take effect at any time after its beginning, or never: it ends at infinity, and counts only if it was read.
 */

/** One operation on an object, with the times between which it took effect. */
export interface Operation {
  readonly kind: 'write' | 'read';
  /** What was written or seen. The state before any write has the value of {@link initial}. */
  readonly value: string;
  readonly beganAt: number;
  /** Infinity when it was never answered. */
  readonly endedAt: number;
}

/** What is read before anything was written. */
export const initial = '';

interface Zone {
  readonly value: string;
  readonly low: number;
  readonly high: number;
  readonly forward: boolean;
}

/** A sentence that says why the history is impossible, or undefined. */
export function anomaly(history: readonly Operation[]): string | undefined {
  const clusters = new Map<string, { write: Operation | undefined; reads: Operation[] }>();
  clusters.set(initial, {
    write: { kind: 'write', value: initial, beganAt: -Infinity, endedAt: -Infinity },
    reads: [],
  });
  for (const operation of history) {
    let cluster = clusters.get(operation.value);
    if (!cluster) clusters.set(operation.value, (cluster = { write: undefined, reads: [] }));
    if (operation.kind === 'read') cluster.reads.push(operation);
    else if (cluster.write) return `"${operation.value}" was written twice: the workload is wrong`;
    else cluster.write = operation;
  }
  const zones: Zone[] = [];
  for (const [value, { write, reads }] of clusters) {
    if (!write) return `"${value}" was read and never written`;
    if (write.endedAt === Infinity && reads.length === 0) continue;
    const early = reads.find((read) => read.endedAt < write.beganAt);
    if (early) return `"${value}" was read before it was written`;
    const all = [write, ...reads];
    const firstEnd = Math.min(...all.map(({ endedAt }) => endedAt));
    const lastBeginning = Math.max(...all.map(({ beganAt }) => beganAt));
    zones.push({
      value,
      low: Math.min(firstEnd, lastBeginning),
      high: Math.max(firstEnd, lastBeginning),
      forward: firstEnd < lastBeginning,
    });
  }
  const forward = zones.filter((zone) => zone.forward).toSorted((a, b) => a.low - b.low);
  for (const [i, zone] of forward.entries()) {
    const next = forward[i + 1];
    if (next && next.low < zone.high)
      return `"${zone.value}" and "${next.value}" were each seen before and after the other`;
  }
  for (const zone of zones) {
    if (zone.forward) continue;
    const around = lastBefore(forward, zone.low);
    if (around && around.low < zone.low && zone.high < around.high)
      return `"${zone.value}" was written or seen while "${around.value}" was there`;
  }
  return undefined;
}

/** The forward zone that begins last before `at`; forward zones are disjoint, so no other can hold it. */
function lastBefore(zones: readonly Zone[], at: number): Zone | undefined {
  let low = 0;
  let high = zones.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((zones[middle] as Zone).low < at) low = middle + 1;
    else high = middle;
  }
  return zones[low - 1];
}
