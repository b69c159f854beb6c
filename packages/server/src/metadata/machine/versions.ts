import { Arena, ByteReader, ByteWriter, digestBytes } from '../../codec/index.ts';
import { CorruptionError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { extensionsOf, readExtensions, writeExtensions } from './extensions.ts';
import { checksumCode, checksumKind, ended, readHeaders, readPairs, writeHeaders, writePairs } from './fields.ts';
import { readPiece, stripesOf, writePiece } from './pieces.ts';
import type { ManifestReference, ObjectChecksum, ObjectVersion, VersionRecord } from './records.ts';
import type { Restore } from './restores.ts';

/*
 * The row of a version, in `objects` and `history` alike. A head of fixed offsets comes first, so that a listing, a precondition or an
 * overwrite reads what it needs without decoding the rest; the object's bytes, when they are inline, stand at the end.
 *
 *   0 format · 1 flags · 2 checksum · 3 storage class · 4 etag parts u32 · 8 sequence u64 · 16 modified ms u64 · 24 size u64 ·
 *   32 etag 16 · 48 nonce 8 · 56 guk 16 · 72 owner, [storage class], then wrapped key, checksum, headers, metadata, tags, manifest, parts
 *
 * Format 2 has, behind the tags, what format 1 has no place for (extensions.ts). What format 1 can say stays format 1.
 */

const FORMAT = 1;
const FORMAT_EXTENDED = 2;
const HEAD = 72;

const MARKER = 1;
const NULL = 2;
/** Rows of `history` may exist. Never missing when they do; may stay behind when the last of them goes. */
const OLDER = 4;
/** The manifest has stripes or rows: dropping this version must let go of them. */
const OUTSIDE = 8;
const FLAGS = MARKER | NULL | OLDER | OUTSIDE;

const EMBEDDED = 1;
const OWN_ID = 2;
const NOT_SEALED = 4;

/** Codes of the storage classes that S3 names; 0 means that the name follows the owner. Append only. */
const classes = [
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'GLACIER_IR',
  'EXPRESS_ONEZONE',
] as const;
const classCodes: ReadonlyMap<string, number> = new Map(classes.map((name, index) => [name, index + 1]));

/** The manifest id of an object that was not made by an upload: sequence and nonce of its first version. */
export function manifestIdOf(sequence: number, nonce: Buffer): Buffer {
  const id = Buffer.allocUnsafe(16);
  id.writeUInt32BE(Math.floor(sequence / 2 ** 32), 0);
  id.writeUInt32BE(sequence % 2 ** 32, 4);
  id.set(nonce, 8);
  return id;
}

/** True when the version's bytes are, at least in part, not in its row. */
export const isOutside = (manifest: ManifestReference): boolean =>
  manifest.embedded === undefined || stripesOf(manifest.embedded).length > 0;

/** Runs of equal sizes, since all parts but the last are usually alike. */
function writePartSizes(out: ByteWriter, sizes: readonly number[]): void {
  const runs: [size: number, length: number][] = [];
  for (const size of sizes) {
    const last = runs.at(-1);
    if (last && last[0] === size) last[1]++;
    else runs.push([size, 1]);
  }
  out.varint(runs.length);
  for (const [size, length] of runs) out.varint(size).varint(length);
}

function readPartSizes(from: ByteReader): readonly number[] {
  const sizes: number[] = [];
  for (let runs = from.varint(); runs > 0; runs--) {
    const size = from.varint();
    const length = from.varint();
    if (length === 0 || sizes.length + length > limits.parts) throw new CorruptionError('part sizes are malformed');
    for (let left = length; left > 0; left--) sizes.push(size);
  }
  return sizes;
}

/** Where rows are written until they are committed. */
const rows = new Arena();

/** @param older rows of `history` may exist below this version (meaningful in `objects` only) */
export function encodeVersion(record: VersionRecord, older: boolean): Buffer {
  const object = record.kind === 'object' ? record : undefined;
  const inline = object?.manifest.embedded?.body;
  const out = new ByteWriter(rows.take(256 + (inline && 'inline' in inline ? inline.inline.length : 0)));
  const flags =
    (object ? (isOutside(object.manifest) ? OUTSIDE : 0) : MARKER) | (record.isNull ? NULL : 0) | (older ? OLDER : 0);
  const classCode = object ? (classCodes.get(object.storageClass) ?? 0) : 0;
  const isExtended = object !== undefined && extensionsOf(object) !== 0;
  out
    .u8(isExtended ? FORMAT_EXTENDED : FORMAT)
    .u8(flags)
    .u8(checksumCode(object?.checksum))
    .u8(classCode);
  out
    .u32(object?.etagParts ?? 0)
    .u64(record.sequence)
    .u64(record.modifiedMs)
    .u64(object?.size ?? 0);
  out
    .raw(object?.etag ?? noEtag)
    .raw(record.nonce)
    .raw(record.guk)
    .string(record.owner);
  if (!object) return out.finish();
  if (classCode === 0) out.string(object.storageClass);
  out.bytes(object.wrappedKey);
  if (object.checksum) out.raw(object.checksum.value);
  writeHeaders(out, object.headers);
  writePairs(out, object.metadata);
  writePairs(out, object.tags);
  if (isExtended) writeExtensions(out, object);
  const { id, pieces, embedded, sealed } = object.manifest;
  const ownId = id.equals(manifestIdOf(object.sequence, object.nonce));
  out.u8((embedded ? EMBEDDED : sealed ? 0 : NOT_SEALED) | (ownId ? OWN_ID : 0));
  if (!ownId) out.raw(id);
  writePartSizes(out, object.partSizes);
  if (embedded) writePiece(out, embedded, { md5: object.etag, checksum: object.checksum });
  else out.varint(pieces);
  return out.finish();
}

const noEtag = Buffer.alloc(16);

/** A version's row, read where it is looked at. */
export class VersionRow {
  readonly bytes: Buffer;

  /** @throws CorruptionError when this is no version row */
  constructor(bytes: Buffer) {
    const isKnown = bytes[0] === FORMAT || bytes[0] === FORMAT_EXTENDED;
    if (bytes.length <= HEAD || !isKnown || bytes[1]! & ~FLAGS) {
      throw new CorruptionError('version row is malformed or of an unknown format');
    }
    this.bytes = bytes;
  }

  get isMarker(): boolean {
    return (this.bytes[1]! & MARKER) !== 0;
  }
  get isNull(): boolean {
    return (this.bytes[1]! & NULL) !== 0;
  }
  get mayHaveOlder(): boolean {
    return (this.bytes[1]! & OLDER) !== 0;
  }
  get isOutside(): boolean {
    return (this.bytes[1]! & OUTSIDE) !== 0;
  }
  get checksumCode(): number {
    return this.bytes[2]!;
  }

  get checksum(): Pick<ObjectChecksum, 'algorithm' | 'type'> | undefined {
    return checksumKind(this.checksumCode);
  }
  get etagParts(): number {
    return this.bytes.readUInt32LE(4);
  }
  get sequence(): number {
    return this.#u64(8);
  }
  get modifiedMs(): number {
    return this.#u64(16);
  }
  get size(): number {
    return this.#u64(24);
  }
  get etag(): Buffer {
    return this.bytes.subarray(32, 48);
  }
  get nonce(): Buffer {
    return this.bytes.subarray(48, 56);
  }
  get guk(): Buffer {
    return this.bytes.subarray(56, HEAD);
  }
  get owner(): string {
    return this.#tail().string();
  }
  /** False only where it is certain that no lock is in it. */
  get mayBeLocked(): boolean {
    return this.bytes[0] !== FORMAT && !this.isMarker;
  }
  /** The extensions that it has, as the bits of extensions.ts; 0 for a marker and in format 1. */
  get extensions(): number {
    if (this.bytes[0] !== FORMAT_EXTENDED || this.isMarker) return 0;
    const from = this.#tail();
    from.string();
    if (this.bytes[3] === 0) from.string();
    from.bytes();
    const kind = this.checksum;
    if (kind) from.raw(digestBytes[kind.algorithm]);
    readHeaders(from);
    readPairs(from);
    readPairs(from);
    return from.u8();
  }
  /** How the object is restored, where it is archived. */
  get restore(): Restore | undefined {
    if (this.bytes[0] !== FORMAT_EXTENDED) return undefined;
    const record = this.record();
    return record.kind === 'object' ? record.restore : undefined;
  }
  get storageClass(): string {
    const code = this.bytes[3]!;
    if (code > classes.length) throw new CorruptionError('unknown storage class');
    if (code !== 0) return classes[code - 1]!;
    const tail = this.#tail();
    tail.bytes();
    return tail.string();
  }

  #u64(at: number): number {
    return this.bytes.readUInt32LE(at) + this.bytes.readUInt32LE(at + 4) * 2 ** 32;
  }

  #tail(): ByteReader {
    return new ByteReader(this.bytes.subarray(HEAD));
  }

  /** The same row with the mark set or taken away. */
  withOlder(older: boolean): Buffer {
    if (this.mayHaveOlder === older) return this.bytes;
    const bytes = Buffer.from(this.bytes);
    bytes[1]! ^= OLDER;
    return bytes;
  }

  /** Everything, decoded. Buffers are views of the row. */
  record(): VersionRecord {
    const from = this.#tail();
    const { guk, sequence, nonce, isNull, modifiedMs } = this;
    if (!Number.isSafeInteger(sequence)) throw new CorruptionError('version has a sequence that cannot be');
    const owner = from.string();
    if (this.isMarker) return ended(from, { kind: 'marker', guk, sequence, nonce, isNull, modifiedMs, owner });
    const storageClass = this.bytes[3] === 0 ? from.string() : this.storageClass;
    const wrappedKey = from.bytes();
    const kind = this.checksum;
    const checksum = kind && { ...kind, value: from.raw(digestBytes[kind.algorithm]) };
    const { etag } = this;
    const version: ObjectVersion = {
      kind: 'object',
      guk,
      sequence,
      nonce,
      isNull,
      modifiedMs,
      owner,
      size: this.size,
      etag,
      etagParts: this.etagParts,
      storageClass,
      headers: readHeaders(from),
      metadata: readPairs(from),
      tags: readPairs(from),
      checksum,
      wrappedKey,
      ...(this.bytes[0] === FORMAT_EXTENDED && readExtensions(from)),
      ...readManifest(from, sequence, nonce, etag, checksum),
    };
    return ended(from, version);
  }
}

function readManifest(
  from: ByteReader,
  sequence: number,
  nonce: Buffer,
  md5: Buffer,
  checksum: ObjectChecksum | undefined,
): Pick<ObjectVersion, 'manifest' | 'partSizes'> {
  const flags = from.u8();
  const whole = (flags & EMBEDDED) !== 0;
  // What is embedded says itself whether it is sealed.
  if (flags > 7 || (whole && flags & NOT_SEALED)) throw new CorruptionError('manifest has unknown flags');
  const id = flags & OWN_ID ? manifestIdOf(sequence, nonce) : from.raw(16);
  const partSizes = readPartSizes(from);
  if (!whole) {
    const sealed = (flags & NOT_SEALED) === 0;
    return { manifest: { id, pieces: from.varint(), embedded: undefined, sealed }, partSizes };
  }
  const embedded = readPiece(from, { md5, checksum });
  return { manifest: { id, pieces: 1, embedded, sealed: embedded.sealed }, partSizes };
}

export const decodeVersion = (bytes: Buffer): VersionRecord => new VersionRow(bytes).record();
