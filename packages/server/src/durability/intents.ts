import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Proposer } from '../metadata/index.ts';
import { prefixBytes, stripeIdBytes } from './address.ts';

/*
 * Stripe ids out of ranges that the log knows. A thread opens an intent (a random prefix) before it writes under it, and closes it when it
 * is used up and everything numbered under it is settled: published, or given up. What lies on a device under a closed prefix and is owned
 * by nothing is garbage, and no clock is asked to find that out. An intent that is never closed (a crash) is expired by the next start.
 *
 * The next intent is opened in the background while the last quarter of the current one is used, so that no stripe waits for the log.
 */

interface Intent {
  readonly prefix: Buffer;
  used: number;
  /** Numbers that were given out and are not settled. */
  readonly outstanding: Set<number>;
  /** Gives no more numbers; closes when nothing is outstanding. */
  retired: boolean;
}

const counterAt = stripeIdBytes - 5;

export class IntentRange {
  readonly #proposer: Proposer;
  readonly #host: Host;
  readonly #capacity: number;
  readonly #intents = new Map<string, Intent>();
  readonly #closing = new Set<Promise<void>>();
  #current: Intent | undefined;
  #opening: Promise<Intent> | undefined;
  #ready: Intent | undefined;
  #closed = false;

  readonly #shard: { readonly shard?: number };

  /**
   * @param capacity ids per intent
   * @param shard that publishes under its intents
   */
  constructor(proposer: Proposer, host: Host, capacity: number = limits.intentStripes, shard = 0) {
    this.#shard = shard === 0 ? {} : { shard };
    this.#proposer = proposer;
    this.#host = host;
    this.#capacity = capacity;
  }

  /** Intents that are open in the log because of this thread. */
  get open(): number {
    return this.#intents.size;
  }

  /** A new stripe id, outstanding until it is settled. */
  async take(): Promise<Buffer> {
    while (true) {
      if (this.#closed) throw new StoreError('ServiceUnavailable', { message: 'The server is shutting down.' });
      const current = this.#current;
      if (current && current.used < this.#capacity) return this.#number(current);
      if (current) this.#retire(current);
      this.#current = this.#ready;
      this.#ready = undefined;
      if (!this.#current) await this.#prepare();
    }
  }

  /** The stripe was published or given up; a second call does nothing. */
  settle(stripe: Buffer): void {
    const intent = this.#intents.get(stripe.toString('latin1', 0, prefixBytes));
    if (!intent) return;
    intent.outstanding.delete(stripe.readUInt32BE(counterAt));
    if (intent.retired && intent.outstanding.size === 0) this.#close(intent);
  }

  /** Closes what has nothing outstanding; the rest stays open for the next start to expire. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening?.catch(() => undefined);
    for (const intent of Array.from(this.#intents.values())) this.#retire(intent);
    await Promise.all(this.#closing);
  }

  #number(intent: Intent): Buffer {
    const counter = intent.used;
    intent.used += 1;
    intent.outstanding.add(counter);
    if (!this.#ready && !this.#opening && intent.used > this.#capacity * 0.75) this.#prepare().catch(() => undefined);
    const id = Buffer.alloc(stripeIdBytes);
    intent.prefix.copy(id);
    id.writeUInt32BE(counter, counterAt);
    return id;
  }

  #prepare(): Promise<Intent> {
    this.#opening ??= this.#openIntent().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openIntent(): Promise<Intent> {
    const prefix = this.#host.entropy.bytes(prefixBytes);
    await this.#proposer.propose({ type: 'intent.open', prefix, ...this.#shard });
    const intent: Intent = { prefix, used: 0, outstanding: new Set(), retired: false };
    this.#intents.set(prefix.toString('latin1'), intent);
    this.#ready = intent;
    return intent;
  }

  #retire(intent: Intent): void {
    intent.retired = true;
    if (intent.outstanding.size === 0) this.#close(intent);
  }

  #close(intent: Intent): void {
    if (!this.#intents.delete(intent.prefix.toString('latin1'))) return;
    // A refusal leaves the intent open in the log, which only delays collection until the next start.
    const closing: Promise<void> = this.#proposer
      .propose({ type: 'intent.close', prefix: intent.prefix, ...this.#shard })
      .then(
        () => undefined,
        () => undefined,
      );
    this.#closing.add(closing);
    void closing.then(() => this.#closing.delete(closing));
  }
}

/** One range for each shard: a stripe is published where its intent was opened. */
export class IntentRanges {
  readonly #proposer: Proposer;
  readonly #host: Host;
  readonly #ranges = new Map<number, IntentRange>();

  constructor(proposer: Proposer, host: Host) {
    this.#proposer = proposer;
    this.#host = host;
  }

  /** A new stripe id, outstanding until it is settled. */
  take(shard: number): Promise<Buffer> {
    let range = this.#ranges.get(shard);
    if (!range) {
      range = new IntentRange(this.#proposer, this.#host, limits.intentStripes, shard);
      this.#ranges.set(shard, range);
    }
    return range.take();
  }

  /** The stripe was published or given up; a second call does nothing. */
  settle(stripe: Buffer): void {
    for (const range of this.#ranges.values()) range.settle(stripe);
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#ranges.values(), (range) => range.close()));
  }
}
