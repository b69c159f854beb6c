import type { KvReader } from '../../kv/index.ts';
import type { VersionSelector } from '../types.ts';
import { counters, keys, parse } from './keys.ts';
import { decodePieceRow } from './pieces.ts';
import type {
  AccessKeyRecord,
  BucketCounts,
  BucketId,
  GarbageRecord,
  GroupRecord,
  IntentRecord,
  PieceRow,
  StoredBucket,
  StripeRecord,
  UploadRecord,
} from './records.ts';
import {
  decodeAccessKey,
  decodeBucket,
  decodeCounts,
  decodeGarbage,
  decodeGroup,
  decodeIntent,
  decodeNumber,
  decodePlace,
  decodeStripe,
  decodeUpload,
} from './rows.ts';
import { VersionRow } from './versions.ts';

const noCounts: BucketCounts = { objects: 0, versions: 0, uploads: 0, bytes: 0 };

/** Decoded buckets that a view remembers. */
const BUCKETS_KEPT = 64;

/** The rows as values: what `decide`, `apply` and the readers look at. One state, or as many as the KV below gives. */
export class View {
  readonly rows: KvReader;
  readonly #buckets = new Map<string, { readonly row: Buffer; readonly bucket: StoredBucket }>();

  constructor(rows: KvReader) {
    this.rows = rows;
  }

  #decoded<Value>(key: Buffer, decode: (bytes: Buffer) => Value): Value | undefined {
    const bytes = this.rows.get(key);
    return bytes && decode(bytes);
  }

  counter(name: keyof typeof counters): number {
    return this.#decoded(keys.counter(counters[name]), decodeNumber) ?? 0;
  }

  bucket(id: BucketId): StoredBucket | undefined {
    const name = this.rows.get(keys.bucketId(id));
    return name && this.bucketNamed(name.toString());
  }

  bucketNamed(name: string): StoredBucket | undefined {
    const row = this.rows.get(keys.bucket(name));
    if (!row) return undefined;
    // Read for every object and hardly ever changed: comparing is cheaper than decoding.
    const known = this.#buckets.get(name);
    if (known && (known.row === row || known.row.equals(row))) return known.bucket;
    const bucket = decodeBucket(row);
    if (this.#buckets.size >= BUCKETS_KEPT) this.#buckets.clear();
    this.#buckets.set(name, { row, bucket });
    return bucket;
  }

  counts(id: BucketId): BucketCounts {
    return this.#decoded(keys.bucketCounts(id), decodeCounts) ?? noCounts;
  }

  /** Newest version or marker of a key. */
  newest(bucket: BucketId, key: Buffer): VersionRow | undefined {
    const bytes = this.rows.get(keys.object(bucket, key));
    return bytes && new VersionRow(bytes);
  }

  older(guk: Buffer, sequence: number): VersionRow | undefined {
    const bytes = this.rows.get(keys.history(guk, sequence));
    return bytes && new VersionRow(bytes);
  }

  /** The version or marker that a client means; undefined when it does not exist. */
  find(bucket: BucketId, key: Buffer, selector: VersionSelector): VersionRow | undefined {
    const newest = this.newest(bucket, key);
    return newest && this.select(newest, selector);
  }

  /** The same, where the newest version is at hand. */
  select(newest: VersionRow, selector: VersionSelector): VersionRow | undefined {
    if (selector === undefined) return newest;
    if (selector === 'null') {
      if (newest.isNull) return newest;
      const sequence = newest.mayHaveOlder ? this.olderNull(newest.guk) : undefined;
      return sequence === undefined ? undefined : this.older(newest.guk, sequence);
    }
    const { sequence, nonce } = selector;
    const row = newest.sequence === sequence || !newest.mayHaveOlder ? newest : this.older(newest.guk, sequence);
    // A null version has no id that a client could know.
    return row && !row.isNull && row.sequence === sequence && row.nonce.equals(nonce) ? row : undefined;
  }

  /** Sequence of the null version when it is in `history`. */
  olderNull(guk: Buffer): number | undefined {
    return this.#decoded(keys.nullVersion(guk), decodeNumber);
  }

  /** Rows of `history`, newest first, with a sequence below `below` (default: all). */
  *history(guk: Buffer, limit?: number, below?: number): Iterable<VersionRow> {
    const start = below === undefined ? keys.historyStart(guk) : below > 0 ? keys.history(guk, below - 1) : undefined;
    if (!start) return;
    const range = { start, end: keys.historyEnd(guk) };
    for (const { value } of this.rows.range(limit === undefined ? range : { ...range, limit })) {
      yield new VersionRow(value);
    }
  }

  place(guk: Buffer): { readonly bucket: BucketId; readonly key: Buffer } | undefined {
    return this.#decoded(keys.guk(guk), decodePlace);
  }

  upload(bucket: BucketId, key: Buffer, upload: Buffer): UploadRecord | undefined {
    return this.#decoded(keys.upload(bucket, key, upload), decodeUpload);
  }

  piece(manifest: Buffer, index: number): PieceRow | undefined {
    return this.#decoded(keys.piece(manifest, index), decodePieceRow);
  }

  hasPiece(manifest: Buffer, index: number): boolean {
    return this.rows.get(keys.piece(manifest, index)) !== undefined;
  }

  /** Rows of `pieces` with first ≤ index < end. */
  *pieces(
    manifest: Buffer,
    first: number,
    end: number,
    limit?: number,
  ): Iterable<{ readonly index: number; readonly row: PieceRow }> {
    const range = { start: keys.piece(manifest, first), end: keys.piece(manifest, end) };
    for (const { key, value } of this.rows.range(limit === undefined ? range : { ...range, limit })) {
      yield { index: parse.index(key), row: decodePieceRow(value) };
    }
  }

  stripe(id: Buffer): StripeRecord | undefined {
    return this.#decoded(keys.stripe(id), decodeStripe);
  }

  garbage(position: number, ordinal: number): GarbageRecord | undefined {
    return this.#decoded(keys.garbage(position, ordinal), decodeGarbage);
  }

  intent(prefix: Buffer): IntentRecord | undefined {
    return this.#decoded(keys.intent(prefix), decodeIntent);
  }

  group(id: number): GroupRecord | undefined {
    return this.#decoded(keys.group(id), decodeGroup);
  }

  accessKey(id: string): AccessKeyRecord | undefined {
    return this.#decoded(keys.accessKey(id), decodeAccessKey);
  }
}
