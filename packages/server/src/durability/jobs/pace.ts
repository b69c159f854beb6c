import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';

/** Keeps a background job polite: it works in slices of a few milliseconds with rests between, and within a rate of bytes. */
export class Pace {
  readonly #host: Host;
  readonly #signal: AbortSignal | undefined;
  #rate: number | undefined;
  #hurried = false;
  #restedAt: number;
  /** Time at which the bytes let through so far are paid for. */
  #paidAt: number;

  constructor(host: Host, options: { readonly signal: AbortSignal | undefined }) {
    this.#host = host;
    this.#signal = options.signal;
    this.#restedAt = host.clock.monotonic();
    this.#paidAt = this.#restedAt;
  }

  /** From now on `step` lets through so many bytes per second, unless somebody is in a hurry. */
  limit(bytesPerSecond: number): void {
    if (!this.#hurried) this.#rate = bytesPerSecond;
  }

  /** Without a bound on bytes from now on. */
  hurry(): void {
    this.#hurried = true;
    this.#rate = undefined;
  }

  /** @throws the signal's reason, when the job was cancelled */
  check(): void {
    this.#signal?.throwIfAborted();
  }

  /**
   * Call it between two small steps of work.
   * @param bytes read by the step just done
   * @throws the signal's reason, when the job was cancelled
   */
  async step(bytes = 0): Promise<void> {
    this.#signal?.throwIfAborted();
    const now = this.#host.clock.monotonic();
    let pause = now - this.#restedAt >= limits.jobSliceMs ? limits.jobRestMs : 0;
    if (this.#rate !== undefined && bytes > 0) {
      this.#paidAt = Math.max(this.#paidAt, now - limits.jobBurstMs) + (bytes / this.#rate) * 1000;
      pause = Math.max(pause, this.#paidAt - now);
    }
    if (pause <= 0) return;
    await this.#host.timers.sleep(pause, this.#signal);
    this.#restedAt = this.#host.clock.monotonic();
    this.#signal?.throwIfAborted();
  }
}
