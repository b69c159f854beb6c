/**
 * Group commit: callers that ask while one round is in flight share the next one, so every round covers all that was done before it
 * began, and at most one runs at a time.
 */
export class GroupCommit {
  readonly #round: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(round: () => Promise<void>) {
    this.#round = round;
  }

  get idle(): boolean {
    return this.#running === undefined && this.#next === undefined;
  }

  /** Resolves when a round that began after this call has ended; rejects when that round failed. */
  covered(): Promise<void> {
    this.#next ??= this.#start();
    return this.#next;
  }

  async #start(): Promise<void> {
    // Wait even when nothing runs: whoever asks in the same moment then shares this round.
    await this.#running?.catch(() => undefined);
    const mine = this.#next;
    this.#running = mine;
    this.#next = undefined;
    try {
      await this.#round();
    } finally {
      if (this.#running === mine) this.#running = undefined;
    }
  }
}
