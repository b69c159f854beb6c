import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CorruptionError } from '../../errors.ts';
import { decodeApplied, encodeApplied } from '../applied.ts';
import { decodeOutcome, encodeOutcome } from '../outcomes.ts';
import type { Reply } from '../types.ts';
import {
  accessKey,
  account,
  blob,
  bucketDocuments,
  bytes,
  destination,
  extensionsOfUploads,
  headers,
  identityRecord,
  kmsKey,
  object,
  origin,
  pairs,
  piece,
  place,
  quota,
  quotaSubject,
  renameEffects,
  restoreDue,
  text,
  version,
  whole,
} from './arbitraries.support.ts';
import { decodeDevice, decodeNode, encodeDevice, encodeNode } from './cluster.ts';
import { decodeConfiguration, encodeConfiguration } from './configurations.ts';
import type { Effect } from './effects.ts';
import { decodeEntry, encodeEntry } from './entry.ts';
import { decodeKmsKey, encodeKmsKey } from './kms-keys.ts';
import { decodeNotice, encodeNotice, noticeEvents } from './notices.ts';
import { decodePieceRow, encodePieceRow } from './pieces.ts';
import type { DeviceRecord, NodeRecord, PieceRow, StoredBucket, UploadRecord } from './records.ts';
import * as rows from './rows.ts';
import { decodeVersion, encodeVersion, VersionRow } from './versions.ts';

const code = fc.record({ data: fc.integer({ min: 2, max: 32 }), parity: fc.integer({ min: 1, max: 8 }) });
const always = fc.oneof(fc.record({ copies: fc.integer({ min: 1, max: 16 }) }), code);
const redundancy = fc.oneof(always, fc.record({ hot: always, cold: always, afterIdleMs: fc.nat(2 ** 40) }));

const bucket: fc.Arbitrary<StoredBucket> = fc.record({
  id: fc.nat(),
  name: text,
  owner: text,
  createdMs: whole,
  region: text,
  versioning: fc.constantFrom('off', 'enabled', 'suspended'),
  tags: pairs,
  wrappedKey: blob(70),
  consistency: fc.constantFrom('strong', 'causal', 'eventual'),
  redundancy: fc.option(redundancy, { nil: undefined }),
});

const plainUpload = fc.record({
  id: bytes(16),
  bucket: fc.nat(),
  key: blob(50),
  initiatedMs: whole,
  owner: text,
  storageClass: text,
  headers,
  metadata: pairs,
  tags: pairs,
  checksumAlgorithm: fc.constantFrom(undefined, 'CRC32', 'SHA256', 'SHA512', 'MD5', 'XXHASH128'),
  checksumType: fc.constantFrom(undefined, 'FULL_OBJECT', 'COMPOSITE'),
  wrappedKey: blob(70),
});

const upload: fc.Arbitrary<UploadRecord> = fc.oneof(
  plainUpload,
  fc.tuple(plainUpload, redundancy).map(([one, kept]) => ({ ...one, redundancy: kept })),
  fc.tuple(plainUpload, extensionsOfUploads).map(([one, more]) => ({ ...one, ...more })),
  fc
    .tuple(plainUpload, redundancy, extensionsOfUploads)
    .map(([one, kept, more]) => ({ ...one, ...more, redundancy: kept })),
);

const intent = fc.record({
  prefix: bytes(8),
  state: fc.constantFrom('open' as const, 'closed' as const),
  openedAt: whole,
  opener: fc.option(fc.record({ node: text, incarnation: bytes(8) }), { nil: undefined }),
});
const node: fc.Arbitrary<NodeRecord> = fc.record({
  id: text,
  address: text,
  apiAddress: text,
  zone: text,
  roles: fc.subarray(['gateway', 'metadata', 'storage'] as const),
  state: fc.constantFrom('joining', 'active', 'draining', 'removed'),
  version: text,
  features: fc.array(text, { maxLength: 3 }),
  incarnation: bytes(8),
});
const device: fc.Arbitrary<DeviceRecord> = fc.record({
  identity: text,
  node: text,
  class: text,
  capacityBytes: whole,
  weight: whole,
  state: fc.constantFrom('active', 'draining', 'retired'),
});
const invitation = fc.record({
  id: bytes(16),
  secretHash: bytes(32),
  createdMs: whole,
  untilMs: whole,
  node: text,
});
const authority = fc.record({
  number: whole,
  state: fc.constantFrom('trusted' as const, 'issuing' as const, 'only' as const),
  certificate: blob(40),
  sealed: blob(40),
  before: fc.array(blob(40), { maxLength: 3 }),
});
const request = fc.record({ request: bytes(16), outcome: blob(40) });
const group = fc.oneof(
  fc.record({ id: fc.nat(), epoch: whole, devices: fc.array(text, { maxLength: 4 }) }),
  code.chain((one) => {
    const members = one.data + one.parity;
    const devices = fc.array(text, { minLength: members, maxLength: members });
    return fc.record({ id: fc.nat(), epoch: whole, devices, code: fc.constant(one) });
  }),
);
const counts = fc.record({ objects: whole, versions: whole, uploads: whole, bytes: whole, partBytes: whole });
const garbage = fc.record({ manifest: bytes(16), first: fc.nat(), end: fc.nat() });
const asMade = fc.record({
  id: fc.nat(),
  generation: whole,
  shards: fc.array(whole, { maxLength: 16 }),
  sealedAt: whole,
});
const grown = fc.record({
  id: fc.nat(),
  generation: whole,
  shards: fc.constantFrom([1, 2], [4, 3, 2, 1], [300, 2, 3, 4, 5, 6, 7, 8]),
  madeWith: fc.constant(1),
  sealedAt: whole,
});
const bucketShards = fc.oneof(asMade, grown);
const stripe = fc.record({ manifest: bytes(16), group: whole, bucket: fc.nat(), key: blob(50) });
const applied = fc.record({ position: whole, epoch: whole, hash: bytes(16), digest: bytes(16) });

const pieceRow: fc.Arbitrary<PieceRow> = fc.oneof(
  fc.record({ kind: fc.constant('piece' as const), modifiedMs: whole, start: whole, piece }),
  fc.record({ kind: fc.constant('link' as const), manifest: bytes(16), pieces: fc.nat() }),
);

const notice = fc.record({
  event: fc.constantFrom(...noticeEvents),
  origin,
  destinations: fc.array(fc.record(destination), { maxLength: 3 }),
  bucket: fc.nat(),
  key: blob(30),
  timeMs: whole,
  sequence: whole,
  nonce: bytes(8),
  isNull: fc.boolean(),
  versioned: fc.boolean(),
  place: fc.nat(200),
  object: fc.option(fc.record({ size: whole, etag: bytes(16), etagParts: fc.nat() }), { nil: undefined }),
});
const effect = fc.oneof<fc.Arbitrary<Effect>[]>(
  fc.record({ type: fc.constant('bucket.write'), bucket }),
  fc.record({ type: fc.constant('bucket.shards'), place: bucketShards }),
  fc.record({ type: fc.constant('bucket.forget'), id: fc.nat() }),
  fc.record({ type: fc.constant('bucket.remove'), id: fc.nat(), name: text }),
  ...bucketDocuments,
  ...renameEffects,
  fc.record({ type: fc.constant('account.write'), account }),
  fc.record({ type: fc.constant('identity.write'), identity: identityRecord }),
  fc.record({ type: fc.constantFrom('account.remove', 'identity.remove'), id: text }),
  fc.record({ type: fc.constant('kmsKey.write'), key: kmsKey }),
  fc.record({ type: fc.constant('memo.write'), kind: fc.constant('keyUses'), name: text, value: bytes(9) }),
  fc.record({ type: fc.constant('memo.remove'), kind: fc.constant('failedEvents'), name: text }),
  fc.record({ type: fc.constant('target.write'), name: text, record: blob(90) }),
  fc.record({ type: fc.constant('follower.write'), name: text, position: whole }),
  fc.record({ type: fc.constantFrom('target.remove', 'follower.remove'), name: text }),
  fc.record({ type: fc.constant('notice'), notice: blob(90) }),
  fc.record({ type: fc.constant('quota.write'), subject: quotaSubject, quota: fc.option(quota, { nil: null }) }),
  fc.record({ type: fc.constant('usage.charge'), sequence: whole, user: text }),
  fc.record({ type: fc.constant('usage.begin'), account: text }),
  fc.record({ type: fc.constant('key.write'), key: accessKey }),
  fc.record({ type: fc.constant('key.remove'), id: text }),
  fc.record({
    type: fc.constant('version.insert'),
    ...place,
    row: object.map((made) => encodeVersion(made, false)),
    replaces: whole,
    manifest: fc.constantFrom('new', 'publish', 'share'),
    sharedPieces: fc.nat(),
  }),
  fc.record({
    type: fc.constant('version.remove'),
    ...place,
    sequence: whole,
    nonce: bytes(8),
    isNull: fc.boolean(),
    isMarker: fc.boolean(),
  }),
  fc.record({ type: fc.constant('version.update'), ...place, row: blob(90) }),
  fc.record({
    type: fc.constant('piece.write'),
    ...place,
    manifest: bytes(16),
    index: fc.nat(),
    publish: fc.boolean(),
    row: blob(90),
  }),
  fc.record({ type: fc.constant('piece.link'), manifest: bytes(16), base: bytes(16), pieces: fc.nat() }),
  fc.record({ type: fc.constant('upload.create'), upload }),
  fc.record({ type: fc.constant('upload.part'), ...place, upload: bytes(16), index: fc.nat(), row: blob(90) }),
  fc.record({
    type: fc.constant('upload.complete'),
    ...place,
    upload: bytes(16),
    drops: fc.array(fc.nat(9999), { maxLength: 3 }),
    moves: fc.array(fc.tuple(fc.nat(9999), fc.nat(9999)), { maxLength: 3 }),
    embedded: fc.boolean(),
  }),
  fc.record({ type: fc.constant('upload.abort'), ...place, upload: bytes(16) }),
  fc.record({ type: fc.constant('intent.write'), intent }),
  fc.record({ type: fc.constant('intent.remove'), prefix: bytes(8) }),
  fc.record({ type: fc.constant('garbage.remove'), position: whole, ordinal: whole, end: fc.nat() }),
  fc.record({ type: fc.constant('group.write'), group }),
  fc.record({ type: fc.constant('node.write'), node }),
  fc.record({ type: fc.constant('node.remove'), id: text }),
  fc.record({ type: fc.constant('device.write'), device }),
  fc.record({ type: fc.constant('device.remove'), identity: text }),
  fc.record({ type: fc.constant('feature.enable'), feature: text }),
  fc.record({ type: fc.constant('setting.write'), name: text, value: text }),
  restoreDue,
  fc.record({ type: fc.constant('invitation.write'), invitation }),
  fc.record({ type: fc.constant('invitation.remove'), id: bytes(16) }),
  fc.record({ type: fc.constant('authority.write'), authority }),
  fc.record({ type: fc.constant('request.done'), request: bytes(16), outcome: blob(40), below: whole }),
  fc.record({ type: fc.constant('digest'), digest: bytes(16) }),
);

const results = fc.record({
  version: fc.option(version, { nil: undefined }),
  marker: fc.boolean(),
  error: fc.option(
    fc.record({ code: fc.constantFrom('PreconditionFailed', 'NoSuchKey', 'NoSuchVersion'), message: text }),
    { nil: undefined },
  ),
});
const reply: fc.Arbitrary<Reply> = fc.oneof<fc.Arbitrary<Reply>[]>(
  fc.constant({ type: 'done' }),
  fc.record({
    type: fc.constant('bucket'),
    bucket: fc.tuple(bucket, counts).map(([stored, all]) => ({ ...stored, counts: all })),
  }),
  fc.record({ type: fc.constant('version'), version: object, replacedNull: fc.boolean() }),
  fc.record({ type: fc.constant('deleted'), results: fc.array(results, { maxLength: 3 }) }),
  fc.record({ type: fc.constant('upload'), upload }),
  fc.record({ type: fc.constant('part'), part: fc.record({ number: fc.nat(9999), modifiedMs: whole, piece }) }),
);

/** Every record with its codec. */
const codecs: Record<string, [fc.Arbitrary<unknown>, (value: never) => Buffer, (bytes: Buffer) => unknown]> = {
  version: [version, (value) => encodeVersion(value, false), decodeVersion],
  piece: [pieceRow, encodePieceRow, decodePieceRow],
  bucket: [bucket, rows.encodeBucket, rows.decodeBucket],
  bucketShards: [bucketShards, rows.encodeBucketShards, rows.decodeBucketShards],
  counts: [counts, rows.encodeCounts, rows.decodeCounts],
  upload: [upload, rows.encodeUpload, rows.decodeUpload],
  kmsKey: [kmsKey, encodeKmsKey, decodeKmsKey],
  accessKey: [accessKey, rows.encodeAccessKey, rows.decodeAccessKey],
  intent: [intent, rows.encodeIntent, rows.decodeIntent],
  group: [group, rows.encodeGroup, rows.decodeGroup],
  garbage: [garbage, rows.encodeGarbage, rows.decodeGarbage],
  stripe: [stripe, rows.encodeStripe, rows.decodeStripe],
  place: [
    fc.record(place),
    ({ bucket, key }: { bucket: number; key: Buffer }) => rows.encodePlace(bucket, key),
    rows.decodePlace,
  ],
  number: [whole, rows.encodeNumber, rows.decodeNumber],
  applied: [applied, encodeApplied, decodeApplied],
  node: [node, encodeNode, decodeNode],
  device: [device, encodeDevice, decodeDevice],
  request: [request, rows.encodeRequest, rows.decodeRequest],
  outcome: [reply, (made: Reply) => encodeOutcome({ type: 'digest' }, made), decodeOutcome],
  configuration: [blob(90), encodeConfiguration, decodeConfiguration],
  notice: [notice, encodeNotice, decodeNotice],
  entry: [fc.array(effect, { maxLength: 4 }), (effects: Effect[]) => encodeEntry(effects), decodeEntry],
};

/** Plain values, so that buffers compare by content. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));

describe('the byte forms', () => {
  for (const [name, [values, encode, decode]] of Object.entries(codecs)) {
    it(`of ${name} give back what was written`, () => {
      const property = fc.property(values, (value) => {
        assert.deepEqual(plain(decode(encode(value as never))), plain(value));
      });
      fc.assert(property, { numRuns: 150 });
    });

    it(`of ${name} end in CorruptionError, or in a value, whatever the bytes`, () => {
      const change = fc.record({ at: fc.nat(2000), to: fc.nat(255), cut: fc.nat(40), grow: fc.nat(3) });
      const total = (input: Buffer): void => {
        try {
          decode(input);
        } catch (error) {
          assert.ok(error instanceof CorruptionError, `${error}`);
        }
      };
      const changed = fc.property(values, fc.array(change, { maxLength: 3 }), (value, changes) => {
        let input = Buffer.from(encode(value as never));
        for (const { at, to, cut, grow } of changes) {
          if (input.length > 0) input[at % input.length] = to;
          if (cut < 10) input = input.subarray(0, Math.max(0, input.length - cut));
          if (grow === 1) input = Buffer.concat([input, Buffer.from([to])]);
        }
        total(input);
      });
      fc.assert(changed, { numRuns: 250 });
      fc.assert(fc.property(blob(200), total), { numRuns: 150 });
    });
  }

  it('refuse a record that is cut or goes on', () => {
    const open = new Set(['stripe', 'place', 'request', 'entry']);
    for (const [name, [values, encode, decode]] of Object.entries(codecs)) {
      if (open.has(name)) continue;
      const property = fc.property(values, (value) => {
        const whole = encode(value as never);
        assert.throws(() => decode(whole.subarray(0, -1)), CorruptionError, `${name} is cut`);
        assert.throws(() => decode(Buffer.concat([whole, Buffer.from([0])])), CorruptionError, `${name} goes on`);
      });
      fc.assert(property, { numRuns: 40 });
    }
  });

  it('refuse a format of the future', () => {
    for (const [name, [values, encode, decode]] of Object.entries(codecs)) {
      if (name === 'number') continue;
      const input = Buffer.from(encode(fc.sample(values, 1)[0] as never));
      input[0] = 9;
      assert.throws(() => decode(input), CorruptionError, name);
    }
  });

  it('refuse an effect that is not known', () => {
    for (const code of [0, 199, 255]) assert.throws(() => decodeEntry(Buffer.from([1, code])), /unknown effect/);
  });

  it('of a version show their head without the rest', () => {
    const property = fc.property(version, fc.boolean(), (record, older) => {
      const row = new VersionRow(encodeVersion(record, older));
      assert.equal(row.mayHaveOlder, older);
      assert.deepEqual(row.withOlder(!older)[1]! ^ row.bytes[1]!, 4);
      assert.equal(new VersionRow(row.withOlder(!older)).mayHaveOlder, !older);
      assert.equal(row.isMarker, record.kind === 'marker');
      const { sequence, modifiedMs, isNull, owner } = row;
      assert.deepEqual(
        { sequence, modifiedMs, isNull, owner },
        { sequence: record.sequence, modifiedMs: record.modifiedMs, isNull: record.isNull, owner: record.owner },
      );
      assert.deepEqual(
        [row.guk, row.nonce].map((each) => each.toString('hex')),
        [record.guk, record.nonce].map((each) => each.toString('hex')),
      );
      if (record.kind === 'marker') return;
      const { size, etagParts, storageClass } = row;
      assert.deepEqual(
        { size, etagParts, storageClass },
        { size: record.size, etagParts: record.etagParts, storageClass: record.storageClass },
      );
      assert.ok(row.etag.equals(record.etag));
      assert.equal(row.checksum?.algorithm, record.checksum?.algorithm);
      assert.equal(row.checksum?.type, record.checksum?.type);
    });
    fc.assert(property, { numRuns: 200 });
  });
});
