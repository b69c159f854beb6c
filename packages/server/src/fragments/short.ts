import { CorruptionError } from '../errors.ts';
import type { KvReader } from '../kv/index.ts';
import { blockBytes, geometryOf } from './geometry.ts';
import { decodeFragment, fragmentKey, fragmentsEnd } from './rows.ts';
import { Space } from './space.ts';

/**
 * Slabs whose files end before what the index has in them, and how many fragments are behind their ends. Looks at all fragments only when a
 * file is short of its last used block. None where the index cannot be read: then it is made anew.
 * @param sizes bytes of each slab's file
 */
export function slabsCutShort(
  slabBytes: number,
  index: KvReader,
  sizes: ReadonlyMap<number, number>,
): { readonly slab: number; readonly fragments: number }[] {
  const geometry = geometryOf(slabBytes);
  try {
    const space = new Space(geometry, index);
    const short = new Map<number, number>();
    for (const { slab, fragments } of space.slabs) {
      const size = sizes.get(slab);
      if (fragments > 0 && size !== undefined && size <= space.lastUsed(slab) * blockBytes) short.set(slab, 0);
    }
    if (short.size === 0) return [];
    const all = { start: fragmentKey(Buffer.alloc(0)), end: fragmentsEnd };
    for (const { key, value } of index.range(all)) {
      const { address, headerBytes, length } = decodeFragment(geometry, key, value);
      const slab = Math.floor(address / slabBytes);
      const count = short.get(slab);
      if (count !== undefined && address - slab * slabBytes + headerBytes + length > (sizes.get(slab) as number))
        short.set(slab, count + 1);
    }
    return [...short].flatMap(([slab, fragments]) => (fragments > 0 ? [{ slab, fragments }] : []));
  } catch (error) {
    if (error instanceof CorruptionError) return [];
    throw error;
  }
}
