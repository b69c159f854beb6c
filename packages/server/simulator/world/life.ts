import type { Cancel, Host } from '../../src/host/index.ts';
import type { Dice } from './dice.ts';
import type { Scheduler } from './scheduler.ts';

/** 2026-01-01, where the wall clocks of all machines begin. */
const wallStart = 1_767_225_600_000;

/**
 * One run of a process on a machine, from its start to its crash or end. Whatever it waits for comes through here, so that a process that
 * was killed does nothing more, and one that is paused (SIGSTOP) does nothing until it goes on, and then everything that came due.
 */
export class Life {
  readonly host: Host;
  readonly name: string;
  /** Resolves when it is over. */
  readonly ended: Promise<void>;
  readonly #scheduler: Scheduler;
  #end: () => void = () => {};
  #alive = true;
  #pausedUntil = 0;

  /** @param wall adds to the wall clock, ms; asked for at every look */
  constructor(scheduler: Scheduler, name: string, dice: Dice, wall: () => number) {
    this.name = name;
    this.#scheduler = scheduler;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    const started = scheduler.now;
    this.host = {
      clock: {
        now: () => Math.floor(wallStart + scheduler.now + wall()),
        monotonic: () => scheduler.now - started,
      },
      entropy: { bytes: (length) => dice.bytes(length) },
      timers: {
        after: (milliseconds, run) => this.after(milliseconds, 'timer', run),
        every: (milliseconds, run) => this.#every(milliseconds, run),
        soon: (run) => void this.after(dice.float() * 0.02, 'soon', run),
        sleep: (milliseconds, signal) => this.#sleep(milliseconds, signal),
      },
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Runs only if this life still goes on then, and is not paused. */
  after(milliseconds: number, label: string, run: () => void): Cancel {
    let cancel: Cancel = () => {};
    const fire = (): void => {
      if (!this.#alive) return;
      const { now } = this.#scheduler;
      if (this.#pausedUntil > now) cancel = this.#scheduler.after(this.#pausedUntil - now, label, fire);
      else run();
    };
    cancel = this.#scheduler.after(milliseconds, label, fire);
    return () => cancel();
  }

  /** Resolves after a while of this life; never, when it ends before. */
  wait(milliseconds: number, label: string): Promise<void> {
    return new Promise((resolve) => void this.after(milliseconds, label, resolve));
  }

  pause(milliseconds: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#scheduler.now + milliseconds);
  }

  resume(): void {
    this.#pausedUntil = 0;
  }

  end(): void {
    this.#alive = false;
    this.#end();
  }

  #every(milliseconds: number, run: () => void): Cancel {
    const tick = (): void => {
      cancel = this.after(milliseconds, 'timer', tick);
      run();
    };
    let cancel = this.after(milliseconds, 'timer', tick);
    return () => cancel();
  }

  #sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        cancel();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.after(milliseconds, 'timer', done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }
}
