import type { Kv, KvReader } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { type BlockRange, blockBytes, type Geometry, roundUp } from './geometry.ts';
import { headerBytesFor, leastChecksumBytes } from './header.ts';
import { decodeHeld, encodeHeld, heldKey, heldRows } from './rows.ts';
import { Draft, type Space } from './space.ts';
import type { Extent } from './types.ts';

/*
 * Space that is kept out of use.
 *
 * A search for fragments goes by their headers. Where one cannot be read, nobody knows what lies there and how far it reaches; it may be the
 * only copy of something, and a later reading may succeed. So the block, and what follows it up to the next known fragment, is held: neither
 * free nor a fragment's. At each opening what is held is looked through again: what can be read then gets its row or becomes free.
 */

/** No fragment reaches further from its first block. */
const mostBlocks =
  roundUp(headerBytesFor(limits.fragmentBytes, leastChecksumBytes) + limits.fragmentBytes) / blockBytes;

/** @throws CorruptionError */
export function heldExtents(index: KvReader, geometry: Geometry): Extent[] {
  return [...index.range(heldRows)].map(({ key, value }) => decodeHeld(geometry, Buffer.from(key), value));
}

/**
 * Holds what may belong to fragments that begin in these blocks. Not durable yet.
 * @param blocks each from an unreadable block to the end of what was written behind it
 * @returns bytes that are held
 */
export function hold(kv: Kv, space: Space, blocks: readonly BlockRange[]): number {
  let held = 0;
  for (const { slab, from, to } of blocks) {
    const range = { slab, from, to: Math.min(to, from + mostBlocks) };
    const free = space.nextUsed(range) - from;
    // Held already, with the block before it.
    if (free <= 0) continue;
    const extent = { address: slab * space.geometry.slabBytes + from * blockBytes, length: free * blockBytes };
    const draft = new Draft(space);
    draft.hold(extent);
    const key = heldKey(extent.address);
    kv.commit([[key, encodeHeld(key, extent.length)], ...draft.rows()]);
    draft.apply();
    held += extent.length;
  }
  space.trim();
  return held;
}

/** Makes what was held free, to be searched again before anything else happens. Not durable yet. */
export function letGo(kv: Kv, space: Space, extents: readonly Extent[]): void {
  for (const extent of extents) {
    const draft = new Draft(space);
    draft.letGo(extent);
    kv.commit([[heldKey(extent.address), undefined], ...draft.rows()]);
    draft.apply();
  }
}
