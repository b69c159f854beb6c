import { limits } from '../limits.ts';
import type { ObjectVersion, Piece } from '../metadata/index.ts';
import { piecesOf } from './layout.ts';
import type { Rooms } from './rooms.ts';
import type { Stored } from './types.ts';

/** Fragments that may still be lost. */
const spare = ({ redundancy, missing }: Stored): number =>
  ('copies' in redundancy ? redundancy.copies - 1 : redundancy.parity) - (missing ?? 0);

/** The redundancy that pieces have now, none of which borrows: of the worst stripe, since an object is lost with any of them. What lies in metadata has their copies. */
export function storedOf({ stripes, metadataCopies }: Rooms, pieces: Iterable<Piece>): Stored {
  const inRow: Stored = { redundancy: { copies: metadataCopies?.() ?? 1 }, missing: 0 };
  let worst: Stored | undefined;
  let seen = 0;
  const consider = (one: Stored): void => {
    if (!worst || spare(one) <= spare(worst)) worst = one;
  };
  for (const { body } of pieces) {
    if (!('stripes' in body)) {
      consider(inRow);
      continue;
    }
    for (const stripe of body.stripes) {
      if (++seen > limits.toldStripes) return { redundancy: (worst ?? inRow).redundancy, missing: undefined };
      const redundancy = stripes.redundancyOf(stripe.group);
      if (redundancy) consider({ redundancy, missing: stripes.lacking(stripe) });
    }
  }
  return worst ?? inRow;
}

/** As {@link storedOf}, of a whole version. An object in one small piece needs no look-up of rows. */
export function storedVersion(rooms: Rooms, version: ObjectVersion): Stored {
  const { embedded, pieces } = version.manifest;
  if (embedded && pieces === 1) return storedOf(rooms, [embedded]);
  return storedOf(rooms, piecesIn(rooms, version));
}

function* piecesIn(rooms: Rooms, version: ObjectVersion): Generator<Piece> {
  for (const { piece } of piecesOf(rooms.reader, version, { start: 0, end: version.size })) yield piece;
}
