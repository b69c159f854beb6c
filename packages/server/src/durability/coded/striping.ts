import type { Code } from '../../metadata/index.ts';
import { checksumBytes } from '../address.ts';

/*
 * Where the bytes of a coded stripe lie. They are dealt out in units of one stored frame: unit u is in data fragment u mod k, behind the units
 * that this fragment has already. So a frame that did not shrink is in one fragment, in one checksum block of it, and a range of
 * many frames is one run of each fragment that it touches. Fragments are not padded: behind its end a fragment counts as zeros, and
 * that is what parity is computed with. Parity fragments are as long as the longest data fragment, which is the first.
 *
 * Bytes at the same offset of all fragments are one word of the code: any k of them give the others, whatever the offset.
 */

/** Bytes of one unit. */
export const unitBytes = checksumBytes;

/** Data bytes of a fragment of a stripe with `stored` bytes, without its trailer. */
export function fragmentBytes({ data }: Code, stored: number, index: number): number {
  const row = data * unitBytes;
  const rows = Math.floor(stored / row);
  const before = index < data ? index * unitBytes : 0;
  const rest = Math.min(unitBytes, Math.max(0, stored - rows * row - before));
  return rows * unitBytes + rest;
}

/** The run of one data fragment that a range of the stripe touches. */
export interface FragmentRun {
  readonly index: number;
  /** Bytes of the fragment, `end` exclusive. */
  readonly start: number;
  readonly end: number;
}

/** Offset in its fragment of a byte of the stripe. */
const offsetOf = (data: number, at: number): number =>
  Math.floor(at / (data * unitBytes)) * unitBytes + (at % unitBytes);

/** The runs that stripe bytes [start, end) lie in, in order of fragment. */
export function runsOf({ data }: Code, start: number, end: number): FragmentRun[] {
  if (start >= end) return [];
  const firstUnit = Math.floor(start / unitBytes);
  const lastUnit = Math.floor((end - 1) / unitBytes);
  const runs: FragmentRun[] = [];
  for (let index = 0; index < data; index++) {
    // The first and the last unit of the range that are in this fragment.
    const first = firstUnit + ((index - (firstUnit % data) + data) % data);
    const last = lastUnit - (((lastUnit % data) - index + data) % data);
    if (first > last) continue;
    const from = Math.max(start, first * unitBytes);
    const to = Math.min(end, (last + 1) * unitBytes);
    runs.push({ index, start: offsetOf(data, from), end: offsetOf(data, to - 1) + 1 });
  }
  return runs;
}

/** Puts the bytes of runs back in order: stripe bytes [start, end). */
export function gather(
  { data }: Code,
  start: number,
  end: number,
  runs: readonly (FragmentRun & { readonly bytes: Uint8Array })[],
): Buffer {
  const [only] = runs;
  if (runs.length === 1 && only) return Buffer.from(only.bytes.buffer, only.bytes.byteOffset, only.bytes.length);
  const bytes = Buffer.allocUnsafeSlow(end - start);
  for (const run of runs) {
    for (let at = run.start; at < run.end; ) {
      const next = Math.min(run.end, (Math.floor(at / unitBytes) + 1) * unitBytes);
      const place = (Math.floor(at / unitBytes) * data + run.index) * unitBytes + (at % unitBytes);
      bytes.set(run.bytes.subarray(at - run.start, next - run.start), place - start);
      at = next;
    }
  }
  return bytes;
}
