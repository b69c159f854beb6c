import { CorruptionError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { LogEntry, Position } from '../types.ts';
import { advance, type Batch, decodeBatch, type Place, type Start } from './batch.ts';
import type { LogKeys } from './keys.ts';
import { type Etcd, EtcdError, type RangeAnswer, type RangeRequest } from './types.ts';

/** Answers are asked for in pages of about this size. */
const pageBytes = 2 * 1024 * 1024;
const pageMost = 256;

/** The batches of a log: the newest from memory, older ones from etcd. */
export class Slots {
  readonly #etcd: Etcd;
  readonly #keys: LogKeys;
  readonly #seed: number;
  /** The newest, oldest first, without a gap. */
  readonly #recent: Batch[] = [];
  #recentBytes = 0;
  /** Bytes of a batch, as of late. */
  #usual = pageBytes / 16;

  constructor(etcd: Etcd, keys: LogKeys, seed: number) {
    this.#etcd = etcd;
    this.#keys = keys;
    this.#seed = seed;
  }

  /** Keeps the batch that follows the newest one that is kept. */
  keep(batch: Batch): void {
    const last = this.#recent.at(-1)?.entries.at(-1);
    if (last && last.position + 1 !== batch.slot) this.#recent.length = this.#recentBytes = 0;
    this.#recent.push(batch);
    this.#recentBytes += batch.bytes;
    while (this.#recentBytes > limits.etcdRecentBytes && this.#recent.length > 1)
      this.#recentBytes -= (this.#recent.shift() as Batch).bytes;
  }

  /** Asks for what comes from the slot at `position` on: about as much as one answer should hold. */
  request(position: Position): RangeRequest {
    const limit = Math.max(1, Math.min(pageMost, Math.floor(pageBytes / this.#usual)));
    return { key: this.#keys.slot(position), end: this.#keys.slotsEnd, limit };
  }

  /** The answer to a {@link request} was larger than may be: asks for one batch at a time for a while. */
  tooMuch(): void {
    this.#usual = pageBytes;
  }

  /** The batches in an answer to a {@link request}. */
  batches(answer: RangeAnswer): Batch[] {
    const batches = answer.pairs.map(({ key, value }) => decodeBatch(this.#keys.positionOf(key), value, this.#seed));
    for (const { bytes } of batches) this.#usual += (bytes - this.#usual) / 8;
    return batches;
  }

  #recentAt(position: Position): Batch | undefined {
    if (position < (this.#recent[0]?.slot ?? Number.POSITIVE_INFINITY)) return undefined;
    return this.#recent.findLast(({ slot }) => slot <= position);
  }

  /** The batch that holds `position`, or undefined when it is not there. */
  async at(position: Position): Promise<Batch | undefined> {
    const recent = this.#recentAt(position);
    if (recent) return recent;
    const least = Math.max(1, position - limits.etcdBatchEntries + 1);
    const keys = { key: this.#keys.slot(least), end: this.#keys.slot(position + 1), keysOnly: true };
    const key = (await this.#etcd.range(keys)).pairs.at(-1)?.key;
    if (key === undefined) return undefined;
    const pair = (await this.#etcd.range({ key })).pairs[0];
    const batch = pair && decodeBatch(this.#keys.positionOf(key), pair.value, this.#seed);
    return batch && (batch.entries.at(-1) as LogEntry).position >= position ? batch : undefined;
  }

  /**
   * Entries from `from` to `head` (both included). Each batch must go on from the one before, and the last one end as `head` says.
   * Throws CorruptionError when one does not, RangeError when one was trimmed: `start` tells from where on they are kept.
   */
  async *read(from: Position, head: Place, start: () => Promise<Start>): AsyncGenerator<LogEntry, void, undefined> {
    let place: Place | undefined;
    while (place === undefined || place.position < head.position) {
      const next: Position = place ? place.position + 1 : from;
      const batches: Batch[] = await this.#from(next, place === undefined);
      if (batches[0] === undefined || (place && batches[0].slot !== next)) {
        const kept = (await start()).position;
        if (next < kept) throw new RangeError(`the log begins at position ${kept}: ${next} was trimmed`);
        throw new CorruptionError(`the log in etcd has no entry ${next}`);
      }
      for (const batch of batches) {
        if (batch.slot > head.position) break;
        place = advance(place ?? placeBefore(batch, head.identity), batch);
        for (const entry of batch.entries) if (entry.position >= from && entry.position <= head.position) yield entry;
        if (place.position === head.position && !place.hash.equals(head.hash))
          throw new CorruptionError(`the log in etcd is not the one that was followed: entry ${head.position} differs`);
      }
    }
  }

  /** Some batches from the one that holds `position` on; none when it is not there. */
  async #from(position: Position, within: boolean): Promise<Batch[]> {
    const recent = this.#recentAt(position);
    if (recent) return this.#recent.slice(this.#recent.indexOf(recent));
    if (within) {
      const batch = await this.at(position);
      return batch ? [batch] : [];
    }
    for (;;) {
      const request = this.request(position);
      try {
        return this.batches(await this.#etcd.range(request));
      } catch (error) {
        if (!(error instanceof EtcdError) || error.outcome !== 'refused' || request.limit === 1) throw error;
        this.tooMuch();
      }
    }
  }
}

/** The place that a batch says it goes on from. */
export function placeBefore(batch: Batch, identity: Buffer): Place {
  invariant(batch.slot > 0, 'the first slot of a log is 1');
  const { previous: hash, before: bytes } = batch;
  return { identity, position: batch.slot - 1, slot: 0, hash, epoch: 0, bytes };
}
