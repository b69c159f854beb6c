import { CorruptionError } from '../errors.ts';
import type { KvReader, KvRow } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { countBits, nextBit, setBits } from './bitmap.ts';
import { blockBytes, blocksOf, firstBlock, type Geometry, geometryOf } from './geometry.ts';
import {
  bitmapKey,
  decodeBitmap,
  decodeFragment,
  decodeHeld,
  decodeSlab,
  fragmentIdOf,
  fragmentKey,
  fragmentsEnd,
  heldRows,
  regionLength,
  type SlabRow,
  slabOf,
  slabRows,
} from './rows.ts';
import type { Extent, IndexAudit, IndexProblem } from './types.ts';

/*
 * Holds a fragment index against itself: every row is whole, no two fragments have the same block, and the bitmaps call used just what the
 * fragments use. It goes through the fragments once, in the order of their ids, and marks their blocks in a map per slab (one bit a block:
 * 32 MiB for a terabyte); then it compares slab by slab.
 *
 * It is a generator, so that whoever drives it decides when to rest; each step is a page of rows or a slab. Give it a reader of one state: rows and
 * bitmaps change together.
 */

/** Rows in order, page after page: a cursor is never open across a rest. */
function* pages(
  index: KvReader,
  range: { readonly start: Buffer; readonly end: Buffer },
): Generator<readonly KvRow[], void> {
  for (let { start } = range; ; ) {
    const rows = [...index.range({ start, end: range.end, limit: limits.jobPage })];
    const last = rows.at(-1);
    if (!last) return;
    yield rows;
    start = Buffer.concat([last.key, Buffer.alloc(1)]);
  }
}

/** What `decode` gives, or why it could not: only damage is caught. */
function tried<Row>(decode: () => Row): Row | CorruptionError {
  try {
    return decode();
  } catch (error) {
    if (error instanceof CorruptionError) return error;
    throw error;
  }
}

/** @returns bytes that the index has fragments in */
export function* auditIndex(index: KvReader, slabBytes: number): IndexAudit {
  const geometry = geometryOf(slabBytes);
  const maps = new Map<number, Uint8Array>();
  const totals = { fragments: 0, usedBytes: 0 };
  for (const rows of pages(index, { start: fragmentKey(Buffer.alloc(0)), end: fragmentsEnd })) {
    for (const row of rows) yield* auditFragment(geometry, row, maps, totals);
    yield undefined;
  }
  for (const rows of pages(index, heldRows)) {
    for (const { key, value } of rows) {
      const held = tried(() => decodeHeld(geometry, key, value));
      const where = `held space ${key.toString('hex', 1)}`;
      if (held instanceof CorruptionError) yield { kind: 'row', where, what: held.message };
      else yield* take(geometry, maps, held, where);
    }
    yield undefined;
  }
  for (const rows of pages(index, slabRows)) {
    for (const { key, value } of rows) {
      const row = tried(() => decodeSlab(geometry, key, value));
      const slab = slabOf(key);
      const map = slab === undefined ? undefined : maps.get(slab);
      if (slab !== undefined) maps.delete(slab);
      if (row instanceof CorruptionError)
        yield { kind: 'space', where: `slab row ${key.toString('hex', 1)}`, what: row.message };
      else yield* compare(geometry, index, row, map);
      yield undefined;
    }
  }
  // What is left has no row of its slab at all.
  for (const [slab, map] of maps) {
    yield* compare(geometry, index, { slab, used: new Uint16Array(geometry.regions) }, map);
    yield undefined;
  }
  return totals;
}

function* auditFragment(
  geometry: Geometry,
  { key, value }: KvRow,
  maps: Map<number, Uint8Array>,
  totals: { fragments: number; usedBytes: number },
): Generator<IndexProblem, void> {
  const row = tried(() => decodeFragment(geometry, key, value));
  const where = `fragment ${fragmentIdOf(key).toString('hex')}`;
  if (row instanceof CorruptionError) {
    yield { kind: 'row', where, what: row.message };
    return;
  }
  yield* take(geometry, maps, { address: row.address, length: row.extentBytes }, where);
  totals.fragments++;
  totals.usedBytes += row.extentBytes;
}

/** Marks blocks as somebody's; they must not be anybody else's. */
function* take(
  geometry: Geometry,
  maps: Map<number, Uint8Array>,
  extent: Extent,
  where: string,
): Generator<IndexProblem, void> {
  const range = blocksOf(geometry, extent);
  let map = maps.get(range.slab);
  if (!map) {
    map = new Uint8Array(Math.ceil(geometry.slabBlocks / 8));
    maps.set(range.slab, map);
  }
  const taken = nextBit(map, undefined, true, range.from, range.to) < range.to;
  if (taken || range.from < firstBlock(geometry, range.slab)) {
    yield { kind: 'overlap', where, what: `Its space at address ${extent.address} belongs to something else too.` };
  }
  setBits(map, range.from, range.to);
}

function* compare(
  geometry: Geometry,
  index: KvReader,
  { slab, used }: Pick<SlabRow, 'slab' | 'used'>,
  map: Uint8Array | undefined,
): Generator<IndexProblem, void> {
  let leaked = 0;
  let unprotected = 0;
  for (let region = 0; region < geometry.regions; region++) {
    const blocks = regionLength(geometry, region);
    const key = bitmapKey(slab, region);
    const bits = tried(() => decodeBitmap(key, index.get(key), blocks, used[region] as number));
    if (bits instanceof CorruptionError) {
      yield { kind: 'space', where: `bitmap ${region} of slab ${slab}`, what: bits.message };
      continue;
    }
    const start = (region * geometry.regionBlocks) / 8;
    const mapped = map?.subarray(start, start + bits.length) ?? new Uint8Array(bits.length);
    if (Buffer.compare(bits, mapped) === 0) continue;
    leaked += countBits(without(bits, mapped), 0, blocks);
    unprotected += countBits(without(mapped, bits), 0, blocks);
  }
  const where = `slab ${slab}`;
  if (leaked > 0)
    yield {
      kind: 'leak',
      where,
      what: `${leaked * blockBytes} bytes are in use, and no fragment has them.`,
      bytes: leaked * blockBytes,
    };
  if (unprotected > 0) {
    const bytes = unprotected * blockBytes;
    yield {
      kind: 'unprotected',
      where,
      what: `${bytes} bytes of fragments count as free: they could be handed out.`,
      bytes,
    };
  }
}

/** Bits of `a` that are not in `b`. */
const without = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, at) => byte & ~(b[at] as number));
