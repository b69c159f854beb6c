import type { Clock, Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { LogOwner } from '../../log/index.ts';
import type { NodeRecord } from '../../metadata/index.ts';
import type { Network } from './network.ts';

/*
 * Finds owners whose machine is lost without a word. The lease of such an owner ends by itself, in general within 4 s; but a leader of etcd that is elected
 * meanwhile prolongs every lease by its whole life and an election time, since it cannot know when it was renewed last. So a node also ends the
 * ownership of a node that is silent, when a majority of the nodes that keep metadata says the same: then it takes 5 s whatever etcd goes through.
 *
 * It decides when to try, never who owns the log: that is for the transactions of the log. An owner that lives all the same finds out at its next append.
 * A node that is cut off alone finds no majority. A process that stood still itself does not know how long the others were silent, so it counts anew. An
 * owner that appends is alive, however late its machine answers: only one whose log has not grown for as long is taken for lost.
 */

/** A shard, as far as its owner matters. */
export interface WatchedShard {
  readonly campaigns: boolean;
  readonly leads: boolean;
  /** Position of the newest entry of its log that this node has seen. */
  readonly head: number;
  owner(): LogOwner | undefined;
  /** Ends that ownership. Rejects when the log engine is out of reach. */
  endOwnership(owner: LogOwner): Promise<void>;
}

export interface FailureDetectorOptions {
  /** Id of this node. */
  readonly node: string;
  readonly network: Pick<Network, 'neighbours'>;
  readonly nodes: () => readonly Pick<NodeRecord, 'id' | 'state' | 'roles'>[];
  readonly shards: () => readonly WatchedShard[];
  readonly host: Pick<Host, 'clock' | 'timers'>;
}

export class FailureDetector {
  readonly #options: FailureDetectorOptions;
  readonly #clock: Clock;
  readonly #stop: () => void;
  /** This process has run since then without standing still. */
  #since: number;
  #lookedAt: number;
  /** Epochs that were ended, or are just being. */
  readonly #ended = new WeakMap<WatchedShard, number>();
  /** How far logs were at the last look, and since when. */
  readonly #grown = new WeakMap<WatchedShard, { readonly head: number; readonly at: number }>();

  constructor(options: FailureDetectorOptions) {
    this.#options = options;
    this.#clock = options.host.clock;
    this.#since = this.#lookedAt = this.#clock.monotonic();
    this.#stop = options.host.timers.every(limits.detectMs, () => this.#look());
  }

  /** Ids of the nodes that did not answer this one for so long that their ownerships may be ended. */
  silent(): string[] {
    const now = this.#clock.monotonic();
    const heard = (silentMs: number | undefined): number =>
      Math.max(this.#since, silentMs === undefined ? 0 : now - silentMs);
    return this.#options.network
      .neighbours()
      .filter(({ silentMs }) => now - heard(silentMs) >= limits.silentOwnerMs)
      .map(({ id }) => id);
  }

  #look(): void {
    const now = this.#clock.monotonic();
    if (now - this.#lookedAt > limits.detectMs + limits.stoodStillMs) this.#since = now;
    this.#lookedAt = now;
    const silent = new Set(this.silent());
    for (const shard of this.#options.shards()) {
      if (!this.#isQuiet(shard, now)) continue;
      const owner = shard.owner();
      if (!shard.campaigns || shard.leads || !owner || !silent.has(owner.node)) continue;
      if (this.#ended.get(shard) === owner.epoch || !this.#isAgreed(owner.node)) continue;
      this.#ended.set(shard, owner.epoch);
      // Out of reach while etcd elects a leader, for example: then the next look tries again.
      shard.endOwnership(owner).catch(() => this.#ended.delete(shard));
    }
  }

  /** Whether nothing was appended for so long that its owner may be lost. */
  #isQuiet(shard: WatchedShard, now: number): boolean {
    const { head } = shard;
    const known = this.#grown.get(shard);
    if (known?.head === head) return now - Math.max(known.at, this.#since) >= limits.silentOwnerMs;
    this.#grown.set(shard, { head, at: now });
    return false;
  }

  /** Whether a majority of those that keep metadata, the silent one among them, says so. */
  #isAgreed(node: string): boolean {
    const keepers = this.#options
      .nodes()
      .filter(({ state, roles }) => (state === 'active' || state === 'draining') && roles.includes('metadata'))
      .map(({ id }) => id);
    const agree = new Set([this.#options.node]);
    for (const { id, state, silentMs } of this.#options.network.neighbours())
      if (silentMs !== undefined && silentMs < limits.silentOwnerMs && state?.silent?.includes(node)) agree.add(id);
    return keepers.filter((id) => agree.has(id)).length * 2 > keepers.length;
  }

  close(): void {
    this.#stop();
  }
}
