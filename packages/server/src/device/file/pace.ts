const firstPause = 32;
const longestPause = 4096;

/**
 * Decides whether small transfers run on this thread. As long as they take the time of a memory copy they do; after a slow one the
 * next `firstPause` go through the thread pool, then one is tried again, and every try that is slow again doubles the pause. So a
 * cold or rotating disk stalls this thread once in thousands of transfers, and a warm one never pays for the pool.
 */
export class Pace {
  readonly #slowMs: number;
  #left = 0;
  #pause = firstPause;

  constructor(slowMs: number) {
    this.#slowMs = slowMs;
  }

  /** Whether the next transfer runs on this thread; then call {@link took}. */
  direct(): boolean {
    if (this.#left === 0) return true;
    this.#left--;
    return false;
  }

  took(milliseconds: number): void {
    if (milliseconds <= this.#slowMs) {
      this.#pause = firstPause;
      return;
    }
    this.#left = this.#pause;
    this.#pause = Math.min(longestPause, this.#pause * 2);
  }
}
