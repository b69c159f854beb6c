import { CorruptionError, StoreError } from '../errors.ts';
import { FifoMap } from '../fifo.ts';
import { frameTagBytes } from '../keys/index.ts';
import { limits } from '../limits.ts';
import type { Position } from '../log/index.ts';
import {
  lenderOf,
  type ManifestReference,
  type MetadataReader,
  type ObjectVersion,
  type Piece,
  type Stripe,
} from '../metadata/index.ts';
import type { Slice } from './types.ts';

/** A piece with bytes that a read wants. */
export interface WantedPiece {
  readonly piece: Piece;
  /** Where the piece begins in the object, bytes: below 0 where the object borrows from its middle on. */
  readonly offset: number;
  /** What is wanted of it. */
  readonly slice: Slice;
  /** What the object borrows: the keys that lead to that of the piece, each sealed under the one before, the first under that of the object. */
  readonly keys: readonly Buffer[];
}

/** A run of frames of one stripe that a read fetches at once. */
export interface FrameRun extends Omit<WantedPiece, 'offset'> {
  readonly stripe: Stripe;
  /** Index, within the piece, of the stripe's first frame. */
  readonly firstFrame: number;
  /** Frames of the stripe, `to` exclusive. */
  readonly from: number;
  readonly to: number;
  /** Where the stripe begins in the object, bytes: below 0 as {@link WantedPiece.offset}. */
  readonly offset: number;
}

/** Plaintext bytes of a frame. */
export function frameLength(stripe: Stripe, frame: number): number {
  return Math.min(limits.frameBytes, stripe.length - frame * limits.frameBytes);
}

/** Stored bytes of a frame. */
export function storedLength(stripe: Stripe, frame: number): number {
  if (!stripe.frames) return frameLength(stripe, frame) + frameTagBytes;
  const length = stripe.frames[frame];
  if (length === undefined) throw new CorruptionError('a stripe has fewer frames than its length says');
  return length;
}

/** Where the stored bytes of a frame begin in its stripe. */
export function storedOffset(stripe: Stripe, frame: number): number {
  if (!stripe.frames) return frame * (limits.frameBytes + frameTagBytes);
  let at = 0;
  for (let before = 0; before < frame; before++) at += storedLength(stripe, before);
  return at;
}

/**
 * Pieces fetched at once: as many as the rest of the slice is likely to need, and few enough that the places of their stripes stay within a
 * bound, whatever their sizes.
 */
function pageOf({ size, pieces }: { readonly size: number; readonly pieces: number }, left: number): number {
  const usual = Math.max(1, size / pieces);
  const stripes = Math.max(1, usual / limits.stripeBytes);
  return Math.max(1, Math.min(1000, Math.floor(limits.readStripes / stripes), Math.ceil(left / usual) + 1));
}

/** The only pieces of their manifests, by reader and manifest, as they were after the last time that anything was kept in another way. */
const kept = new WeakMap<
  MetadataReader,
  { readonly recodedAt: Position; readonly pieces: FifoMap<string, readonly Piece[]> }
>();

/**
 * Rows of pieces. A large object that was put at once is one piece of hundreds of stripes, which each of its ranges needs: a few are kept as they were
 * decoded. What a version sees of its manifest never changes, but for the stripes that hold it.
 */
function rowsOf(reader: MetadataReader, manifest: ManifestReference, first: number, limit: number): readonly Piece[] {
  if (manifest.pieces > 1) return reader.pieces(manifest, first, limit);
  // Before the rows are read: what is swapped in between is decoded once more.
  const recodedAt = reader.recodedAt();
  let known = kept.get(reader);
  if (known?.recodedAt !== recodedAt) {
    known = { recodedAt, pieces: new FifoMap(limits.keptPieces) };
    kept.set(reader, known);
  }
  const { pieces } = known;
  const name = manifest.id.toString('latin1');
  let found = pieces.get(name);
  if (!found) {
    found = reader.pieces(manifest, first, limit);
    if (found.length > 0) pieces.set(name, found);
  }
  return found;
}

const noKeys: readonly Buffer[] = [];

/**
 * Pieces of a version that overlap a slice, in order; in the place of one that borrows, those that it borrows from.
 * @throws StoreError Damaged when rows are missing that the version says it has
 */
export function* piecesOf(reader: MetadataReader, version: ObjectVersion, slice: Slice): Generator<WantedPiece> {
  if (slice.start >= slice.end) return;
  const { manifest, size } = version;
  const { index, start } = reader.locate(version, slice.start);
  yield* piecesIn(reader, manifest, { size, pieces: manifest.pieces }, index, start, slice, noKeys);
}

/**
 * The same of a manifest, from piece `next` on, which begins at `offset` of the object.
 * @param usual bytes, and in how many pieces about they are
 */
function* piecesIn(
  reader: MetadataReader,
  manifest: ManifestReference,
  usual: { readonly size: number; readonly pieces: number },
  next: number,
  offset: number,
  slice: Slice,
  keys: readonly Buffer[],
): Generator<WantedPiece> {
  while (offset < slice.end) {
    const limit = Math.min(pageOf(usual, slice.end - offset), manifest.pieces - next);
    const page =
      manifest.embedded && next === 0 ? [manifest.embedded] : limit > 0 ? rowsOf(reader, manifest, next, limit) : [];
    if (page.length === 0) {
      throw new StoreError('Damaged', {
        message: 'The object is larger than the pieces that are left of it.',
        resource: manifest.id.toString('hex'),
      });
    }
    for (const piece of page) {
      const { body, size } = piece;
      if (offset < slice.end && offset + size > slice.start) {
        if ('borrowed' in body) {
          const { borrowed } = body;
          const own = { start: Math.max(slice.start, offset), end: Math.min(slice.end, offset + size) };
          const lent = { size, pieces: borrowed.end - borrowed.first };
          const begin = offset - borrowed.offset;
          yield* piecesIn(reader, lenderOf(borrowed), lent, borrowed.first, begin, own, [...keys, borrowed.key]);
        } else yield { piece, offset, slice, keys };
      }
      offset += size;
      next++;
    }
  }
}

/** Cuts the frames that are wanted of one piece into runs of at most `most()` bytes, which is asked for each of them anew. */
export function* runsOf({ piece, offset: start, slice, keys }: WantedPiece, most: () => number): Generator<FrameRun> {
  if (!('stripes' in piece.body)) return;
  let offset = start;
  let firstFrame = 0;
  for (const stripe of piece.body.stripes) {
    if (offset >= slice.end) return;
    const frames = Math.ceil(stripe.length / limits.frameBytes);
    if (offset + stripe.length > slice.start) {
      const first = Math.max(0, Math.floor((slice.start - offset) / limits.frameBytes));
      const last = Math.min(frames, Math.ceil((slice.end - offset) / limits.frameBytes));
      for (let from = first; from < last; ) {
        const to = Math.min(last, from + most() / limits.frameBytes);
        yield { piece, slice, keys, stripe, firstFrame, from, to, offset };
        from = to;
      }
    }
    offset += stripe.length;
    firstFrame += frames;
  }
}
