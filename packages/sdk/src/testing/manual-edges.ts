import type { Edges } from '../edges.ts';

export interface ManualEdges extends Edges {
  /** Every wait that was asked for, in milliseconds. */
  readonly sleeps: number[];
  time: number;
  /** What `random` gives. */
  dice: number;
  /** Runs all timers that `after` set and nobody cancelled. */
  readonly fire: () => void;
}

/** Edges for tests: sleeping takes no time and moves the clock. */
export function manualEdges(fetch: Edges['fetch'], start = 1_700_000_000_000): ManualEdges {
  const timers = new Set<() => void>();
  const edges: ManualEdges = {
    fetch,
    time: start,
    dice: 0.5,
    sleeps: [],
    now: () => edges.time,
    random: () => edges.dice,
    async sleep(milliseconds, signal) {
      signal?.throwIfAborted();
      edges.sleeps.push(milliseconds);
      edges.time += milliseconds;
    },
    after(_, run) {
      const timer = () => run();
      timers.add(timer);
      return () => timers.delete(timer);
    },
    page: () => undefined,
    fire() {
      const due = [...timers];
      for (const timer of due) {
        timers.delete(timer);
        timer();
      }
    },
  };
  return edges;
}
