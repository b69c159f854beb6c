/*
 * The only file of the SDK that touches clock, dice, timers and network. Everything else is given these, so that a test (or a simulation) decides
 * what time it is, how the dice fall and what the network does.
 */

/** What the SDK needs from outside itself. */
export interface Edges {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly now: () => number;
  /** Evenly distributed in [0, 1). Spreads retries; never used for secrets. */
  readonly random: () => number;
  /** Resolves after `milliseconds`; rejects with the signal's reason when that aborts first. */
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** Runs `run` later, once; the answer cancels it. */
  readonly after: (milliseconds: number, run: () => void) => () => void;
  /** Origin of the web page that this runs in; undefined outside of browsers. */
  readonly page: () => string | undefined;
}

/** The edges of the platform: global fetch, clock, dice and timers. */
export const platformEdges: Edges = {
  fetch: (url, init) => globalThis.fetch(url, init),
  now: () => Date.now(),
  random: () => Math.random(),
  sleep: (milliseconds, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', stop);
        resolve();
      }, milliseconds);
      signal?.addEventListener('abort', stop, { once: true });
    }),
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
  page: () => (globalThis as { readonly location?: { readonly origin: string } }).location?.origin,
};
