import type { StoreError } from '../errors.ts';

/** How far the replica is, for those who wait for it. */
export class Progress {
  #position: number;
  #ended: StoreError | undefined;
  readonly #waiting = new Set<{ readonly position: number; readonly wake: () => void }>();

  constructor(position: number) {
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  reached(position: number): void {
    this.#position = position;
    for (const waiter of this.#waiting) if (waiter.position <= position) waiter.wake();
  }

  /** No other position will be reached. */
  end(why: StoreError): void {
    this.#ended ??= why;
    for (const waiter of this.#waiting) waiter.wake();
  }

  /** Why the position will never be reached; undefined as long as it may be, or is. */
  hopeless(position: number): StoreError | undefined {
    return this.#position < position ? this.#ended : undefined;
  }

  /** Resolves to true once the position is reached, to false when it will not be waited for any longer. */
  async until(position: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#position < position && !this.#ended && !signal?.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(waiter);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const waiter = { position, wake };
        this.#waiting.add(waiter);
        signal?.addEventListener('abort', wake);
      });
    }
    return this.#position >= position && !signal?.aborted;
  }
}
