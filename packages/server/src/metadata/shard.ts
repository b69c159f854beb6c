import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import type { Kv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { Checkpoints } from './checkpoints.ts';
import { type Failure, failureOf, isFull } from './failure.ts';
import type { OtherShards } from './machine/quotas.ts';
import { Progress } from './progress.ts';
import { openMetadataReader } from './reader.ts';
import { Replica } from './replica.ts';
import type { MetadataReader } from './types.ts';

export interface ShardOptions {
  readonly kv: Kv;
  readonly host: Host;
  /** Number of this shard, 16 bits. */
  readonly shard: number;
  /** Bound of what the KV writes between two checkpoints; {@link limits.checkpointPendingBytes} when left out. */
  readonly pendingBytes?: number;
  /** What this node knows of the other shards. Absent: there are none. */
  readonly others?: OtherShards;
}

/**
 * A replica with what keeps it going, whoever feeds it: checkpoints, those who wait for a position, and the reason why it stands still. Its
 * owner and the follower of its log (never both at a time) commit through it.
 */
export class Shard {
  readonly kv: Kv;
  readonly host: Host;
  readonly number: number;
  readonly others: OtherShards | undefined;
  readonly replica: Replica;
  readonly progress: Progress;
  readonly checkpoints: Checkpoints;
  readonly reader: MetadataReader;
  /** Hears of the failure, once. */
  onFailure: () => void = () => {};
  #failure: Failure | undefined;
  #full = false;
  #closed = false;

  /** @param covered makes it known that the state at a position is durable */
  constructor(options: ShardOptions, covered: (position: number) => Promise<void>) {
    this.kv = options.kv;
    this.host = options.host;
    this.number = options.shard;
    this.others = options.others;
    this.replica = new Replica(options.kv);
    const position = () => this.replica.applied.position;
    this.progress = new Progress(position());
    this.checkpoints = new Checkpoints(options, covered, position(), position, (cause) =>
      this.stop('the checkpoint of the state', cause),
    );
    this.reader = openMetadataReader(options.kv);
  }

  get position(): number {
    return this.replica.applied.position;
  }

  /** Why nothing is applied; undefined while all is well. */
  get failure(): Failure | undefined {
    if (this.#failure || !this.#full) return this.#failure;
    return { kind: 'full', message: 'the disk is full; it goes on when there is space' };
  }

  /** Nothing will be applied any more. */
  get stopped(): boolean {
    return this.#failure !== undefined;
  }

  get closed(): boolean {
    return this.#closed;
  }

  stop(what: string, cause: unknown): void {
    if (this.#failure) return;
    this.#failure = failureOf(what, cause);
    this.progress.end(
      new StoreError('ServiceUnavailable', { message: `Here ${this.#failure.message}.`, retryAfter: 5 }),
    );
    this.onFailure();
  }

  /**
   * The entries of a commit are durable and so have happened: when the KV has no space for them, it waits for some. A checkpoint may make
   * some at once, because what was freed since the last one can then be used.
   * @param waiting hears that it waits
   */
  async commit(step: () => void, bytes: number, waiting: (cause: StoreError) => void = () => {}): Promise<void> {
    for (;;) {
      try {
        step();
        break;
      } catch (cause) {
        if (!isFull(cause) || this.#closed) throw cause;
        this.#full = true;
        waiting(cause);
      }
      await this.checkpoints.now();
      await this.host.timers.sleep(limits.fullRetryMs);
    }
    this.#full = false;
    this.progress.reached(this.position);
    this.checkpoints.committed(bytes);
  }

  /** Before whoever feeds it is waited for: a commit that waits for space gives up. */
  closing(): void {
    this.#closed = true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.checkpoints.close();
    this.progress.end(new StoreError('ServiceUnavailable', { message: 'The server is stopping.', retryAfter: 5 }));
  }
}
