import { digestOf } from '../codec/index.ts';
import { saltBytes, sealBorrowedKey } from '../keys/index.ts';
import { limits } from '../limits.ts';
import { type ObjectChecksum, type Piece, sequenceOf, shardOfNumber, type UploadRecord } from '../metadata/index.ts';
import { openedKeyOf } from './encryption.ts';
import type { ReadHorizon } from './horizon.ts';
import type { Found } from './outlet.ts';
import { isSamePolicy, type Kept, keptWith } from './policy.ts';
import { readChecksum } from './read.ts';
import { bucketKey, type Rooms } from './rooms.ts';
import type { CopySource, Slice } from './types.ts';

/*
 * A part that borrows the bytes of the object that it is copied from (decision 0022): nothing is read or written but a row. The part names pieces of the
 * source's manifest and holds them, as a copy of the whole object would; their key comes with it, sealed under that of the upload.
 *
 * Bytes are copied where borrowing would promise what it cannot keep: where the two are to be kept in different ways, where the source was encrypted with
 * a key that somebody may take away (its key opens all of it, and a part is less than that), and in another shard, whose log knows nothing of the
 * source. An object of a few stripes has its only piece in its version's row, and is copied in less time than it takes to look after a loan.
 */

interface Loan {
  readonly found: Found;
  readonly slice: Slice;
  readonly source: CopySource;
  readonly upload: UploadRecord;
  /** Opens the key of the upload, which only a loan needs. */
  readonly uploadKey: () => Promise<Buffer>;
  /** What the part is to be kept with. */
  readonly kept: Kept;
}

/** Where the bytes of a slice are in the manifest of a version. */
interface Place {
  readonly first: number;
  readonly end: number;
  readonly offset: number;
  readonly depth: number;
  /** The piece, where the slice is all of it. */
  readonly whole: Piece | undefined;
}

function mayBorrow(rooms: Rooms, { found, slice, upload, kept }: Loan): boolean {
  const { version } = found;
  const { embedded, sealed } = version.manifest;
  if (slice.start === slice.end || embedded || !sealed || rooms.plain || version.encryption) return false;
  if (shardOfNumber(version.sequence) !== shardOfNumber(sequenceOf(upload.id))) return false;
  const now = keptWith(rooms, found.bucket, version).policy;
  // Hot and cold go by the use of each object.
  if ((now && 'hot' in now) || !isSamePolicy(kept.policy, now)) return false;
  // The first one of a store that is alone turns it on.
  return rooms.reader.nodes().length === 0 || rooms.reader.features().includes('borrowedParts');
}

function placeOf({ reader }: Rooms, { version }: Found, slice: Slice): Place | undefined {
  const { index: first, start } = reader.locate(version, slice.start);
  let depth = 0;
  let end = first;
  let offset = start;
  let whole: Piece | undefined;
  while (offset < slice.end) {
    const page = reader.pieces(version.manifest, end, limits.jobPage);
    if (page.length === 0) return undefined;
    for (const piece of page) {
      if (offset >= slice.end) break;
      whole = offset === slice.start && offset + piece.size === slice.end ? piece : undefined;
      if ('borrowed' in piece.body) depth = Math.max(depth, piece.body.borrowed.depth);
      offset += piece.size;
      end++;
    }
  }
  return depth < limits.borrowedDepth
    ? { first, end, offset: slice.start - start, depth: depth + 1, whole }
    : undefined;
}

/** The same for the same bytes of the same object. S3 says that the ETag of a part that was copied need not be the MD5 of its bytes. */
function nameOf(manifest: Buffer, { first, offset }: Place, size: number): Buffer {
  const numbers = Buffer.alloc(24);
  for (const [index, number] of [first, offset, size].entries()) numbers.writeBigUInt64BE(BigInt(number), 8 * index);
  return digestOf('MD5', Buffer.concat([manifest, numbers]));
}

async function checksumOf(
  rooms: Rooms,
  horizon: ReadHorizon,
  { found, slice, source, upload }: Loan,
  whole: Piece | undefined,
): Promise<ObjectChecksum | undefined> {
  const algorithm = upload.checksumAlgorithm;
  if (algorithm === undefined) return undefined;
  if (whole?.checksum?.algorithm === algorithm) return whole.checksum;
  return readChecksum(rooms, horizon, found, slice, source.customerKey, algorithm);
}

/** @returns undefined where the bytes are to be copied */
export async function borrow(rooms: Rooms, horizon: ReadHorizon, loan: Loan): Promise<Piece | undefined> {
  if (!mayBorrow(rooms, loan)) return undefined;
  const { found, slice, source, uploadKey } = loan;
  const { entropy } = rooms.host;
  const size = slice.end - slice.start;
  const { id: manifest } = found.version.manifest;
  const lease = horizon.enter(found.position);
  try {
    const place = placeOf(rooms, found, slice);
    if (!place) return undefined;
    const { first, end, offset, depth, whole } = place;
    const lender = await openedKeyOf(rooms, await bucketKey(rooms, found.bucket), found.version, source.customerKey);
    const key = sealBorrowedKey(await uploadKey(), lender, entropy);
    return {
      salt: entropy.bytes(saltBytes),
      size,
      md5: whole?.md5 ?? nameOf(manifest, place, size),
      checksum: await checksumOf(rooms, horizon, loan, whole),
      compressed: false,
      sealed: true,
      body: { borrowed: { manifest, first, end, offset, depth, key } },
    };
  } finally {
    horizon.leave(lease);
  }
}
