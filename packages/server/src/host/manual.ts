import type { Cancel, Host } from './types.ts';

/** A host for tests and simulation: time moves only when told to, and one seed decides every random byte. */
export interface ManualHost extends Host {
  /** Moves both clocks forward and runs the timers that come due, in order. */
  advance(milliseconds: number): void;
}

interface Timer {
  due: number;
  readonly run: () => void;
  readonly period: number | undefined;
}

/** A small counter-based generator (sfc32, Chris Doty-Humphrey's PractRand): fast, seeded, of period 2^32 at least; never used for keys. */
function seededBytes(seed: number): (length: number) => Buffer {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let counter = 1;
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i++) next();
  return (length) => {
    const out = Buffer.alloc(length);
    for (let i = 0; i < length; i++) out[i] = next() >>> 13;
    return out;
  };
}

/** @param seed decides all entropy; @param start the wall clock at the beginning, ms since 1970 */
export function manualHost(seed = 1, start = 1_700_000_000_000): ManualHost {
  let elapsed = 0;
  const timers = new Set<Timer>();
  const add = (milliseconds: number, run: () => void, period?: number): Cancel => {
    const timer: Timer = { due: elapsed + milliseconds, run, period };
    timers.add(timer);
    return () => timers.delete(timer);
  };
  return {
    clock: { now: () => start + elapsed, monotonic: () => elapsed },
    entropy: { bytes: seededBytes(seed) },
    timers: {
      after: (milliseconds, run) => add(milliseconds, run),
      every: (milliseconds, run) => add(milliseconds, run, milliseconds),
      soon: (run) => queueMicrotask(run),
      sleep: (milliseconds, signal) =>
        new Promise((resolve) => {
          const cancel = add(milliseconds, resolve);
          signal?.addEventListener('abort', () => {
            cancel();
            resolve();
          });
        }),
    },
    advance(milliseconds) {
      const end = elapsed + milliseconds;
      while (true) {
        let next: Timer | undefined;
        for (const timer of timers) if (timer.due <= end && (!next || timer.due < next.due)) next = timer;
        if (!next) break;
        elapsed = next.due;
        if (next.period === undefined) timers.delete(next);
        else next.due += next.period;
        next.run();
      }
      elapsed = end;
    },
  };
}
