import type { LostSlab } from '../fragments/index.ts';

/** Slab files that somebody has removed or cut, and what the index has there: their other copies are all that is left. */
export interface LostSlabs {
  /** Those that are gone. */
  readonly slabs: readonly number[];
  /** Those that end too early. */
  readonly short: readonly number[];
  readonly fragments: number;
}

/** @returns undefined: nothing is lost */
export function lostOf(gone: readonly LostSlab[], short: readonly LostSlab[]): LostSlabs | undefined {
  if (gone.length + short.length === 0) return undefined;
  return {
    slabs: gone.map(({ slab }) => slab),
    short: short.map(({ slab }) => slab),
    fragments: [...gone, ...short].reduce((sum, one) => sum + one.fragments, 0),
  };
}

const named = (one: string, several: string, slabs: readonly number[]): string[] =>
  slabs.length === 0
    ? []
    : [`${slabs.length === 1 ? one : several} (${slabs.slice(0, 5).join(', ')}${slabs.length > 5 ? ', …' : ''})`];

/** What an operator should know of slab files that are gone or cut short, as a sentence. */
export const lostText = (device: string, { slabs, short, fragments }: LostSlabs): string =>
  `device ${device} has lost ${[...named('a slab file', 'slab files', slabs), ...named('the end of a slab file', 'the ends of slab files', short)].join(' and ')} with ${fragments} fragments: a scrub writes them again from other copies; look at the disk, and run \`dsom fsck\` when it has ended`;
