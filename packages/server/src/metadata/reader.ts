import { CorruptionError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import { Kept, type KvReader, type KvView } from '../kv/index.ts';
import { garbageOf, lendersOf, linksOf } from './holders.ts';
import { KeptConfigurations, KeptIdentities, KeptQuotas, KeptRenames, keptPosition } from './kept.ts';
import { listObjects, listUploads, listVersions, pageOf } from './listing.ts';
import { sourceOf } from './machine/bucket-documents.ts';
import type { ConfigurationKind } from './machine/configurations.ts';
import { keys, parse, tableEnd, tables } from './machine/keys.ts';
import { decodePieceRow, partOf } from './machine/pieces.ts';
import type {
  AccessKeyRecord,
  BucketId,
  BucketRecord,
  GroupRecord,
  ManifestReference,
  NodeRecord,
  ObjectVersion,
  PartRecord,
  Piece,
  StoredBucket,
  UploadRecord,
  VersionRecord,
} from './machine/records.ts';
import { decodeAccessKey, decodeBucket, decodeGroup, decodeIntent, decodeStripe } from './machine/rows.ts';
import { View } from './machine/view.ts';
import type {
  GarbageFrom,
  LendersFrom,
  ListQuery,
  MetadataReader,
  Page,
  PlacedPiece,
  VersionSelector,
} from './types.ts';

const alone: readonly number[] = [0];

/**
 * The replica as readers see it, in any thread. Point reads look at the newest commit one row at a time; where two rows belong together,
 * either the second cannot vanish while the first is in use (pieces go only when no reader is left), or the read is tried again.
 */
class Reader implements MetadataReader {
  readonly #kv: KvView;
  readonly #view: View;
  readonly #position: Kept<'position', number>;
  readonly #buckets: Kept<string, BucketRecord>;
  readonly #accessKeys: Kept<string, AccessKeyRecord>;
  readonly #configurations: KeptConfigurations;
  readonly #groups: Kept<'all', readonly GroupRecord[]>;
  readonly #nodes: Kept<'all', readonly NodeRecord[]>;
  /** Records of decoded buckets, which the view keeps as long as their row is the same. */
  readonly #records = new WeakMap<StoredBucket, BucketRecord>();

  constructor(kv: KvView) {
    this.#kv = kv;
    this.#view = new View(kv);
    this.#position = keptPosition(kv);
    this.#buckets = new Kept(kv, tables.buckets, (name) => this.#withCounts(this.#view.bucketNamed(name)));
    this.#accessKeys = new Kept(kv, tables.accessKeys, (id) => this.#view.accessKey(id));
    this.#configurations = new KeptConfigurations(kv, this.#view);
    this.#groups = new Kept(kv, tables.groups, () => this.#view.all('groups', decodeGroup));
    this.#nodes = new Kept(kv, tables.nodes, () => this.#view.nodes());
    this.identities = new KeptIdentities(kv);
    this.quotas = new KeptQuotas(kv, this.#view);
    this.renames = new KeptRenames(kv);
  }

  readonly shards = 1;
  readonly identities: MetadataReader['identities'];
  readonly quotas: MetadataReader['quotas'];
  readonly renames: MetadataReader['renames'];

  position(): number {
    return this.#position.get('position') as number;
  }

  shardOf(): number {
    return 0;
  }

  shardsOf(): readonly number[] {
    return alone;
  }

  placesOf(): readonly number[] {
    return alone;
  }

  holds(bucket: BucketId, key: Buffer): boolean {
    return this.#view.holds(bucket, key);
  }

  bucketShards(id: BucketId) {
    return this.#view.bucketShards(id);
  }

  shardOfIntent(): number {
    return 0;
  }

  #withCounts(bucket: StoredBucket | undefined): BucketRecord | undefined {
    if (!bucket) return undefined;
    const known = this.#records.get(bucket);
    if (known) return known;
    const view = this.#view;
    // Looked up for every request; its counts hardly ever are.
    const record: BucketRecord = {
      ...bucket,
      get counts() {
        return view.counts(bucket.id);
      },
    };
    this.#records.set(bucket, record);
    return record;
  }

  bucket(name: string): BucketRecord | undefined {
    return this.#buckets.get(name);
  }

  bucketById(id: BucketId): BucketRecord | undefined {
    return this.#withCounts(this.#view.bucket(id));
  }

  configuration(id: BucketId, kind: ConfigurationKind): Buffer | undefined {
    return this.#configurations.get(id, kind);
  }

  buckets(start: string, limit: number): Page<BucketRecord> {
    const decode = (row: { value: Buffer }) => this.#withCounts(decodeBucket(row.value))!;
    return pageOf(this.#kv, keys.bucket(start), tableEnd('buckets'), limit, decode);
  }

  accessKey(id: string) {
    return this.#accessKeys.get(id);
  }

  accessKeys() {
    return this.#view.all('accessKeys', decodeAccessKey);
  }

  groups() {
    return this.#groups.get('all') as readonly GroupRecord[];
  }

  group(id: number) {
    return this.#view.group(id);
  }

  intents() {
    return this.#view.all('intents', decodeIntent);
  }

  intent(prefix: Buffer) {
    return this.#view.intent(prefix);
  }

  nodes() {
    return this.#nodes.get('all') as readonly NodeRecord[];
  }

  devices() {
    return this.#view.devices();
  }

  get kms() {
    return this.#view.kms;
  }
  readonly rates = () => this.#view.rates();
  readonly source = (id: BucketId) => sourceOf(this.#kv, id);
  readonly targets = () => this.#view.targets();
  readonly memos = (...of: Parameters<View['memos']>) => this.#view.memos(...of);
  readonly keyUse = (id: string) => this.#view.keyUse(id);
  readonly followers = () => this.#view.followers();

  setting(name: string) {
    return this.#view.setting(name);
  }

  invitations() {
    return this.#view.invitations();
  }

  authority() {
    return this.#view.authority();
  }

  features() {
    return this.#view.features();
  }

  version(bucket: BucketId, key: Buffer, selector: VersionSelector): VersionRecord | undefined {
    while (true) {
      const newest = this.#view.newest(bucket, key);
      if (!newest) return undefined;
      const row = this.#view.select(newest, selector);
      if (row) return row.record();
      if (!newest.mayHaveOlder) return undefined;
      // It may have become the newest, or history, between the two reads: then the newest is another one now.
      if (this.#view.newest(bucket, key)?.sequence === newest.sequence) return undefined;
    }
  }

  byGuk(guk: Buffer) {
    return this.#view.place(guk);
  }

  pieces({ id, pieces, embedded }: ManifestReference, first: number, limit: number): readonly Piece[] {
    if (embedded) return first === 0 && limit > 0 ? [embedded] : [];
    const found: Piece[] = [];
    for (const run of this.#runs(id, first, Math.min(pieces, first + limit)).reverse()) {
      let next = run.first;
      for (const { index, row } of this.#view.pieces(run.manifest, next, run.end)) {
        if (index !== next || row.kind !== 'piece') break;
        found.push(row.piece);
        next++;
      }
      if (next < run.end)
        throw new CorruptionError(`piece ${next} of manifest ${run.manifest.toString('hex')} is missing`);
    }
    return found;
  }

  placedPieces(manifest: ManifestReference, first: number, limit: number): readonly PlacedPiece[] {
    const { id, pieces, embedded } = manifest;
    if (embedded) {
      const isShared = this.#view.isShared(id);
      return first === 0 && limit > 0 ? [{ piece: embedded, place: undefined, isShared }] : [];
    }
    const found: PlacedPiece[] = [];
    let isShared = false;
    const shared = (one: Buffer): boolean => (isShared ||= this.#view.isShared(one));
    // Whoever holds a manifest holds what it leans on too: from the version downwards.
    const runs = this.#runs(id, 0, pieces).map((run) => ({ ...run, isShared: shared(run.manifest) }));
    for (const run of runs.reverse()) {
      if (found.length >= limit || run.end <= first) continue;
      const from = Math.max(first, run.first);
      for (const { index, row } of this.#view.pieces(run.manifest, from, run.end, limit - found.length))
        if (row.kind === 'piece')
          found.push({ piece: row.piece, place: { manifest: run.manifest, index }, isShared: run.isShared });
    }
    return found;
  }

  placed({ manifest, index }: { readonly manifest: Buffer; readonly index: number }): Piece | undefined {
    const row = this.#view.piece(manifest, index);
    return row?.kind === 'piece' ? row.piece : undefined;
  }

  embeddings(bucket: BucketId, key: Buffer, manifest: Buffer): readonly ObjectVersion[] {
    const newest = this.#view.newest(bucket, key);
    return newest ? this.#view.embedding(newest, manifest).map(({ version }) => version) : [];
  }

  recodedAt() {
    return this.#view.counter('recodedAt');
  }

  /** Which manifests have the rows of pieces [first, end), the last pieces first: links lead from the end of an object to its start. */
  #runs(manifest: Buffer, first: number, end: number) {
    const runs: { readonly manifest: Buffer; readonly first: number; readonly end: number }[] = [];
    for (let id = manifest, left = end; first < left; ) {
      const head = this.#view.piece(id, 0);
      const linked = head?.kind === 'link' ? head.pieces : 0;
      if (linked < left) runs.push({ manifest: id, first: Math.max(first, linked), end: left });
      if (head?.kind !== 'link') break;
      id = head.manifest;
      left = Math.min(left, linked);
    }
    return runs;
  }

  locate(version: ObjectVersion, offset: number): { readonly index: number; readonly start: number } {
    invariant(offset >= 0 && offset < version.size, 'the byte that is looked for is within the object');
    const { manifest, partSizes } = version;
    if (manifest.embedded) return { index: 0, start: 0 };
    let start = 0;
    for (const [index, size] of partSizes.entries()) {
      if (offset < start + size) return { index, start };
      start += size;
    }
    let low = partSizes.length;
    let high = manifest.pieces - 1;
    let { id } = manifest;
    // The manifest that has the row: its own pieces are those behind its link.
    for (
      let head = this.#view.piece(id, 0);
      head?.kind === 'link' && head.pieces > low;
      head = this.#view.piece(id, 0)
    ) {
      if (this.#startOf(id, head.pieces) <= offset) low = head.pieces;
      else {
        high = head.pieces - 1;
        id = head.manifest;
      }
    }
    // The last piece that starts at or before the offset: empty pieces start where the next one does.
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#startOf(id, middle) <= offset) low = middle;
      else high = middle - 1;
    }
    return { index: low, start: this.#startOf(id, low) };
  }

  #startOf(manifest: Buffer, index: number): number {
    const row = this.#view.piece(manifest, index);
    if (row?.kind === 'piece') return row.start;
    throw new CorruptionError(`piece ${index} of manifest ${manifest.toString('hex')} is missing`);
  }

  list(query: ListQuery) {
    return query.delimiter.length === 0 ? listObjects(this.#kv, query) : this.#still((kv) => listObjects(kv, query));
  }

  listVersions(query: Parameters<MetadataReader['listVersions']>[0]) {
    return this.#still((kv) => listVersions(kv, query));
  }

  listUploads(query: Parameters<MetadataReader['listUploads']>[0]) {
    return this.#still((kv) => listUploads(kv, query));
  }

  /** Several ranges of one state. */
  #still<Result>(read: (kv: KvReader) => Result): Result {
    const snapshot = this.#kv.snapshot();
    try {
      return read(snapshot);
    } finally {
      snapshot.release();
    }
  }

  upload(bucket: BucketId, key: Buffer, upload: Buffer): UploadRecord | undefined {
    return this.#view.upload(bucket, key, upload);
  }

  part(upload: Buffer, number: number): PartRecord | undefined {
    const row = number >= 1 ? this.#view.piece(upload, number - 1) : undefined;
    return row && partOf(number - 1, row);
  }

  parts(upload: Buffer, after: number, limit: number): Page<PartRecord> {
    const end = keys.piece(upload, 0xffff_ffff);
    const decode = ({ key, value }: { key: Buffer; value: Buffer }) => partOf(parse.index(key), decodePieceRow(value));
    return pageOf(this.#kv, keys.piece(upload, Math.max(0, after)), end, limit, decode);
  }

  stripeOwner(stripe: Buffer) {
    return this.#view.stripe(stripe);
  }

  stripes(start: Buffer, limit: number) {
    const range = { start: keys.stripe(start), end: tableEnd('stripes'), limit };
    return Array.from(this.#kv.range(range), ({ key, value }) => ({
      ...decodeStripe(value),
      stripe: key.subarray(1),
    }));
  }

  readonly garbage = (limit: number, after?: GarbageFrom) => garbageOf(this.#kv, limit, after);
  readonly links = (start: Buffer, limit: number) => linksOf(this.#kv, start, limit);
  readonly lenders = (from: LendersFrom | undefined, limit: number) => lendersOf(this.#kv, from, limit);

  references(manifest: Buffer): number {
    return this.#view.holders(manifest);
  }
}

/** @param kv this thread's view of the replica's KV */
export function openMetadataReader(kv: KvView): MetadataReader {
  return new Reader(kv);
}
