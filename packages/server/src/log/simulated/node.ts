import { StoreError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import type { LogOwner, OwnedLog, SharedLog } from '../shared.ts';
import type { LogEntry, Position } from '../types.ts';
import { Waiters } from '../waiters.ts';
import type { Engine } from './engine.ts';
import { OwnedByNode } from './owned.ts';

const closed = (): StoreError => new StoreError('ServiceUnavailable', { message: 'The log was closed.' });
const away = (): StoreError =>
  new StoreError('ServiceUnavailable', { message: 'The log engine is out of reach. Try again.', retryAfter: 1 });

/** One node's client of the log. */
export class SimulatedNode implements SharedLog {
  readonly node: string;
  readonly address: string;
  readonly engine: Engine;
  readonly #waiters = new Waiters();
  readonly #stop = new AbortController();
  #head: Position = 0;
  #owner: LogOwner | undefined;
  #seeing = false;
  #stale = true;
  #cut = false;
  #paused = false;
  #heardMs: number;
  /** Messages that wait until the node can be reached again, in order. */
  #parked: (() => void)[] = [];
  #barrier: { readonly gone: boolean; readonly result: Promise<Position> } | undefined;

  constructor(engine: Engine, node: string, address: string) {
    this.engine = engine;
    this.node = node;
    this.address = address;
    this.#heardMs = engine.host.clock.monotonic();
    engine.listeners.add(this.#changed);
    this.#changed();
  }

  get head(): Position {
    return this.#head;
  }

  get tail(): Position {
    return this.engine.tail;
  }

  get stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get reachable(): boolean {
    return !this.#cut && !this.#paused;
  }

  /** No message passes until it is healed; what is under way waits. The node's own clock goes on. */
  cut(): void {
    if (this.reachable) this.#heardMs = this.engine.host.clock.monotonic();
    this.#cut = true;
  }

  heal(): void {
    this.#cut = false;
    this.#release();
  }

  /** The same, and the node does not notice that time passes. */
  pause(): void {
    if (this.reachable) this.#heardMs = this.engine.host.clock.monotonic();
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#release();
  }

  #release(): void {
    if (!this.reachable) return;
    for (const go of this.#parked.splice(0)) go();
  }

  /** One message on its way, in either direction. Rejects when the node closes. */
  async pass(): Promise<void> {
    const ms = this.engine.delay(this.node);
    if (ms > 0) await this.engine.host.timers.sleep(ms, this.#stop.signal);
    while (!this.reachable && !this.stopped) await new Promise<void>((resolve) => this.#parked.push(resolve));
    if (this.stopped) throw closed();
  }

  readonly #changed = (): void => {
    this.#stale = true;
    if (!this.#seeing) void this.#see().catch(() => {});
  };

  async #see(): Promise<void> {
    this.#seeing = true;
    try {
      while (this.#stale) {
        this.#stale = false;
        await this.pass();
        this.saw(this.engine.head);
        const owner = this.engine.owner;
        this.#owner = owner && { node: owner.node, address: owner.address, epoch: owner.epoch };
      }
    } finally {
      this.#seeing = false;
    }
  }

  /** Entries up to `position` are there. */
  saw(position: Position): void {
    if (position <= this.#head) return;
    this.#head = position;
    this.#waiters.reached(position);
  }

  async *read(from: Position): AsyncGenerator<LogEntry> {
    const end = this.#head;
    for (let position = from; position <= end; position++) {
      if (this.stopped) throw closed();
      if (!this.reachable) throw away();
      const entry = this.engine.at(position);
      if (!entry) throw new RangeError(`entry ${position} of the log was trimmed: it begins at ${this.tail}`);
      yield { ...entry, payload: Buffer.from(entry.payload) };
    }
    if (this.stopped) throw closed();
    if (from < this.tail && from <= end) throw new RangeError(`the log begins at ${this.tail}`);
  }

  reached(position: Position, signal?: AbortSignal): Promise<void> {
    if (this.stopped) return Promise.reject(closed());
    if (position <= this.#head || signal?.aborted) return Promise.resolve();
    return this.#waiters.add(position, signal);
  }

  barrier(): Promise<Position> {
    if (this.#barrier && !this.#barrier.gone) return this.#barrier.result;
    const before = this.#barrier?.result.catch(() => {});
    const flight = { gone: false, result: Promise.resolve(0) };
    flight.result = (async () => {
      await before;
      flight.gone = true;
      if (this.#cut) throw away();
      await this.pass();
      const { head } = this.engine;
      await this.pass();
      if (this.#cut) throw away();
      return head;
    })().finally(() => {
      if (this.#barrier === flight) this.#barrier = undefined;
    });
    this.#barrier = flight;
    return flight.result;
  }

  owner(): LogOwner | undefined {
    return this.#owner;
  }

  async depose(epoch: number): Promise<void> {
    if (this.#cut) throw away();
    await this.pass();
    const { owner } = this.engine;
    if (owner?.epoch === epoch) this.engine.release(owner);
    await this.pass();
  }

  async own(signal: AbortSignal, turn?: () => Promise<void>): Promise<OwnedLog | undefined> {
    while (!signal.aborted) {
      await this.pass();
      const session = signal.aborted ? undefined : this.engine.claim(this.node, this.address);
      if (session) {
        const { head } = this.engine;
        await this.pass();
        if (signal.aborted) {
          this.engine.release(session);
          return undefined;
        }
        this.saw(head);
        return new OwnedByNode(this, session);
      }
      await this.#untilFree(signal);
      await turn?.();
    }
    return undefined;
  }

  #untilFree(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const { listeners } = this.engine;
      const look = (): void => {
        if (this.engine.owner && !signal.aborted && !this.stopped) return;
        listeners.delete(look);
        signal.removeEventListener('abort', look);
        this.#stop.signal.removeEventListener('abort', look);
        resolve();
      };
      listeners.add(look);
      signal.addEventListener('abort', look);
      this.#stop.signal.addEventListener('abort', look);
      look();
    });
  }

  age(): number {
    return this.reachable ? 0 : this.engine.host.clock.monotonic() - this.#heardMs;
  }

  async covered(position: Position): Promise<void> {
    invariant(!this.stopped, 'a log is not told of snapshots after its close');
    if (this.#cut) throw away();
    await this.pass();
    this.engine.covered(this.node, position);
  }

  async replicas(): Promise<readonly string[]> {
    if (this.#cut) throw away();
    await this.pass();
    return this.engine.replicas();
  }

  async close(): Promise<void> {
    if (this.stopped) return;
    this.engine.listeners.delete(this.#changed);
    this.#stop.abort();
    this.#waiters.fail(closed());
    for (const go of this.#parked.splice(0)) go();
  }
}
