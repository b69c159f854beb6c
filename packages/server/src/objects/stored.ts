import { limits } from '../limits.ts';
import type { ObjectVersion, Piece } from '../metadata/index.ts';
import { piecesOf } from './layout.ts';
import type { Rooms } from './rooms.ts';
import type { Stored } from './types.ts';

/** Metadata has one copy on one machine, and what lies within it has no more. */
const inRow: Stored = { copies: 1, missing: 0 };

/** The redundancy that pieces have now: of the worst stripe, since an object is lost with any of them. */
export function storedOf(rooms: Rooms, pieces: Iterable<Piece>): Stored {
  let worst: Stored | undefined;
  let seen = 0;
  for (const { body } of pieces) {
    if ('inline' in body) {
      worst = inRow;
      continue;
    }
    for (const stripe of body.stripes) {
      if (++seen > limits.toldStripes) return { copies: worst?.copies ?? 1, missing: undefined };
      const { copies, missing } = rooms.stripes.copies(stripe);
      if (!worst || copies - missing < worst.copies - (worst.missing ?? 0)) worst = { copies, missing };
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
