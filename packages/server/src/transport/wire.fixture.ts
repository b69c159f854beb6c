import type { Timers } from '../host/index.ts';
import type { Wire, WireEvents } from './wire.ts';

/** One end of a wire in memory. Bytes arrive in the order they were sent, each piece for itself, `latencyMs` later. */
export class MemoryWire implements Wire {
  readonly #timers: Timers;
  readonly #latencyMs: number;
  #other!: MemoryWire;
  #events: WireEvents | undefined;
  #paused = false;
  #over = false;
  /** What arrived and was not handed on yet, with what its sender waits for. */
  #arrived: { readonly bytes: Buffer; readonly taken: () => void }[] = [];
  /** Carries nothing any more, in this direction. */
  frozen = false;

  constructor(timers: Timers, latencyMs: number) {
    this.#timers = timers;
    this.#latencyMs = latencyMs;
  }

  static pair(timers: Timers, latencyMs = 1): [MemoryWire, MemoryWire] {
    const ends = [new MemoryWire(timers, latencyMs), new MemoryWire(timers, latencyMs)] as const;
    ends[0].#other = ends[1];
    ends[1].#other = ends[0];
    return [ends[0], ends[1]];
  }

  attach(events: WireEvents): void {
    this.#events = events;
    if (this.#over) this.#timers.soon(() => events.closed(undefined));
    this.#deliver();
  }

  write(pieces: readonly Uint8Array[], flushed: () => void): void {
    if (this.#over) return;
    const bytes = Buffer.concat(pieces);
    this.#timers.after(this.#latencyMs, () => {
      if (!this.frozen) this.#other.#arrive(bytes, flushed);
    });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#timers.soon(() => this.#deliver());
  }

  end(): void {
    this.#timers.after(this.#latencyMs, () => this.#other.destroy());
  }

  destroy(): void {
    if (this.#over) return;
    this.#over = true;
    this.#timers.soon(() => this.#events?.closed(undefined));
    this.#timers.after(this.#latencyMs, () => this.#other.destroy());
  }

  /** What the other end sent is taken only as far as this end reads: its sender feels the pressure. */
  #arrive(bytes: Buffer, taken: () => void): void {
    if (this.#over) return;
    this.#arrived.push({ bytes, taken });
    this.#deliver();
  }

  #deliver(): void {
    while (this.#events && !this.#paused && !this.#over) {
      const next = this.#arrived.shift();
      if (!next) return;
      next.taken();
      this.#events.data(next.bytes);
    }
  }
}
