import type { Clock } from '../host/index.ts';
import { limits } from '../limits.ts';

/*
 * The time by which retentions run out. A clock that is set forward would end them all at once, so it is not believed: the log says from time to
 * time how late it is (counter `lockClock`), and from there on an owner counts the time that passes, by a clock that cannot be set. Only where it begins
 * it may have been away for a while, and believes the wall clock for so long. So this time may be behind, and then versions stay locked for longer; it is
 * ahead of the log by no more than has passed, and `limits.lockClockGapMs` once for each owner.
 */
export class LockClock {
  readonly #clock: Clock;
  #began: { readonly ms: number; readonly monotonicMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param wallMs what the clock of the owner says, ms since 1970
   * @param loggedMs the newest time that the log says; 0: none, since nothing locks yet
   */
  now(wallMs: number, loggedMs: number): number {
    if (loggedMs === 0) return wallMs;
    const monotonicMs = this.#clock.monotonic();
    this.#began ??= { ms: Math.max(loggedMs, Math.min(wallMs, loggedMs + limits.lockClockGapMs)), monotonicMs };
    const passed = Math.floor(this.#began.ms + monotonicMs - this.#began.monotonicMs);
    return Math.max(loggedMs, Math.min(wallMs, passed));
  }
}
