import { limits } from '../limits.ts';

const gaveUp = (): Error => new Error('the body was given up on its way');

/**
 * Chunks of one body, given to a second reader while the first one takes them: who gives waits when the second is far behind. When either of the
 * two gives up, so does the second; the first goes on alone.
 */
export class Feed {
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;
  #state: 'open' | 'whole' | 'given up' = 'open';
  #taken: (() => void) | undefined;
  #given: (() => void) | undefined;

  /** Whether what is given is still read. */
  get wanted(): boolean {
    return this.#state === 'open';
  }

  /** @returns a promise when the giver must wait */
  give(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#state !== 'open') return undefined;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#given?.();
    if (this.#bytes <= limits.sourceAheadBytes) return undefined;
    return new Promise((resolve) => {
      this.#taken = resolve;
    });
  }

  /** Nothing more comes: all of it was given. */
  end(): void {
    if (this.#state === 'open') this.#state = 'whole';
    this.#given?.();
  }

  /** The reader takes no more, or the giver has no more. After the end this does nothing to what was given. */
  giveUp(): void {
    if (this.#state === 'open') this.#state = 'given up';
    this.#given?.();
    this.#taken?.();
  }

  /** Waits until all of it was given. @throws Error when the giver gave up */
  async whole(): Promise<void> {
    while (this.#state === 'open') await this.#more();
    if (this.#state === 'given up') throw gaveUp();
  }

  /** All bytes of a body of this length: the last of them only when the giver says that nothing more comes. @throws Error when it gave up */
  async *all(length: number): AsyncGenerator<Uint8Array> {
    let held: Uint8Array | undefined;
    for await (const chunk of this.take(length)) {
      if (held) yield held;
      held = chunk;
    }
    await this.whole();
    if (held) yield held;
  }

  /** Bytes up to so many, as they come. @throws Error when the giver gave up */
  async *take(length: number): AsyncGenerator<Uint8Array> {
    let left = length;
    while (left > 0) {
      if (this.#state === 'given up') throw gaveUp();
      const chunk = this.#chunks.shift();
      if (!chunk) {
        if (this.#state === 'whole') return;
        await this.#more();
        continue;
      }
      const taken = chunk.subarray(0, left);
      if (taken.length < chunk.length) this.#chunks.unshift(chunk.subarray(taken.length));
      left -= taken.length;
      this.#bytes -= taken.length;
      if (this.#bytes <= limits.sourceAheadBytes) this.#taken?.();
      yield taken;
    }
  }

  /** Until something was given, or it ended. */
  async #more(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#given = resolve;
    });
    this.#given = undefined;
  }
}
