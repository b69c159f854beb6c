import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { type BucketId, lastUseMs, type ObjectVersion, type Proposer, type TouchCommand } from '../metadata/index.ts';

/** Parts of a policy's idle time in which a version is noted as read once. */
const notesPerIdleTime = 8;

/**
 * Notes which versions are read, for policies that go by it: at most once in an eighth of the idle time for each version, many in one proposal, a bounded
 * number waiting. What is lost, because too much waits or a process dies, only makes bytes cold that were still read: they come back.
 */
export class Touches {
  readonly #proposer: Proposer;
  readonly #host: Pick<Host, 'clock' | 'timers'>;
  readonly #waiting = new Map<string, TouchCommand['items'][number]>();
  /** What waits goes out soon. */
  #isDue = false;

  constructor(proposer: Proposer, host: Pick<Host, 'clock' | 'timers'>) {
    this.#proposer = proposer;
    this.#host = host;
  }

  /** A version is read. @param idleMs of its policy */
  note(bucket: BucketId, key: Buffer, version: ObjectVersion, idleMs: number): void {
    if (this.#host.clock.now() - lastUseMs(version) < idleMs / notesPerIdleTime) return;
    const name = `${bucket}.${version.sequence}`;
    if (this.#waiting.has(name) || this.#waiting.size >= limits.touchesWaiting) return;
    this.#waiting.set(name, { bucket, key, sequence: version.sequence, idleMs });
    const soon = Math.min(limits.touchMs, idleMs / notesPerIdleTime);
    if (this.#isDue) return;
    this.#isDue = true;
    this.#host.timers.after(soon, () => void this.#flush());
  }

  async #flush(): Promise<void> {
    this.#isDue = false;
    const items = [...this.#waiting.values()];
    this.#waiting.clear();
    for (let at = 0; at < items.length; at += limits.touchBatch) {
      const some = items.slice(at, at + limits.touchBatch);
      // A read that could not be noted is as one that was not.
      await this.#proposer.propose({ type: 'object.touch', items: some }).catch(() => undefined);
    }
  }
}
