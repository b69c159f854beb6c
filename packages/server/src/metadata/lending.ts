import { limits } from '../limits.ts';
import { borrowedBy } from './machine/pieces.ts';
import type { Borrowed, ManifestReference } from './machine/records.ts';
import type { MetadataReader, PlacedPiece } from './types.ts';

type Reader = Pick<MetadataReader, 'placedPieces'>;

/** What is borrowed from, as a version would hold it: {@link MetadataReader.pieces} gives its pieces. */
export const lenderOf = ({ manifest, end }: Pick<Borrowed, 'manifest' | 'end'>): ManifestReference => ({
  id: manifest,
  pieces: end,
  embedded: undefined,
  sealed: true,
});

/** The pieces whose bytes a piece has: itself, or those that it borrows from, whole ones. Rows that are missing are passed over. */
export function* lentTo(reader: Reader, placed: PlacedPiece): Generator<PlacedPiece> {
  const borrowed = borrowedBy(placed.piece);
  if (!borrowed) yield placed;
  // Whoever shares the piece that borrows shares what it borrows.
  else for (const one of lentBy(reader, borrowed)) yield placed.isShared ? { ...one, isShared: true } : one;
}

/** The pieces that are borrowed from; none of them borrows. */
export function* lentBy(reader: Reader, borrowed: Borrowed): Generator<PlacedPiece> {
  for (let { first } = borrowed; first < borrowed.end; ) {
    const page = reader.placedPieces(lenderOf(borrowed), first, Math.min(limits.jobPage, borrowed.end - first));
    if (page.length === 0) return;
    first += page.length;
    for (const one of page) yield* lentTo(reader, one);
  }
}
