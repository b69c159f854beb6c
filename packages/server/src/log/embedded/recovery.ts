import type { VolumeFile } from '../../device/index.ts';
import { CorruptionError } from '../../errors.ts';
import { intact, previousHashAt, recordHash, recordHeadAt, recordHeadBytes, recordMark } from '../record.ts';
import type { Position } from '../types.ts';
import type { Seal } from './format.ts';
import { firstPlace, type Place, RecordReader } from './records.ts';
import type { Segment } from './segment.ts';

/*
 * Finding the end of the log after a crash.
 *
 * Only the last segment can have a torn tail: a segment is begun when everything before it is durable. In it, records are read in order
 * until one is not what must follow: wrong magic, position, previous hash or checksum. There the log ends, if that record was never
 * acknowledged; if it was, cutting it off would lose what clients were promised, and the log must not open.
 *
 * The two are told apart by what lies behind. Appends that wait are written as one group and synced once, the next group only after that.
 * A crash may leave any part of the last group: its second record whole, its first one torn. So a whole record behind a bad one proves
 * nothing by itself. But each record carries `durable`: the position that was durable when it was written. A whole record anywhere behind
 * which says that the bad one's position was durable already is the proof.
 *
 * What an earlier use of the file, or a tail that an earlier open cut off, left behind cannot mislead:
 * - as a continuation: it would need the hash of the entry before it, and that entry's record holds the session, drawn anew at each open;
 * - as a proof: records of trimmed positions know of lower positions only, and those of a tail that was cut were written when
 *   nothing at or behind the cut was durable.
 *
 * The last group itself has no group behind it. A clean close writes a seal with the last position into the segment's head, so that damage
 * found later is not taken for a torn tail. After a crash the two look alike; then it is for the owner of the log to notice that
 * the head is behind what his state has applied.
 *
 * The seal also says where that record is. When the record there is the one that was sealed, reading begins with it: a start after a clean
 * close reads nothing else. What goes bad before it is found by whoever reads it, as in every finished segment.
 */

/** Bytes read at a time in the search. */
const searchBytes = 1024 * 1024;

/** What was found in the last segment. */
export interface Tail {
  readonly place: Place;
  /** Epoch of the last record, or of the segment when it has none. */
  readonly epoch: number;
  /** Offset of the last record, 0 when there is none. */
  readonly last: number;
  /** The position that the last record knew as durable when it was written. */
  readonly durable: Position;
  /** Where reading may begin. */
  readonly places: readonly Place[];
}

/** Reads the last segment to its end. */
export async function findTail(segment: Segment, seed: number): Promise<Tail> {
  const { file, head, seal } = segment;
  const sealed = seal?.offset === undefined ? undefined : await placeOfSeal(segment, seed);
  const reader = new RecordReader(file, sealed ?? firstPlace(head.first, head.before), segment.size, seed);
  let { epoch } = head;
  let last = 0;
  let durable = head.first - 1;
  if (sealed) segment.note(sealed, true);
  for (;;) {
    const { place } = reader;
    segment.note(place);
    const found = await reader.next();
    if (!found) break;
    ({ epoch, durable } = found);
    last = place.offset;
  }
  const { place } = reader;
  const proof =
    seal && seal.position >= place.position
      ? `the log was closed at ${seal.position}`
      : await proofBehind(file, place, segment.size, seed);
  if (proof) {
    throw new CorruptionError(
      `log segment ${segment.name} is damaged at offset ${place.offset}, position ${place.position}: ${reader.why}, though ${proof}`,
    );
  }
  return { place, epoch, last, durable, places: segment.places };
}

/** The place of the sealed record, when it is there whole. */
async function placeOfSeal({ file, seal, size }: Segment, seed: number): Promise<Place | undefined> {
  const { position, hash, offset = 0 } = seal as Seal;
  const top = Buffer.allocUnsafe(recordHeadBytes);
  if (offset + recordHeadBytes > size || (await file.read(top, offset)) < top.length) return undefined;
  const head = recordHeadAt(top, 0);
  if (head?.position !== position || offset + recordHeadBytes + head.length > size) return undefined;
  const record = Buffer.allocUnsafe(recordHeadBytes + head.length);
  if ((await file.read(record, offset)) < record.length) return undefined;
  if (!intact(record, seed) || !recordHash(record).equals(hash)) return undefined;
  return { offset, position, previous: previousHashAt(record, 0) };
}

/** Looks for a whole record that says that the place's position was durable. */
async function proofBehind(file: VolumeFile, place: Place, end: number, seed: number): Promise<string | undefined> {
  const chunk = Buffer.allocUnsafeSlow(searchBytes + recordHeadBytes);
  for (let from = place.offset; from < end; from += searchBytes) {
    // Chunks overlap by the head of a record, so that each head lies whole in one of them.
    const got = await file.read(chunk.subarray(0, Math.min(chunk.length, end - from)), from);
    const bytes = chunk.subarray(0, got);
    for (let mark = bytes.indexOf(recordMark); mark >= 0; mark = bytes.indexOf(recordMark, mark + 1)) {
      const at = mark - 4;
      if (at < 0 || at >= searchBytes) continue;
      const position = await provingPosition(file, bytes, at, from + at, place.position, end, seed);
      if (position) return `the entry at position ${position} at offset ${from + at} was written when it was durable`;
    }
  }
  return undefined;
}

/** Position of the record at `offset` of the file (`at` of `bytes`) when it is whole and was written after `wanted` had become durable; else 0. */
async function provingPosition(
  file: VolumeFile,
  bytes: Buffer,
  at: number,
  offset: number,
  wanted: Position,
  end: number,
  seed: number,
): Promise<Position> {
  const head = recordHeadAt(bytes, at);
  if (!head || head.durable < wanted || head.position <= head.durable) return 0;
  if (offset + recordHeadBytes + head.length > end) return 0;
  const record = Buffer.allocUnsafe(recordHeadBytes + head.length);
  if ((await file.read(record, offset)) < record.length) return 0;
  return intact(record, seed) ? head.position : 0;
}
