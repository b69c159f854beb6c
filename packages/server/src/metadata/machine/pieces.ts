import { ByteReader, ByteWriter, digestBytes } from '../../codec/index.ts';
import { CorruptionError } from '../../errors.ts';
import { checksumCode, checksumKind, count, ended, format } from './fields.ts';
import type { Borrowed, ObjectChecksum, PartRecord, Piece, PieceRow, Stripe } from './records.ts';

/* Byte forms of pieces: embedded in a version, or as rows of table `pieces`. docs/formats/metadata.md draws them. */

const FORMAT = 1;
const KIND_PIECE = 0;
const KIND_LINK = 1;

const COMPRESSED = 1;
const STRIPES = 2;
const CHECKSUM = 4;
/** MD5 and checksum are those of the version that embeds the piece. */
const SAME_MD5 = 8;
const SAME_CHECKSUM = 16;
const NOT_SEALED = 32;
const BORROWED = 64;

/** Bytes of an object that pieces hold. */
export const bytesOf = (pieces: readonly Piece[]): number => pieces.reduce((bytes, { size }) => bytes + size, 0);

/** What a version and its embedded piece usually have in common. */
export interface Shared {
  readonly md5: Buffer;
  readonly checksum: ObjectChecksum | undefined;
}

const sameChecksum = (a: ObjectChecksum, b: ObjectChecksum | undefined): boolean =>
  b !== undefined && a.algorithm === b.algorithm && a.type === b.type && a.value.equals(b.value);

function writeChecksum(out: ByteWriter, checksum: ObjectChecksum): void {
  out.u8(checksumCode(checksum)).raw(checksum.value);
}

function readChecksum(from: ByteReader): ObjectChecksum {
  const kind = checksumKind(from.u8());
  if (!kind) throw new CorruptionError('checksum without an algorithm');
  return { ...kind, value: from.raw(digestBytes[kind.algorithm]) };
}

export function writePiece(out: ByteWriter, piece: Piece, shared?: Shared): void {
  const sameMd5 = shared?.md5.equals(piece.md5) === true;
  const same = piece.checksum !== undefined && sameChecksum(piece.checksum, shared?.checksum);
  out.u8(
    (piece.compressed ? COMPRESSED : 0) |
      ('stripes' in piece.body ? STRIPES : 0) |
      (piece.checksum ? CHECKSUM : 0) |
      (sameMd5 ? SAME_MD5 : 0) |
      (same ? SAME_CHECKSUM : 0) |
      (piece.sealed ? 0 : NOT_SEALED) |
      ('borrowed' in piece.body ? BORROWED : 0),
  );
  out.raw(piece.salt).varint(piece.size);
  if (!sameMd5) out.raw(piece.md5);
  if (piece.checksum && !same) writeChecksum(out, piece.checksum);
  if ('inline' in piece.body) {
    out.bytes(piece.body.inline);
    return;
  }
  if ('borrowed' in piece.body) {
    const { manifest, first, end, offset, depth, key } = piece.body.borrowed;
    out.raw(manifest).varint(first).varint(end).varint(offset).u8(depth).bytes(key);
    return;
  }
  out.varint(piece.body.stripes.length);
  for (const stripe of piece.body.stripes) {
    out.raw(stripe.id.subarray(0, 15)).varint(stripe.group).varint(stripe.length);
    out.varint(stripe.frames === undefined ? 0 : stripe.frames.length + 1);
    for (const frame of stripe.frames ?? []) out.varint(frame);
  }
}

function readBorrowed(from: ByteReader): Borrowed {
  const manifest = from.raw(16);
  const [first, end, offset] = [from.varint(), from.varint(), from.varint()];
  if (first >= end) throw new CorruptionError('piece borrows nothing');
  return { manifest, first, end, offset, depth: from.u8(), key: from.bytes() };
}

/** @param id sixteen zeros that become its id */
function readStripe(from: ByteReader, id: Buffer): Stripe {
  id.set(from.raw(15), 0);
  const group = from.varint();
  const length = from.varint();
  const coded = from.varint();
  if (coded === 0) return { id, group, length, frames: undefined };
  if (coded - 1 > from.remaining) throw new CorruptionError('stripe counts more frames than it holds');
  const frames: number[] = [];
  for (let left = coded - 1; left > 0; left--) frames.push(from.varint());
  return { id, group, length, frames };
}

export function readPiece(from: ByteReader, shared?: Shared): Piece {
  const flags = from.u8();
  if (flags >= 128 || (flags & BORROWED && flags & (STRIPES | COMPRESSED | NOT_SEALED)))
    throw new CorruptionError('piece has unknown flags');
  const salt = from.raw(8);
  const size = from.varint();
  if (flags & (SAME_MD5 | SAME_CHECKSUM) && !shared) throw new CorruptionError('piece borrows from no version');
  const md5 = flags & SAME_MD5 ? shared!.md5 : from.raw(16);
  let checksum: ObjectChecksum | undefined;
  if (flags & SAME_CHECKSUM) {
    if (!shared!.checksum || !(flags & CHECKSUM))
      throw new CorruptionError('piece borrows a checksum that is not there');
    checksum = shared!.checksum;
  } else if (flags & CHECKSUM) checksum = readChecksum(from);
  const compressed = (flags & COMPRESSED) !== 0;
  const sealed = (flags & NOT_SEALED) === 0;
  if (flags & BORROWED)
    return { salt, size, md5, checksum, compressed, sealed, body: { borrowed: readBorrowed(from) } };
  if (!(flags & STRIPES)) return { salt, size, md5, checksum, compressed, sealed, body: { inline: from.bytes() } };
  const stripes: Stripe[] = [];
  const total = count(from);
  if (total > from.remaining) throw new CorruptionError('piece counts more stripes than it holds');
  // One memory for all: a large object has hundreds, and each read of a part of it decodes them.
  const ids = Buffer.alloc(16 * total);
  for (let at = 0; at < ids.length; at += 16) stripes.push(readStripe(from, ids.subarray(at, at + 16)));
  return { salt, size, md5, checksum, compressed, sealed, body: { stripes } };
}

export function encodePieceRow(row: PieceRow): Buffer {
  const out = new ByteWriter(128);
  out.u8(FORMAT);
  if (row.kind === 'link') return out.u8(KIND_LINK).raw(row.manifest).varint(row.pieces).finish();
  out.u8(KIND_PIECE).u64(row.modifiedMs).varint(row.start);
  writePiece(out, row.piece);
  return out.finish();
}

export function decodePieceRow(bytes: Uint8Array): PieceRow {
  const from = new ByteReader(bytes);
  format(from, FORMAT, 'piece');
  const kind = from.u8();
  if (kind === KIND_LINK) return ended(from, { kind: 'link', manifest: from.raw(16), pieces: from.varint() });
  if (kind !== KIND_PIECE) throw new CorruptionError(`unknown kind ${kind} of piece`);
  const modifiedMs = from.u64();
  const start = from.varint();
  return ended(from, { kind: 'piece', modifiedMs, start, piece: readPiece(from) });
}

/** Code of the checksum that a row has; 0: none. Nothing else of it is decoded. */
export function checksumCodeOfRow(bytes: Uint8Array): number {
  const from = new ByteReader(bytes);
  format(from, FORMAT, 'piece');
  if (from.u8() !== KIND_PIECE) return 0;
  from.u64();
  from.varint();
  if (!(from.u8() & CHECKSUM)) return 0;
  from.raw(8);
  from.varint();
  from.raw(16);
  return from.u8();
}

export const stripesOf = (piece: Piece): readonly Stripe[] => ('stripes' in piece.body ? piece.body.stripes : []);

export const borrowedBy = (piece: Piece): Borrowed | undefined =>
  'borrowed' in piece.body ? piece.body.borrowed : undefined;

/** Parts are rows of the manifest that their upload becomes; their numbers start at 1. */
export const partOf = (index: number, row: PieceRow): PartRecord => {
  if (row.kind !== 'piece') throw new CorruptionError('a part is not a piece');
  return { number: index + 1, modifiedMs: row.modifiedMs, piece: row.piece };
};
