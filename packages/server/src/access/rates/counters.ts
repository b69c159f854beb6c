import type { Clock } from '../../host/index.ts';
import { limits } from '../../limits.ts';

/*
 * What was used of limits, in memory that all threads of a process share: a limit holds for the node, whichever thread takes a request.
 *
 * Each bucket of tokens is one number, the time at which it will be full again (GCRA, ATM Forum TM 4.0 §4.4.2): it is compared and swapped, so that
 * no two threads take the same token. A bucket holds what its rate gives in `limits.rateBurstMs`, and one token at least: over any time t at
 * most burst + rate × t tokens are taken.
 */

const countedRates = ['requests', 'in', 'out'] as const;
export type CountedRate = (typeof countedRates)[number];

const times: Readonly<Record<CountedRate, number>> = { requests: 0, in: 1, out: 2 };
/** Where stands which limit was counted here last. */
const changedAt = 3;
const timesOfSlot = 4;
const slots = limits.rateSubjects + limits.rateAddresses;
const secondNs = 1e9;
const burstNs = limits.rateBurstMs * 1e6;

/** Of a limit that an operator set, besides what is counted of every slot: connections, when it was asked for, on how many other nodes. */
const numbersOfSubject = 3;

/** Memory for the counters of one process, to be given to each of its threads. @param seed keeps others from choosing which addresses meet in a slot */
export function rateMemory(seed: Uint8Array): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(slots * (timesOfSlot * 8 + 4) + limits.rateSubjects * numbersOfSubject * 4 + 4);
  new DataView(memory).setUint32(memory.byteLength - 4, new DataView(seed.buffer, seed.byteOffset).getUint32(0), true);
  return memory;
}

/** The network of an address: itself, of IPv6 the 64 bits that a site has at least. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice(7);
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  return [...left, ...Array<string>(zeros).fill('0'), ...right].slice(0, 4).join(':');
}

export class RateCounters {
  readonly #times: BigInt64Array;
  readonly #concurrent: Int32Array;
  /** Open connections by slot of a limit that an operator set. */
  readonly #connections: Int32Array;
  /** By slot of a limit that an operator set: the second in which it was asked for last, and how many other nodes it is asked for on. */
  readonly #asked: Int32Array;
  readonly #others: Int32Array;
  readonly #seed: number;
  readonly #clock: Pick<Clock, 'monotonic'>;

  constructor(memory: SharedArrayBuffer, clock: Pick<Clock, 'monotonic'>) {
    this.#times = new BigInt64Array(memory, 0, slots * timesOfSlot);
    let at = slots * timesOfSlot * 8;
    this.#concurrent = new Int32Array(memory, at, slots);
    at += slots * 4;
    const numbers = (which: number) =>
      new Int32Array(memory, at + which * limits.rateSubjects * 4, limits.rateSubjects);
    this.#asked = numbers(0);
    this.#others = numbers(1);
    this.#connections = numbers(2);
    this.#seed = new DataView(memory).getUint32(memory.byteLength - 4, true);
    this.#clock = clock;
  }

  /** Where anonymous requests of a network are counted. */
  slotOf(network: string): number {
    let sum = this.#seed ^ 0x811c9dc5;
    for (let i = 0; i < network.length; i++) sum = Math.imul(sum ^ network.charCodeAt(i), 0x01000193);
    sum = Math.imul(sum ^ (sum >>> 15), 0x2c1b3c6d);
    return limits.rateSubjects + (((sum ^ (sum >>> 12)) >>> 0) & (limits.rateAddresses - 1));
  }

  /** Forgets what was counted for an older limit in the same slot. Requests under way stay: they are still to leave. */
  renew(slot: number, changedMs: number): void {
    const at = slot * timesOfSlot;
    const changed = BigInt(changedMs);
    for (;;) {
      const before = Atomics.load(this.#times, at + changedAt);
      if (before >= changed) return;
      if (Atomics.compareExchange(this.#times, at + changedAt, before, changed) !== before) continue;
      for (const rate of countedRates) Atomics.store(this.#times, at + times[rate], 0n);
      return;
    }
  }

  /** Takes one token. @returns 0, or the ms after which there is one, and then nothing was taken */
  take(slot: number, rate: CountedRate, perSecond: number): number {
    const at = slot * timesOfSlot + times[rate];
    const cost = costOf(1, perSecond);
    const depth = BigInt(Math.max(burstNs, Math.ceil(secondNs / perSecond)));
    for (;;) {
      const now = this.#now();
      const before = Atomics.load(this.#times, at);
      const full = later(before, now) + cost;
      const missing = full - now - depth;
      if (missing > 0n) return Number(missing) / 1e6;
      if (Atomics.compareExchange(this.#times, at, before, full) === before) return 0;
    }
  }

  /** Gives back the one that was taken for a request that is refused for another reason. */
  giveBack(slot: number, rate: CountedRate, perSecond: number): void {
    Atomics.sub(this.#times, slot * timesOfSlot + times[rate], costOf(1, perSecond));
  }

  /** Takes so many tokens, whether they are there or not. @returns the ms until they are */
  spend(slot: number, rate: CountedRate, amount: number, perSecond: number): number {
    const at = slot * timesOfSlot + times[rate];
    const cost = costOf(amount, perSecond);
    for (;;) {
      const now = this.#now();
      const before = Atomics.load(this.#times, at);
      const full = later(before, now) + cost;
      if (Atomics.compareExchange(this.#times, at, before, full) === before)
        return Math.max(0, Number(full - now) - burstNs) / 1e6;
    }
  }

  /** The ms until what was spent is less than `limits.rateBehindMs` ahead of its rate. */
  behind(slot: number, rate: CountedRate): number {
    const full = Atomics.load(this.#times, slot * timesOfSlot + times[rate]);
    return Math.max(0, Number(full - this.#now()) / 1e6 - limits.rateBurstMs - limits.rateBehindMs);
  }

  /** Counts a request under way, unless there are so many already. Each that is counted must leave. */
  enter(slot: number, most: number): boolean {
    if (Atomics.add(this.#concurrent, slot, 1) < most) return true;
    this.leave(slot);
    return false;
  }

  leave(slot: number): void {
    Atomics.sub(this.#concurrent, slot, 1);
  }

  /** Counts an open connection, unless there are so many already. Each that is counted must disconnect. */
  connect(slot: number, most: number): boolean {
    if (Atomics.add(this.#connections, slot, 1) < most) return true;
    this.disconnect(slot);
    return false;
  }

  disconnect(slot: number): void {
    Atomics.sub(this.#connections, slot, 1);
  }

  /**
   * A limit is asked for here.
   * @returns how many nodes share it: those on which it was asked for lately. Anonymous addresses are counted on each node by itself
   */
  share(slot: number): number {
    if (slot >= limits.rateSubjects) return 1;
    Atomics.store(this.#asked, slot, this.#second());
    return 1 + Atomics.load(this.#others, slot);
  }

  /** Slots that were asked for on this node in the last `limits.rateAskedMs`, or whose requests are under way. */
  asked(): number[] {
    const from = this.#second() - limits.rateAskedMs / 1000;
    const found: number[] = [];
    for (let slot = 0; slot < limits.rateSubjects; slot++)
      if (Atomics.load(this.#concurrent, slot) > 0 || Atomics.load(this.#asked, slot) > Math.max(0, from))
        found.push(slot);
    return found;
  }

  /** What each of the other nodes that answer has said of itself, as {@link asked} does. */
  askedElsewhere(nodes: Iterable<readonly number[]>): void {
    const others = new Int32Array(limits.rateSubjects);
    for (const node of nodes) for (const slot of node) if (slot in others) others[slot] = (others[slot] as number) + 1;
    for (const [slot, count] of others.entries()) Atomics.store(this.#others, slot, count);
  }

  /** From 1 on. */
  #second(): number {
    return 1 + Math.floor(this.#clock.monotonic() / 1000);
  }

  #now(): bigint {
    return BigInt(Math.floor(this.#clock.monotonic() * 1e6));
  }
}

function later(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

/** In ns of the rate, rounded so that no rate is exceeded. */
const costOf = (amount: number, perSecond: number): bigint => BigInt(Math.ceil((amount * secondNs) / perSecond));
