/** Wall and monotonic time, in milliseconds. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC; may jump. */
  now(): number;
  /** Milliseconds from an arbitrary start, the same one for all threads of a process; never goes back. */
  monotonic(): number;
}

/** Stops a timer; a second call does nothing. */
export type Cancel = () => void;

/** Timers that do not keep the process alive. */
export interface Timers {
  after(milliseconds: number, run: () => void): Cancel;
  every(milliseconds: number, run: () => void): Cancel;
  /** Runs after the input that is ready now was dealt with: what arrives together is handled together. */
  soon(run: () => void): void;
  /** Resolves after `milliseconds`, or at once when `signal` aborts. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

/** Cryptographically strong random bytes, drawn in bulk. */
export interface Entropy {
  bytes(length: number): Buffer;
}

/** The edges that every room is given instead of reaching for them. */
export interface Host {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly entropy: Entropy;
}
