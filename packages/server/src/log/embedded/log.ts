import { CorruptionError, StoreError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import { Followers } from '../followers.ts';
import { putRecord, recordHeadBytes, type Session } from '../record.ts';
import type { Follower, Log, LogEntry, Position } from '../types.ts';
import { Waiters } from '../waiters.ts';
import { encodeSeal, headBytes, type SegmentHead } from './format.ts';
import { RecordReader } from './records.ts';
import type { Segment } from './segment.ts';
import type { SegmentStore } from './store.ts';

/*
 * The log of one machine: records in sequence in segment files (format.ts), written by group commit.
 *
 * All appends that wait are written by one call and made durable by one sync; those that come meanwhile form the next group. A group lies
 * in one segment. `head`, readers and waiters only ever see what is durable. After a failed write or sync nobody can say what the file
 * holds: every append fails from then on, until the log is opened again and recovery has looked (recovery.ts).
 *
 * A full disk is not such a failure. Space is taken only when a segment begins, so an append either has its place already or is refused
 * with StorageFull before anything was written; the next segment is made ready when this one is half full, and trimmed ones are used again.
 *
 * Rejected: one file per entry or O_DSYNC per record (a sync each); padding records to blocks (a third of the space for small entries);
 * several groups in flight (their syncs queue at the same device, and a torn tail would span more).
 */

/** Bytes of one group at most, unless one entry alone is larger. */
const groupBytes = 4 * 1024 * 1024;
/** Larger groups get a buffer of their own. */
const keptBytes = 512 * 1024;

export interface LogLimits {
  /** Size of a segment's file. */
  readonly segmentBytes: number;
  /** Entries kept only for followers. */
  readonly tailBytes: number;
  /** Payload of one entry. */
  readonly entryBytes: number;
}

/** The copy of a segment that serves reads is damaged at this entry, and why; another copy had it. */
export type OnDamagedCopy = (segment: string, position: Position, why: string) => void;

interface Waiting {
  readonly payload: Buffer;
  readonly resolve: (entry: LogEntry) => void;
  readonly reject: (error: unknown) => void;
}

const bytesOf = (payload: Uint8Array): number => recordHeadBytes + payload.length;

export class EmbeddedLog implements Log {
  readonly #store: SegmentStore;
  readonly #limits: LogLimits;
  readonly #session: Session;
  /** Oldest first; never empty; the last one takes appends. */
  readonly #segments: Segment[];
  readonly #followers = new Followers();
  readonly #waiters = new Waiters();
  #buffer = Buffer.alloc(0);
  #queue: Waiting[] = [];
  #running: Promise<void> | undefined;
  #head: Position;
  #headHash: Buffer;
  /** Offset of the newest record in the last segment. */
  #headOffset: number;
  #tail: Position;
  /** Positions below were released by {@link trim}. */
  #released: Position = 0;
  /** Offset in the last segment from which on the next one is made ready. */
  #prepareAt: number;
  #trimming: Promise<void> = Promise.resolve();
  #failure: unknown;
  #closed = false;
  readonly #onDamaged: OnDamagedCopy;
  readonly #told = new WeakSet<Segment>();

  constructor(
    store: SegmentStore,
    limits: LogLimits,
    session: Session,
    segments: Segment[],
    newest: { readonly head: Position; readonly hash: Buffer; readonly offset: number },
    onDamaged: OnDamagedCopy = () => {},
  ) {
    this.#onDamaged = onDamaged;
    this.#store = store;
    this.#limits = limits;
    this.#session = session;
    this.#segments = segments;
    this.#head = newest.head;
    this.#headHash = newest.hash;
    this.#headOffset = newest.offset;
    this.#tail = (segments[0] as Segment).head.first;
    this.#prepareAt = this.#last.size / 2;
  }

  get head(): Position {
    return this.#head;
  }

  get tail(): Position {
    return this.#tail;
  }

  get epoch(): number {
    return this.#session.epoch;
  }

  get roomy(): boolean {
    if (!this.#store.wanting) return true;
    this.#store.prepare().catch(() => {});
    return false;
  }

  get provided(): boolean {
    return this.#store.provided;
  }

  get bytes(): number {
    let bytes = 0;
    for (const segment of this.#segments) if (segment.head.first >= this.#tail) bytes += segment.end - headBytes;
    return bytes;
  }

  get #last(): Segment {
    return this.#segments.at(-1) as Segment;
  }

  append(payload: Uint8Array): Promise<LogEntry> {
    return new Promise((resolve, reject) => {
      invariant(!this.#closed, 'a log is not appended to after its close');
      invariant(payload.length <= this.#limits.entryBytes, 'an entry of the log is no larger than limits.entryBytes');
      if (this.#failure !== undefined) throw this.#failure;
      const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
      this.#queue.push({ payload: bytes, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    // What is appended in one turn goes together.
    await Promise.resolve();
    while (this.#queue.length > 0 && this.#failure === undefined) {
      const group = this.#nextGroup();
      try {
        await this.#write(group);
      } catch (error) {
        if (!(error instanceof StoreError)) this.#fail(error);
        const reason = this.#failure ?? error;
        for (const { reject } of group) reject(reason);
      }
    }
    for (const { reject } of this.#queue.splice(0)) reject(this.#failure);
    this.#running = undefined;
  }

  #nextGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { payload } of this.#queue) {
      bytes += bytesOf(payload);
      if (count > 0 && bytes > Math.min(groupBytes, this.#limits.segmentBytes - headBytes)) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  #fail(error: unknown): void {
    this.#failure = new StoreError('ServiceUnavailable', {
      message: 'The log cannot be written. The server takes no changes until it is started again.',
      cause: error,
    });
    this.#waiters.fail(this.#failure);
  }

  /** Bytes to build a group in: one buffer for all groups of usual size, since one is written at a time. */
  #room(bytes: number): Buffer {
    if (bytes > keptBytes) return Buffer.allocUnsafeSlow(bytes);
    if (bytes > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(Math.min(keptBytes, bytes * 2));
    return this.#buffer.subarray(0, bytes);
  }

  /** Throws a StoreError when nothing was written; any other error means that the file is in doubt. */
  async #write(group: readonly Waiting[]): Promise<void> {
    let bytes = 0;
    for (const { payload } of group) bytes += bytesOf(payload);
    if (this.#last.end + bytes > this.#last.size) await this.#begin();
    const segment = this.#last;
    const buffer = this.#room(bytes);
    const entries: LogEntry[] = [];
    const { epoch } = this.#session;
    const durable = this.#head;
    let position = durable;
    let hash = this.#headHash;
    let at = 0;
    for (const { payload } of group) {
      segment.note({ offset: segment.end + at, position: ++position, previous: hash });
      const record = buffer.subarray(at, at + bytesOf(payload));
      hash = putRecord(record, payload, position, durable, hash, this.#session);
      at += record.length;
      entries.push({ position, epoch, hash, payload });
    }
    await segment.file.write([buffer], segment.end);
    await segment.file.sync();
    this.#headOffset = segment.end + at - bytesOf((group.at(-1) as Waiting).payload);
    segment.end += bytes;
    this.#head = position;
    this.#headHash = hash;
    for (const [index, { resolve }] of group.entries()) resolve(entries[index] as LogEntry);
    this.#waiters.reached(position);
    this.#prepare(segment);
  }

  /** Has the next segment made ready from the middle of this one on. */
  #prepare(segment: Segment): void {
    if (segment.end < this.#prepareAt) return;
    this.#prepareAt = segment.end + segment.size / 16;
    // A full disk shows when the space is needed, not now.
    this.#store.prepare().catch(() => {});
  }

  async #begin(): Promise<void> {
    const last = this.#last;
    const head: SegmentHead = {
      identity: last.head.identity,
      first: this.#head + 1,
      before: this.#headHash,
      epoch: this.#session.epoch,
      previousFirst: last.head.first,
      previousEnd: last.end,
    };
    const next = await this.#store.begin(head);
    this.#segments.push(next);
    this.#prepareAt = next.size / 2;
  }

  read(from: Position): AsyncIterable<LogEntry> {
    return this.#read(from, this.#head);
  }

  async *#read(from: Position, head: Position): AsyncGenerator<LogEntry, void, undefined> {
    let position = from;
    while (position <= head) {
      invariant(!this.#closed, 'a log is not read after its close');
      if (position < this.#tail)
        throw new RangeError(`the log begins at position ${this.#tail}: ${position} was trimmed`);
      const index = this.#segments.findLastIndex((segment) => segment.head.first <= position);
      const segment = this.#segments[index] as Segment;
      const last = Math.min(head, (this.#segments[index + 1]?.head.first ?? head + 1) - 1);
      segment.enter();
      try {
        const reader: RecordReader = new RecordReader(
          segment.file,
          segment.placeBefore(position),
          segment.end,
          this.#session.seed,
          (why) => this.#tellDamage(segment, reader.place.position - 1, why),
        );
        while (position <= last) {
          const found = await reader.next();
          if (!found) throw damaged(segment, reader);
          segment.note(reader.place);
          if (found.position < position) continue;
          position = found.position + 1;
          yield { position: found.position, epoch: found.epoch, hash: found.hash, payload: found.payload };
        }
      } finally {
        await segment.leave();
      }
    }
  }

  /** Once for each segment: many may read it, again and again. */
  #tellDamage(segment: Segment, position: Position, why: string): void {
    if (this.#told.has(segment)) return;
    this.#told.add(segment);
    this.#onDamaged(segment.name, position, why);
  }

  reached(position: Position, signal?: AbortSignal): Promise<void> {
    if (position <= this.#head || signal?.aborted) return Promise.resolve();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return this.#waiters.add(position, signal);
  }

  follow(name: string, from: Position): Follower {
    return this.#followers.add(name, from, this.#tail);
  }

  trim(position: Position): Promise<void> {
    invariant(!this.#closed, 'a log is not trimmed after its close');
    this.#released = Math.max(this.#released, position);
    const trimmed = this.#trimming.catch(() => {}).then(() => this.#trim());
    this.#trimming = trimmed;
    return trimmed;
  }

  /** Segments whose every entry lies below `position`; never the last one. */
  #below(position: Position): number {
    return this.#segments.findLastIndex((segment) => segment.head.first <= position);
  }

  async #trim(): Promise<void> {
    const released = Math.max(0, this.#below(this.#released));
    let gone = Math.max(0, Math.min(released, this.#below(this.#followers.slowest)));
    let kept = 0;
    for (const segment of this.#segments.slice(gone, released)) kept += segment.end - headBytes;
    // The slowest followers lose what does not fit the bound.
    for (; gone < released && kept > this.#limits.tailBytes; gone++) {
      const segment = this.#segments[gone] as Segment;
      kept -= segment.end - headBytes;
    }
    for (; gone > 0; gone--) {
      const next = (this.#segments[1] as Segment).head.first;
      this.#tail = next;
      this.#followers.passedBy(next);
      await this.#store.retire(this.#segments[0] as Segment);
      this.#segments.shift();
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#running;
    await this.#trimming.catch(() => {});
    await this.#store.idle();
    this.#waiters.fail(new StoreError('ServiceUnavailable', { message: 'The log was closed.' }));
    try {
      if (this.#failure === undefined && this.#head >= this.#last.head.first) {
        const { bytes, at } = encodeSeal(this.#session.seed, this.#head, this.#headHash, this.#headOffset);
        await this.#last.file.write([bytes], at);
        await this.#last.file.sync();
      }
    } finally {
      for (const segment of this.#segments) await segment.drop();
    }
  }
}

function damaged(segment: Segment, reader: RecordReader): CorruptionError {
  const { offset, position } = reader.place;
  return new CorruptionError(
    `log segment ${segment.name} is damaged at offset ${offset}, position ${position}: ${reader.why}`,
  );
}
