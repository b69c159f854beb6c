import type { Clock } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Position } from '../log/index.ts';
import { shardOfNumber } from '../metadata/index.ts';

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
  /** The least position of each shard. */
  #recent: number[] = [];
  #earlier: number[] = [];
  #turned: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#turned = clock.monotonic();
  }

  /** A version was looked up at this position, and its bytes may be asked for. */
  note(position: Position): void {
    this.#turn();
    const shard = shardOfNumber(position);
    const least = this.#recent[shard];
    if (least === undefined || position < least) this.#recent[shard] = position;
  }

  enter(position: Position): Lease {
    const lease = { position };
    this.#leases.add(lease);
    return lease;
  }

  leave(lease: Lease): void {
    this.#leases.delete(lease);
  }

  /** @returns a position of that shard; undefined when nothing reads there */
  oldest(shard = 0): Position | undefined {
    this.#turn();
    const none = Number.POSITIVE_INFINITY;
    let oldest = Math.min(this.#recent[shard] ?? none, this.#earlier[shard] ?? none);
    for (const { position } of this.#leases)
      if (position < oldest && shardOfNumber(position) === shard) oldest = position;
    return oldest === none ? undefined : oldest;
  }

  #turn(): void {
    const now = this.#clock.monotonic();
    const passed = now - this.#turned;
    if (passed < limits.unopenedReadMs) return;
    this.#earlier = passed < 2 * limits.unopenedReadMs ? this.#recent : [];
    this.#recent = [];
    this.#turned = now;
  }
}
