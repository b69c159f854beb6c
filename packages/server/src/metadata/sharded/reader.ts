import { CorruptionError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import type { ConfigurationKind } from '../machine/configurations.ts';
import { successorOfPrefix } from '../machine/keys.ts';
import { numberOf, shardOfGuk, shardOfId } from '../machine/numbering.ts';
import { leaves, placeOfKey, shardsOfKey } from '../machine/places.ts';
import type {
  BucketCounts,
  BucketId,
  BucketRecord,
  BucketShards,
  ManifestReference,
  ObjectVersion,
  Piece,
  UploadRecord,
} from '../machine/records.ts';
import type {
  GarbageFrom,
  LendersFrom,
  ListedObject,
  ListedVersion,
  ListQuery,
  MetadataReader,
  Page,
  VersionSelector,
} from '../types.ts';
import { garbageOver, lendersOver, linksOver } from './holders.ts';
import { type Ask, mergePages, mergeRuns } from './listing.ts';
import { quotasOver } from './quotas.ts';
import { ShardedRenames } from './renames.ts';
import { shardNotOpen } from './routing.ts';

/** Of the prefix of an intent, with which all ids under it begin. */
const INTENT_BYTES = 8;
/** Buckets whose shards are remembered. */
const BUCKETS_KEPT = 256;
const inSystem: readonly number[] = [0];

/** The least key above `key`. */
const behind = (key: Buffer): Buffer => Buffer.concat([key, Buffer.alloc(1)]);

/**
 * The replicas of several shards as one. The first is the system shard, which knows everything but objects; a key is looked for in the shard that its
 * bucket and a hash give, what has an id of its own in the shard that gave the id. Positions that it gives are told apart by shard
 * (machine/numbering.ts). What is read of two shards is not of one moment: no promise needs it, because no change spans two.
 */
class ShardedReader implements MetadataReader {
  readonly renames: ShardedRenames;
  readonly #shards: readonly MetadataReader[];
  readonly #system: MetadataReader;
  readonly #records = new WeakMap<BucketRecord, BucketRecord>();
  /** Of buckets over several shards, as they were at a position of the system shard. */
  readonly #places = new Map<BucketId, { readonly at: number; readonly place: BucketShards }>();

  constructor(shards: readonly MetadataReader[]) {
    const [system] = shards;
    invariant(system, 'there is a system shard');
    this.#shards = shards;
    this.#system = system;
    this.renames = new ShardedRenames(shards);
  }

  get shards(): number {
    return this.#shards.length;
  }

  position(shard = 0): number {
    return numberOf(shard, this.#open(shard).position());
  }

  bucketShards(bucket: BucketId, shard = 0) {
    return this.#shards[shard]?.bucketShards(bucket);
  }

  #placeOf(bucket: BucketId): BucketShards | undefined {
    const at = this.#system.position();
    const known = this.#places.get(bucket);
    if (known?.at === at) return known.place;
    const place = this.#system.bucketShards(bucket);
    if (!place) return undefined;
    if (this.#places.size >= BUCKETS_KEPT) this.#places.clear();
    // Who keeps the list finds it again: most changes of the system shard are of something else.
    const same = known?.place.generation === place.generation;
    this.#places.set(bucket, { at, place: same ? known.place : place });
    return same ? known.place : place;
  }

  shardsOf(bucket: BucketId): readonly number[] {
    return this.#placeOf(bucket)?.shards ?? inSystem;
  }

  shardOf(bucket: BucketId, key: Buffer, gone?: ReadonlySet<number>): number {
    const place = this.#placeOf(bucket);
    if (!place) return 0;
    if (place.madeWith === undefined) return place.shards[placeOfKey(bucket, key, place.shards.length)] as number;
    const [made, ...before] = shardsOfKey(place, bucket, key) as [number, ...number[]];
    // Looked at first: of a shard that makes the key no more, what is not there now is never there again.
    const mayMake = before.filter((shard) => {
      if (gone?.has(shard)) return false;
      const row = this.#open(shard).bucketShards(bucket);
      return !row || !leaves(row, shard, key);
    });
    for (const shard of [made, ...before]) if (!gone?.has(shard) && this.#open(shard).holds(bucket, key)) return shard;
    return mayMake.at(-1) ?? made;
  }

  placesOf(bucket: BucketId, key: Buffer): readonly number[] {
    const place = this.#placeOf(bucket);
    return place ? shardsOfKey(place, bucket, key) : inSystem;
  }

  holds(bucket: BucketId, key: Buffer): boolean {
    return this.placesOf(bucket, key).some((shard) => this.#open(shard).holds(bucket, key));
  }

  /** What the first of its shards has that has something: a key is in one of them. */
  #find<Found>(bucket: BucketId, key: Buffer, look: (shard: MetadataReader) => Found | undefined): Found | undefined {
    for (const shard of this.placesOf(bucket, key)) {
      const found = look(this.#open(shard));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  shardOfIntent(id: Buffer): number {
    const prefix = id.subarray(0, INTENT_BYTES);
    const found = this.#shards.findIndex((shard) => shard.intent(prefix) !== undefined);
    return Math.max(0, found);
  }

  #open(shard: number): MetadataReader {
    const reader = this.#shards[shard];
    if (reader) return reader;
    throw shardNotOpen(shard);
  }

  /** @param id begins with the sequence that a shard gave it */
  #by(id: Buffer): MetadataReader {
    const reader = this.#shards[shardOfId(id)];
    if (!reader) throw new CorruptionError(`id ${id.toString('hex')} is of a shard that is not here`);
    return reader;
  }

  bucket(name: string) {
    return this.#withCounts(this.#system.bucket(name));
  }

  bucketById(id: BucketId) {
    return this.#withCounts(this.#system.bucketById(id));
  }

  configuration(bucket: BucketId, kind: ConfigurationKind) {
    return this.#system.configuration(bucket, kind);
  }

  buckets(start: string, limit: number): Page<BucketRecord> {
    const { items, truncated } = this.#system.buckets(start, limit);
    return { items: items.map((bucket) => this.#withCounts(bucket)!), truncated };
  }

  /** The shards of a bucket count what each of them holds. */
  #withCounts(bucket: BucketRecord | undefined): BucketRecord | undefined {
    if (!bucket) return undefined;
    const known = this.#records.get(bucket);
    if (known) return known;
    const shards = this.shardsOf(bucket.id);
    if (shards === inSystem) return bucket;
    const count = () => this.#countsOf(bucket.id);
    const { counts: _, ...stored } = Object.getOwnPropertyDescriptors(bucket);
    const record = Object.defineProperties(
      {},
      { ...stored, counts: { get: count, enumerable: true, configurable: true } },
    ) as BucketRecord;
    this.#records.set(bucket, record);
    return record;
  }

  #countsOf(id: BucketId): BucketCounts {
    const sum = { objects: 0, versions: 0, uploads: 0, bytes: 0, partBytes: 0 };
    for (const shard of this.shardsOf(id)) {
      const counts = this.#open(shard).bucketById(id)?.counts;
      if (!counts) continue;
      sum.objects += counts.objects;
      sum.versions += counts.versions;
      sum.uploads += counts.uploads;
      sum.bytes += counts.bytes;
      sum.partBytes += counts.partBytes;
    }
    return sum;
  }

  readonly accessKey = (id: string) => this.#system.accessKey(id);

  get identities() {
    return this.#system.identities;
  }

  get quotas() {
    return quotasOver(this.#shards);
  }

  accessKeys() {
    return this.#system.accessKeys();
  }

  group(id: number) {
    return this.#system.group(id);
  }

  groups() {
    return this.#system.groups();
  }

  invitations() {
    return this.#system.invitations();
  }

  authority() {
    return this.#system.authority();
  }

  nodes() {
    return this.#system.nodes();
  }

  devices() {
    return this.#system.devices();
  }

  features() {
    return this.#system.features();
  }

  readonly memos: MetadataReader['memos'] = (...of) => this.#system.memos(...of);
  readonly keyUse: MetadataReader['keyUse'] = (id) => this.#system.keyUse(id);

  get kms() {
    return this.#system.kms;
  }

  readonly source = (bucket: BucketId) => this.#system.source(bucket);
  readonly rates = () => this.#system.rates();
  readonly targets = () => this.#system.targets();

  /** Of the system shard: each shard has its own. */
  followers() {
    return this.#system.followers();
  }

  setting(name: string) {
    return this.#system.setting(name);
  }

  version(bucket: BucketId, key: Buffer, version: VersionSelector) {
    return this.#find(bucket, key, (shard) => this.renames.version(shard, bucket, key, version));
  }

  byGuk(guk: Buffer) {
    return this.#shards[shardOfGuk(guk)]?.byGuk(guk);
  }

  locate(version: ObjectVersion, offset: number) {
    return this.#by(version.manifest.id).locate(version, offset);
  }

  pieces(manifest: ManifestReference, first: number, limit: number): readonly Piece[] {
    return this.#by(manifest.id).pieces(manifest, first, limit);
  }

  list(query: ListQuery): Page<ListedObject | { readonly prefix: Buffer }> {
    const ask = (shard: MetadataReader, start: Buffer, limit: number) =>
      this.renames.list(shard, { ...query, start, limit });
    return this.#merged<ListedObject>(query, ask);
  }

  listVersions(query: Parameters<MetadataReader['listVersions']>[0]) {
    return this.#merged<ListedVersion>(query, (shard, start, limit, last) => {
      const after = last ? { key: last.key, sequence: last.record.sequence } : query.after;
      return this.renames.listVersions(shard, { ...query, start, limit, after });
    });
  }

  listUploads(query: Parameters<MetadataReader['listUploads']>[0]) {
    return this.#merged<UploadRecord>(query, (shard, start, limit, last) =>
      shard.listUploads({ ...query, start, limit, after: last ? { key: last.key, upload: last.id } : query.after }),
    );
  }

  /** @param ask `last`: the item after which it goes on, where that may not be told by its key alone */
  #merged<Item extends { readonly key: Buffer }>(
    query: ListQuery,
    ask: (
      shard: MetadataReader,
      start: Buffer,
      limit: number,
      last: Item | undefined,
    ) => Page<Item | { readonly prefix: Buffer }>,
  ): Page<Item | { readonly prefix: Buffer }> {
    // The latest first: of a key that two of them have, because they are not read at one moment, what the later one has is newer.
    const shards = this.shardsOf(query.bucket)
      .map((shard) => this.#open(shard))
      .reverse();
    const [only] = shards;
    if (only && shards.length === 1) return ask(only, query.start, query.limit, undefined);
    const nothing = { items: [], truncated: false };
    const asks = shards.map(
      (shard): Ask<Item> =>
        (after, limit) => {
          if (!after) return ask(shard, query.start, limit, undefined);
          if (!('prefix' in after)) {
            // A key may have several items: its own come after it, by their own order.
            const several = 'record' in after || 'initiatedMs' in after;
            return ask(shard, several ? after.key : behind(after.key), limit, several ? after : undefined);
          }
          const start = successorOfPrefix(after.prefix);
          return start ? ask(shard, start, limit, undefined) : nothing;
        },
    );
    return mergePages(asks, query.limit, (item) => item.key);
  }

  upload(bucket: BucketId, key: Buffer, upload: Buffer) {
    return this.#find(bucket, key, (shard) => shard.upload(bucket, key, upload));
  }

  /** An upload id that no shard gave names no upload. */
  part(upload: Buffer, number: number) {
    return this.#shards[shardOfId(upload)]?.part(upload, number);
  }

  parts(upload: Buffer, after: number, limit: number) {
    return this.#shards[shardOfId(upload)]?.parts(upload, after, limit) ?? { items: [], truncated: false };
  }

  stripeOwner(stripe: Buffer) {
    for (const shard of this.#shards) {
      const owner = shard.stripeOwner(stripe);
      if (owner) return owner;
    }
    return undefined;
  }

  stripes(start: Buffer, limit: number) {
    const runs = this.#shards.map((shard) => shard.stripes(start, limit));
    return mergeRuns(runs, limit, (a, b) => Buffer.compare(a.stripe, b.stripe));
  }

  readonly garbage = (limit: number, after?: GarbageFrom) => garbageOver(this.#shards, limit, after);
  readonly links = (start: Buffer, limit: number) => linksOver(this.#shards, start, limit);
  readonly lenders = (from: LendersFrom | undefined, limit: number) => lendersOver(this.#shards, from, limit);

  intents() {
    return this.#shards.flatMap((reader, shard) =>
      reader.intents().map((intent) => ({ ...intent, openedAt: numberOf(shard, intent.openedAt) })),
    );
  }

  intent(prefix: Buffer) {
    return this.#open(this.shardOfIntent(prefix)).intent(prefix);
  }

  placedPieces(manifest: ManifestReference, first: number, limit: number) {
    return this.#by(manifest.id).placedPieces(manifest, first, limit);
  }

  placed(place: { readonly manifest: Buffer; readonly index: number }) {
    return this.#by(place.manifest).placed(place);
  }

  embeddings(bucket: BucketId, key: Buffer, manifest: Buffer) {
    return this.#by(manifest).embeddings(bucket, key, manifest);
  }

  /** Grows with that of any shard. */
  recodedAt(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.recodedAt(), 0);
  }

  references(manifest: Buffer): number {
    return this.#by(manifest).references(manifest);
  }
}

/**
 * @param shards readers of the replicas of this thread, by number of the shard: the first is the system shard
 * @param grows the array may get longer: what is added is read from then on
 */
export const shardedReader = (shards: readonly MetadataReader[], grows = false): MetadataReader =>
  shards.length === 1 && !grows ? (shards[0] as MetadataReader) : new ShardedReader(shards);
