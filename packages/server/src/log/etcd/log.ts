import { CorruptionError, StoreError } from '../../errors.ts';
import type { Cancel, Host } from '../../host/index.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import { identitySeed } from '../record.ts';
import type { LogOwner, OwnedLog, SharedLog } from '../shared.ts';
import type { LogEntry, Position } from '../types.ts';
import { Waiters } from '../waiters.ts';
import { advance, type Batch, decodePlace, decodeStart, type Place, type Start } from './batch.ts';
import { thrownOn } from './failures.ts';
import type { LogKeys } from './keys.ts';
import { EtcdOwnedLog } from './owned.ts';
import { acquire, type Candidate, type OwnerKey, readOwner } from './ownership.ts';
import { placeBefore, Slots } from './slots.ts';
import { type TailReads, tailReadsOf } from './tails.ts';
import { type Etcd, EtcdError } from './types.ts';

/*
 * A shard's log in etcd, as every node sees it.
 *
 * The watch is a wake-up and nothing more: what changed is then read, with all that belongs to it, at one revision (#look). A look also
 * comes now and then by itself, so a watch that is silent though open costs time and nothing else. Every batch must go on from the one
 * before (batch.ts, `advance`); one that does not stops this log for good: it is damaged, or somebody else wrote into it.
 *
 * Where only the tail moved, the batches behind the head are asked of one member alone (#catchUp): what it has is committed, and what it does not
 * have yet is nothing that can be mistaken. So an entry costs etcd no round of its members for each node that follows. Who owns the log, and from
 * where on it is kept, is read from a quorum.
 *
 * What the owner commits here is taken in at once (`took`), without a look. Barriers of all logs of a node share their reads (tails.ts).
 */

export interface LogBounds {
  /** Bytes of one batch, unless one entry alone is larger. */
  readonly batchBytes: number;
  /** Payload of one entry. */
  readonly entryBytes: number;
  /** Bytes kept only for followers. */
  readonly tailBytes: number;
  /** Seconds that an ownership lives without a sign of its owner. */
  readonly leaseSeconds: number;
}

export class EtcdLog implements SharedLog {
  readonly etcd: Etcd;
  readonly host: Host;
  readonly keys: LogKeys;
  readonly bounds: LogBounds;
  readonly slots: Slots;
  readonly #me: Candidate;
  readonly #waiters = new Waiters();
  readonly #closed = new AbortController();
  readonly #stopWatch: () => void;
  readonly #stopPoll: Cancel;
  #place: Place;
  #start: Start;
  #owner: OwnerKey | undefined;
  #owned: EtcdOwnedLog | undefined;
  #owning = false;
  #looking: Promise<void> | undefined;
  /** What is to be looked at: the batches behind the head, or all there is. */
  #woken: 'tail' | 'all' | undefined;
  /** Position of the newest entry, as the watch told. */
  #toldHead: Position = 0;
  /** Settled by the next look that finds no other node as owner, for who waits for that. */
  #vacancy: PromiseWithResolvers<void> | undefined;
  readonly #tails: TailReads;
  #nextBarrier: Promise<Position> | undefined;
  #heardAt: number;
  #failure: CorruptionError | undefined;

  constructor(etcd: Etcd, host: Host, keys: LogKeys, bounds: LogBounds, me: Candidate, place: Place, start: Start) {
    this.etcd = etcd;
    this.host = host;
    this.keys = keys;
    this.bounds = bounds;
    this.#me = me;
    this.#place = place;
    this.#start = start;
    this.slots = new Slots(etcd, keys, identitySeed(place.identity));
    this.#tails = tailReadsOf(etcd, host);
    this.#heardAt = host.clock.monotonic();
    const wake = (key?: string, value?: Buffer): void => {
      if (key !== keys.tail || value === undefined) this.wake();
      // The owner knows what it commits.
      else if (this.#owned === undefined) this.#grown(value);
    };
    this.#stopWatch = etcd.watch([keys.tail, keys.owner, keys.first], { wake });
    this.#stopPoll = host.timers.every(limits.etcdPollMs, () => this.wake());
    this.wake();
  }

  get head(): Position {
    return this.#place.position;
  }

  get tail(): Position {
    return this.#start.position;
  }

  /** The place behind the newest entry that was seen. */
  get place(): Place {
    return this.#place;
  }

  get start(): Start {
    return this.#start;
  }

  age(): number {
    return this.host.clock.monotonic() - this.#heardAt;
  }

  /** An answer came to a linearizable request that was sent then. */
  heard(sent: number): void {
    this.#heardAt = Math.max(this.#heardAt, sent);
  }

  owner(): LogOwner | undefined {
    return this.#owner && { node: this.#owner.node, address: this.#owner.address, epoch: this.#owner.epoch };
  }

  /** Has a look soon. */
  wake(at: 'tail' | 'all' = 'all'): void {
    if (this.#stopped) return;
    if (this.#woken !== 'all') this.#woken = at;
    this.#looking ??= this.#follow().finally(() => {
      this.#looking = undefined;
      if (this.#woken && !this.#stopped) this.wake(this.#woken);
    });
  }

  /** The watch says what the tail is. */
  #grown(tail: Buffer): void {
    try {
      this.#toldHead = Math.max(this.#toldHead, decodePlace(this.keys.tail, tail).position);
    } catch {
      // Whoever reads it finds out what is wrong with it.
      return this.wake();
    }
    if (this.#toldHead > this.head) this.wake('tail');
  }

  get #stopped(): boolean {
    return this.#closed.signal.aborted || this.#failure !== undefined;
  }

  async #follow(): Promise<void> {
    while (this.#woken && !this.#stopped) {
      const all = this.#woken === 'all';
      this.#woken = undefined;
      try {
        if (all || !(await this.#catchUp())) await this.#look();
      } catch (error) {
        if (error instanceof EtcdError) {
          if (error.outcome === 'refused') this.slots.tooMuch();
          await this.host.timers.sleep(limits.etcdBackoffMs, this.#closed.signal);
          this.#woken = 'all';
        } else if (error instanceof CorruptionError) this.#fail(error);
        else throw error;
      }
    }
  }

  /** Takes in what a member has behind the head. @returns false when that says nothing: it has nothing yet, or only what comes later */
  async #catchUp(): Promise<boolean> {
    const from = this.head + 1;
    if (this.#toldHead < from) return true;
    if (from < this.tail) return false;
    const answer = await this.etcd.range({ ...this.slots.request(from), serializable: true });
    if (this.#stopped) return true;
    const batches = this.slots.batches(answer);
    // The owner's log takes in what it appends; this was asked before it owned it.
    if (batches[0]?.slot !== from) return from <= this.head;
    for (const batch of batches) this.took(batch);
    if (answer.more) this.#woken ??= 'tail';
    return true;
  }

  async #look(): Promise<void> {
    const sent = this.host.clock.monotonic();
    const from = Math.max(this.head + 1, this.tail);
    const requests = [this.slots.request(from), { key: this.keys.first }, { key: this.keys.owner }];
    const [slots, first, owner] = await this.etcd.ranges(requests);
    if (this.#stopped) return;
    this.heard(sent);
    const start = first?.pairs[0];
    if (!start) throw new CorruptionError(`the key ${this.keys.first} in etcd is gone`);
    this.trimmed(decodeStart(this.keys.first, start.value));
    if (this.tail > from) this.#woken = 'all';
    const now = readOwner(owner?.pairs[0]);
    if (this.#owned?.seen(now, sent) ?? true) this.#owner = now;
    for (const batch of this.slots.batches(slots ?? { pairs: [], more: false })) {
      if (batch.slot < this.tail) continue;
      // What lies between was trimmed before this node came to it: whoever needs it starts from a snapshot.
      if (batch.slot > this.head + 1 && batch.slot === this.tail)
        this.#place = placeBefore(batch, this.#place.identity);
      this.took(batch);
    }
    if (slots?.more) this.#woken = 'all';
    if (now === undefined || now.node === this.#me.node) this.#vacant();
  }

  /** Takes in the batch behind the head; one that was seen already is passed over. */
  took(batch: Batch): void {
    if (batch.slot <= this.head) return;
    this.#place = advance(this.#place, batch);
    this.slots.keep(batch);
    this.#waiters.reached(this.head);
  }

  /** The log is kept from here on. */
  trimmed(start: Start): void {
    if (start.position > this.#start.position) this.#start = start;
  }

  #fail(error: CorruptionError): void {
    this.#failure = error;
    this.#waiters.fail(error);
    this.#vacant();
    this.#owned?.lose(error.message);
  }

  /** Throws when this log cannot be used any more. */
  check(): void {
    if (this.#failure) throw this.#failure;
    invariant(!this.#closed.signal.aborted, 'a log is not used after its close');
  }

  read(from: Position): AsyncIterable<LogEntry> {
    return this.#read(from, this.#place);
  }

  async *#read(from: Position, head: Place): AsyncGenerator<LogEntry, void, undefined> {
    this.check();
    if (from > head.position) return;
    if (from < this.tail) throw new RangeError(`the log begins at position ${this.tail}: ${from} was trimmed`);
    try {
      for await (const entry of this.slots.read(from, head, () => this.#kept())) {
        yield entry;
        this.check();
      }
    } catch (error) {
      throw thrownOn(error);
    }
  }

  async #kept(): Promise<Start> {
    const pair = (await this.etcd.range({ key: this.keys.first })).pairs[0];
    if (pair) this.trimmed(decodeStart(this.keys.first, pair.value));
    return this.#start;
  }

  reached(position: Position, signal?: AbortSignal): Promise<void> {
    if (position <= this.head || signal?.aborted) return Promise.resolve();
    if (this.#failure) return Promise.reject(this.#failure);
    return this.#waiters.add(position, signal);
  }

  barrier(): Promise<Position> {
    this.#nextBarrier ??= this.#readTail();
    return this.#nextBarrier;
  }

  async #readTail(): Promise<Position> {
    this.check();
    let sent = 0;
    let least: Position = 0;
    const began = (): void => {
      this.#nextBarrier = undefined;
      sent = this.host.clock.monotonic();
      least = this.head;
    };
    try {
      const pair = await this.#tails.read(this.keys.tail, began);
      this.check();
      if (!pair) throw new CorruptionError(`the key ${this.keys.tail} in etcd is gone`);
      const { position, identity } = decodePlace(this.keys.tail, pair.value);
      if (position < least || !identity.equals(this.#place.identity)) {
        const error = new CorruptionError(
          `the log in etcd ends at ${position}, though entry ${least} was seen: etcd was put back to an older state`,
        );
        this.#fail(error);
        throw error;
      }
      this.heard(sent);
      if (position > this.head) this.wake();
      return position;
    } catch (error) {
      throw thrownOn(error);
    }
  }

  async own(signal: AbortSignal, turn?: () => Promise<void>): Promise<OwnedLog | undefined> {
    this.check();
    invariant(this.#owned === undefined && !this.#owning, 'a node owns a log once at a time');
    this.#owning = true;
    try {
      return await this.#own(signal, turn);
    } finally {
      this.#owning = false;
    }
  }

  async #own(signal: AbortSignal, turn: (() => Promise<void>) | undefined): Promise<OwnedLog | undefined> {
    const stop = AbortSignal.any([signal, this.#closed.signal]);
    const vacant = (): Promise<void> => {
      this.check();
      this.#vacancy ??= Promise.withResolvers();
      return turn ? this.#vacancy.promise.then(turn) : this.#vacancy.promise;
    };
    const stopWaiting = (): void => this.#vacant();
    stop.addEventListener('abort', stopWaiting);
    const held = await acquire(
      this.etcd,
      this.host,
      this.keys,
      this.#me,
      this.bounds.leaseSeconds,
      stop,
      vacant,
    ).finally(() => stop.removeEventListener('abort', stopWaiting));
    if (!held) return undefined;
    try {
      const { position, hash } = held.place;
      this.trimmed(held.start);
      this.wake();
      await this.reached(position, AbortSignal.any([stop, held.lease.lost]));
      this.check();
      if (this.head > position || (this.head === position && !this.#place.hash.equals(hash)))
        throw new CorruptionError(`the log in etcd does not end where its tail says, at ${position}`);
      if (this.head === position && !held.lease.lost.aborted && !stop.aborted) {
        this.#owner = { ...this.#me, epoch: held.epoch, lease: held.lease.id };
        this.#owned = new EtcdOwnedLog(this, held, () => {
          this.#owned = undefined;
          this.wake();
        });
        return this.#owned;
      }
    } catch (error) {
      await held.lease.release();
      throw error;
    }
    await held.lease.release();
    return stop.aborted ? undefined : this.#own(signal, turn);
  }

  /** No other node owns the log, or nobody waits for that any more. */
  #vacant(): void {
    this.#vacancy?.resolve();
    this.#vacancy = undefined;
  }

  async depose(epoch: number): Promise<void> {
    this.check();
    try {
      const owner = readOwner((await this.etcd.range({ key: this.keys.owner })).pairs[0]);
      if (owner?.epoch === epoch && owner.lease !== 0) await this.etcd.revoke(owner.lease);
    } catch (error) {
      throw thrownOn(error);
    }
  }

  async covered(position: Position): Promise<void> {
    this.check();
    const put = { key: this.keys.covered(this.#me.node), value: Buffer.from(String(position)) };
    try {
      await this.etcd.transact({ compare: [], success: [{ put }] });
    } catch (error) {
      throw thrownOn(error);
    }
  }

  async replicas(): Promise<readonly string[]> {
    this.check();
    const { coveredFrom: key, coveredEnd: end } = this.keys;
    try {
      const { pairs } = await this.etcd.range({ key, end, keysOnly: true });
      return pairs.map((pair) => pair.key.slice(key.length));
    } catch (error) {
      throw thrownOn(error);
    }
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    await this.#owned?.resign();
    this.#closed.abort();
    this.#stopWatch();
    this.#stopPoll();
    this.#waiters.fail(new StoreError('ServiceUnavailable', { message: 'The log was closed.' }));
    await this.#looking;
  }
}
