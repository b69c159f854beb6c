interface Waiting {
  readonly bytes: number;
  readonly grant: () => void;
}

/** A count of bytes that all uploads of a client share, so that many at once stay within bounds. First come, first served. */
export class ByteBudget {
  readonly #total: number;
  #free: number;
  readonly #queue: Waiting[] = [];

  constructor(total: number) {
    this.#total = total;
    this.#free = total;
  }

  /** Resolves when `bytes` may be held, with the function that gives them back. More than the whole budget is granted alone. */
  async take(bytes: number, signal?: AbortSignal): Promise<() => void> {
    const share = Math.min(bytes, this.#total);
    if (this.#queue.length === 0 && share <= this.#free) this.#free -= share;
    else await this.#wait(share, signal);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#free += share;
      this.#serve();
    };
  }

  #wait(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const leave = () => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1);
        reject(signal?.reason);
        this.#serve();
      };
      const grant = () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const waiting = { bytes, grant };
      signal?.addEventListener('abort', leave, { once: true });
      this.#queue.push(waiting);
    });
  }

  #serve(): void {
    while (this.#queue.length > 0 && this.#queue[0]!.bytes <= this.#free) {
      const next = this.#queue.shift()!;
      this.#free -= next.bytes;
      next.grant();
    }
  }
}
