import { shardOfNumber } from '../../src/metadata/index.ts';
import type { History } from '../history.ts';
import { absent, type KeyHistory, never, type Read, type Write } from '../seen.ts';

/*
 * Linearizability of one key whose writes all wrote different values, after Gibbons and Korach ("Testing Shared Memories", SIAM J. Comput.
 * 26(4), 1997), in O(n log n). A cluster is a write and the reads of its value; its zone reaches from the least end to the greatest start of
 * its operations. Where the end comes first the zone is a forward one: all of the time between, the value was there. Otherwise it is a backward
 * one: at some moment between, the value was there. A history is linearizable exactly if no read ended before its write began, no two
 * forward zones overlap, and no backward zone lies within a forward one.
 *
 * A write whose client never learned its outcome ends at infinity, and is left out when nobody ever saw it. Deletes are writes that nobody
 * reads, unless their marker has an id. Where there is nothing and no marker tells who took it away, one delete must be able to have been
 * the last write: that is a necessary condition, checked beside the others.
 */

interface Cluster {
  readonly value: string;
  readonly write: Pick<Write, 'start' | 'end' | 'what'>;
  readonly reads: Read[];
}

interface Zone {
  readonly low: number;
  readonly high: number;
  readonly cluster: Cluster;
}

/** What is wrong with a key, as a sentence; undefined when its history is linearizable. */
export function linearizable(history: Pick<KeyHistory, 'name' | 'writes' | 'reads'>): string | undefined {
  const clusters = new Map<string, Cluster>();
  const unseen: Cluster[] = [];
  for (const write of history.writes) {
    if (write.refused) continue;
    if (write.value !== undefined) clusters.set(write.value, { value: write.value, write, reads: [] });
    else if (write.end !== never) unseen.push({ value: write.what, write, reads: [] });
  }
  for (const read of history.reads) {
    if (read.value === absent) continue;
    const cluster = clusters.get(read.value);
    if (!cluster) return `${history.name}: ${read.what} saw ${read.value}, which nobody wrote there`;
    if (read.end < cluster.write.start)
      return `${history.name}: ${read.what} saw ${read.value} before ${cluster.write.what} began`;
    cluster.reads.push(read);
  }
  return crossing(history.name, [...clusters.values(), ...unseen]) ?? wronglyAbsent(history);
}

function crossing(name: string, clusters: readonly Cluster[]): string | undefined {
  const forward: Zone[] = [];
  const backward: Zone[] = [];
  for (const cluster of clusters) {
    let end = cluster.write.end;
    let start = cluster.write.start;
    for (const read of cluster.reads) {
      end = Math.min(end, read.end);
      start = Math.max(start, read.start);
    }
    if (end === never) continue;
    if (end < start) forward.push({ low: end, high: start, cluster });
    else backward.push({ low: start, high: end, cluster });
  }
  forward.sort((a, b) => a.low - b.low);
  for (const [index, zone] of forward.entries()) {
    const next = forward[index + 1];
    if (next && next.low < zone.high) {
      return `${name}: ${describe(zone.cluster)} and ${describe(next.cluster)} were both the newest, one while the other was`;
    }
  }
  for (const zone of backward) {
    const around = lastBelow(forward, zone.low);
    if (around && zone.high < around.high) {
      return `${name}: ${describe(zone.cluster)} came and went unseen while ${describe(around.cluster)} was the newest`;
    }
  }
  return undefined;
}

/** The zone with the greatest low below `time`; zones are in order and do not overlap. */
function lastBelow(zones: readonly Zone[], time: number): Zone | undefined {
  let low = 0;
  let high = zones.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((zones[middle] as Zone).low < time) low = middle + 1;
    else high = middle;
  }
  return zones[low - 1];
}

function describe({ value, write, reads }: Cluster): string {
  const last = reads.reduce<Read | undefined>(
    (latest, read) => (latest && latest.start > read.start ? latest : read),
    undefined,
  );
  return `${value} (${write.what}${last ? `, seen by ${last.what}` : ''})`;
}

/** Nothing was there: some delete, or the beginning, must be able to come after every write that had ended before. */
function wronglyAbsent(history: Pick<KeyHistory, 'name' | 'writes' | 'reads'>): string | undefined {
  const reads = history.reads.filter(({ value }) => value === absent).sort((a, b) => a.start - b.start);
  if (reads.length === 0) return undefined;
  const puts = history.writes
    .filter((one) => !one.removes && !one.refused && one.end !== never)
    .sort((a, b) => a.end - b.end);
  const deletes = history.writes.filter((one) => one.removes && !one.refused).sort((a, b) => a.start - b.start);
  const latestEnds = runningMax(deletes.map(({ end }) => end));
  const latestStarts = runningMax(puts.map(({ start }) => start));
  for (const read of reads) {
    const before = countBelow(puts, (one) => one.end < read.start);
    const latestPut = latestStarts[before - 1] ?? Number.NEGATIVE_INFINITY;
    const begun = countBelow(deletes, (one) => one.start < read.end);
    const latestDelete = latestEnds[begun - 1] ?? Number.NEGATIVE_INFINITY;
    if (latestPut > latestDelete) {
      const put = puts.slice(0, before).find(({ start }) => start === latestPut);
      return `${history.name}: ${read.what} saw nothing after ${put?.what}, and nobody had deleted it`;
    }
  }
  return undefined;
}

function runningMax(numbers: readonly number[]): number[] {
  let most = Number.NEGATIVE_INFINITY;
  return numbers.map((one) => (most = Math.max(most, one)));
}

/** How many of the first items hold; the others do not. */
function countBelow<Item>(items: readonly Item[], holds: (item: Item) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(items[middle] as Item)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Gives each value that was seen to a write whose client never learned what it wrote. Where several may have written it, a write of its own
 * that may have happened at any time since the first of them.
 * @returns how many such writes were seen after all
 */
export function attribute(history: History): number {
  let found = 0;
  for (const key of history.keys.values()) {
    const known = new Set(key.writes.flatMap(({ value }) => (value === undefined ? [] : [value])));
    for (const { value } of key.reads) {
      if (value === absent || known.has(value)) continue;
      known.add(value);
      const candidates = writersOf(history, key, value);
      const [first] = candidates;
      if (!first) continue;
      found++;
      if (candidates.length === 1) first.value = value;
      else {
        const start = Math.min(...candidates.map((one) => one.start));
        key.writes.push({ ...first, what: `one of ${candidates.map(({ what }) => what).join(', ')}`, start, value });
      }
    }
  }
  return found;
}

function writersOf(history: History, key: KeyHistory, value: string): Write[] {
  const open = key.writes.filter((one) => one.end === never && one.value === undefined && !one.refused);
  const marker = value.startsWith('marker ');
  if (marker) return open.filter(({ removes }) => removes);
  const describer = Number(/^w(\d+)\//.exec(value)?.[1]);
  const last = Number(history.bytesOf(key.name, value)?.split(',').at(-1));
  const appends = (one: Write): boolean => one.what.includes(' append ');
  return open.filter(
    (one) => !one.removes && (one.write === describer || (appends(one) && (Number.isNaN(last) || one.write === last))),
  );
}

/**
 * The store says in which order it decided the writes. That order must agree with what clients saw happen one after the other: whoever
 * begins after another has ended comes later, and sees nothing older.
 */
export function ordered(history: History): string | undefined {
  const all: (Write | Read)[] = [];
  for (const { name, writes, reads } of history.keys.values()) {
    const wrong = outOfOrder(name, [...writes, ...reads]);
    if (wrong !== undefined) return wrong;
    all.push(...writes);
  }
  // Each shard decides for itself: between two there is no order.
  for (const [shard, those] of Map.groupBy(all, ({ order }) => shardOfNumber(order ?? 0))) {
    const wrong = outOfOrder(`shard ${shard}`, those);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function outOfOrder(name: string, all: readonly (Write | Read)[]): string | undefined {
  const known = all.filter((one) => one.order !== undefined && one.end !== never);
  const byStart = known.toSorted((a, b) => a.start - b.start);
  const byEnd = known.toSorted((a, b) => a.end - b.end);
  let at = 0;
  let latest: Write | Read | undefined;
  for (const one of byStart) {
    for (; byEnd[at] && (byEnd[at] as Write).end < one.start; at++) {
      if (!latest || (byEnd[at]?.order as number) > (latest.order as number)) latest = byEnd[at];
    }
    if (!latest) continue;
    const behind = (one.order as number) - (latest.order as number);
    if (behind < 0 || (behind === 0 && one.kind === 'write')) {
      return `${name}: ${one.what} (${one.order}) began after ${latest.what} (${latest.order}) had ended, and comes before it`;
    }
  }
  return undefined;
}
