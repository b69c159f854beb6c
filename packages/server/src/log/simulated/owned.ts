import { StoreError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import type { OwnedLog } from '../shared.ts';
import type { Follower, LogEntry, Position } from '../types.ts';
import type { Session } from './engine.ts';
import type { SimulatedNode } from './node.ts';

interface Waiting {
  readonly payload: Buffer;
  readonly resolve: (entry: LogEntry) => void;
  readonly reject: (error: unknown) => void;
}

const deposed = (): StoreError =>
  new StoreError('ServiceUnavailable', {
    message: 'This node does not own the log any more. Try again.',
    retryAfter: 1,
  });

/** Looks at the lease in one time of it. */
const LOOKS = 3;

/**
 * The log while a node owns it. One group of appends is under way at a time. From the first append on whose outcome the node does not
 * hear, everything rejects: what was under way may be in the log or come into it, as long as nobody else owns it.
 */
export class OwnedByNode implements OwnedLog {
  readonly #node: SimulatedNode;
  readonly #session: Session;
  readonly #lost = new AbortController();
  readonly #stopLooking: () => void;
  #queue: Waiting[] = [];
  #under: Waiting[] = [];
  #running: Promise<void> | undefined;
  #renewedMs: number;
  #closed = false;

  constructor(node: SimulatedNode, session: Session) {
    this.#node = node;
    this.#session = session;
    const { host, leaseMs } = node.engine;
    this.#renewedMs = host.clock.monotonic();
    this.#stopLooking = host.timers.every(leaseMs / LOOKS, () => this.#look());
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get head(): Position {
    return this.#node.head;
  }

  get tail(): Position {
    return this.#node.tail;
  }

  get epoch(): number {
    return this.#session.epoch;
  }

  get bytes(): number {
    return this.#node.engine.bytes;
  }

  readonly roomy = true;

  #look(): void {
    const { engine, paused, reachable } = this.#node;
    if (paused) return;
    const now = engine.host.clock.monotonic();
    if (reachable && engine.renew(this.#session)) this.#renewedMs = now;
    else if (reachable || now - this.#renewedMs >= engine.leaseMs) this.#lose();
  }

  #lose(): void {
    if (this.lost.aborted) return;
    this.#stopLooking();
    this.#lost.abort();
    const waiting = [...this.#under, ...this.#queue];
    this.#under = [];
    this.#queue = [];
    for (const each of waiting) each.reject(deposed());
  }

  append(payload: Uint8Array): Promise<LogEntry> {
    return new Promise((resolve, reject) => {
      const { entryBytes } = this.#node.engine;
      invariant(payload.length <= entryBytes, 'an entry of the log is no larger than the log takes');
      if (this.#closed || this.lost.aborted) throw deposed();
      this.#queue.push({ payload: Buffer.from(payload), resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    // What is appended in one turn goes together.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      this.#under = this.#queue;
      this.#queue = [];
      await this.#send(this.#under).catch(() => this.#lose());
    }
    this.#running = undefined;
  }

  async #send(group: readonly Waiting[]): Promise<void> {
    const { engine, node } = this.#node;
    const fate = engine.fate(node);
    // A request that is on its way arrives whatever becomes of the node.
    await this.#node.pass();
    const payloads = group.map(({ payload }) => payload);
    const entries = fate === 'lost' ? undefined : engine.append(this.#session, payloads);
    if (!entries || fate === 'unheard') return this.#lose();
    await this.#node.pass();
    if (this.lost.aborted) return;
    this.#under = [];
    this.#node.saw(entries.at(-1)!.position);
    for (const [index, each] of group.entries()) each.resolve(entries[index]!);
  }

  read(from: Position): AsyncIterable<LogEntry> {
    invariant(!this.#closed, 'a log is not read after its close');
    return this.#node.read(from);
  }

  reached(position: Position, signal?: AbortSignal): Promise<void> {
    return this.#node.reached(position, signal);
  }

  follow(name: string, from: Position): Follower {
    return this.#node.engine.followers.add(name, from, this.tail);
  }

  async trim(position: Position): Promise<void> {
    await this.#node.covered(Math.min(position, this.head + 1));
    if (!this.lost.aborted) this.#node.engine.trim();
  }

  async resign(): Promise<void> {
    await this.#running;
    this.#lose();
    await this.#node.pass().then(
      () => this.#node.engine.release(this.#session),
      // Closed: the lease ends by itself.
      () => {},
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.resign();
    await this.#node.close();
  }
}
