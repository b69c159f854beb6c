/* A replica small enough to be plainly right, and open enough to plant what must never be: tests only. */
import { manualHost } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { memoryKv } from '../kv/index.ts';
import type {
  BucketRecord,
  Command,
  GarbageRow,
  GroupRecord,
  IntentRecord,
  ListedVersion,
  MetadataReader,
  ObjectVersion,
  PartRecord,
  Piece,
  Proposer,
  QuotaSubject,
  Stripe,
  StripeOwner,
  UploadRecord,
  Usage,
} from '../metadata/index.ts';
import { openMetadataReader } from '../metadata/index.ts';

export const bucket: BucketRecord = {
  id: 1,
  name: 'photos',
  owner: 'root',
  createdMs: 0,
  region: 'r',
  versioning: 'enabled',
  tags: [],
  wrappedKey: Buffer.alloc(60),
  consistency: 'strong',
  redundancy: undefined,
  counts: { objects: 0, versions: 0, uploads: 0, bytes: 0, partBytes: 0 },
};

/** Of a tenant or user: buckets have no row of their own. */
const nameOf = (subject: QuotaSubject): string =>
  subject.kind === 'tenant' ? subject.account : 'user' in subject ? subject.user : '';

const paged = <Item>(items: readonly Item[], limit: number) => ({
  items: items.slice(0, limit),
  truncated: items.length > limit,
});

export class Replica {
  readonly versions: { readonly key: Buffer; record: ObjectVersion }[] = [];
  readonly manifests = new Map<string, Piece[]>();
  readonly stripeRows = new Map<string, StripeOwner & { readonly stripe: Buffer }>();
  readonly uploads: UploadRecord[] = [];
  readonly parts = new Map<string, PartRecord[]>();
  readonly referenceRows = new Map<string, number>();
  readonly linkRows: { readonly manifest: Buffer; readonly target: Buffer; readonly pieces: number }[] = [];
  readonly intents = new Map<string, IntentRecord>();
  garbage: GarbageRow[] = [];
  groups: readonly GroupRecord[];
  counts = { objects: 0, versions: 0, uploads: 0, bytes: 0, partBytes: 0 };
  /** Who writes from now on, and whom each version and upload counts for. */
  writer: string | undefined;
  readonly writers = new Map<number, string>();
  /** What is counted for each tenant and user. */
  readonly usage = new Map<string, Usage>();
  position = 0;
  /** The first version of each key is its null version from now on. */
  nulls = false;
  /** Refuses the next commands. */
  refuse: Error | undefined;
  readonly log: Command['type'][] = [];

  constructor(groups: readonly GroupRecord[]) {
    this.groups = groups;
  }

  readonly proposer: Proposer = {
    propose: async (command) => {
      await Promise.resolve();
      if (this.refuse) throw this.refuse;
      this.log.push(command.type);
      this.position += 1;
      this.#apply(command);
      return { reply: { type: 'done' }, position: this.position };
    },
  };

  #apply(command: Command): void {
    switch (command.type) {
      case 'intent.open':
        this.intents.set(command.prefix.toString('hex'), {
          prefix: command.prefix,
          state: 'open',
          openedAt: this.position,
          opener: undefined,
        });
        return;
      case 'intent.close':
        this.intents.set(command.prefix.toString('hex'), {
          prefix: command.prefix,
          state: 'closed',
          openedAt: 0,
          opener: undefined,
        });
        return;
      case 'intent.expire':
        for (const [name, intent] of this.intents) this.intents.set(name, { ...intent, state: 'closed' });
        return;
      case 'intent.collected':
        invariant(
          this.intents.get(command.prefix.toString('hex'))?.state === 'closed',
          'only a closed intent is collected',
        );
        this.intents.delete(command.prefix.toString('hex'));
        return;
      case 'garbage.collected':
        for (const done of command.rows) {
          const at = this.garbage.findIndex(
            (row) => row.position === done.position && row.ordinal === done.ordinal && row.piece === done.piece,
          );
          invariant(at >= 0, 'what is collected was garbage');
          const first = this.garbage.find((row) => row.position === done.position && row.ordinal === done.ordinal);
          invariant(first?.piece === done.piece, 'no piece of a garbage record is skipped');
          for (const { id } of this.garbage[at]?.stripes ?? []) this.stripeRows.delete(id.toString('hex'));
          this.garbage.splice(at, 1);
        }
        return;
      default:
        throw new Error(`the replica of tests knows no ${command.type}`);
    }
  }

  piece(stripes: readonly Stripe[]): Piece {
    const size = stripes.reduce((sum, stripe) => sum + stripe.length, 0);
    return {
      salt: Buffer.alloc(8, this.position),
      size,
      md5: Buffer.alloc(16),
      checksum: undefined,
      compressed: false,
      sealed: true,
      body: { stripes },
    };
  }

  /** Publishes an object. Refused when an intent of its stripes is not open. */
  put(key: string, pieces: readonly Piece[]): ObjectVersion {
    this.position += 1;
    const manifest = Buffer.alloc(16);
    manifest.writeUInt32BE(this.position, 4);
    manifest.fill(0xaa, 8);
    const name = Buffer.from(key);
    this.publish(manifest, name, pieces);
    this.manifests.set(manifest.toString('hex'), [...pieces]);
    return this.#add(name, manifest, pieces);
  }

  publish(manifest: Buffer, key: Buffer, pieces: readonly Piece[]): void {
    for (const piece of pieces) {
      for (const { id, group } of 'stripes' in piece.body ? piece.body.stripes : []) {
        invariant(
          this.intents.get(id.toString('hex', 0, 8))?.state === 'open',
          'stripes are published under an open intent',
        );
        this.stripeRows.set(id.toString('hex'), { stripe: id, manifest, bucket: bucket.id, key, group });
      }
    }
  }

  #add(key: Buffer, manifest: Buffer, pieces: readonly Piece[]): ObjectVersion {
    const [only] = pieces;
    const record: ObjectVersion = {
      kind: 'object',
      guk: Buffer.alloc(16),
      sequence: this.position,
      nonce: Buffer.alloc(8),
      isNull: this.nulls && !this.versions.some((version) => version.key.equals(key) && version.record.isNull),
      modifiedMs: 0,
      owner: 'root',
      size: pieces.reduce((sum, piece) => sum + piece.size, 0),
      etag: Buffer.alloc(16),
      etagParts: 0,
      storageClass: 'STANDARD',
      headers: {},
      metadata: [],
      tags: [],
      checksum: undefined,
      wrappedKey: Buffer.alloc(60),
      manifest: {
        id: manifest,
        pieces: pieces.length,
        embedded: pieces.length === 1 && only && 'inline' in only.body ? only : undefined,
        sealed: true,
      },
      partSizes: [],
    };
    if (!this.versions.some((version) => version.key.equals(key))) this.counts.objects += 1;
    this.counts.versions += 1;
    this.counts.bytes += record.size;
    this.#charge(record.sequence, 1, record.size, this.writer);
    this.versions.push({ key, record });
    this.versions.sort((a, b) => a.key.compare(b.key) || b.record.sequence - a.record.sequence);
    return record;
  }

  #charge(sequence: number, objects: number, bytes: number, user = this.writers.get(sequence)): void {
    if (user === undefined) return;
    this.writers.set(sequence, user);
    const held = this.usage.get(user) ?? { objects: 0, bytes: 0 };
    this.usage.set(user, { objects: held.objects + objects, bytes: held.bytes + bytes });
  }

  /** A tenant is said to have what he has not. @returns its name in findings */
  miscount(): string {
    this.usage.set('000000000000', { objects: 9, bytes: 0 });
    return 'tenant 000000000000';
  }

  /** A new version that shares the manifest of `source`. */
  share(key: string, source: ObjectVersion): ObjectVersion {
    this.position += 1;
    const name = source.manifest.id.toString('hex');
    this.referenceRows.set(name, (this.referenceRows.get(name) ?? 1) + 1);
    return this.#add(Buffer.from(key), source.manifest.id, this.manifests.get(name) ?? []);
  }

  delete(version: ObjectVersion): void {
    this.position += 1;
    const at = this.versions.findIndex(({ record }) => record === version);
    const [gone] = this.versions.splice(at, 1);
    if (!gone) return;
    this.counts.versions -= 1;
    this.#charge(version.sequence, -1, -version.size);
    this.counts.bytes -= version.size;
    if (!this.versions.some(({ key }) => key.equals(gone.key))) this.counts.objects -= 1;
    const name = version.manifest.id.toString('hex');
    const holders = (this.referenceRows.get(name) ?? 1) - 1;
    if (holders > 1) this.referenceRows.set(name, holders);
    else this.referenceRows.delete(name);
    if (holders > 0) return;
    for (const [piece, { body }] of (this.manifests.get(name) ?? []).entries()) {
      const stripes = 'stripes' in body ? body.stripes.map(({ id, group }) => ({ id, group })) : [];
      this.garbage.push({ position: this.position, ordinal: 0, piece, stripes });
    }
    this.manifests.delete(name);
  }

  readonly reader: MetadataReader = {
    renames: {
      any: () => false,
      of: () => undefined,
      stateOf: () => undefined,
      hold: () => undefined,
      all: () => [],
      holds: () => [],
      into: () => false,
    },
    position: () => this.position,
    shards: 1,
    shardOf: () => 0,
    shardsOf: () => [0],
    placesOf: () => [0],
    holds: () => false,
    bucketShards: () => undefined,
    configuration: () => undefined,
    memos: () => new Map(),
    keyUse: () => undefined,
    kms: { byId: () => undefined, named: () => undefined, all: () => [] },
    rates: () => [],
    source: () => undefined,
    targets: () => new Map(),
    followers: () => new Map(),
    shardOfIntent: () => 0,
    bucket: () => this.#bucket(),
    bucketById: () => this.#bucket(),
    buckets: (start) => ({ items: start > bucket.name ? [] : [this.#bucket()], truncated: false }),
    accessKey: () => undefined,
    accessKeys: () => [],
    identities: openMetadataReader(memoryKv(manualHost(1))).identities,
    quotas: {
      any: () => this.usage.size > 0,
      of: () => undefined,
      usage: (subject) => this.usage.get(nameOf(subject)) ?? { objects: 0, bytes: 0 },
      list: () => ({ items: [], truncated: false }),
      counted: () =>
        [...this.usage.keys()].map((name) =>
          /^\d{12}$/.test(name) ? { kind: 'tenant', account: name } : { kind: 'user', user: name },
        ),
      addedUp: () => ({ objects: this.counts.versions, bytes: this.counts.bytes }),
      writerOf: (sequence) => this.writers.get(sequence),
    },
    groups: () => this.groups,
    group: (id) => this.groups.find((one) => one.id === id),
    nodes: () => [],
    devices: () => [],
    features: () => [],
    invitations: () => [],
    authority: () => undefined,
    setting: () => undefined,
    version: (_bucket, key, selector) =>
      this.versions.find(
        (version) =>
          version.key.equals(key) &&
          (selector === undefined ||
            (selector === 'null'
              ? version.record.isNull
              : !version.record.isNull && version.record.sequence === selector.sequence)),
      )?.record,
    byGuk: () => undefined,
    locate: () => ({ index: 0, start: 0 }),
    pieces: ({ id, embedded }, first, limit) =>
      embedded ? [embedded].slice(first) : (this.manifests.get(id.toString('hex')) ?? []).slice(first, first + limit),
    list: () => ({ items: [], truncated: false }),
    listVersions: ({ after, limit }) => {
      const rest = this.versions.filter(
        ({ key, record }) =>
          !after || key.compare(after.key) > 0 || (key.equals(after.key) && record.sequence < after.sequence),
      );
      const items = rest.map(
        ({ key, record }): ListedVersion => ({
          key,
          record,
          isLatest: this.versions.find((v) => v.key.equals(key))?.record === record,
        }),
      );
      return paged(items, limit);
    },
    listUploads: ({ after, limit }) =>
      paged(after ? this.uploads.filter(({ id }) => id.compare(after.upload) > 0) : this.uploads, limit),
    upload: (_bucket, _key, id) => this.uploads.find((upload) => upload.id.equals(id)),
    part: (upload, number) => this.parts.get(upload.toString('hex'))?.find((part) => part.number === number),
    parts: (upload, after, limit) =>
      paged(
        (this.parts.get(upload.toString('hex')) ?? []).filter(({ number }) => number > after),
        limit,
      ),
    stripeOwner: (stripe) => this.stripeRows.get(stripe.toString('hex')),
    stripes: (start, limit) =>
      [...this.stripeRows.values()]
        .filter(({ stripe }) => stripe.compare(start) >= 0)
        .sort((a, b) => a.stripe.compare(b.stripe))
        .slice(0, limit),
    garbage: (limit, after) => {
      const at = after
        ? this.garbage.findIndex(
            (row) =>
              row.position > after.position ||
              (row.position === after.position &&
                (row.ordinal > after.ordinal || (row.ordinal === after.ordinal && row.piece > after.piece))),
          )
        : 0;
      return at < 0 ? [] : this.garbage.slice(at, at + limit);
    },
    placedPieces: () => [],
    placed: () => undefined,
    embeddings: () => [],
    recodedAt: () => 0,
    intents: () => [...this.intents.values()],
    intent: (prefix) => this.intents.get(prefix.toString('hex')),
    references: (manifest) => this.referenceRows.get(manifest.toString('hex')) ?? 1,
    lenders: () => {
      const pieces = [...this.manifests.values()].flat();
      const manifests = pieces.flatMap(({ body }) => ('borrowed' in body ? [body.borrowed.manifest] : []));
      return { manifests, next: undefined };
    },
    links: (start, limit) => this.linkRows.filter(({ manifest }) => manifest.compare(start) >= 0).slice(0, limit),
  };

  #bucket(): BucketRecord {
    return { ...bucket, counts: { ...this.counts } };
  }
}
