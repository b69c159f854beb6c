import { manualHost } from '../../host/index.ts';
import type { SparseBytes } from './sparse.ts';

/** One change of a file that no sync has covered. */
export type Change = { readonly position: number; readonly bytes: Buffer } | { readonly length: number };

/** One change of the directory: `gone` loses its name, `name` now names `inode`; both at once for a rename. */
export interface NameChange<Inode> {
  readonly gone: string | undefined;
  readonly name: string | undefined;
  readonly inode: Inode | undefined;
}

/** What a disk may write on its own, bytes. */
const sectorBytes = 512;

interface Dice {
  /** True in `odds` of 256 cases. */
  chance(odds: number): boolean;
  /** Odds for one crash: all, none, or something between, so that the extremes are met as often as the middle. */
  odds(): number;
}

export function seededDice(seed: number): Dice {
  // Spread the seeds, and drop the first bytes: those of neighbouring seeds are alike.
  const entropy = manualHost(Math.imul(seed + 1, 0x9e3779b1) >>> 0).entropy;
  entropy.bytes(64);
  const roll = (): number => entropy.bytes(1)[0] as number;
  return {
    chance: (odds) => roll() < odds,
    odds: () => [0, 256, 128, 128, 32, 224][roll() % 6] as number,
  };
}

/** The names after those changes that `kept` lets through, in order. A rename holds as a whole or not at all. */
export function crashedNames<Inode>(
  durable: ReadonlyMap<string, Inode>,
  changes: readonly NameChange<Inode>[],
  kept: () => boolean,
): Map<string, Inode> {
  const names = new Map(durable);
  for (const change of changes) {
    if (!kept()) continue;
    if (change.gone !== undefined) names.delete(change.gone);
    if (change.name !== undefined && change.inode !== undefined) names.set(change.name, change.inode);
  }
  return names;
}

/**
 * A file after a crash. Each change, and each sector of each write, is decided on its own: so of two writes to one place the older
 * may be found, a later write may be found without an earlier one, and a write may be found in part.
 */
export function crashedBytes(durable: SparseBytes, changes: readonly Change[], dice: Dice): SparseBytes {
  const bytes = durable.clone();
  const whole = dice.odds();
  const torn = dice.odds();
  for (const change of changes) {
    const tear = dice.chance(torn);
    const kept = dice.chance(whole);
    if ('length' in change) {
      if (kept) bytes.truncate(change.length);
    } else if (!tear) {
      if (kept) bytes.write(change.bytes, change.position);
    } else {
      for (let from = 0; from < change.bytes.length; ) {
        const to = Math.min(change.bytes.length, from + sectorBytes - ((change.position + from) % sectorBytes));
        if (dice.chance(128)) bytes.write(change.bytes.subarray(from, to), change.position + from);
        from = to;
      }
    }
  }
  return bytes;
}
