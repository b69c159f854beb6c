import { Runs } from './runs.ts';
import type { Extent, Window } from './types.ts';

/** A window as its writer uses it up. */
export class Lease {
  readonly nonce: Buffer;
  /** Bytes at the beginning. */
  readonly size: number;
  /** Fragments begun here and not ended. */
  busy = 0;
  /** No fragment begins here any more; the window is closed when the last one ends. */
  retired = false;
  readonly #free: Runs;

  constructor({ nonce, runs }: Window) {
    this.nonce = Buffer.from(nonce);
    this.#free = new Runs(runs);
    this.size = this.#free.bytes;
  }

  get freeBytes(): number {
    return this.#free.bytes;
  }

  /** What was never used. */
  get unused(): readonly Extent[] {
    return this.#free.list;
  }

  /** Address of so many bytes in one run, or undefined when there are none. */
  take(bytes: number): number | undefined {
    return this.#free.take(bytes);
  }

  /** Takes back blocks in which no header was ever written. */
  give(extent: Extent): void {
    this.#free.add(extent);
  }
}
