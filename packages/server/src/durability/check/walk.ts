import { CorruptionError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type {
  BucketRecord,
  ListedVersion,
  ManifestReference,
  MetadataReader,
  ObjectVersion,
  PartRecord,
  Piece,
  Stripe,
  UploadRecord,
} from '../../metadata/index.ts';
import type { Pace } from '../jobs/pace.ts';

export type WalkReader = Pick<MetadataReader, 'buckets' | 'listVersions' | 'listUploads' | 'parts' | 'pieces'>;

/** What the walk meets, bucket after bucket. Without `part`, uploads are passed over. */
export interface Visitor {
  /** Before and after everything in a bucket. */
  bucket?(bucket: BucketRecord): void;
  bucketDone?(bucket: BucketRecord): void;
  /** Every version and marker. What it returns is waited for. */
  listed(bucket: BucketRecord, version: ListedVersion): void | Promise<void>;
  /** A version whose bytes are, at least in part, outside of its row. Answers whether its pieces are wanted. */
  outside(bucket: BucketRecord, version: ObjectVersion, key: Buffer): boolean;
  pieces?(bucket: BucketRecord, version: ObjectVersion, key: Buffer, first: number, pieces: readonly Piece[]): void;
  /** After the last piece of a version whose pieces were wanted. */
  piecesDone?(bucket: BucketRecord, version: ObjectVersion, key: Buffer, found: number): void;
  upload?(bucket: BucketRecord, upload: UploadRecord): void;
  part?(bucket: BucketRecord, upload: UploadRecord, part: PartRecord): void;
}

const nothing = Buffer.alloc(0);

/** Pieces of one look-up. */
const piecesPage = 64;

export const stripesOf = (piece: Piece): readonly Stripe[] => ('stripes' in piece.body ? piece.body.stripes : []);

/** True when `references` counts the manifest: its bytes are not all in the version's row. */
const isOutside = (manifest: ManifestReference): boolean =>
  manifest.embedded === undefined || stripesOf(manifest.embedded).length > 0;

/** Walks everything that versions and uploads point to, a page at a time: what changes meanwhile is met as it was or as it is. */
export async function walkMetadata(reader: WalkReader, pace: Pace, visitor: Visitor): Promise<void> {
  let start = '';
  while (true) {
    const page = reader.buckets(start, limits.jobPage);
    for (const bucket of page.items) {
      visitor.bucket?.(bucket);
      await walkVersions(reader, pace, visitor, bucket);
      if (visitor.part) await walkUploads(reader, pace, visitor, bucket);
      visitor.bucketDone?.(bucket);
    }
    const last = page.items.at(-1);
    if (!page.truncated || !last) return;
    start = `${last.name}\0`;
  }
}

/** What every listing within a bucket is asked with. */
interface Query<After> {
  readonly bucket: number;
  readonly prefix: Buffer;
  readonly delimiter: Buffer;
  readonly start: Buffer;
  readonly limit: number;
  readonly after: After | undefined;
}

/** A page of it. */
interface Listing<Row> {
  readonly items: readonly (Row | { readonly prefix: Buffer })[];
  readonly truncated: boolean;
}

/** Walks a listing of a bucket to its end, a page at a time. `visit` answers where the next page begins: behind the row just given. */
async function walkListing<Row extends object, After extends { readonly key: Buffer }>(
  pace: Pace,
  bucket: BucketRecord,
  list: (query: Query<After>) => Listing<Row>,
  visit: (row: Row) => Promise<After>,
): Promise<void> {
  let after: After | undefined;
  while (true) {
    const start = after?.key ?? nothing;
    const query = { bucket: bucket.id, prefix: nothing, delimiter: nothing, start, limit: limits.jobPage, after };
    const page = list(query);
    // Without a delimiter there are no common prefixes.
    for (const row of page.items) if (!('prefix' in row)) after = await visit(row);
    if (!page.truncated || page.items.length === 0) return;
    await pace.step();
  }
}

function walkVersions(reader: WalkReader, pace: Pace, visitor: Visitor, bucket: BucketRecord): Promise<void> {
  const list = (query: Query<{ readonly key: Buffer; readonly sequence: number }>) => reader.listVersions(query);
  return walkListing(pace, bucket, list, async (item: ListedVersion) => {
    const { key, record } = item;
    const looking = visitor.listed(bucket, item);
    if (looking) await looking;
    const isWanted = record.kind === 'object' && isOutside(record.manifest) && visitor.outside(bucket, record, key);
    if (isWanted)
      visitor.piecesDone?.(bucket, record, key, await walkPieces(reader, pace, visitor, bucket, record, key));
    return { key, sequence: record.sequence };
  });
}

/** Resolves to how many pieces were found: fewer than the version counts when one is missing. */
async function walkPieces(
  reader: WalkReader,
  pace: Pace,
  visitor: Visitor,
  bucket: BucketRecord,
  version: ObjectVersion,
  key: Buffer,
): Promise<number> {
  let first = 0;
  while (first < version.manifest.pieces) {
    const pieces = piecesFrom(reader, version.manifest, first);
    if (pieces.length === 0) break;
    visitor.pieces?.(bucket, version, key, first, pieces);
    first += pieces.length;
    if (first < version.manifest.pieces) await pace.step();
  }
  return first;
}

/** The next page of pieces; one by one when a page of them cannot be read, so that only what is missing is missed. */
function piecesFrom(reader: WalkReader, manifest: ManifestReference, first: number): readonly Piece[] {
  for (const limit of [piecesPage, 1]) {
    try {
      return reader.pieces(manifest, first, limit);
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
    }
  }
  return [];
}

function walkUploads(reader: WalkReader, pace: Pace, visitor: Visitor, bucket: BucketRecord): Promise<void> {
  const list = (query: Query<{ readonly key: Buffer; readonly upload: Buffer }>) => reader.listUploads(query);
  return walkListing(pace, bucket, list, async (upload: UploadRecord) => {
    visitor.upload?.(bucket, upload);
    for (let number = 0; ; ) {
      const parts = reader.parts(upload.id, number, piecesPage);
      for (const part of parts.items) visitor.part?.(bucket, upload, part);
      number = parts.items.at(-1)?.number ?? number;
      if (!parts.truncated) return { key: upload.key, upload: upload.id };
      await pace.step();
    }
  });
}
