import fc from 'fast-check';
import { digestBytes } from '../../codec/index.ts';
import { type ConfigurationKind, configurationKinds } from './configurations.ts';
import type { AccountRecord, IdentityRecord } from './identities.ts';
import { noticeEvents } from './notices.ts';
import type { Quota, QuotaSubject } from './quotas.ts';
import type {
  AccessKeyRecord,
  ChecksumAlgorithm,
  ObjectChecksum,
  ObjectVersion,
  Piece,
  Policy,
  VersionRecord,
} from './records.ts';
import type { ReplicationNote } from './replicated.ts';
import type { Restore, RestoreDue, RestoreTier } from './restores.ts';

/* Values of every record, for property tests. */

export const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((all) => Buffer.from(all));
export const blob = (maximum: number) => fc.uint8Array({ maxLength: maximum }).map((all) => Buffer.from(all));
export const text = fc.string({ unit: 'grapheme', maxLength: 20 });
export const whole = fc.oneof(fc.nat(300), fc.maxSafeNat());
export const pairs = fc.array(fc.tuple(text, text), { maxLength: 4 });

export const checksum: fc.Arbitrary<ObjectChecksum | undefined> = fc.option(
  fc.constantFrom(...(Object.keys(digestBytes) as ChecksumAlgorithm[])).chain((algorithm) =>
    fc.record({
      algorithm: fc.constant(algorithm),
      type: fc.constantFrom('FULL_OBJECT' as const, 'COMPOSITE' as const),
      value: bytes(digestBytes[algorithm]),
    }),
  ),
  { nil: undefined },
);

export const headers = fc.record(
  {
    contentType: text,
    contentEncoding: text,
    contentDisposition: text,
    contentLanguage: text,
    cacheControl: text,
    expires: text,
    websiteRedirectLocation: text,
  },
  { requiredKeys: [] },
);

const stripe = fc.record({
  id: bytes(15).map((id) => Buffer.concat([id, Buffer.alloc(1)])),
  group: fc.nat(70_000),
  length: fc.nat(8 * 1024 * 1024),
  frames: fc.option(fc.array(fc.nat(70_000), { maxLength: 5 }), { nil: undefined }),
});

export const piece: fc.Arbitrary<Piece> = fc.record({
  salt: bytes(8),
  size: whole,
  md5: bytes(16),
  checksum,
  compressed: fc.boolean(),
  sealed: fc.boolean(),
  body: fc.oneof(fc.record({ inline: blob(60) }), fc.record({ stripes: fc.array(stripe, { maxLength: 3 }) })),
});

const identity = {
  guk: bytes(16),
  sequence: whole,
  nonce: bytes(8),
  isNull: fc.boolean(),
  modifiedMs: whole,
  owner: text,
};

const marker: fc.Arbitrary<VersionRecord> = fc.record({ kind: fc.constant('marker' as const), ...identity });

export const object: fc.Arbitrary<ObjectVersion> = fc
  .record({
    kind: fc.constant('object' as const),
    ...identity,
    size: whole,
    etag: bytes(16),
    etagParts: fc.nat(10_000),
    storageClass: fc.constantFrom('STANDARD', 'GLACIER', 'STANDARD_IA', 'MINE', ''),
    headers,
    metadata: pairs,
    tags: pairs,
    checksum,
    wrappedKey: blob(60),
    manifest: fc.oneof(
      fc.record({ id: bytes(16), pieces: fc.nat(10_000), embedded: fc.constant(undefined), sealed: fc.boolean() }),
      fc.record({ id: bytes(16), pieces: fc.constant(1), embedded: piece, sealed: fc.constant(true) }),
    ),
    partSizes: fc.array(fc.constantFrom(1, 5, 5, 5, 2 ** 40), { maxLength: 8 }),
  })
  .chain((made) =>
    // Now and then the embedded piece has what the version has, which is stored once.
    fc.constantFrom(true, false).map((same) => {
      const { embedded } = made.manifest;
      if (!embedded) return made;
      const { sealed } = embedded;
      const shared = same ? { ...embedded, md5: made.etag, checksum: made.checksum } : embedded;
      return { ...made, manifest: { ...made.manifest, embedded: shared, sealed } };
    }),
  );

const always = fc.oneof(
  fc.record({ copies: fc.integer({ min: 1, max: 16 }) }),
  fc.record({ data: fc.nat(32), parity: fc.nat(8) }),
);
const policy: fc.Arbitrary<Policy> = fc.oneof(
  always,
  fc.record({ hot: always, cold: always, afterIdleMs: fc.nat(2 ** 40) }),
);
const use = fc.record({ readMs: whole, heat: fc.nat(255) });
const restore: fc.Arbitrary<Restore> = fc.oneof(
  fc.record({ state: fc.constant('restored' as const), untilMs: whole }),
  fc.record({
    state: fc.constant('ongoing' as const),
    tier: fc.constantFrom<RestoreTier>('Standard', 'Bulk', 'Expedited'),
    readyMs: whole,
    days: fc.nat(),
  }),
);

/** What uploads may say besides. */
export const extensionsOfUploads = fc.record(
  {
    retention: fc.record({ mode: fc.constantFrom('GOVERNANCE' as const, 'COMPLIANCE' as const), untilMs: whole }),
    legalHold: fc.boolean(),
    acl: blob(40),
    encryption: fc.oneof(
      fc.constant({ kind: 'customer' as const }),
      fc.record({
        kind: fc.constant('kms' as const),
        algorithm: fc.constantFrom('aws:kms' as const, 'aws:kms:dsse' as const),
        bucketKey: fc.boolean(),
        key: text,
        version: fc.nat(),
        context: blob(40),
      }),
    ),
  },
  { requiredKeys: [] },
);
const replication: fc.Arbitrary<ReplicationNote> = fc.oneof(
  fc.constant({ kind: 'replica' as const }),
  fc.record({
    kind: fc.constant('source' as const),
    places: fc.array(
      fc.record({ id: bytes(8), state: fc.constantFrom('pending' as const, 'completed' as const, 'failed' as const) }),
      { minLength: 1, maxLength: 4 },
    ),
  }),
);
const extensions = fc
  .tuple(extensionsOfUploads, fc.record({ policy, use, restore, replication }, { requiredKeys: [] }))
  .map(([some, others]) => ({ ...some, ...others }));

/** Those that say more: format 2. */
const extendedObject: fc.Arbitrary<ObjectVersion> = fc
  .tuple(object, extensions)
  .map(([made, more]) => ({ ...made, ...more }));

export const version: fc.Arbitrary<VersionRecord> = fc.oneof(marker, object, extendedObject);

export const account: fc.Arbitrary<AccountRecord> = fc.record({
  id: text,
  canonicalId: text,
  name: text,
  createdMs: whole,
});

const named = { id: text, account: text, name: text, path: text, createdMs: whole, revision: whole, tags: pairs };
const list = fc.array(text, { maxLength: 4 });
const holder = { attached: list, inline: pairs };
const boundary = fc.constantFrom(undefined, 'arn:aws:iam::aws:policy/B');
const policyVersion = fc.record({ number: whole, createdMs: whole, document: text });

export const identityRecord: fc.Arbitrary<IdentityRecord> = fc.oneof(
  fc.record({
    kind: fc.constant('user' as const),
    ...named,
    ...holder,
    boundary,
    groups: list,
    accessKeys: list,
    email: text,
  }),
  fc.record({ kind: fc.constant('group' as const), ...named, ...holder }),
  fc.record({
    kind: fc.constant('role' as const),
    ...named,
    ...holder,
    boundary,
    trust: text,
    description: text,
    maxSessionSeconds: whole,
  }),
  fc.record({
    kind: fc.constant('policy' as const),
    ...named,
    description: text,
    updatedMs: whole,
    defaultVersion: whole,
    nextVersion: whole,
    versions: fc.array(policyVersion, { maxLength: 3 }),
  }),
);

const plainKey: fc.Arbitrary<AccessKeyRecord> = fc.record({
  id: text,
  sealedSecret: blob(80),
  owner: text,
  name: text,
  createdMs: whole,
  role: fc.constantFrom('root', 'readwrite', 'readonly'),
  buckets: fc.array(text, { maxLength: 4 }),
});
const accountKey = fc.record(
  {
    account: fc.constant('123456789012'),
    user: fc.constant('AIDA1'),
    status: fc.constantFrom('active' as const, 'inactive' as const),
  },
  { requiredKeys: ['account', 'status'] },
);
export const accessKey = fc.oneof(
  plainKey,
  fc.tuple(plainKey, accountKey).map(([key, its]): AccessKeyRecord => ({ ...key, ...its })),
);

export const kmsKey = fc.record({
  id: text,
  name: text,
  createdMs: whole,
  state: fc.constantFrom('enabled' as const, 'disabled' as const),
  versions: fc.array(blob(90), { minLength: 1, maxLength: 4 }),
});
export const quotaSubject: fc.Arbitrary<QuotaSubject> = fc.oneof(
  fc.record({ kind: fc.constant('bucket' as const), bucket: fc.nat() }),
  fc.record({ kind: fc.constant('tenant' as const), account: fc.stringMatching(/^\d{12}$/) }),
  fc.record({ kind: fc.constant('user' as const), user: fc.stringMatching(/^AIDA[A-Z2-7]{17}$/) }),
);
export const quota: fc.Arbitrary<Quota> = fc.oneof(
  fc.record({ bytes: whole, objects: whole }),
  fc.record({ bytes: whole }),
  fc.record({ objects: whole }),
);

export const restoreDue: fc.Arbitrary<RestoreDue> = fc.record({
  type: fc.constant('restore.due' as const),
  dueMs: whole,
  sequence: whole,
  place: fc.option(fc.record({ bucket: fc.nat(), key: blob(40) }), { nil: undefined }),
});

const kind = fc.constantFrom(...(Object.keys(configurationKinds) as ConfigurationKind[]));

/** Effects on the documents of a bucket. */
export const bucketDocuments = [
  fc.record({ type: fc.constant('configuration.write'), bucket: fc.nat(), kind, document: blob(90) }),
  fc.record({ type: fc.constant('configuration.remove'), bucket: fc.nat(), kind }),
  fc.record({ type: fc.constant('source.write'), bucket: fc.nat(), document: blob(90) }),
  fc.record({ type: fc.constant('source.remove'), bucket: fc.nat() }),
] as const;

/** Who caused a notice, as it says. */
export const origin = fc.record({
  requestId: text,
  hostId: text,
  principal: text,
  address: text,
  reason: text,
  bucketName: text,
  bucketOwner: text,
  region: text,
});

/** Where a notice goes. */
export const destination = {
  shape: fc.constantFrom('s3' as const, 'eventBridge' as const),
  target: text,
  configuration: text,
};

const announcement = fc.record({
  origin,
  destinations: fc.array(fc.record({ event: fc.constantFrom(...noticeEvents), ...destination }), { maxLength: 3 }),
});

/** Which key of which bucket. */
export const place = { bucket: fc.nat(), key: blob(30) };

/** Effects of renames between shards. */
export const renameEffects = [
  fc.record({
    type: fc.constant('rename.write' as const),
    rename: fc.record({
      id: bytes(16),
      ...place,
      source: blob(30),
      state: fc.constantFrom('prepared' as const, 'done' as const),
      ticket: bytes(8),
      from: fc.nat(300),
    }),
  }),
  fc.record({ type: fc.constant('rename.remove' as const), id: bytes(16) }),
  fc.record({
    type: fc.constant('hold.write' as const),
    ...place,
    hold: fc.record({
      rename: bytes(16),
      owner: text,
      leaves: fc.boolean(),
      announce: fc.option(announcement, { nil: undefined }),
    }),
  }),
  fc.record({ type: fc.constant('hold.remove' as const), ...place }),
] as const;
