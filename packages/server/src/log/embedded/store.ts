import { isSpaceExhausted, reserveOf, type Volume } from '../../device/index.ts';
import { CorruptionError, StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { encodeHead, type SegmentHead } from './format.ts';
import { openSegment, positionInName, Segment, segmentName } from './segment.ts';

/*
 * The files of a log. A segment's file has its full size before its first record, so that the sync of an append writes data and no file
 * system metadata. A new file is filled with zeros once; a trimmed segment becomes a spare, keeps its bytes, and is used again.
 *
 * A file gets its place in the log by a rename, when its head is durable; so a segment with a bad head is damage, not a torn beginning.
 * `draft` is a file being filled; `spare-N` are full.
 */

export const draft = 'draft';
const sparePrefix = 'spare-';
export const isSpare = (name: string): boolean => name.startsWith(sparePrefix);
/** More trimmed segments than these are removed. */
const sparesKept = 2;
const zeros = Buffer.alloc(1024 * 1024);
/** Filled between two syncs: a long queue of writes would stand in the way of appends. */
const fillBytes = 8 * 1024 * 1024;

export class SegmentStore {
  readonly #volume: Volume;
  readonly #segmentBytes: number;
  /** Files of full size, but for small ones that a nearly full disk had room for; those are used first. */
  readonly #spares: { readonly name: string; readonly bytes: number }[] = [];
  #spareNumber = 0;
  #wanting = false;
  #filling: Promise<void> | undefined;

  constructor(volume: Volume, segmentBytes: number) {
    this.#volume = volume;
    this.#segmentBytes = segmentBytes;
  }

  /** Opens the segments that are there, in order, and takes stock of the spares. */
  async open(): Promise<Segment[]> {
    const names = await this.#volume.list();
    if (names.includes(draft)) await this.#volume.remove(draft);
    for (const name of names.filter(isSpare)) await this.#adoptSpare(name);
    return openSegments(this.#volume, names);
  }

  async #adoptSpare(name: string): Promise<void> {
    this.#spareNumber = Math.max(this.#spareNumber, Number.parseInt(name.slice(sparePrefix.length), 10) || 0);
    const file = await this.#volume.open(name, 'read');
    const size = await file.size();
    await file.close();
    if (size === this.#segmentBytes && this.#spares.length < sparesKept) {
      this.#spares.push({ name, bytes: size });
    } else await this.#volume.remove(name);
  }

  /** Makes a spare if there is none; calls at the same time share one. Full space is a StoreError StorageFull and harms nothing. */
  prepare(): Promise<void> {
    if (this.#spares.length > 0) return Promise.resolve();
    this.#filling ??= this.#affordable()
      .then(async (bytes) => {
        this.#spares.push({ name: await this.#makeSpare(bytes), bytes });
        this.#wanting = false;
      })
      .catch((error: unknown) => {
        this.#wanting = error instanceof StoreError;
        throw error;
      })
      .finally(() => {
        this.#filling = undefined;
      });
    return this.#filling;
  }

  /** The newest attempt to make a spare found no space, and there is none. */
  get wanting(): boolean {
    return this.#wanting && this.#spares.length === 0;
  }

  /** There is a file for the next segment. */
  get provided(): boolean {
    return this.#spares.length > 0;
  }

  get #smallBytes(): number {
    return Math.min(this.#segmentBytes, limits.logSmallSegmentBytes);
  }

  /** What is there when everything else is gone. */
  get #leastBytes(): number {
    return Math.min(this.#segmentBytes, limits.logLeastSegmentBytes);
  }

  /** A segment of full size must not take what the KV needs to apply its entries; a small one may, because deleting needs both. */
  async #affordable(): Promise<number> {
    const { total, free } = await this.#volume.capacity();
    const reserve = reserveOf(total);
    if (free - this.#segmentBytes >= reserve) return this.#segmentBytes;
    return free - this.#smallBytes >= reserve / 4 ? this.#smallBytes : this.#leastBytes;
  }

  /** Resolves when nothing is being done in the background. */
  async idle(): Promise<void> {
    await this.#filling?.catch(() => {});
  }

  async #makeSpare(bytes: number): Promise<string> {
    await this.#fill(bytes);
    const name = this.#nextSpare();
    await this.#volume.rename(draft, name);
    await this.#volume.syncDirectory();
    return name;
  }

  /** Leaves a draft of `bytes` zeros. */
  async #fill(bytes: number): Promise<void> {
    const { free } = await this.#volume.capacity();
    if (free < bytes) throw new StoreError('StorageFull');
    try {
      const file = await this.#volume.open(draft, 'create');
      try {
        for (let at = 0; at < bytes; at += zeros.length) {
          await file.write([zeros.subarray(0, Math.min(zeros.length, bytes - at))], at);
          if ((at + zeros.length) % fillBytes === 0) await file.sync();
        }
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      if (!isSpaceExhausted(error)) throw error;
      // What was filled so far must not keep the space from deletions that would free more.
      await this.#volume.remove(draft).catch(() => {});
      throw new StoreError('StorageFull', { cause: error });
    }
  }

  #nextSpare(): string {
    return `${sparePrefix}${++this.#spareNumber}`;
  }

  /** Makes the first segment of a new log: a small one, because somebody waits for it. */
  async found(head: SegmentHead): Promise<Segment> {
    const bytes = this.#smallBytes;
    return this.#place(await this.#makeSpare(bytes), head, bytes);
  }

  /** Begins a segment: it is part of the log, durably, when this resolves. */
  async begin(head: SegmentHead): Promise<Segment> {
    await this.prepare();
    const { name, bytes } = this.#spares.pop() as { name: string; bytes: number };
    return this.#place(name, head, bytes);
  }

  async #place(spare: string, head: SegmentHead, bytes: number): Promise<Segment> {
    const name = segmentName(head.first);
    const file = await this.#volume.open(spare, 'existing');
    await file.write([encodeHead(head)], 0);
    await file.sync();
    await this.#volume.rename(spare, name);
    await this.#volume.syncDirectory();
    return new Segment(name, head, file, bytes, undefined);
  }

  /**
   * Takes a segment out of the log; nobody may begin to read it any more. Segments go one by one, oldest first and durably, so that a
   * crash leaves no hole between two.
   */
  async retire(segment: Segment): Promise<void> {
    // A reader that is under way keeps its bytes: then the file only loses its name.
    const fits = segment.size === this.#segmentBytes || this.wanting;
    const reuse = !segment.busy && fits && this.#spares.length < sparesKept;
    if (reuse) {
      const name = this.#nextSpare();
      await this.#volume.rename(segment.name, name);
      await this.#volume.syncDirectory();
      this.#spares.push({ name, bytes: segment.size });
    } else {
      await this.#volume.remove(segment.name);
      await this.#volume.syncDirectory();
    }
    await segment.drop();
  }
}

/** Opens the segments among `names`, in order; checks that they join. */
export async function openSegments(volume: Volume, names: readonly string[]): Promise<Segment[]> {
  const first = (name: string): number => positionInName(name) ?? 0;
  const segments: Segment[] = [];
  try {
    for (const name of names.filter((name) => first(name) > 0).sort((a, b) => first(a) - first(b))) {
      segments.push(await openSegment(volume, name));
      join(segments.at(-2), segments.at(-1) as Segment);
    }
  } catch (error) {
    for (const segment of segments) await segment.drop();
    throw error;
  }
  return segments;
}

/** Checks that `next` goes on from `before`, and tells `before` where it ends. */
function join(before: Segment | undefined, next: Segment): void {
  if (!before) return;
  const { previousFirst, previousEnd, identity } = next.head;
  if (!identity.equals(before.head.identity)) {
    throw new CorruptionError(`log segment ${next.name} belongs to another log`);
  }
  if (previousFirst !== before.head.first) {
    throw new CorruptionError(
      `the log segment before ${next.name} is missing: it should be ${segmentName(previousFirst)}`,
    );
  }
  before.end = previousEnd;
}
