import { StoreError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import type { Log, OwnedLog, Position, SharedLog } from '../log/index.ts';
import { type FailureKind, isUnavailable } from './failure.ts';
import { type Feed, openFeed } from './feed.ts';
import { Following } from './following.ts';
import { type Metadata, Owner } from './owner.ts';
import { Shard, type ShardOptions } from './shard.ts';
import { writeSnapshot } from './snapshot.ts';
import type { MetadataReader } from './types.ts';

export interface MetadataOptions extends ShardOptions {
  /** Nobody else appends to it. */
  readonly log: Log;
  /** Entries below the position that it answers may be dropped from the log, when the KV covers `covered`; all of those by default. */
  readonly trimmable?: (covered: Position) => Position;
}

/**
 * Opens the shard of one machine: replays the log over the KV and ends what the run before left open.
 * @throws CorruptionError when KV and log do not belong together or hold what this version does not know
 */
export async function openMetadata(options: MetadataOptions): Promise<Metadata> {
  const { log, trimmable = (covered) => covered } = options;
  const shard = new Shard(options, (position) => log.trim(trimmable(position)));
  let replayed: number;
  try {
    replayed = await shard.replica.replay(log);
  } catch (cause) {
    shard.checkpoints.stop();
    throw cause;
  }
  shard.progress.reached(shard.position);
  const owner = new Owner(shard, {
    log,
    replayed,
    started: shard.position,
    feed: (name, from) => openFeed(log, log.follow(name, from), shard.progress, from),
    close: () => shard.close(),
  });
  shard.onFailure = () => owner.refuse();
  if (owner.reader.intents().some((intent) => intent.state === 'open')) await owner.propose({ type: 'intent.expire' });
  return owner;
}

export interface ReplicaOptions extends ShardOptions {
  readonly log: SharedLog;
}

/** Counted since the start. */
export interface ReplicaStatistics {
  readonly position: Position;
  readonly checkpointPosition: Position;
  readonly checkpoints: number;
  /** Entries applied by following the log. */
  readonly followed: number;
  readonly leading: boolean;
}

/** The shard while this node leads it. Proposals are refused from the moment another node may lead. */
export interface Term extends Metadata {
  /** Resolves when the term is over and the replica follows the log again. */
  readonly ended: Promise<void>;
  /** Answers what waits, gives the ownership back, and lets the replica follow. */
  close(): Promise<void>;
}

/** A shard's replica on one node: it follows the log, and leads it for a while when this node owns it. */
export interface ShardReplica {
  /** This thread's reader. */
  readonly reader: MetadataReader;
  /** Position that readers see. */
  applied(): Position;
  /** Resolves when readers see `position`, or when `signal` aborts. Rejects with ServiceUnavailable when they never will. */
  reached(position: Position, signal?: AbortSignal): Promise<void>;
  /** Why it stands still; undefined while all is well. It says the same as `failureKind`, to a person. */
  failure(): string | undefined;
  failureKind(): FailureKind | undefined;
  /** Digest of the committed state, 16 bytes. */
  digest(): Buffer;
  statistics(): ReplicaStatistics;
  /** What happens from `from` on. Nothing is kept for it in the log: it is lost when it falls behind the log's tail. */
  feed(name: string, from: Position): Feed;
  /** The whole state as a stream of checksummed chunks; see docs/formats/metadata.md. */
  snapshot(): Iterable<Buffer>;
  checkpoint(): Promise<void>;
  /**
   * Catches up with the log, then takes proposals. Rejects, and goes on following, when the log is out of reach or was lost again meanwhile;
   * the ownership is given back then.
   */
  lead(owned: OwnedLog): Promise<Term>;
  /** Ends the term, if any, and makes a last checkpoint. Log and KV stay open: they belong to the caller. */
  close(): Promise<void>;
}

class OpenReplica implements ShardReplica {
  readonly reader: MetadataReader;
  readonly #shard: Shard;
  readonly #log: SharedLog;
  readonly #following: Following;
  readonly #closing = new AbortController();
  /** The log while it leads. */
  #owned: OwnedLog | undefined;
  /** While it leads, or is about to. */
  #leading: Promise<Term> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: ReplicaOptions) {
    this.#log = options.log;
    this.#shard = new Shard(options, async (position) => {
      await options.log.covered(position);
      // Only who owns the log can let go of what a quorum has covered.
      await this.#owned?.trim(position);
    });
    this.reader = this.#shard.reader;
    this.#following = new Following(this.#shard, options.log);
    this.#following.start();
  }

  applied(): Position {
    return this.#shard.position;
  }

  async reached(position: Position, signal?: AbortSignal): Promise<void> {
    const { progress } = this.#shard;
    if (await progress.until(position, signal)) return;
    const why = progress.hopeless(position);
    if (why && !signal?.aborted) throw why;
  }

  failure(): string | undefined {
    return this.#shard.failure?.message;
  }

  failureKind(): FailureKind | undefined {
    return this.#shard.failure?.kind;
  }

  digest(): Buffer {
    return this.#shard.replica.applied.digest;
  }

  statistics(): ReplicaStatistics {
    const { position, checkpoints } = this.#shard;
    return {
      position,
      checkpointPosition: checkpoints.covered,
      checkpoints: checkpoints.made,
      followed: this.#following.entries,
      leading: this.#leading !== undefined,
    };
  }

  readonly feed = (_name: string, from: Position): Feed => {
    const log = this.#log;
    let next = from;
    const follower = {
      acknowledge(position: Position) {
        next = Math.max(next, position);
      },
      get lost() {
        return next < log.tail;
      },
      close() {},
    };
    return openFeed(log, follower, this.#shard.progress, from);
  };

  snapshot(): Iterable<Buffer> {
    return writeSnapshot(this.#shard.kv);
  }

  checkpoint(): Promise<void> {
    return this.#shard.checkpoints.now();
  }

  lead(owned: OwnedLog): Promise<Term> {
    invariant(!this.#leading, 'a replica leads one term at a time');
    const leading = this.#lead(owned);
    this.#leading = leading;
    leading.catch(() => {
      this.#leading = undefined;
      void giveBack(owned);
      this.#following.start();
    });
    return leading;
  }

  async #lead(owned: OwnedLog): Promise<Term> {
    await this.#following.stop();
    const before = this.#following.entries;
    const signal = AbortSignal.any([owned.lost, this.#closing.signal]);
    let end: Position;
    try {
      // As long as this node owns it nobody else appends: what the log holds now is all that the term begins on.
      end = await this.#log.barrier();
      await this.#following.upTo(end, signal);
    } catch (cause) {
      if (!isUnavailable(cause)) this.#shard.stop('the log could not be followed', cause);
      throw cause;
    }
    // More came behind the end: from another owner, of whom this node has not heard.
    if (this.#shard.stopped || signal.aborted || this.#shard.position !== end) {
      const message = `This node does not lead: ${this.failure() ?? 'the ownership was lost again'}.`;
      throw new StoreError('ServiceUnavailable', { message, retryAfter: 1 });
    }
    return this.#begin(owned, this.#following.entries - before);
  }

  #begin(owned: OwnedLog, replayed: number): Term {
    const shard = this.#shard;
    let ending: Promise<void> | undefined;
    const end = (resigning: boolean): Promise<void> => {
      ending ??= (async () => {
        owned.lost.removeEventListener('abort', lost);
        await owner.end();
        this.#owned = undefined;
        const resigned = giveBack(owned);
        if (resigning) await this.#briefly(resigned);
        shard.onFailure = () => {};
        this.#leading = undefined;
        this.#following.start();
        over.resolve();
      })();
      return ending;
    };
    const lost = (): void => void end(false);
    const over = Promise.withResolvers<void>();
    const owner = new Owner(shard, {
      log: owned,
      replayed,
      // Others may live whose intents are open: who is gone is known by name.
      started: 0,
      feed: (name, from) => openFeed(this.#log, owned.follow(name, from), shard.progress, from),
      close: () => end(true),
      term: { barrier: () => this.#log.barrier(), over: lost },
    });
    this.#owned = owned;
    shard.onFailure = lost;
    owned.lost.addEventListener('abort', lost);
    if (owned.lost.aborted || shard.stopped) lost();
    return Object.assign(owner, { ended: over.promise });
  }

  /** A log that is out of reach takes no resignation, and the lease ends by itself. */
  async #briefly(resigned: Promise<void>): Promise<void> {
    const stop = new AbortController();
    await Promise.race([resigned, this.#shard.host.timers.sleep(limits.resignMs, stop.signal)]);
    stop.abort();
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      this.#shard.closing();
      this.#closing.abort();
      const term = await this.#leading?.catch(() => undefined);
      await term?.close();
      await this.#following.stop();
      await this.#shard.close();
    })();
    return this.#closed;
  }
}

const giveBack = (owned: OwnedLog): Promise<void> => owned.resign().catch(() => {});

/**
 * Opens a shard's replica on this node and lets it follow the log; never waits for the log, so that a node that is cut off still serves
 * what it has.
 * @throws ReplicaError when the KV holds half of a snapshot
 */
export function openShardReplica(options: ReplicaOptions): ShardReplica {
  return new OpenReplica(options);
}
