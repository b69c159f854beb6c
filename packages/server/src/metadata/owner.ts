import { StoreError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import type { Log, LogEntry } from '../log/index.ts';
import { isFull } from './failure.ts';
import type { Feed } from './feed.ts';
import { LockClock } from './lock-clock.ts';
import { apply } from './machine/apply.ts';
import { decide } from './machine/decide.ts';
import type { Decision, Stamp } from './machine/deciding.ts';
import { EntryWriter } from './machine/entry.ts';
import { Application } from './machine/manifests.ts';
import { Overlay } from './machine/overlay.ts';
import { type KnownBuckets, View } from './machine/view.ts';
import { Requests } from './requests.ts';
import type { Shard } from './shard.ts';
import { writeSnapshot } from './snapshot.ts';
import type { Command, MetadataReader, Proposer, Reply } from './types.ts';

/*
 * The owner of a shard. One entry is under way at a time; proposals that arrive meanwhile wait, and are then decided one after the other
 * against an overlay of the state, so that each sees what those before it did, and logged as one entry. The KV is committed once the
 * entry is durable, and only then are the proposals answered, refused ones too: what a refusal was decided on must not be taken back
 * by a crash. A lone proposal waits for nothing.
 *
 * Where others may own the log after it, an owner is one for a term. An entry that the log took proves that the state was its newest; a batch
 * that changes nothing is answered only after the log said that nothing was added behind the state it was decided on. When an append
 * fails the term ends: whether the entry is in the log, following it will tell. Everything that is kept in hand belongs to the term.
 *
 * Rejected: several entries under way (each would have to be decided on a state that may still fail, for a gain that group commit has
 * already), and answering refusals at once.
 */

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
  readonly request: Buffer | undefined;
  readonly resolve: (outcome: { readonly reply: Reply; readonly position: number }) => void;
  readonly reject: (cause: unknown) => void;
}

/** Turns of the event loop that an entry waits at most while proposals keep arriving. */
const GATHER_TURNS = 4;

type Outcome =
  | { readonly proposal: Waiting; readonly reply: Reply }
  | { readonly proposal: Waiting; readonly cause: unknown };

/** The log refused an entry and wrote nothing of it, or could not be asked: the proposals are refused, and all goes on. */
class NotLogged extends Error {
  readonly error: StoreError;

  constructor(error: StoreError) {
    super(error.message);
    this.error = error;
  }
}

/** The log belongs to another owner, or may. */
class TermOver extends Error {
  /** What was under way may be in the log. */
  readonly uncertain: boolean;

  constructor(message: string, uncertain: boolean, cause?: unknown) {
    super(message, { cause });
    this.uncertain = uncertain;
  }
}

/** What an owner asks and tells where others may own the log after it. */
export interface TermOptions {
  /** Position of the newest entry at some moment after the call. */
  barrier(): Promise<number>;
  /** The log belongs to somebody else, or may. */
  over(cause: unknown): void;
}

export interface OwnerOptions {
  readonly log: Pick<Log, 'append' | 'head'>;
  /** {@link Stamp.started}. */
  readonly started: number;
  /** Entries applied before the first proposal is taken. */
  readonly replayed: number;
  readonly feed: (name: string, from: number) => Feed;
  /** Once nothing is under way any more. */
  readonly close: () => Promise<void>;
  readonly term?: TermOptions;
}

export class Owner implements Metadata {
  readonly reader: MetadataReader;
  readonly feed: (name: string, from: number) => Feed;
  readonly #options: OwnerOptions;
  readonly #shard: Shard;
  readonly #buckets: KnownBuckets = new Map();
  readonly #entry = new EntryWriter();
  /** From the first proposal with an id on. */
  #requests: Requests | undefined;
  #queue: Waiting[] = [];
  #pumping: Promise<void> | undefined;
  #now = 0;
  readonly #lockClock: LockClock;
  #over = false;
  #closing: Promise<void> | undefined;
  #entries = 0;
  #entryBytes = 0;
  #proposals = 0;
  #refused = 0;
  #sinceDigest = 0;

  constructor(shard: Shard, options: OwnerOptions) {
    invariant(shard.number >= 0 && shard.number < 0x1_0000, 'a shard number has 16 bits');
    this.#shard = shard;
    this.#options = options;
    this.reader = shard.reader;
    this.#lockClock = new LockClock(shard.host.clock);
    this.feed = options.feed;
  }

  propose(command: Command, request?: Buffer): Promise<{ readonly reply: Reply; readonly position: number }> {
    return new Promise((resolve, reject) => {
      if (this.#over || this.#shard.stopped || this.#closing) return reject(this.#unavailable());
      if (this.#shard.failure) return reject(new StoreError('StorageFull'));
      if (this.#queue.length >= limits.waitingProposals) return reject(new StoreError('SlowDown', { retryAfter: 1 }));
      this.#queue.push({ command, request, resolve, reject });
      this.#pumping ??= this.#pump();
    });
  }

  #unavailable(): StoreError {
    const failure = this.#shard.stopped && this.#shard.failure;
    if (failure) {
      const message = `The server takes no changes: ${failure.message}.`;
      return new StoreError('ServiceUnavailable', { message, retryAfter: 5 });
    }
    if (this.#over) {
      const message = 'Another node leads now. The change was not made: try again.';
      return new StoreError('ServiceUnavailable', { message, retryAfter: 1 });
    }
    return new StoreError('ServiceUnavailable', { message: 'The server is stopping.', retryAfter: 5 });
  }

  async #pump(): Promise<void> {
    while (this.#queue.length > 0 && !this.#over && !this.#shard.stopped) {
      await this.#shard.checkpoints.backlog;
      await this.#gather();
      await this.#round();
    }
    this.#pumping = undefined;
  }

  /** What else has arrived joins the entry, and what comes while more is coming: one sync then serves all of it. */
  async #gather(): Promise<void> {
    for (let turns = 0; turns < GATHER_TURNS; turns++) {
      const before = this.#queue.length;
      await new Promise<void>((resolve) => this.#shard.host.timers.soon(resolve));
      if (this.#queue.length === before) return;
    }
  }

  async #round(): Promise<void> {
    const overlay = new Overlay(this.#shard.kv);
    const position = this.#shard.position + 1;
    let outcomes: Outcome[] = [];
    try {
      this.#entry.begin();
      const empty = this.#entry.length;
      outcomes = this.#decide(overlay, position);
      if (this.#entry.length > empty) await this.#log(overlay, position);
      else await this.#confirm(position - 1);
    } catch (cause) {
      const error = this.#failed(cause);
      for (const { proposal } of outcomes) proposal.reject(error);
      return;
    }
    const answered = this.#shard.position;
    for (const outcome of outcomes) {
      const { proposal } = outcome;
      if ('reply' in outcome) proposal.resolve({ reply: outcome.reply, position: answered });
      else {
        if (proposal.request) this.#requests?.refused(proposal.request, outcome.cause, proposal.command);
        proposal.reject(outcome.cause);
      }
    }
  }

  /** Makes the entry durable, then visible. */
  async #log(overlay: Overlay, position: number): Promise<void> {
    const payload = this.#entry.payload();
    const entry = await this.#append(payload, position);
    invariant(entry.position === position, 'the owner alone appends to its log');
    const { length } = payload;
    await this.#shard.commit(this.#shard.replica.stage(overlay, entry), length, (cause) => {
      for (const proposal of this.#queue.splice(0)) proposal.reject(new StoreError('StorageFull', { cause }));
    });
    this.#entries++;
    this.#entryBytes += length;
  }

  /** A log without space wrote nothing and is still good: the proposals are refused, and later ones may find space again. */
  async #append(payload: Buffer, position: number): Promise<LogEntry> {
    const { log, term } = this.#options;
    if (term && log.head >= position) throw new TermOver(`entry ${position} is of another owner`, false);
    invariant(log.head === position - 1, 'an owner decides on the state after the newest entry');
    try {
      return await log.append(payload);
    } catch (error) {
      if (isFull(error)) throw new NotLogged(error);
      if (term) throw new TermOver('the append failed', true, error);
      throw error;
    }
  }

  /** A batch without effects was decided on the newest state only if nobody else has added to the log. */
  async #confirm(position: number): Promise<void> {
    const { term } = this.#options;
    if (!term) return;
    const newest = await term.barrier().catch((error: unknown) => {
      throw error instanceof StoreError ? new NotLogged(error) : error;
    });
    if (newest !== position) throw new TermOver(`the log is at ${newest}, the state at ${position}`, false);
  }

  /** What those whose entry failed are told. */
  #failed(cause: unknown): StoreError {
    if (cause instanceof NotLogged) return cause.error;
    if (cause instanceof TermOver) {
      this.#options.term?.over(cause);
      if (!cause.uncertain) return this.#unavailable();
      const message =
        'The lead changed while the change was under way: it may have been made or not. Look before you try again.';
      return new StoreError('ServiceUnavailable', { message, retryAfter: 1, cause });
    }
    this.#shard.stop('an entry could not be logged and applied', cause);
    return this.#unavailable();
  }

  /** Decides what waits, as much as one entry takes. */
  #decide(overlay: Overlay, position: number): Outcome[] {
    const view = new View(overlay, this.#buckets);
    const application = new Application(overlay, position, view);
    const stamp = this.#stamp(position, view.counter('lockClock'));
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
        const { effects, reply } = this.#answer(view, proposal, stamp);
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

  #answer(view: View, { command, request }: Waiting, stamp: Stamp): Decision {
    if (!request) return decide(view, command, stamp);
    this.#requests ??= new Requests(view);
    return this.#requests.decide(view, request, command, stamp);
  }

  #stamp(position: number, loggedMs: number): Stamp {
    const { clock, entropy } = this.#shard.host;
    // Within one run the times of a shard never go back, even when the clock does.
    this.#now = Math.max(this.#now, Math.floor(clock.now()));
    const stamp: Stamp = {
      now: this.#now,
      lockNow: this.#lockClock.now(this.#now, loggedMs),
      position,
      started: this.#options.started,
      shard: this.#shard.number,
      alone: this.#options.term === undefined,
      digest: this.digest(),
      random: (length) => entropy.bytes(length),
    };
    return this.#shard.others ? { ...stamp, others: this.#shard.others } : stamp;
  }

  /** Takes nothing any more, and refuses what waits. Resolves when nothing is under way either. */
  async end(): Promise<void> {
    this.#over = true;
    this.refuse();
    await this.#pumping;
  }

  /** Refuses what waits, because the shard or the term came to its end. */
  refuse(): void {
    for (const proposal of this.#queue.splice(0)) proposal.reject(this.#unavailable());
  }

  failure(): string | undefined {
    return this.#shard.failure?.message ?? (this.#over ? 'another node leads now' : undefined);
  }

  statistics(): MetadataStatistics {
    const { checkpoints } = this.#shard;
    return {
      position: this.#shard.position,
      checkpointPosition: checkpoints.covered,
      checkpoints: checkpoints.made,
      replayed: this.#options.replayed,
      entries: this.#entries,
      entryBytes: this.#entryBytes,
      proposals: this.#proposals,
      refused: this.#refused,
      waiting: this.#queue.length,
    };
  }

  digest(): Buffer {
    return this.#shard.replica.applied.digest;
  }

  snapshot(): Iterable<Buffer> {
    return writeSnapshot(this.#shard.kv);
  }

  checkpoint(): Promise<void> {
    return this.#shard.checkpoints.now();
  }

  close(): Promise<void> {
    if (!this.#options.term) this.#shard.closing();
    this.#closing ??= Promise.resolve(this.#pumping).then(this.#options.close);
    return this.#closing;
  }
}
