import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import type { Kv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import type { Log, LogEntry } from '../log/index.ts';
import { Checkpoints } from './checkpoints.ts';
import { type Feed, openFeed, Progress } from './feed.ts';
import { apply } from './machine/apply.ts';
import { decide } from './machine/decide.ts';
import type { Stamp } from './machine/deciding.ts';
import { EntryWriter } from './machine/entry.ts';
import { Application } from './machine/manifests.ts';
import { Overlay } from './machine/overlay.ts';
import { type KnownBuckets, View } from './machine/view.ts';
import { openMetadataReader } from './reader.ts';
import { Replica } from './replica.ts';
import { writeSnapshot } from './snapshot.ts';
import type { Command, MetadataReader, Proposer, Reply } from './types.ts';

/*
 * The owner of a shard. One entry is under way at a time; proposals that arrive meanwhile wait, and are then decided one after the other
 * against an overlay of the state, so that each sees what those before it did, and logged as one entry. The KV is committed once the
 * entry is durable, and only then are the proposals answered, refused ones too: what a refusal was decided on must not be taken back
 * by a crash. A lone proposal waits for nothing.
 *
 * Rejected: several entries under way (each would have to be decided on a state that may still fail, for a gain that group commit has
 * already), and answering refusals at once.
 */

export interface MetadataOptions {
  readonly log: Log;
  readonly kv: Kv;
  readonly host: Host;
  /** Number of this shard, 16 bits. */
  readonly shard: number;
  /** Bound of what the KV writes between two checkpoints; {@link limits.checkpointPendingBytes} when left out. */
  readonly pendingBytes?: number;
  /** Entries below the position that it answers may be dropped from the log, when the KV covers `covered`; all of those by default. */
  readonly trimmable?: (covered: number) => number;
}

/** Counted since the start. */
export interface MetadataStatistics {
  readonly position: number;
  readonly checkpointPosition: number;
  readonly checkpoints: number;
  /** Entries that were replayed at the start. */
  readonly replayed: number;
  readonly entries: number;
  readonly entryBytes: number;
  readonly proposals: number;
  readonly refused: number;
  readonly waiting: number;
}

/** The open shard. */
export interface Metadata extends Proposer {
  /** This thread's reader. */
  readonly reader: MetadataReader;
  /** Why nothing is accepted any more; undefined while all is well. */
  failure(): string | undefined;
  statistics(): MetadataStatistics;
  /** Digest of the committed state, 16 bytes. */
  digest(): Buffer;
  /** What happens from `from` on, for a follower. Entries are kept for it, within the bound of the log's tail. */
  feed(name: string, from: number): Feed;
  /** The whole state as a stream of checksummed chunks; see docs/formats/metadata.md. */
  snapshot(): Iterable<Buffer>;
  checkpoint(): Promise<void>;
  /** Answers what waits, then checkpoints. Log and KV stay open: they belong to the caller. */
  close(): Promise<void>;
}

interface Waiting {
  readonly command: Command;
  readonly resolve: (outcome: { readonly reply: Reply; readonly position: number }) => void;
  readonly reject: (cause: unknown) => void;
}

/** Turns of the event loop that an entry waits at most while proposals keep arriving. */
const GATHER_TURNS = 4;

type Outcome =
  | { readonly proposal: Waiting; readonly reply: Reply }
  | { readonly proposal: Waiting; readonly cause: unknown };

const isFull = (error: unknown): error is StoreError => error instanceof StoreError && error.code === 'StorageFull';

/** The log refused an entry and wrote nothing of it. */
class NotLogged extends Error {
  readonly error: StoreError;

  constructor(error: StoreError) {
    super(error.message);
    this.error = error;
  }
}

class Owner implements Metadata {
  readonly reader: MetadataReader;
  readonly #log: Log;
  readonly #kv: Kv;
  readonly #host: Host;
  readonly #shard: number;
  readonly #replica: Replica;
  readonly #started: number;
  readonly #progress: Progress;
  readonly #checkpoints: Checkpoints;
  readonly #replayed: number;
  readonly #buckets: KnownBuckets = new Map();
  readonly #entry = new EntryWriter();
  #queue: Waiting[] = [];
  #pumping: Promise<void> | undefined;
  #now = 0;
  #failure: string | undefined;
  /** While a durable entry waits for space in the KV. */
  #full = false;
  #closed = false;
  #entries = 0;
  #entryBytes = 0;
  #proposals = 0;
  #refused = 0;
  #sinceDigest = 0;

  constructor(options: MetadataOptions, replica: Replica, replayed: number) {
    invariant(options.shard >= 0 && options.shard < 0x1_0000, 'a shard number has 16 bits');
    this.#log = options.log;
    this.#kv = options.kv;
    this.#host = options.host;
    this.#shard = options.shard;
    this.#replica = replica;
    this.#replayed = replayed;
    this.#started = replica.applied.position;
    this.#progress = new Progress(this.#started);
    const position = () => this.#replica.applied.position;
    this.#checkpoints = new Checkpoints(options, position() - replayed, position, (cause) =>
      this.#stop('the checkpoint of the state', cause),
    );
    this.reader = openMetadataReader(options.kv);
  }

  propose(command: Command): Promise<{ readonly reply: Reply; readonly position: number }> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined || this.#closed) return reject(this.#unavailable());
      if (this.#full) return reject(new StoreError('StorageFull'));
      if (this.#queue.length >= limits.waitingProposals) return reject(new StoreError('SlowDown', { retryAfter: 1 }));
      this.#queue.push({ command, resolve, reject });
      this.#pumping ??= this.#pump();
    });
  }

  #unavailable(): StoreError {
    const message = this.#failure ? `The server takes no changes: ${this.#failure}.` : 'The server is stopping.';
    return new StoreError('ServiceUnavailable', { message, retryAfter: 5 });
  }

  async #pump(): Promise<void> {
    while (this.#queue.length > 0 && this.#failure === undefined) {
      await this.#checkpoints.backlog;
      await this.#gather();
      await this.#round();
    }
    this.#pumping = undefined;
  }

  /** What else has arrived joins the entry, and what comes while more is coming: one sync then serves all of it. */
  async #gather(): Promise<void> {
    for (let turns = 0; turns < GATHER_TURNS; turns++) {
      const before = this.#queue.length;
      await new Promise<void>((resolve) => this.#host.timers.soon(resolve));
      if (this.#queue.length === before) return;
    }
  }

  async #round(): Promise<void> {
    const overlay = new Overlay(this.#kv);
    const position = this.#replica.applied.position + 1;
    let outcomes: Outcome[] = [];
    try {
      this.#entry.begin();
      const empty = this.#entry.length;
      outcomes = this.#decide(overlay, position);
      if (this.#entry.length > empty) {
        const payload = this.#entry.payload();
        const entry = await this.#append(payload);
        invariant(entry.position === position, 'the owner alone appends to its log');
        await this.#commit(this.#replica.stage(overlay, entry));
        this.#entries++;
        this.#entryBytes += payload.length;
        this.#progress.reached(position);
        this.#checkpoints.committed(payload.length);
      }
    } catch (cause) {
      if (cause instanceof NotLogged) {
        for (const { proposal } of outcomes) proposal.reject(cause.error);
        return;
      }
      this.#stop('an entry could not be logged and applied', cause);
      for (const { proposal } of outcomes) proposal.reject(this.#unavailable());
      return;
    }
    const answered = this.#replica.applied.position;
    for (const outcome of outcomes) {
      if ('reply' in outcome) outcome.proposal.resolve({ reply: outcome.reply, position: answered });
      else outcome.proposal.reject(outcome.cause);
    }
  }

  /** A log without space wrote nothing and is still good: the proposals are refused, and later ones may find space again. */
  async #append(payload: Buffer): Promise<LogEntry> {
    try {
      return await this.#log.append(payload);
    } catch (error) {
      if (isFull(error)) throw new NotLogged(error);
      throw error;
    }
  }

  /**
   * The entry is durable and so has happened: when the KV has no space for it, it waits for some, and nothing new is taken meanwhile. A
   * checkpoint may make some at once, because what was freed since the last one can then be used.
   */
  async #commit(step: () => void): Promise<void> {
    for (;;) {
      try {
        step();
        this.#full = false;
        return;
      } catch (cause) {
        if (!isFull(cause) || this.#closed) throw cause;
        this.#full = true;
        for (const proposal of this.#queue.splice(0)) proposal.reject(new StoreError('StorageFull', { cause }));
      }
      await this.#checkpoints.now();
      await this.#host.timers.sleep(limits.fullRetryMs);
    }
  }

  /** Decides what waits, as much as one entry takes. */
  #decide(overlay: Overlay, position: number): Outcome[] {
    const view = new View(overlay, this.#buckets);
    const application = new Application(overlay, position, view);
    const stamp = this.#stamp(position);
    const outcomes: Outcome[] = [];
    const entry = this.#entry;
    const empty = entry.length;
    while (
      outcomes.length < limits.batchProposals &&
      outcomes.length < this.#queue.length &&
      entry.length < limits.batchBytes
    ) {
      const proposal = this.#queue[outcomes.length]!;
      this.#proposals++;
      const before = entry.length;
      try {
        const { effects, reply } = decide(view, proposal.command, stamp);
        entry.add(effects);
        if (entry.length - before > limits.proposalBytes) {
          throw new StoreError('InvalidRequest', { message: 'The change is too large to be made at once.' });
        }
        outcomes.push({ proposal, reply });
        apply(application, effects);
      } catch (cause) {
        // A decision changes nothing, so a failed one harms none but its proposer. A failure to apply leaves a broken overlay.
        if (outcomes.at(-1)?.proposal === proposal) throw cause;
        entry.truncate(before);
        this.#refused++;
        outcomes.push({ proposal, cause });
      }
    }
    this.#queue.splice(0, outcomes.length);
    this.#sinceDigest += outcomes.length;
    if (this.#sinceDigest >= limits.digestProposals && entry.length > empty) {
      this.#sinceDigest = 0;
      entry.add([{ type: 'digest', digest: stamp.digest }]);
    }
    return outcomes;
  }

  #stamp(position: number): Stamp {
    // Within one run the times of a shard never go back, even when the clock does.
    this.#now = Math.max(this.#now, Math.floor(this.#host.clock.now()));
    const { entropy } = this.#host;
    return {
      now: this.#now,
      position,
      started: this.#started,
      shard: this.#shard,
      digest: this.#replica.applied.digest,
      random: (length) => entropy.bytes(length),
    };
  }

  #stop(what: string, cause: unknown): void {
    const why = cause instanceof Error ? cause.message : String(cause);
    this.#failure ??= `${what}: ${why}`;
    for (const proposal of this.#queue.splice(0)) proposal.reject(this.#unavailable());
  }

  failure(): string | undefined {
    return this.#failure ?? (this.#full ? 'the disk is full; it goes on when there is space' : undefined);
  }

  statistics(): MetadataStatistics {
    return {
      position: this.#replica.applied.position,
      checkpointPosition: this.#checkpoints.covered,
      checkpoints: this.#checkpoints.made,
      replayed: this.#replayed,
      entries: this.#entries,
      entryBytes: this.#entryBytes,
      proposals: this.#proposals,
      refused: this.#refused,
      waiting: this.#queue.length,
    };
  }

  digest(): Buffer {
    return this.#replica.applied.digest;
  }

  feed(name: string, from: number): Feed {
    return openFeed(this.#log, this.#progress, name, from);
  }

  snapshot(): Iterable<Buffer> {
    return writeSnapshot(this.#kv);
  }

  checkpoint(): Promise<void> {
    return this.#checkpoints.now();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pumping;
    await this.#checkpoints.close();
    this.#progress.end();
  }
}

/**
 * Opens the shard: replays the log over the KV and ends what the run before left open.
 * @throws CorruptionError when KV and log do not belong together or hold what this version does not know
 */
export async function openMetadata(options: MetadataOptions): Promise<Metadata> {
  const replica = new Replica(options.kv);
  const replayed = await replica.replay(options.log);
  const owner = new Owner(options, replica, replayed);
  if (owner.reader.intents().some((intent) => intent.state === 'open')) await owner.propose({ type: 'intent.expire' });
  return owner;
}
