import type { Clock } from '../../host/index.ts';
import { limits } from '../../limits.ts';

/**
 * Says when the owner of a log is surely dead: its machine answers, and refuses connections where the owner listened. Silence says nothing: that is for
 * the lease. A refusal counts again only from another try to connect, and a node says so seldom, since one whose way to a living owner is barred (by a
 * firewall that refuses) must not take the log from every owner.
 */
export class Obituary {
  readonly #clock: Clock;
  #epoch: number | undefined;
  #first: { readonly error: unknown; readonly at: number } | undefined;
  #saidAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * A call to the owner of that epoch failed.
   * @returns whether its ownership is to be ended
   */
  refused(epoch: number, error: unknown): boolean {
    if (!isRefusal(error)) return false;
    const now = this.#clock.monotonic();
    if (this.#epoch !== epoch || !this.#first) {
      this.#epoch = epoch;
      this.#first = { error, at: now };
      return false;
    }
    if (error === this.#first.error || now - this.#first.at < limits.refusedForMs) return false;
    if (this.#saidAt !== undefined && now - this.#saidAt < limits.deposeEveryMs) return false;
    this.#saidAt = now;
    return true;
  }

  /** What was said last had no effect. */
  forget(): void {
    this.#saidAt = undefined;
  }
}

/** The link tells in `cause` why it could not connect. */
const isRefusal = (error: unknown): boolean =>
  error instanceof Error && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED';
