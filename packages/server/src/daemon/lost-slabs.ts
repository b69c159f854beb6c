/** Slab files that somebody has removed, and what the index has in them: their other copies are all that is left. */
export interface LostSlabs {
  readonly slabs: readonly number[];
  readonly fragments: number;
}

/** @param there numbers of the files @param used what the index has in each slab */
export function lostSlabs(
  there: readonly number[],
  used: readonly { readonly slab: number; readonly fragments: number }[],
): LostSlabs | undefined {
  const gone = used.filter(({ slab }) => !there.includes(slab));
  if (gone.length === 0) return undefined;
  return { slabs: gone.map(({ slab }) => slab), fragments: gone.reduce((sum, one) => sum + one.fragments, 0) };
}

/** What an operator should know of slab files that are gone, as a sentence. */
export const lostText = (device: string, { slabs, fragments }: LostSlabs): string =>
  `device ${device} has lost ${slabs.length === 1 ? 'a slab file' : 'slab files'} (${slabs.slice(0, 5).join(', ')}${slabs.length > 5 ? ', …' : ''}) with ${fragments} fragments: a scrub writes them again from other copies; look at the disk, and run \`dsom fsck\` when it has ended`;
