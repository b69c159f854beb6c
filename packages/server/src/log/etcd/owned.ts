import { StoreError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import { Followers } from '../followers.ts';
import type { OwnedLog } from '../shared.ts';
import type { Follower, LogEntry, Position } from '../types.ts';
import { Waiters } from '../waiters.ts';
import { advance, encodeBatch, entrySize, type Place } from './batch.ts';
import { storageFull } from './failures.ts';
import { Flight } from './flight.ts';
import type { EtcdLog } from './log.ts';
import type { Held, OwnerKey } from './ownership.ts';
import { Space } from './space.ts';
import { findStart, quorumCovered, trimTo } from './trim.ts';
import { EtcdError } from './types.ts';

/*
 * The log while this node owns it: appends in batches, several under way, each built on the one before it.
 *
 * A batch is one transaction (flight.ts) that fails unless its slot is free, the tail is what the batch before it wrote, and the owner key is
 * still the one that this node made. So whatever was delayed, lost or sent twice, the log holds one chain, and from the moment another node
 * owns it nothing of this one gets in. Time never decides: a lease that may have ended only makes this node give up.
 *
 * When a batch is refused (etcd has no space), those behind it are refused too, since they were built on it; the next one starts anew from
 * what is in the log.
 */

interface Waiting {
  readonly payload: Buffer;
  readonly resolve: (entry: LogEntry) => void;
  readonly reject: (error: unknown) => void;
}

export class EtcdOwnedLog implements OwnedLog {
  readonly epoch: number;
  readonly #log: EtcdLog;
  readonly #held: Held;
  readonly #ended: () => void;
  readonly #since: number;
  readonly #session: Buffer;
  readonly #followers = new Followers();
  readonly #waiters = new Waiters();
  readonly #space: Space;
  readonly #flights: Flight[] = [];
  #queue: Waiting[] = [];
  /** Positions below were released by {@link trim}. */
  #released: Position = 0;
  #trimming: Promise<void> = Promise.resolve();
  /** Behind the last batch under way. */
  #proposed: Place;
  #pumping = false;
  /** A batch was refused: nothing is sent until those that were built on it are refused as well. */
  #draining = false;
  #closing: Promise<void> | undefined;
  /** Called when nothing waits or is under way. */
  #idle: (() => void) | undefined;

  /** @param ended called once, when this ownership is over */
  constructor(log: EtcdLog, held: Held, ended: () => void) {
    this.#log = log;
    this.#held = held;
    this.#ended = ended;
    this.epoch = held.epoch;
    this.#proposed = held.place;
    this.#since = log.host.clock.monotonic();
    this.#session = log.host.entropy.bytes(8);
    this.#space = new Space(log.etcd, log.host, log.keys.space);
    this.lost.addEventListener('abort', () => this.#over());
  }

  get lost(): AbortSignal {
    return this.#held.lease.lost;
  }

  get head(): Position {
    return this.#log.head;
  }

  get tail(): Position {
    return this.#log.tail;
  }

  get bytes(): number {
    return this.#log.place.bytes - this.#log.start.bytes;
  }

  get roomy(): boolean {
    return this.#space.roomy;
  }

  /** What a look at `sent` found. @returns false when it was sent before this node won, and says nothing */
  seen(owner: OwnerKey | undefined, sent: number): boolean {
    if (sent < this.#since) return false;
    if (owner?.epoch !== this.epoch) this.lose('another node owns it, or its lease was ended');
    return true;
  }

  /** This node owns the log no longer. */
  lose(why: string): void {
    this.#held.lease.lose(why);
  }

  #gone(): StoreError {
    const message = `This node no longer owns the log: ${this.lost.reason}. Try again.`;
    return new StoreError('ServiceUnavailable', { message, retryAfter: 1 });
  }

  #over(): void {
    const error = this.#gone();
    this.#space.close();
    for (const { reject } of this.#queue.splice(0)) reject(error);
    for (const flight of this.#flights.splice(0)) flight.fail(error);
    this.#waiters.fail(error);
    this.#idle?.();
    this.#ended();
  }

  append(payload: Uint8Array): Promise<LogEntry> {
    return new Promise((resolve, reject) => {
      const { entryBytes } = this.#log.bounds;
      invariant(this.#closing === undefined, 'a log is not appended to after its close');
      invariant(payload.length <= entryBytes, 'an entry of the log is no larger than limits.entryBytes');
      if (this.lost.aborted) throw this.#gone();
      if (this.#space.full) throw storageFull();
      const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
      this.#queue.push({ payload: bytes, resolve, reject });
      this.#pump();
    });
  }

  /** Sends what waits; what is appended in one turn goes together. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      while (this.#queue.length > 0 && this.#flights.length < limits.etcdFlights && !this.#draining) this.#send();
    });
  }

  #send(): void {
    let bytes = 0;
    let count = 0;
    for (const { payload } of this.#queue) {
      bytes += entrySize(payload);
      if (count === limits.etcdBatchEntries || (count > 0 && bytes > this.#log.bounds.batchBytes)) break;
      count++;
    }
    const group = this.#queue.splice(0, count);
    const payloads = group.map(({ payload }) => payload);
    const { host } = this.#log;
    const id = host.entropy.bytes(16);
    const { value, batch } = encodeBatch(this.#proposed, this.epoch, payloads, this.#session, id);
    const behind = advance(this.#proposed, batch);
    const flight = new Flight(this.#log, this.epoch, this.#proposed, behind, batch, value, this.#flights.at(-1));
    this.#proposed = behind;
    this.#flights.push(flight);
    flight.landed.then(
      () => this.#landed(flight, group),
      (error: unknown) => this.#refused(flight, group, error),
    );
  }

  /** Flights land in their order: each waits for the one before. */
  #landed(flight: Flight, group: readonly Waiting[]): void {
    this.#flights.shift();
    this.#draining &&= this.#flights.length > 0;
    this.#log.took(flight.batch);
    for (const [index, { resolve }] of group.entries()) resolve(flight.batch.entries[index] as LogEntry);
    this.#waiters.reached(this.head);
    this.#settled();
  }

  #refused(flight: Flight, group: readonly Waiting[], error: unknown): void {
    if (flight.deposed) this.lose('another node owns it, or its lease was ended');
    else if (!(error instanceof StoreError)) this.lose(error instanceof Error ? error.message : String(error));
    for (const { reject } of group) reject(this.lost.aborted ? this.#gone() : error);
    if (this.lost.aborted) return;
    this.#space.look();
    this.#flights.splice(this.#flights.indexOf(flight), 1);
    this.#draining = this.#flights.length > 0;
    this.#proposed = this.#log.place;
    this.#settled();
  }

  #settled(): void {
    if (this.#queue.length > 0) this.#pump();
    else if (this.#flights.length === 0) this.#idle?.();
  }

  read(from: Position): AsyncIterable<LogEntry> {
    return this.#whileOpen(this.#log.read(from));
  }

  async *#whileOpen(entries: AsyncIterable<LogEntry>): AsyncGenerator<LogEntry, void, undefined> {
    invariant(this.#closing === undefined, 'a log is not read after its close');
    yield* entries;
  }

  reached(position: Position, signal?: AbortSignal): Promise<void> {
    if (position <= this.head || signal?.aborted) return Promise.resolve();
    if (this.lost.aborted) return Promise.reject(this.#gone());
    return this.#waiters.add(position, signal);
  }

  follow(name: string, from: Position): Follower {
    return this.#followers.add(name, from, this.tail);
  }

  /** Behind the snapshots of a quorum of replicas only. Does nothing, for now, when etcd is out of reach. */
  trim(position: Position): Promise<void> {
    invariant(this.#closing === undefined, 'a log is not trimmed after its close');
    this.#released = Math.max(this.#released, position);
    const trimmed = this.#trimming.then(() => this.#trim());
    this.#trimming = trimmed.catch(() => {});
    return trimmed;
  }

  async #trim(): Promise<void> {
    const { etcd, keys, slots, start, bounds } = this.#log;
    const trimmed = { etcd, keys, slots, epoch: this.epoch, start, head: this.head };
    try {
      const released = Math.min(this.#released, (await quorumCovered(etcd, keys)) + 1);
      const next = await findStart(trimmed, released, this.#followers.slowest, bounds.tailBytes);
      if (next.position <= start.position || this.lost.aborted) return;
      const revision = await trimTo(trimmed, next);
      if (revision === undefined) return;
      this.#log.trimmed(next);
      this.#followers.passedBy(next.position);
      await this.#space.removed(revision);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
    }
  }

  resign(): Promise<void> {
    this.#closing ??= this.#resign();
    return this.#closing;
  }

  async #resign(): Promise<void> {
    if (!this.lost.aborted && (this.#queue.length > 0 || this.#flights.length > 0)) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await this.#trimming;
    await this.#held.lease.release();
  }

  close(): Promise<void> {
    return this.resign();
  }
}
