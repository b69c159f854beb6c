import { CorruptionError } from '../errors.ts';
import type { KvReader } from '../kv/index.ts';
import { nextBit, setBits } from './bitmap.ts';
import { type BlockRange, blockBytes, blocksOf, firstBlock, type Geometry, geometryOf } from './geometry.ts';
import {
  bitmapKey,
  decodeBitmap,
  decodeFragment,
  decodeSlab,
  fragmentIdOf,
  fragmentKey,
  fragmentsEnd,
  regionLength,
  slabRows,
} from './rows.ts';
import type { FragmentId } from './types.ts';

/** What a check of a whole fragment index found. A healthy index has only fragments and used bytes. */
export interface AuditReport {
  fragments: number;
  usedBytes: number;
  /** Ids whose row is damaged. */
  readonly damaged: FragmentId[];
  /** Ids whose space another fragment has too, or that lie outside of their slab. */
  readonly overlapping: FragmentId[];
  /** Bytes that the bitmaps call used and no fragment has: lost space. */
  leakedBytes: number;
  /** Bytes of fragments that the bitmaps call free: a danger, for they could be handed out. */
  unprotectedBytes: number;
  /** Bitmaps and slabs whose rows are damaged, as text. */
  readonly damagedRows: string[];
}

const emptyReport = (): AuditReport => ({
  fragments: 0,
  usedBytes: 0,
  damaged: [],
  overlapping: [],
  leakedBytes: 0,
  unprotectedBytes: 0,
  damagedRows: [],
});

/** Bits of every slab in which a fragment lies, by slab. */
function mapFragments(geometry: Geometry, index: KvReader, report: AuditReport): Map<number, Uint8Array> {
  const maps = new Map<number, Uint8Array>();
  for (const { key, value } of index.range({ start: fragmentKey(Buffer.alloc(0)), end: fragmentsEnd })) {
    const id = Buffer.from(fragmentIdOf(key));
    let range: BlockRange;
    try {
      const row = decodeFragment(geometry, key, value);
      range = blocksOf(geometry, { address: row.address, length: row.extentBytes });
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      report.damaged.push(id);
      continue;
    }
    let map = maps.get(range.slab);
    if (!map) {
      map = new Uint8Array(Math.ceil(geometry.slabBlocks / 8));
      maps.set(range.slab, map);
    }
    if (
      nextBit(map, undefined, true, range.from, range.to) < range.to ||
      range.from < firstBlock(geometry, range.slab)
    ) {
      report.overlapping.push(id);
    }
    setBits(map, range.from, range.to);
    report.fragments++;
    report.usedBytes += (range.to - range.from) * blockBytes;
  }
  return maps;
}

function compare(
  geometry: Geometry,
  index: KvReader,
  slab: number,
  used: Uint16Array,
  map: Uint8Array | undefined,
  report: AuditReport,
): void {
  for (let region = 0; region < geometry.regions; region++) {
    const blocks = regionLength(geometry, region);
    let bits: Uint8Array;
    try {
      const key = bitmapKey(slab, region);
      bits = decodeBitmap(key, index.get(key), blocks, used[region] as number);
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      report.damagedRows.push(error.message);
      continue;
    }
    for (let block = 0; block < blocks; block++) {
      const at = region * geometry.regionBlocks + block;
      const marked = ((bits[block >> 3] as number) >> (block & 7)) & 1;
      const mapped = map ? ((map[at >> 3] as number) >> (at & 7)) & 1 : 0;
      if (marked > mapped) report.leakedBytes += blockBytes;
      if (mapped > marked) report.unprotectedBytes += blockBytes;
    }
  }
}

/** Checks that an index agrees with itself. Reads all of it in one turn: give a snapshot, and expect a pause with many fragments. */
export function auditIndex(index: KvReader, slabBytes: number): AuditReport {
  const geometry = geometryOf(slabBytes);
  const report = emptyReport();
  const maps = mapFragments(geometry, index, report);
  for (const { key, value } of index.range(slabRows)) {
    try {
      const row = decodeSlab(geometry, key, value);
      compare(geometry, index, row.slab, row.used, maps.get(row.slab), report);
      maps.delete(row.slab);
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      report.damagedRows.push(error.message);
      maps.delete(key.readUInt32BE(1));
    }
  }
  for (const [slab, map] of maps) compare(geometry, index, slab, new Uint16Array(geometry.regions), map, report);
  return report;
}
