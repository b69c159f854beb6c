import { CorruptionError } from '../errors.ts';
import type { KvReader } from '../kv/index.ts';
import { blockBytes, type Geometry, geometryOf } from './geometry.ts';
import { decodeFragment, fragmentKey, fragmentsEnd } from './rows.ts';
import { Space } from './space.ts';

/** A slab, and how many fragments the index has in what is lost of it. */
export interface LostSlab {
  readonly slab: number;
  readonly fragments: number;
}

/**
 * Slabs that the index has fragments in and whose files are gone, or end before some of them. Looks at all fragments only when a file ends
 * before its last used block. None where the index cannot be read: then it is made anew.
 * @param sizes bytes of each slab's file that is there
 */
export function lostSlabs(
  slabBytes: number,
  index: KvReader,
  sizes: ReadonlyMap<number, number>,
): { readonly gone: readonly LostSlab[]; readonly short: readonly LostSlab[] } {
  const geometry = geometryOf(slabBytes);
  const gone: LostSlab[] = [];
  const short = new Map<number, number>();
  try {
    const space = new Space(geometry, index);
    for (const { slab, fragments } of space.slabs) {
      const size = sizes.get(slab);
      if (fragments === 0) continue;
      if (size === undefined) gone.push({ slab, fragments });
      else if (size <= space.lastUsed(slab) * blockBytes) short.set(slab, 0);
    }
    if (short.size > 0) countLost(geometry, index, sizes, short);
  } catch (error) {
    if (error instanceof CorruptionError) return { gone: [], short: [] };
    throw error;
  }
  return {
    gone,
    short: Array.from(short, ([slab, fragments]) => ({ slab, fragments })).filter((one) => one.fragments > 0),
  };
}

/** Counts the fragments behind the ends of these slabs' files. */
function countLost(
  geometry: Geometry,
  index: KvReader,
  sizes: ReadonlyMap<number, number>,
  short: Map<number, number>,
): void {
  const { slabBytes } = geometry;
  const all = { start: fragmentKey(Buffer.alloc(0)), end: fragmentsEnd };
  for (const { key, value } of index.range(all)) {
    const { address, headerBytes, length } = decodeFragment(geometry, key, value);
    const slab = Math.floor(address / slabBytes);
    const count = short.get(slab);
    if (count !== undefined && address - slab * slabBytes + headerBytes + length > (sizes.get(slab) as number))
      short.set(slab, count + 1);
  }
}
