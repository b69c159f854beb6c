import type { Cancel } from '../host/index.ts';
import { limits } from '../limits.ts';

interface Waiting {
  readonly bytes: number;
  readonly granted: () => void;
}

/** A bounded number of bytes that many take from and give back to. Who waits is served in turn, so that large requests are not passed by forever. */
export class Pool {
  readonly #most: number;
  #used = 0;
  readonly #waiting = new Set<Waiting>();

  constructor(most: number) {
    this.#most = most;
  }

  get used(): number {
    return this.#used;
  }

  /** @returns false, and takes nothing, when they are not there or others wait */
  take(bytes: number): boolean {
    if (this.#waiting.size > 0 || this.#used + bytes > this.#most) return false;
    this.#used += bytes;
    return true;
  }

  /** Calls `granted` once the bytes are taken, at once if they can be. The result stops the wait; once granted, it does nothing. */
  wait(bytes: number, granted: () => void): Cancel {
    const waiting = { bytes, granted };
    this.#waiting.add(waiting);
    this.#serve();
    return () => {
      if (this.#waiting.delete(waiting)) this.#serve();
    };
  }

  give(bytes: number): void {
    this.#used -= bytes;
    this.#serve();
  }

  #serve(): void {
    for (const waiting of this.#waiting) {
      if (this.#used + waiting.bytes > this.#most) return;
      this.#waiting.delete(waiting);
      this.#used += waiting.bytes;
      waiting.granted();
    }
  }
}

/** The pools that received bytes are counted in. */
export interface Pools {
  /** First windows: taken at once or not at all. */
  readonly first: Pool;
  /** What is beyond the first window of a body: waited for, all of it at once, so that two bodies never wait for each other. */
  readonly rest: Pool;
}

export function newPools(bytes: number = limits.linkPoolBytes): Pools {
  return { first: new Pool(bytes), rest: new Pool(bytes) };
}
