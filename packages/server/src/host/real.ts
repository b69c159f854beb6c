import { randomFillSync } from 'node:crypto';
import type { Cancel, Clock, Entropy, Host, Timers } from './types.ts';

/** Each thread has an origin of its own for `performance.now`; the clock behind it is one for all. */
const origin = Number(process.hrtime.bigint()) / 1e6 - performance.now();

const clock: Clock = { now: () => Date.now(), monotonic: () => origin + performance.now() };

/** What is due already runs as soon as it can: Node does that too, and warns on standard error, in the log of the operator. */
const notBefore = (milliseconds: number): number => Math.max(0, milliseconds);

const timers: Timers = {
  after(milliseconds, run): Cancel {
    const timer = setTimeout(run, notBefore(milliseconds)).unref();
    return () => clearTimeout(timer);
  },
  every(milliseconds, run): Cancel {
    const timer = setInterval(run, milliseconds).unref();
    return () => clearInterval(timer);
  },
  soon: (run) => void setImmediate(run),
  sleep: (milliseconds, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, notBefore(milliseconds));
      signal?.addEventListener('abort', done, { once: true });
    }),
};

/** One system call fills 8 KiB; handing out slices is ten times cheaper than a call for every id. */
function bulkEntropy(): Entropy {
  const pool = Buffer.allocUnsafeSlow(8192);
  let used = pool.length;
  return {
    bytes(length) {
      if (length > 1024) return randomFillSync(Buffer.allocUnsafeSlow(length));
      if (used + length > pool.length) {
        randomFillSync(pool);
        used = 0;
      }
      const out = Buffer.allocUnsafe(length);
      // Ids are short: a loop beats the calls that copy and clear.
      for (let i = 0; i < length; i++) {
        out[i] = pool[used + i] as number;
        pool[used + i] = 0;
      }
      used += length;
      return out;
    },
  };
}

/** The real clock, timers and entropy of this thread. */
export function realHost(): Host {
  return { clock, timers, entropy: bulkEntropy() };
}
