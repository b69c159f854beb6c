import { StoreError } from '../errors.ts';
import type { Timers } from '../host/index.ts';
import { limits } from '../limits.ts';

const full = (): StoreError =>
  new StoreError('SlowDown', {
    message: 'Too many requests wait for the store that the bucket came from. Slow down and try again.',
    retryAfter: 1,
  });

/** At most so many requests to one source at once; the others wait in the order of their coming, not too many and not for too long. */
export class Places {
  readonly #timers: Timers;
  readonly #waiting = new Set<() => void>();
  #free: number = limits.sourceRequests;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** @returns gives the place back; a second call does nothing. @throws StoreError SlowDown */
  async enter(): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const [next] = this.#waiting;
      if (next) next();
      else this.#free += 1;
    };
  }

  #turn(): Promise<void> {
    if (this.#waiting.size >= limits.sourceWaiting) throw full();
    return new Promise((resolve, reject) => {
      const mine = (): void => {
        cancel();
        this.#waiting.delete(mine);
        resolve();
      };
      const cancel = this.#timers.after(limits.sourceWaitMs, () => {
        this.#waiting.delete(mine);
        reject(full());
      });
      this.#waiting.add(mine);
    });
  }
}
