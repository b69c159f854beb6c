import type { VolumeFile } from '../../device/index.ts';
import { follows, intact, type RecordHead, recordHash, recordHeadAt, recordHeadBytes } from '../record.ts';
import type { LogEntry, Position } from '../types.ts';
import { headBytes } from './format.ts';

/** Read at a time; a longer record is read whole. */
const chunkBytes = 256 * 1024;

/** Where the next record is and what it must go on from. */
export interface Place {
  readonly offset: number;
  readonly position: Position;
  readonly previous: Buffer;
}

/** An entry, and where its record ends. */
export interface Found extends LogEntry {
  readonly durable: Position;
  readonly end: number;
}

/** Reads the records of one segment in order. Payloads are views of the chunk they came in. */
export class RecordReader {
  readonly #file: VolumeFile;
  readonly #end: number;
  readonly #seed: number;
  #chunk: Buffer = Buffer.alloc(0);
  /** Offset in the file of the chunk's first byte. */
  #chunkAt: number;
  #place: Place;
  #why = '';
  /** Chunks come from the other copy of the file. */
  #other = false;
  readonly #onOther: ((why: string) => void) | undefined;

  /**
   * @param end where the last record ends, or the size of the file
   * @param onOther hears that the next record is damaged in the copy that is read, why, and that the other copy has it; absent: the other copy is not asked
   */
  constructor(file: VolumeFile, place: Place, end: number, seed: number, onOther?: (why: string) => void) {
    this.#file = file;
    this.#place = place;
    this.#chunkAt = place.offset;
    this.#end = end;
    this.#seed = seed;
    this.#onOther = onOther;
  }

  /** Where the next record is, or where it should have been. */
  get place(): Place {
    return this.#place;
  }

  /** Why the last `next` found nothing. */
  get why(): string {
    return this.#why;
  }

  /** Makes `length` bytes from the place on available. @returns their offset in the chunk, or -1 when the records end before */
  async #fill(length: number): Promise<number> {
    const offset = this.#place.offset;
    if (offset + length > this.#end) return -1;
    const at = offset - this.#chunkAt;
    if (at + length <= this.#chunk.length) return at;
    const kept = this.#chunk.subarray(Math.min(at, this.#chunk.length));
    // Never into the old chunk: payloads that were given out are views of it.
    const chunk = Buffer.allocUnsafeSlow(Math.min(Math.max(length, chunkBytes), this.#end - offset));
    kept.copy(chunk);
    const [into, from] = [chunk.subarray(kept.length), offset + kept.length];
    const got = await (this.#other ? this.#file.readOther?.(into, from) : this.#file.read(into, from));
    this.#chunk = chunk.subarray(0, kept.length + (got ?? 0));
    this.#chunkAt = offset;
    return this.#chunk.length >= length ? 0 : -1;
  }

  /** The next record, or undefined when what is there is not it, in no copy. */
  async next(): Promise<Found | undefined> {
    const found = await this.#next();
    if (found || !this.#onOther || !this.#file.readOther) return found;
    const why = this.#why;
    this.#other = true;
    try {
      this.#forget();
      const again = await this.#next();
      if (again) this.#onOther(why);
      else this.#why = why;
      return again;
    } finally {
      this.#other = false;
      // What else the other copy gave is not taken for what this one holds: each record that is damaged here is told of.
      this.#forget();
    }
  }

  /** The next record is read anew. */
  #forget(): void {
    this.#chunk = Buffer.alloc(0);
    this.#chunkAt = this.#place.offset;
  }

  async #next(): Promise<Found | undefined> {
    const { offset, position, previous } = this.#place;
    let at = await this.#fill(recordHeadBytes);
    if (at < 0) return this.#nothing('the records end');
    const head = recordHeadAt(this.#chunk, at);
    if (!head) return this.#nothing('no record begins here');
    const wrong = this.#wrong(head, at, position, previous);
    if (wrong) return this.#nothing(wrong);
    const end = offset + recordHeadBytes + head.length;
    at = await this.#fill(recordHeadBytes + head.length);
    if (at < 0) return this.#nothing('its length goes beyond the records');
    const record = this.#chunk.subarray(at, at + recordHeadBytes + head.length);
    if (!intact(record, this.#seed)) return this.#nothing('its checksum is wrong');
    const hash = recordHash(record);
    this.#place = { offset: end, position: position + 1, previous: hash };
    return { position, epoch: head.epoch, durable: head.durable, hash, payload: record.subarray(recordHeadBytes), end };
  }

  #wrong(head: RecordHead, at: number, position: Position, previous: Buffer): string | undefined {
    if (head.position !== position) return `its position is ${head.position}, not ${position}`;
    if (!follows(this.#chunk, at, previous)) return 'its previous hash is not that of the entry before';
    return undefined;
  }

  #nothing(why: string): undefined {
    this.#why = why;
    return undefined;
  }
}

/** The place of the first record of a segment. */
export const firstPlace = (first: Position, before: Buffer): Place => ({
  offset: headBytes,
  position: first,
  previous: before,
});
