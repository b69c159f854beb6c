import { StoreError } from '../../errors.ts';
import type { Clock } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { newPools, type Pools } from '../pool.ts';
import type { Serve } from '../types.ts';

/** The one method that a caller without a certificate may call. */
export const joinMethod = 'join';

/** Serves `join` once, and refuses everything else: for one connection. */
export function joinOnly(join: Serve): Serve {
  let asked = false;
  return async (call) => {
    if (call.method !== joinMethod || call.body.length > 0 || asked)
      throw new StoreError('AccessDenied', { message: 'A node without a certificate may only join.' });
    asked = true;
    return join(call);
  };
}

/** Memory for the bodies of those that join: they need none. */
export const joinPools: Pools = newPools(limits.joinRequestBytes);

/** Lets in so many at a time and in a minute. */
export class Turnstile {
  readonly #clock: Clock;
  #inside = 0;
  #tokens: number = limits.joinsPerMinute;
  #at: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#at = clock.monotonic();
  }

  /** @returns what to call when the connection ends, or undefined for a refusal */
  enter(): (() => void) | undefined {
    const now = this.#clock.monotonic();
    const filled = this.#tokens + ((now - this.#at) / 60_000) * limits.joinsPerMinute;
    this.#at = now;
    this.#tokens = Math.min(limits.joinsPerMinute, filled);
    if (this.#inside >= limits.joinLinks || this.#tokens < 1) return undefined;
    this.#tokens--;
    this.#inside++;
    return () => this.#inside--;
  }
}
