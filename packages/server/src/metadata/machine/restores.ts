import type { ByteReader, ByteWriter } from '../../codec/index.ts';
import { limits } from '../../limits.ts';
import type { DueRestore } from '../restoring.ts';
import { choice } from './fields.ts';

/*
 * Archived objects that can be read for a while. What a version has of it is an extension of its row. A row of table `restores` says when something is to be
 * done about it: it is a note for who does it, and never missing; a version that goes or changes leaves it behind, until it is due.
 */

export type RestoreTier = 'Standard' | 'Bulk' | 'Expedited';

/** Times on the clock of the owner, ms since 1970. `days` begin when it is restored. */
export type Restore =
  | { readonly state: 'ongoing'; readonly tier: RestoreTier; readonly readyMs: number; readonly days: number }
  | { readonly state: 'restored'; readonly untilMs: number };

/** Each at its number in rows, 0 apart. */
const tiers = ['Standard', 'Bulk', 'Expedited'] as const satisfies readonly RestoreTier[];

/** Those who are served first come last. */
const speeds: Readonly<Record<RestoreTier, number>> = { Bulk: 0, Standard: 1, Expedited: 2 };

export const isFaster = (tier: RestoreTier, than: RestoreTier): boolean => speeds[tier] > speeds[than];

/** When something is to be done about it. */
export const dueOf = (restore: Restore): number => (restore.state === 'restored' ? restore.untilMs : restore.readyMs);

/** 0 and until u64; or while it is under way 1 to 3 for its tier, ready u64, days varint. */
export function writeRestore(out: ByteWriter, restore: Restore): ByteWriter {
  if (restore.state === 'restored') return out.u8(0).u64(restore.untilMs);
  return out
    .u8(1 + tiers.indexOf(restore.tier))
    .u64(restore.readyMs)
    .varint(restore.days);
}

export function readRestore(from: ByteReader): Restore {
  const kind = from.u8();
  if (kind === 0) return { state: 'restored', untilMs: from.u64() };
  return {
    state: 'ongoing',
    tier: choice(tiers, kind - 1, 'tier of a restore'),
    readyMs: from.u64(),
    days: from.varint(),
  };
}

/** The midnight (UTC) that ends so many days from a moment; the end of the year 9999 at most. */
export const midnightAfter = (fromMs: number, days: number, dayMs: number): number =>
  Math.min(Math.ceil((fromMs + days * dayMs) / dayMs) * dayMs, limits.lifecycleLastMs);

/** Effect `restore.due`. Without a place the row goes. */
export const restoreDueCodec = {
  code: 87,
  write: (out: ByteWriter, { dueMs, sequence, place }: Omit<RestoreDue, 'type'>) => {
    out
      .varint(dueMs)
      .varint(sequence)
      .u8(Number(place !== undefined));
    if (place) out.u32(place.bucket).bytes(place.key);
  },
  read: (from: ByteReader): Omit<RestoreDue, 'type'> => ({
    dueMs: from.varint(),
    sequence: from.varint(),
    place: choice([false, true], from.u8(), 'flag') ? { bucket: from.u32(), key: from.bytes() } : undefined,
  }),
} as const;

export interface RestoreDue {
  readonly type: 'restore.due';
  readonly dueMs: number;
  readonly sequence: number;
  readonly place: Pick<DueRestore, 'bucket' | 'key'> | undefined;
}
