import type { Clock } from '../../host/index.ts';

/** How far a background job is, as plain data. */
export interface JobProgress {
  /** What it does now; `idle` when it does not run. */
  readonly phase: string;
  /** Units of this phase dealt with, and in all as far as is known. */
  readonly done: number;
  readonly total: number;
  /** Bytes read or freed by the job so far, over all phases. */
  readonly bytes: number;
  /** Units per second since this phase began. */
  readonly rate: number;
  /** Until the end of this phase; undefined while the rate is unknown. */
  readonly etaMs: number | undefined;
}

/** The phase of a job that does not run. */
export const idlePhase = 'idle';

/** Counts a job's work. */
export class ProgressMeter {
  readonly #clock: Clock;
  #phase: string = idlePhase;
  #done = 0;
  #total = 0;
  #bytes = 0;
  #began = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A new run: nothing done yet. */
  start(): void {
    this.#bytes = 0;
    this.phase('starting', 0);
  }

  phase(name: string, total: number): void {
    this.#phase = name;
    this.#done = 0;
    this.#total = total;
    this.#began = this.#clock.monotonic();
  }

  advance(units: number, bytes = 0): void {
    this.#done += units;
    this.#bytes += bytes;
    if (this.#done > this.#total) this.#total = this.#done;
  }

  end(): void {
    this.phase(idlePhase, 0);
  }

  snapshot(): JobProgress {
    const seconds = (this.#clock.monotonic() - this.#began) / 1000;
    const rate = seconds > 0 ? this.#done / seconds : 0;
    return {
      phase: this.#phase,
      done: this.#done,
      total: this.#total,
      bytes: this.#bytes,
      rate,
      etaMs: rate > 0 ? ((this.#total - this.#done) / rate) * 1000 : undefined,
    };
  }
}
