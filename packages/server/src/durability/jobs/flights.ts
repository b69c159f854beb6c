/** Pieces of work that are under way side by side: so many at most, and one at a time of each name. */
export class Flights {
  readonly #most: number;
  readonly #running = new Map<string, Promise<void>>();
  #failure: { readonly cause: unknown } | undefined;

  constructor(most: number) {
    this.#most = most;
  }

  /** Resolves when nothing of that name is under way. */
  async ended(name: string): Promise<void> {
    await this.#running.get(name);
  }

  /**
   * Begins it when there is room; resolves then, not at its end.
   * @throws what an earlier one failed with
   */
  async start(name: string, work: () => Promise<void>): Promise<void> {
    while (this.#running.has(name)) await this.ended(name);
    while (this.#running.size >= this.#most) await Promise.race(this.#running.values());
    this.#check();
    const done = work()
      .catch((cause: unknown) => {
        this.#failure ??= { cause };
      })
      .finally(() => this.#running.delete(name));
    this.#running.set(name, done);
  }

  /** Resolves when all have ended, whatever became of them. */
  async landed(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  /** @throws what one failed with, when all have ended */
  async drain(): Promise<void> {
    await this.landed();
    this.#check();
  }

  #check(): void {
    if (this.#failure) throw this.#failure.cause;
  }
}
