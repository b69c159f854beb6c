import type { Position } from './types.ts';

interface Waiter {
  readonly position: Position;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Those who wait for a position to become durable. */
export class Waiters {
  readonly #waiters = new Set<Waiter>();

  add(position: Position, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle =
        <T extends unknown[]>(end: (...values: T) => void) =>
        (...values: T): void => {
          this.#waiters.delete(waiter);
          signal?.removeEventListener('abort', waiter.resolve);
          end(...values);
        };
      const waiter: Waiter = { position, resolve: settle<[]>(resolve), reject: settle(reject) };
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', waiter.resolve, { once: true });
    });
  }

  reached(head: Position): void {
    for (const waiter of this.#waiters) if (waiter.position <= head) waiter.resolve();
  }

  fail(error: unknown): void {
    for (const waiter of this.#waiters) waiter.reject(error);
  }
}
