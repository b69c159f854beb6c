import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Code, GroupRecord, Redundancy } from '../metadata/index.ts';

/** What the stripes of a group are kept with. */
export const redundancyOf = ({ code, devices }: Pick<GroupRecord, 'code' | 'devices'>): Redundancy =>
  code ?? { copies: devices.length };

/** Fragments of a stripe, each on a device of its own. */
export const fragmentCount = (redundancy: Redundancy): number =>
  'copies' in redundancy ? redundancy.copies : redundancy.data + redundancy.parity;

/** Fragments that give the stripe back. */
export const neededCount = (redundancy: Redundancy): number => ('copies' in redundancy ? 1 : redundancy.data);

/** Fragments that may be lost. */
export const spareCount = (redundancy: Redundancy): number => fragmentCount(redundancy) - neededCount(redundancy);

/** Fragments that must be durable before a stripe is: all where one may be lost at most, all but one where more may. */
export function writeQuorum(redundancy: Redundancy): number {
  const count = fragmentCount(redundancy);
  return count - neededCount(redundancy) >= 2 ? count - 1 : count;
}

/** `copies=3`, `8+3`: as clients give it, and as keys of tables. */
export const redundancyText = (redundancy: Redundancy): string =>
  'copies' in redundancy ? `copies=${redundancy.copies}` : `${redundancy.data}+${redundancy.parity}`;

const whole = (value: number, least: number, most: number): boolean =>
  Number.isInteger(value) && value >= least && value <= most;

/**
 * Whether so many devices in failure domains of their own can keep it.
 * @throws StoreError UnsupportedRedundancy, saying what would be needed
 */
export function checkRedundancy(redundancy: Redundancy, devices: number): void {
  if ('copies' in redundancy) {
    if (!whole(redundancy.copies, 1, limits.copies))
      throw unsupported(`copies must be a whole number from 1 to ${limits.copies}.`);
  } else if (!whole(redundancy.data, 2, limits.codeData) || !whole(redundancy.parity, 1, limits.codeParity)) {
    throw unsupported(
      `A code has 2 to ${limits.codeData} data and 1 to ${limits.codeParity} parity fragments, for example 4+2.`,
    );
  }
  const needed = fragmentCount(redundancy);
  if (needed <= devices) return;
  const wanted = 'copies' in redundancy ? `${needed} copies need` : `A code of ${redundancyText(redundancy)} needs`;
  const layout = devices === 1 ? 'one storage device' : `${devices} storage devices`;
  throw unsupported(
    `${wanted} ${needed} storage devices, and this server has ${layout}. Ask for less or add data directories.`,
  );
}

const unsupported = (message: string): StoreError => new StoreError('UnsupportedRedundancy', { message });

/**
 * What a stripe of at most so many bytes is kept with. One that fits a single data fragment would have as many parity fragments as long as
 * itself, and the other data fragments would be empty: so many copies survive the same losses, in fewer fragments.
 * @param maximum stored bytes
 * @param unit bytes of one striping unit
 */
export function redundancyFor(
  redundancy: Code | { readonly copies: number },
  maximum: number,
  unit: number,
): Redundancy {
  return 'data' in redundancy && maximum <= unit ? { copies: redundancy.parity + 1 } : redundancy;
}
