import type { Clock } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Position } from '../log/index.ts';

/** A read whose bytes are on their way out. */
export interface Lease {
  readonly position: Position;
}

/**
 * How far back the reads of this thread still look: stripes that became garbage behind that position are kept for them.
 *
 * A read that streams holds a lease. One that has looked a version up but not begun with its bytes, and perhaps never will (HEAD), holds
 * none; instead the least position of the last few seconds counts as held, in two generations that take turns, so that nothing
 * has to be released or timed.
 */
export class ReadHorizon {
  readonly #clock: Clock;
  readonly #leases = new Set<Lease>();
  #recent = Number.POSITIVE_INFINITY;
  #earlier = Number.POSITIVE_INFINITY;
  #turned: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#turned = clock.monotonic();
  }

  /** A version was looked up at this position, and its bytes may be asked for. */
  note(position: Position): void {
    this.#turn();
    if (position < this.#recent) this.#recent = position;
  }

  enter(position: Position): Lease {
    const lease = { position };
    this.#leases.add(lease);
    return lease;
  }

  leave(lease: Lease): void {
    this.#leases.delete(lease);
  }

  oldest(): Position | undefined {
    this.#turn();
    let oldest = Math.min(this.#recent, this.#earlier);
    for (const lease of this.#leases) if (lease.position < oldest) oldest = lease.position;
    return oldest === Number.POSITIVE_INFINITY ? undefined : oldest;
  }

  #turn(): void {
    const now = this.#clock.monotonic();
    const passed = now - this.#turned;
    if (passed < limits.unopenedReadMs) return;
    this.#earlier = passed < 2 * limits.unopenedReadMs ? this.#recent : Number.POSITIVE_INFINITY;
    this.#recent = Number.POSITIVE_INFINITY;
    this.#turned = now;
  }
}
