import { StoreError } from '../errors.ts';
import type { Cancel, Timers } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';

/*
 * The memory that bodies under way may hold in one thread, shared out evenly.
 *
 * Nobody reserves bytes: each body asks how much it may hold at once, and that is less the more of them there are. So a body that a slow
 * client trickles holds back none of what others could use, no two can wait for each other, and a few large transfers still move in
 * the large groups that are fastest. Below a least share a body cannot move at all; those that would push the others below it wait their
 * turn, in the order in which they came, with nothing taken off their sockets.
 *
 * Rejected: counting the bytes themselves. When all of them lie in groups that are not full yet, nobody can go on.
 */

/** One body's place; given back once, when the last of its bytes has left. */
export interface Place {
  leave(): void;
}

interface Waiting {
  readonly admit: (place: Place) => void;
  readonly cancel: Cancel;
}

export interface BodyMemoryOptions {
  readonly timers: Pick<Timers, 'after'>;
  /** Bytes of all bodies together. */
  readonly bytes: number;
}

export class BodyMemory {
  readonly #timers: Pick<Timers, 'after'>;
  readonly #bytes: number;
  readonly #most: number;
  /** In the order of their coming. */
  readonly #waiting = new Set<Waiting>();
  #places = 0;

  constructor({ timers, bytes }: BodyMemoryOptions) {
    this.#timers = timers;
    this.#bytes = bytes;
    this.#most = Math.floor(bytes / limits.bodyShareBytes);
    invariant(this.#most >= 1, 'there is memory for at least one body');
  }

  /** Bodies under way, and bodies that wait for their place. */
  get load(): { readonly places: number; readonly waiting: number } {
    return { places: this.#places, waiting: this.#waiting.size };
  }

  /**
   * Takes a place, at once or when others have left.
   * @throws StoreError SlowDown when too many wait already, or when none became free in `limits.bodyWaitMs`
   */
  enter(): Place | Promise<Place> {
    if (this.#places < this.#most) return this.#take();
    if (this.#waiting.size >= limits.waitingBodies) throw crowded();
    return new Promise((admit, refuse) => {
      const one: Waiting = {
        admit,
        cancel: this.#timers.after(limits.bodyWaitMs, () => {
          this.#waiting.delete(one);
          refuse(crowded());
        }),
      };
      this.#waiting.add(one);
    });
  }

  /**
   * Bytes that a body may gather, or fetch, at once; it holds up to about four times as many: those, as many on their way to or from a device, and
   * what waits for digests, the client, or to become a frame. Whole frames.
   * @param most what is best when there is room
   */
  group(most: number): number {
    const share = this.#bytes / Math.max(1, this.#places) / 4;
    const frames = Math.max(1, Math.floor(share / limits.frameBytes));
    return Math.min(most, frames * limits.frameBytes);
  }

  #take(): Place {
    this.#places++;
    let left = false;
    return {
      leave: () => {
        invariant(!left, 'a place is left once');
        left = true;
        this.#places--;
        for (const next of this.#waiting) {
          this.#waiting.delete(next);
          next.cancel();
          next.admit(this.#take());
          break;
        }
      },
    };
  }
}

const crowded = (): StoreError =>
  new StoreError('SlowDown', { message: 'Too many bodies are under way at the same time. Try again in a moment.' });
