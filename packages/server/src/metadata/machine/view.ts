import type { KvReader } from '../../kv/index.ts';
import { limits } from '../../limits.ts';
import type { KeyUse } from '../memos.ts';
import type { VersionSelector } from '../types.ts';
import { decodeAuthorityRecord, decodeDevice, decodeInvitation, decodeNode } from './cluster.ts';
import { type ConfigurationKind, configurationKinds, decodeConfiguration } from './configurations.ts';
import { counters, keys, parse, successorOfPrefix, type Table, tableEnd, tableStart } from './keys.ts';
import { KmsKeyView } from './kms-keys.ts';
import { decodeKeyUse, type MemoKind, memoKinds } from './memos.ts';
import { type Cell, Overlay } from './overlay.ts';
import { decodePieceRow } from './pieces.ts';
import { decodeRateLimits, type RateLimits } from './rates.ts';
import type {
  AccessKeyRecord,
  AuthorityRecord,
  BucketCounts,
  BucketId,
  BucketShards,
  DeviceRecord,
  GarbageRecord,
  GroupRecord,
  IntentRecord,
  InvitationRecord,
  NodeRecord,
  ObjectVersion,
  PieceRow,
  RequestRecord,
  StoredBucket,
  StripeRecord,
  UploadRecord,
} from './records.ts';
import {
  decodeAccessKey,
  decodeBucket,
  decodeBucketShards,
  decodeCounts,
  decodeGarbage,
  decodeGroup,
  decodeIntent,
  decodeNumber,
  decodePlace,
  decodeRequest,
  decodeSetting,
  decodeStripe,
  decodeUpload,
} from './rows.ts';
import { VersionRow } from './versions.ts';

const noCounts: BucketCounts = { objects: 0, versions: 0, uploads: 0, bytes: 0, partBytes: 0 };

/** Decoded buckets by name, each with the row that it was decoded from. */
export type KnownBuckets = Map<string, { readonly row: Buffer; readonly bucket: StoredBucket }>;

/** Buckets that a view remembers. */
const BUCKETS_KEPT = 64;

/** The cell of a row, looked for once. */
function kept<Name>(cells: Map<Name, Cell>, name: Name, overlay: Overlay, keyOf: (name: Name) => Buffer): Cell {
  let cell = cells.get(name);
  if (!cell) {
    if (cells.size >= BUCKETS_KEPT) cells.clear();
    cell = overlay.cell(keyOf(name));
    cells.set(name, cell);
  }
  return cell;
}

/**
 * The rows as values: what `decide`, `apply` and the readers look at. One state, or as many as the KV below gives. Over an overlay it keeps
 * the rows in hand that every command needs: bucket, counts, counters, and the object that it looked at last.
 */
export class View {
  readonly rows: KvReader;
  readonly #overlay: Overlay | undefined;
  readonly #buckets: KnownBuckets;
  readonly #names = new Map<BucketId, Cell>();
  readonly #named = new Map<string, Cell>();
  readonly #counts = new Map<BucketId, Cell>();
  readonly #shards = new Map<BucketId, Cell>();
  readonly #counters: (Cell | undefined)[] = [];
  #metered: Cell | undefined;
  #object: { readonly bucket: BucketId; readonly key: Buffer; readonly cell: Cell } | undefined;

  /** @param buckets what earlier views of rows like these have decoded */
  constructor(rows: KvReader, buckets: KnownBuckets = new Map()) {
    this.rows = rows;
    this.#buckets = buckets;
    this.#overlay = rows instanceof Overlay ? rows : undefined;
  }

  #decoded<Value>(key: Buffer, decode: (bytes: Buffer) => Value): Value | undefined {
    const bytes = this.rows.get(key);
    return bytes && decode(bytes);
  }

  counter(name: keyof typeof counters): number {
    const value = this.#overlay
      ? this.counterCell(this.#overlay, name).decoded(decodeNumber)
      : this.#decoded(keys.counter(counters[name]), decodeNumber);
    return value ?? 0;
  }

  counterCell(overlay: Overlay, name: keyof typeof counters): Cell {
    return (this.#counters[counters[name]] ??= overlay.cell(keys.counter(counters[name])));
  }

  bucket(id: BucketId): StoredBucket | undefined {
    const name = this.#overlay
      ? kept(this.#names, id, this.#overlay, keys.bucketId).decoded(String)
      : this.#decoded(keys.bucketId(id), String);
    return name === undefined ? undefined : this.bucketNamed(name);
  }

  bucketNamed(name: string): StoredBucket | undefined {
    if (!this.#overlay) return this.#decoded(keys.bucket(name), (row) => this.#bucketOf(name, row));
    const cell = kept(this.#named, name, this.#overlay, keys.bucket);
    return cell.decoded((row) => this.#bucketOf(name, row));
  }

  /** Read for every object and hardly ever changed: comparing is cheaper than decoding. */
  #bucketOf(name: string, row: Buffer): StoredBucket {
    const known = this.#buckets.get(name);
    if (known && (known.row === row || known.row.equals(row))) return known.bucket;
    const bucket = decodeBucket(row);
    if (this.#buckets.size >= BUCKETS_KEPT) this.#buckets.clear();
    this.#buckets.set(name, { row, bucket });
    return bucket;
  }

  bucketShards(id: BucketId): BucketShards | undefined {
    if (!this.#overlay) return this.#decoded(keys.bucketShards(id), decodeBucketShards);
    return kept(this.#shards, id, this.#overlay, keys.bucketShards).decoded(decodeBucketShards);
  }

  /** Whether a key has anything here: a version, a marker, an open upload. */
  holds(bucket: BucketId, key: Buffer): boolean {
    if (this.newest(bucket, key)) return true;
    const start = keys.uploadStart(bucket, key);
    const end = successorOfPrefix(start) ?? tableEnd('uploads');
    for (const _ of this.rows.range({ start, end, limit: 1 })) return true;
    return false;
  }

  /** The document that a bucket has of this kind. */
  configuration(id: BucketId, kind: ConfigurationKind): Buffer | undefined {
    return this.#decoded(keys.configuration(id, configurationKinds[kind].number), decodeConfiguration);
  }

  /** Whether a bucket has a configuration of any kind. */
  isConfigured(id: BucketId): boolean {
    const range = { start: keys.configurationsOf(id), end: keys.configurationsEnd(id), limit: 1 };
    for (const _ of this.rows.range(range)) return true;
    return false;
  }

  counts(id: BucketId): BucketCounts {
    const counts = this.#overlay
      ? this.countsCell(this.#overlay, id).decoded(decodeCounts)
      : this.#decoded(keys.bucketCounts(id), decodeCounts);
    return counts ?? noCounts;
  }

  countsCell(overlay: Overlay, id: BucketId): Cell {
    return kept(this.#counts, id, overlay, keys.bucketCounts);
  }

  /** Whether this shard has quotas, or rows of what tenants have: most have none. */
  isMetered(): boolean {
    if (!this.#overlay) return this.rows.get(keys.quotaRows()) !== undefined;
    this.#metered ??= this.#overlay.cell(keys.quotaRows());
    return this.#metered.bytes !== undefined;
  }

  /** Newest version or marker of a key. */
  newest(bucket: BucketId, key: Buffer): VersionRow | undefined {
    const bytes = this.#overlay
      ? this.objectCell(this.#overlay, bucket, key).bytes
      : this.rows.get(keys.object(bucket, key));
    return bytes && new VersionRow(bytes);
  }

  objectCell(overlay: Overlay, bucket: BucketId, key: Buffer): Cell {
    // Deciding and applying look at the same object, named by the same buffer.
    if (this.#object?.key !== key || this.#object.bucket !== bucket) {
      this.#object = { bucket, key, cell: overlay.cell(keys.object(bucket, key)) };
    }
    return this.#object.cell;
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

  /** How many versions, links and borrowing pieces hold a manifest with bytes outside of its version's row. @param rows that are looked at: there may be thousands */
  holders(manifest: Buffer, rows?: number): number {
    let holders = 0;
    const range = { start: keys.reference(manifest, 0), end: keys.reference(manifest, 0xffff_ffff) };
    for (const { value } of this.rows.range(rows ? { ...range, limit: rows } : range)) holders += decodeNumber(value);
    return Math.max(1, holders);
  }

  isShared(manifest: Buffer): boolean {
    return this.holders(manifest, 2) > 1;
  }

  /** Versions of a key that hold this very manifest in their own rows, newest first. */
  embedding(newest: VersionRow, manifest: Buffer): { readonly row: VersionRow; readonly version: ObjectVersion }[] {
    const found: { readonly row: VersionRow; readonly version: ObjectVersion }[] = [];
    const consider = (row: VersionRow): void => {
      const record = row.isOutside ? row.record() : undefined;
      if (record?.kind === 'object' && record.manifest.embedded && record.manifest.id.equals(manifest))
        found.push({ row, version: record });
    };
    consider(newest);
    if (newest.mayHaveOlder) for (const row of this.history(newest.guk, limits.recodeTogether)) consider(row);
    return found;
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

  request(number: number): RequestRecord | undefined {
    return this.#decoded(keys.request(number), decodeRequest);
  }

  node(id: string): NodeRecord | undefined {
    return this.#decoded(keys.node(id), decodeNode);
  }

  device(identity: string): DeviceRecord | undefined {
    return this.#decoded(keys.device(identity), decodeDevice);
  }

  /** Every row of a table, in order of key. */
  all<Item>(table: Table, decode: (value: Buffer, key: Buffer) => Item): Item[] {
    const range = { start: tableStart(table), end: tableEnd(table) };
    return Array.from(this.rows.range(range), ({ key, value }) => decode(value, key));
  }

  nodes(): NodeRecord[] {
    return this.all('nodes', decodeNode);
  }

  devices(): DeviceRecord[] {
    return this.all('devices', decodeDevice);
  }

  /** Whether a feature is turned on. */
  has(feature: string): boolean {
    return this.rows.get(keys.feature(feature)) !== undefined;
  }

  invitation(id: Buffer): InvitationRecord | undefined {
    return this.#decoded(keys.invitation(id), decodeInvitation);
  }

  invitations(): InvitationRecord[] {
    return this.all('invitations', decodeInvitation);
  }

  /** The newest authority, once the first one was replaced. */
  authority(): AuthorityRecord | undefined {
    return this.#decoded(keys.authority(), decodeAuthorityRecord);
  }

  features(): string[] {
    return this.all('features', (_value, key) => parse.feature(key));
  }

  setting(name: string): string | undefined {
    return this.#decoded(keys.setting(name), decodeSetting);
  }

  get kms(): KmsKeyView {
    const ids = () => this.all('kmsKeys', (id, key) => (key[1] === 1 ? [id.toString('utf8')] : [])).flat();
    return new KmsKeyView((key) => this.rows.get(key), ids);
  }

  memo(kind: MemoKind, name: string): Buffer | undefined {
    return this.#decoded(keys.memo(memoKinds[kind], name), (value) => value);
  }

  /** Those whose names begin so, by name, in its order. */
  memos(kind: MemoKind, prefix: string): ReadonlyMap<string, Buffer> {
    const start = keys.memo(memoKinds[kind], prefix);
    const range = { start, end: successorOfPrefix(start) as Buffer };
    return new Map(Array.from(this.rows.range(range), ({ key, value }) => [parse.memo(key), value]));
  }

  /** Undefined: it was not used, or nobody has noted it yet. */
  keyUse(id: string): KeyUse | undefined {
    const row = this.memo('keyUses', id);
    return row && decodeKeyUse(row);
  }

  /** Records of the targets of notifications, by name. */
  targets(): ReadonlyMap<string, Buffer> {
    return new Map(this.all('targets', (record, key) => [parse.name(key), record]));
  }

  rates(): RateLimits[] {
    return this.all('rates', (row, key) => decodeRateLimits(parse.name(key), row));
  }

  /** From where on a follower has still to deal with this log; undefined: it has never said. */
  follower(name: string): number | undefined {
    return this.#decoded(keys.follower(name), decodeNumber);
  }

  followers(): ReadonlyMap<string, number> {
    return new Map(this.all('followers', (position, key) => [parse.name(key), decodeNumber(position)]));
  }

  settings(): ReadonlyMap<string, string> {
    return new Map(this.all('settings', (value, key) => [parse.setting(key), decodeSetting(value)]));
  }
}
