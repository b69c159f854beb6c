import type { Volume, VolumeFile } from '../../device/index.ts';
import { CorruptionError } from '../../errors.ts';
import { identitySeed } from '../record.ts';
import type { Position } from '../types.ts';
import { decodeHead, headBytes, type Seal, type SegmentHead, sealOf } from './format.ts';
import { firstPlace, type Place } from './records.ts';

const prefix = 'segment-';
const digits = 16;

export const segmentName = (first: Position): string => prefix + String(first).padStart(digits, '0');

/** First position of the segment that is called so, or undefined for any other file. */
export function positionInName(name: string): Position | undefined {
  const text = name.slice(prefix.length);
  return name.startsWith(prefix) && text.length === digits && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Records between two places that a segment remembers, bytes: a read begins at the last place before it. */
const placeEvery = 256 * 1024;

/** One file of the log, open. */
export class Segment {
  readonly name: string;
  readonly head: SegmentHead;
  readonly file: VolumeFile;
  /** Bytes of the file. */
  readonly size: number;
  /** The seal that was found in it. */
  readonly seal: Seal | undefined;
  /** Offset where the next record goes; in a finished segment, where the last one ends. */
  end = headBytes;
  readonly #places: Place[];
  #readers = 0;
  #dropped = false;

  constructor(name: string, head: SegmentHead, file: VolumeFile, size: number, seal: Seal | undefined) {
    this.name = name;
    this.head = head;
    this.file = file;
    this.size = size;
    this.seal = seal;
    this.#places = [firstPlace(head.first, head.before)];
  }

  /** Remembers a place now and then. @param always because many reads begin there */
  note(place: Place, always = false): void {
    const last = this.#places.at(-1) as Place;
    if (place.offset >= last.offset + (always ? 1 : placeEvery)) this.#places.push(place);
  }

  /** The last remembered place at or before `position`. */
  placeBefore(position: Position): Place {
    let low = 0;
    let high = this.#places.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#places[middle] as Place).position <= position) low = middle;
      else high = middle;
    }
    return this.#places[low] as Place;
  }

  /** What it remembers. */
  get places(): readonly Place[] {
    return this.#places;
  }

  get busy(): boolean {
    return this.#readers > 0;
  }

  /** The file stays open and unchanged until the same number of `leave`. */
  enter(): void {
    this.#readers++;
  }

  async leave(): Promise<void> {
    this.#readers--;
    if (this.#dropped && this.#readers === 0) await this.file.close();
  }

  /** The segment is no longer part of the log. */
  async drop(): Promise<void> {
    this.#dropped = true;
    if (this.#readers === 0) await this.file.close();
  }
}

/** Opens a segment that is there. */
export async function openSegment(volume: Volume, name: string): Promise<Segment> {
  const file = await volume.open(name, 'existing');
  try {
    const block = Buffer.alloc(headBytes);
    if ((await file.read(block, 0)) < headBytes) throw new CorruptionError('it ends within its head');
    const head = decodeHead(block);
    if (segmentName(head.first) !== name) throw new CorruptionError(`it begins at position ${head.first}`);
    return new Segment(name, head, file, await file.size(), sealOf(identitySeed(head.identity), block));
  } catch (error) {
    await file.close();
    if (!(error instanceof CorruptionError)) throw error;
    throw new CorruptionError(`log segment ${name} cannot be used: ${error.message}`, { cause: error });
  }
}
