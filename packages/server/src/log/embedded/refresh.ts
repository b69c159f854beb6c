import type { Volume, VolumeFile } from '../../device/index.ts';
import { CorruptionError } from '../../errors.ts';
import { identitySeed } from '../record.ts';
import { type ExaminedLog, type LogSide, marks } from './examine.ts';
import { headBytes } from './format.ts';
import { firstPlace, RecordReader } from './records.ts';
import { positionInName, type Segment } from './segment.ts';
import { draft, isSpare } from './store.ts';

/*
 * Makes one copy of a log equal to another: the same segments with the same records, and the same spares.
 *
 * The copy is marked `behind` first and until all is durable. At every moment between it holds a whole log without holes, or nothing: what is
 * not in the source goes newest first, what lacks comes next to what stays (else oldest first), each segment under its name only when it is durable. What was copied
 * is read back, and its hash must be that of the source.
 */

const chunkBytes = 1024 * 1024;
/** Copied between two syncs. */
const syncEvery = 8;

/** A mark is there, durably, when it resolves. */
export async function setMark(volume: Volume, mark: keyof typeof marks): Promise<void> {
  const file = await volume.open(marks[mark], 'create');
  try {
    await file.write([Buffer.from('docs/formats/log.md\n')], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await volume.syncDirectory();
}

/** A mark is gone, durably, when it resolves. */
export async function clearMark(volume: Volume, mark: keyof typeof marks): Promise<void> {
  if (!(await volume.list()).includes(marks[mark])) return;
  await volume.remove(marks[mark]);
  await volume.syncDirectory();
}

async function copyRange(from: VolumeFile, to: VolumeFile, start: number, end: number): Promise<void> {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (let at = start, chunks = 1; at < end; chunks++) {
    const bytes = chunk.subarray(0, Math.min(chunk.length, end - at));
    if ((await from.read(bytes, at)) < bytes.length) throw new CorruptionError('a log segment ends early');
    await to.write([bytes], at);
    at += bytes.length;
    if (chunks % syncEvery === 0) await to.sync();
  }
}

async function fillRange(file: VolumeFile, start: number, end: number): Promise<void> {
  const zeros = Buffer.alloc(chunkBytes);
  for (let at = start, chunks = 1; at < end; chunks++) {
    const bytes = zeros.subarray(0, Math.min(zeros.length, end - at));
    await file.write([bytes], at);
    at += bytes.length;
    if (chunks % syncEvery === 0) await file.sync();
  }
}

/** Reads the records of a copied segment and compares the hash at their end. */
async function verify(file: VolumeFile, source: Segment, hash: Buffer, names: string): Promise<void> {
  const { head, end } = source;
  const reader = new RecordReader(file, firstPlace(head.first, head.before), end, identitySeed(head.identity));
  while (reader.place.offset < end && (await reader.next()));
  if (reader.place.offset === end && reader.place.previous.equals(hash)) return;
  throw new CorruptionError(
    `log segment ${source.name} could not be copied ${names}: position ${reader.place.position} at offset ${reader.place.offset} is damaged: ${reader.why || 'its hash is another'}`,
  );
}

export interface CopyProgress {
  readonly from: string;
  readonly to: string;
  /** Segments done, and in all. */
  readonly segments: number;
  readonly segmentsInAll: number;
}

/** @param target nothing that it holds is needed, or all of it is in `source` but for a group that was never acknowledged */
export async function refreshLog(
  target: ExaminedLog,
  source: ExaminedLog,
  onProgress: (progress: CopyProgress) => void,
): Promise<void> {
  const { volume } = target.side;
  const names = `from ${source.side.name} to ${target.side.name}`;
  await setMark(volume, 'behind');
  await clearMark(volume, 'alone');
  const kept = await removeRest(target, source);
  // Those before what stays come newest first, so that there is never a hole.
  const stays = Math.max(
    0,
    source.segments.findIndex(({ name }) => kept.has(name)),
  );
  const order = [...source.segments.keys()].sort((a, b) => (a < stays && b < stays ? b - a : a - b));
  for (const [done, index] of order.entries()) {
    const segment = source.segments[index] as Segment;
    const hash = source.segments[index + 1]?.head.before ?? source.headHash;
    const copy = kept.get(segment.name);
    if (copy) await copyRest(segment, copy, volume, hash, names);
    else await copyWhole(segment, volume, hash, names);
    onProgress({
      from: source.side.name,
      to: target.side.name,
      segments: done + 1,
      segmentsInAll: source.segments.length,
    });
  }
}

/** Removes what the source has not, or has otherwise. @returns the segments that stay, by name: each is a beginning of that of the source */
async function removeRest(target: ExaminedLog, source: ExaminedLog): Promise<ReadonlyMap<string, Segment>> {
  const { volume } = target.side;
  const others = new Map(source.segments.map((segment) => [segment.name, segment]));
  // Entries of a finished segment were durable on both sides. But damage, or another log, makes everything doubtful.
  const trusted = target.tail !== undefined && !target.segments.some((one) => isOther(one, others.get(one.name)));
  const known = trusted && target.head > 0 ? await source.hashAt(target.head) : undefined;
  const wholeInSource = known?.equals(target.headHash) === true;
  const kept = new Map<string, Segment>();
  for (const segment of trusted ? target.segments : []) {
    const other = others.get(segment.name);
    if (!other || segment.end > other.end) continue;
    if (segment !== target.segments.at(-1) || wholeInSource) kept.set(segment.name, segment);
  }
  const segments = target.names.filter((name) => positionInName(name) !== undefined).toSorted();
  for (const name of segments.toReversed()) if (!kept.has(name)) await volume.remove(name);
  for (const name of target.names) if (isSpare(name) || name === draft) await volume.remove(name);
  await volume.syncDirectory();
  return kept;
}

/** Whether a segment begins otherwise than the one of that name in the source. */
const isOther = ({ head }: Segment, other: Segment | undefined): boolean =>
  other !== undefined && !(other.head.before.equals(head.before) && other.head.identity.equals(head.identity));

async function copyWhole(segment: Segment, volume: Volume, hash: Buffer, names: string): Promise<void> {
  const file = await volume.open(draft, 'create');
  try {
    await copyRange(segment.file, file, 0, segment.end);
    await fillRange(file, segment.end, segment.size);
    await file.sync();
    await verify(file, segment, hash, names);
  } finally {
    await file.close();
  }
  await volume.rename(draft, segment.name);
  await volume.syncDirectory();
}

/** Goes on where the copy ends. */
async function copyRest(segment: Segment, copy: Segment, volume: Volume, hash: Buffer, names: string): Promise<void> {
  if (copy.end === segment.end) return;
  const file = await volume.open(segment.name, 'existing');
  try {
    await copyRange(segment.file, file, Math.max(headBytes, copy.end), segment.end);
    await file.sync();
    await verify(file, segment, hash, names);
  } finally {
    await file.close();
  }
}

/** Spares that only one of two sides has are removed, so that both have the same. */
export async function equalSpares(sides: readonly LogSide[]): Promise<void> {
  const lists = await Promise.all(sides.map(({ volume }) => volume.list()));
  for (const [index, { volume }] of sides.entries()) {
    const others = lists.filter((_, at) => at !== index);
    const mine = (lists[index] as string[]).filter((name) => isSpare(name) || name === draft);
    const extra = mine.filter((name) => name === draft || !others.every((list) => list.includes(name)));
    for (const name of extra) await volume.remove(name);
    if (extra.length > 0) await volume.syncDirectory();
  }
}
