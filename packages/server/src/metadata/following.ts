import { limits } from '../limits.ts';
import type { Position, SharedLog } from '../log/index.ts';
import { isUnavailable, ReplicaError } from './failure.ts';
import type { Shard } from './shard.ts';

/*
 * Follows a shared log: applies what is durable, in order, as it arrives, many entries in one commit when many have arrived. A log that
 * is out of reach is waited for; a state that does not belong to it, or an entry that does not fit, stops the replica.
 */
export class Following {
  readonly #shard: Shard;
  readonly #log: SharedLog;
  #stop = new AbortController();
  #running: Promise<void> | undefined;
  /** The state is known to be one of this log. */
  #joined = false;
  #entries = 0;

  constructor(shard: Shard, log: SharedLog) {
    this.#shard = shard;
    this.#log = log;
  }

  /** Entries applied since the start. */
  get entries(): number {
    return this.#entries;
  }

  start(): void {
    if (this.#running || this.#shard.stopped || this.#shard.closed) return;
    this.#stop = new AbortController();
    this.#running = this.#run(this.#stop.signal);
  }

  /** Resolves when nothing is being applied any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#running = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#shard.stopped) {
      try {
        await this.#step(this.#shard.position + 1, signal);
      } catch (cause) {
        // The log's client is closed before the replica only by whoever closes both.
        if (signal.aborted && isUnavailable(cause)) return;
        if (!isUnavailable(cause)) return this.#shard.stop('the log could not be followed', cause);
        await this.#shard.host.timers.sleep(limits.followRetryMs, signal);
      }
    }
  }

  /** Waits for `position` and applies it, and what has arrived with it. */
  async #step(position: Position, signal: AbortSignal): Promise<void> {
    const shard = this.#shard;
    if (!this.#joined) await this.#arrive(shard.position, signal);
    else await this.#log.reached(position, signal);
    if (signal.aborted) return;
    await shard.checkpoints.backlog;
    const commit = (step: () => void, bytes: number) => shard.commit(step, bytes);
    this.#entries += await shard.replica.replay(this.#log, { compare: !this.#joined, commit, signal });
    if (!signal.aborted) this.#joined = true;
  }

  /** This node may not have seen yet what its state holds already. */
  async #arrive(position: Position, signal: AbortSignal): Promise<void> {
    if (position <= this.#log.head) return;
    const end = await this.#log.barrier();
    if (end < position) {
      const why = `the state is at position ${position}, but the log ends at ${end}: entries were lost`;
      throw new ReplicaError('diverged', why);
    }
    await this.#log.reached(position, signal);
  }

  /** Applies everything up to `position`; earlier only when `signal` aborts. Not while it is started. */
  async upTo(position: Position, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (!this.#joined || this.#shard.position < position)) {
      await this.#step(Math.min(position, this.#shard.position + 1), signal);
    }
  }
}
