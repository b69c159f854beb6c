import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Command, StripeSwap } from '../types.ts';
import { bucketOf, checkStripes, type Decision, isEmbeddable, nextSequence, type Stamp } from './deciding.ts';
import type { Effect } from './effects.ts';
import { encodePieceRow, stripesOf } from './pieces.ts';
import type { ObjectVersion, Piece, VersionUse } from './records.ts';
import { encodeVersion, manifestIdOf, type VersionRow } from './versions.ts';
import type { View } from './view.ts';

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;

/*
 * Bytes that are kept in another way. A stripe that takes the place of another is published by the entry that makes the other garbage: so at no
 * position does a version have less than one of the two, and a read at an older position finds the old one, which waits for it.
 */

const gone = (what: string): StoreError =>
  new StoreError('ConditionalRequestConflict', { message: `${what} changed while its bytes were moved.` });

/** Last time that a version was read or written, as far as it was noted. */
export const lastUseMs = ({ modifiedMs, use }: Pick<ObjectVersion, 'modifiedMs' | 'use'>): number =>
  Math.max(modifiedMs, use?.readMs ?? 0);

function versionRow(view: View, { bucket, key, sequence }: Of<'object.recode'>): VersionRow | undefined {
  const newest = view.newest(bucket, key);
  return newest && (newest.sequence === sequence ? newest : view.older(newest.guk, sequence));
}

/** The piece with its new stripes. @throws StoreError ConditionalRequestConflict when it has not all of the old ones */
function swapped(piece: Piece, swaps: readonly StripeSwap[]): Piece {
  const to = new Map(swaps.map((swap) => [swap.from.toString('latin1'), swap]));
  const stripes = stripesOf(piece).map((stripe) => {
    const name = stripe.id.toString('latin1');
    const swap = to.get(name);
    to.delete(name);
    return swap ? { ...stripe, id: swap.to, group: swap.group } : stripe;
  });
  if (to.size > 0) throw gone('A piece');
  return { ...piece, body: { stripes } };
}

/** The new stripes alone: those that are published. */
const fresh = (piece: Piece, swaps: readonly StripeSwap[]): Piece => {
  const names = new Set(swaps.map(({ to }) => to.toString('latin1')));
  return { ...piece, body: { stripes: stripesOf(piece).filter(({ id }) => names.has(id.toString('latin1'))) } };
};

/** Whether a version that holds the manifest of this row may have the piece in its own row. */
export const mayBeEmbedded = (piece: Piece, index: number): boolean => index === 0 && isEmbeddable(piece);

export function decideRecode(view: View, command: Of<'object.recode'>, stamp: Stamp): Decision {
  const { bucket, key, place, swaps } = command;
  bucketOf(view, bucket);
  const row = versionRow(view, command);
  const version = row?.record();
  if (!row || version?.kind !== 'object' || !version.manifest.id.equals(command.manifest)) throw gone('The object');
  if (command.idleMs !== undefined && stamp.now - lastUseMs(version) < command.idleMs)
    throw new StoreError('ConditionalRequestConflict', { message: 'The object was used meanwhile.' });
  if (place) {
    const held = view.piece(place.manifest, place.index);
    if (held?.kind !== 'piece') throw gone('The object');
    // Another holder may have the same piece in its own row.
    if (mayBeEmbedded(held.piece, place.index) && view.isShared(place.manifest)) throw gone('What shares the bytes');
    const piece = swapped(held.piece, swaps);
    checkStripes(view, fresh(piece, swaps));
    const effect = { type: 'piece.swap', ...place, bucket, key, row: encodePieceRow({ ...held, piece }) } as const;
    return { effects: [effect], reply: { type: 'done' } };
  }
  const { embedded, id } = version.manifest;
  if (!embedded) throw gone('The object');
  const piece = swapped(embedded, swaps);
  checkStripes(view, fresh(piece, swaps));
  return {
    effects: embeddedSwap(view, command, row, version, piece, view.holders(id), stamp),
    reply: { type: 'done' },
  };
}

function embeddedSwap(
  view: View,
  { bucket, key, mayUnshare, swaps }: Of<'object.recode'>,
  row: VersionRow,
  version: ObjectVersion,
  piece: Piece,
  holders: number,
  stamp: Stamp,
): Effect[] {
  const { manifest } = version;
  const next = (one: ObjectVersion, older: boolean, id: Buffer): Buffer =>
    encodeVersion({ ...one, manifest: { ...one.manifest, id, embedded: piece } }, older);
  const swap = (id: Buffer): Effect => ({
    type: 'version.swap',
    bucket,
    key,
    row: next(version, row.mayHaveOlder, id),
  });
  if (holders === 1) return [swap(manifest.id)];
  const newest = view.newest(bucket, key);
  const all = newest ? view.embedding(newest, manifest.id) : [];
  if (all.length === holders) {
    // The stripes are swapped once; the other versions see the same.
    const others = all.filter((one) => one.version.sequence !== version.sequence);
    return [
      swap(manifest.id),
      ...others.map(
        (one): Effect => ({
          type: 'version.update',
          bucket,
          key,
          row: next(one.version, one.row.mayHaveOlder, manifest.id),
        }),
      ),
    ];
  }
  // A stripe belongs to one piece: what this version gets for itself has none of those that the others keep.
  if (!mayUnshare || swaps.length < stripesOf(piece).length) throw gone('What shares the bytes of the object');
  return [swap(manifestIdOf(nextSequence(view, stamp.shard), stamp.random(8)))];
}

/** A note of a read: hotter when the one before is not long ago. */
function touched({ use }: ObjectVersion, now: number, idleMs: number): VersionUse {
  const again = use !== undefined && now - use.readMs < idleMs;
  return { readMs: now, heat: again ? Math.min(255, use.heat + 1) : 1 };
}

export function decideTouch(view: View, { items }: Of<'object.touch'>, stamp: Stamp): Decision {
  const effects: Effect[] = [];
  for (const { bucket, key, sequence, idleMs } of items.slice(0, limits.touchBatch)) {
    const newest = view.newest(bucket, key);
    const row = newest?.sequence === sequence ? newest : newest && view.older(newest.guk, sequence);
    const version = row?.record();
    if (!row || version?.kind !== 'object') continue;
    const next = { ...version, use: touched(version, stamp.now, idleMs) };
    effects.push({ type: 'version.update', bucket, key, row: encodeVersion(next, row.mayHaveOlder) });
  }
  return { effects, reply: { type: 'done' } };
}
