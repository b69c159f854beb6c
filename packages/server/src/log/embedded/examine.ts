import type { Volume } from '../../device/index.ts';
import { CorruptionError } from '../../errors.ts';
import { identitySeed } from '../record.ts';
import type { Position } from '../types.ts';
import { RecordReader } from './records.ts';
import { findTail, type Tail } from './recovery.ts';
import type { Segment } from './segment.ts';
import { openSegments } from './store.ts';

/** A volume that holds the log, held it once, or shall hold it. */
export interface LogSide {
  /** For the operator: its directory. */
  readonly name: string;
  readonly volume: Volume;
}

/** Marks of a side: files beside its segments. */
export const marks = {
  /** This side took entries, or may have taken some, that no other one has. */
  alone: 'alone',
  /** Another side has entries that this one lacks, or is just being brought here. */
  behind: 'behind',
} as const;

/** What one side holds; nothing was changed. */
export class ExaminedLog {
  readonly side: LogSide;
  readonly names: readonly string[];
  readonly segments: readonly Segment[];
  /** Undefined when there is no segment, or a damaged one. */
  readonly tail: Tail | undefined;
  readonly damage: CorruptionError | undefined;

  private constructor(
    side: LogSide,
    names: readonly string[],
    segments: readonly Segment[],
    end: Tail | CorruptionError | undefined,
  ) {
    this.side = side;
    this.names = names;
    this.segments = segments;
    this.tail = end instanceof CorruptionError ? undefined : end;
    this.damage = end instanceof CorruptionError ? end : undefined;
  }

  static async of(side: LogSide): Promise<ExaminedLog> {
    const names = await side.volume.list();
    let segments: Segment[] = [];
    try {
      segments = await openSegments(side.volume, names);
      const last = segments.at(-1);
      if (!last) return new ExaminedLog(side, names, [], undefined);
      const tail = await findTail(last, identitySeed(last.head.identity));
      last.end = tail.place.offset;
      return new ExaminedLog(side, names, segments, tail);
    } catch (error) {
      for (const segment of segments) await segment.drop();
      if (!(error instanceof CorruptionError)) throw error;
      return new ExaminedLog(side, names, [], error);
    }
  }

  get empty(): boolean {
    return this.tail === undefined && this.damage === undefined;
  }

  get alone(): boolean {
    return this.names.includes(marks.alone);
  }

  get behind(): boolean {
    return this.names.includes(marks.behind);
  }

  get head(): Position {
    return this.tail ? this.tail.place.position - 1 : 0;
  }

  get headHash(): Buffer {
    return (this.tail as Tail).place.previous;
  }

  get identity(): Buffer {
    return (this.segments[0] as Segment).head.identity;
  }

  /** Position of the oldest entry kept. */
  get first(): Position {
    return (this.segments[0] as Segment).head.first;
  }

  /** Hash of the entry at `position`; undefined when that is not known here any more, or not yet. */
  async hashAt(position: Position): Promise<Buffer | undefined> {
    if (position < this.first - 1 || position > this.head) return undefined;
    if (position === this.head) return this.headHash;
    const next = this.segments.find((segment) => segment.head.first === position + 1);
    if (next) return next.head.before;
    const segment = this.segments.findLast(({ head }) => head.first <= position) as Segment;
    const seed = identitySeed(segment.head.identity);
    const reader = new RecordReader(segment.file, segment.placeBefore(position), segment.end, seed);
    while (reader.place.position <= position) {
      if (!(await reader.next())) {
        throw new CorruptionError(
          `log segment ${segment.name} in ${this.side.name} is damaged at offset ${reader.place.offset}: ${reader.why}`,
        );
      }
    }
    return reader.place.previous;
  }

  async close(): Promise<void> {
    for (const segment of this.segments) await segment.drop();
  }
}
