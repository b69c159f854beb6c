import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';

export const blockBytes = limits.blockBytes;

export const roundUp = (bytes: number): number => Math.ceil(bytes / blockBytes) * blockBytes;

/** How one device is divided; follows from the size of its slabs, which never changes. Blocks are numbered within their slab. */
export interface Geometry {
  readonly slabBytes: number;
  readonly slabBlocks: number;
  /** Blocks of one region: what one bitmap covers. The last region of a slab may be shorter. */
  readonly regionBlocks: number;
  readonly regions: number;
  /** Bytes of one copy of the window table; two copies lie at the start of slab 0. */
  readonly tableBytes: number;
}

export function geometryOf(slabBytes: number): Geometry {
  invariant(slabBytes % blockBytes === 0, 'a slab is a whole number of blocks');
  const slabBlocks = slabBytes / blockBytes;
  const regionBlocks = Math.min(limits.bitmapBlocks, slabBlocks);
  const tableBytes = Math.min(limits.windowTableBytes, roundUp(Math.ceil(slabBytes / 64)));
  invariant(4 * tableBytes <= slabBytes, 'slab 0 has room for more than the window table');
  return { slabBytes, slabBlocks, regionBlocks, regions: Math.ceil(slabBlocks / regionBlocks), tableBytes };
}

/** First block of a slab that fragments may use. */
export function firstBlock(geometry: Geometry, slab: number): number {
  return slab === 0 ? (2 * geometry.tableBytes) / blockBytes : 0;
}

/** Blocks [from, to) of one slab. */
export interface BlockRange {
  readonly slab: number;
  readonly from: number;
  readonly to: number;
}

/** Whether an extent is whole blocks of one slab, outside the window table. Numbers from a disk or another thread may be anything. */
export function isPlausible(geometry: Geometry, address: number, length: number): boolean {
  if (!Number.isSafeInteger(address) || !Number.isSafeInteger(length) || address < 0 || length <= 0) return false;
  if (address % blockBytes !== 0 || length % blockBytes !== 0) return false;
  const slab = Math.floor(address / geometry.slabBytes);
  if (slab >= limits.slabs) return false;
  const offset = address - slab * geometry.slabBytes;
  return offset >= firstBlock(geometry, slab) * blockBytes && offset + length <= geometry.slabBytes;
}

export function blocksOf(
  geometry: Geometry,
  extent: { readonly address: number; readonly length: number },
): BlockRange {
  const slab = Math.floor(extent.address / geometry.slabBytes);
  const from = (extent.address - slab * geometry.slabBytes) / blockBytes;
  return { slab, from, to: from + extent.length / blockBytes };
}
