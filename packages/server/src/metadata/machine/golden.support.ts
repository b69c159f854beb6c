import type { Effect } from './effects.ts';
import type { IdentityRecord } from './identities.ts';
import { encodeKeyUse } from './memos.ts';
import type { Notice } from './notices.ts';
import type {
  AccessKeyRecord,
  DeviceRecord,
  NodeRecord,
  ObjectVersion,
  Piece,
  StoredBucket,
  UploadRecord,
} from './records.ts';

/* What the golden bytes stand for. It never changes: new formats add values of their own. */

export const run = (length: number, from: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, at) => (from + at) % 256));

export const inline: Piece = {
  salt: run(8, 1),
  size: 5,
  md5: run(16, 100),
  checksum: { algorithm: 'CRC32C', type: 'FULL_OBJECT', value: run(4, 50) },
  compressed: false,
  sealed: true,
  body: { inline: Buffer.from('hello') },
};

export const striped: Piece = {
  salt: run(8, 9),
  size: 9_000_000_000,
  md5: run(16, 3),
  checksum: undefined,
  compressed: true,
  sealed: true,
  body: {
    stripes: [
      { id: Buffer.concat([run(15, 20), Buffer.alloc(1)]), group: 300, length: 8_388_608, frames: [65_552, 12] },
      { id: Buffer.concat([run(15, 40), Buffer.alloc(1)]), group: 1, length: 7, frames: undefined },
    ],
  },
};

export const object: ObjectVersion = {
  kind: 'object',
  guk: run(16, 200),
  sequence: 5_000_000_000,
  nonce: run(8, 60),
  isNull: true,
  modifiedMs: 1_700_000_000_123,
  owner: 'owner',
  size: 5,
  etag: run(16, 100),
  etagParts: 0,
  storageClass: 'STANDARD',
  headers: { contentType: 'text/plain', cacheControl: 'no-store' },
  metadata: [['color', 'blå']],
  tags: [['k', 'v']],
  checksum: inline.checksum,
  wrappedKey: run(6, 70),
  manifest: {
    id: Buffer.concat([Buffer.from('000000012a05f200', 'hex'), run(8, 60)]),
    pieces: 1,
    embedded: inline,
    sealed: true,
  },
  partSizes: [],
};

export const assembled: ObjectVersion = {
  ...object,
  isNull: false,
  etagParts: 4,
  size: 20,
  storageClass: 'COLD',
  checksum: { algorithm: 'SHA256', type: 'COMPOSITE', value: run(32, 0) },
  manifest: { id: run(16, 90), pieces: 4, embedded: undefined, sealed: true },
  partSizes: [6, 6, 6, 2],
};

export const bucket: StoredBucket = {
  id: 7,
  name: 'photos',
  owner: 'owner',
  createdMs: 1_700_000_000_000,
  region: 'eu-1',
  versioning: 'suspended',
  tags: [['a', 'b']],
  wrappedKey: run(5, 5),
  consistency: 'causal',
  redundancy: { copies: 2 },
};

export const upload: UploadRecord = {
  id: run(16, 1),
  bucket: 7,
  key: Buffer.from('k'),
  initiatedMs: 1_700_000_000_000,
  owner: 'owner',
  storageClass: 'STANDARD',
  headers: { contentType: 'a/b' },
  metadata: [],
  tags: [],
  checksumAlgorithm: 'CRC64NVME',
  checksumType: 'FULL_OBJECT',
  wrappedKey: run(3, 8),
};

export const key = {
  id: 'AK',
  sealedSecret: run(4, 1),
  owner: 'o',
  name: 'n',
  createdMs: 9,
  role: 'readonly',
  buckets: ['b'],
} as const;
export const marker = {
  kind: 'marker',
  guk: run(16, 200),
  sequence: 6,
  nonce: run(8, 60),
  isNull: false,
  modifiedMs: 8,
  owner: 'o',
} as const;
export const at = { bucket: 7, key: Buffer.from('k') };

export const effects: readonly Effect[] = [
  { type: 'bucket.write', bucket },
  { type: 'bucket.remove', id: 7, name: 'photos' },
  { type: 'key.write', key },
  { type: 'key.remove', id: 'AK' },
  { type: 'version.insert', ...at, row: run(4, 1), replaces: 5, manifest: 'share', sharedPieces: 2 },
  { type: 'version.remove', ...at, sequence: 5, nonce: run(8, 0), isNull: false, isMarker: true },
  { type: 'version.update', ...at, row: run(4, 1) },
  { type: 'piece.write', ...at, manifest: run(16, 0), index: 3, publish: true, row: run(4, 1) },
  { type: 'piece.link', manifest: run(16, 0), base: run(16, 1), pieces: 3 },
  { type: 'upload.create', upload },
  { type: 'upload.part', ...at, upload: run(16, 0), index: 3, row: run(4, 1) },
  { type: 'upload.complete', ...at, upload: run(16, 0), drops: [4], moves: [[2, 1]], embedded: false },
  { type: 'upload.abort', ...at, upload: run(16, 0) },
  { type: 'intent.write', intent: { prefix: run(8, 0), state: 'open', openedAt: 4, opener: undefined } },
  { type: 'intent.remove', prefix: run(8, 0) },
  { type: 'garbage.remove', position: 300, ordinal: 1, end: 2 },
  { type: 'group.write', group: { id: 3, epoch: 1, devices: ['d'] } },
  { type: 'digest', digest: run(16, 0) },
];

export const node: NodeRecord = {
  id: 'n1',
  address: '10.0.0.1:7000',
  apiAddress: '10.0.0.1:9000',
  zone: 'z',
  roles: ['gateway', 'storage'],
  state: 'draining',
  version: '0.2.0',
  features: ['f'],
  incarnation: run(8, 30),
};

export const device: DeviceRecord = {
  identity: 'd1',
  node: 'n1',
  class: 'ssd',
  capacityBytes: 2 ** 40,
  weight: 300,
  state: 'retired',
};

/** Those of a cluster, which came later. */
export const clusterEffects: readonly Effect[] = [
  {
    type: 'intent.write',
    intent: { prefix: run(8, 0), state: 'open', openedAt: 4, opener: { node: 'n1', incarnation: run(8, 30) } },
  },
  { type: 'node.write', node },
  { type: 'node.remove', id: 'n1' },
  { type: 'device.write', device },
  { type: 'device.remove', identity: 'd1' },
  { type: 'feature.enable', feature: 'f' },
  { type: 'setting.write', name: 's', value: 'v' },
  { type: 'request.done', request: run(16, 0), outcome: run(2, 1), below: 300 },
];

/** Of who may become a member, which came with features of their own. */
export const memberEffects: readonly Effect[] = [
  {
    type: 'invitation.write',
    invitation: { id: run(16, 0), secretHash: run(32, 16), createdMs: 1000, untilMs: 2 ** 40, node: 'n1' },
  },
  { type: 'invitation.remove', id: run(16, 0) },
  {
    type: 'authority.write',
    authority: { number: 3, state: 'issuing', certificate: run(3, 1), sealed: run(4, 2), before: [run(2, 3)] },
  },
];

/** Those of buckets over several shards, which came later still. */
export const shardedBucket = { id: 300, generation: 130, shards: [1, 2, 3, 300], sealedAt: 0 };
export const sealedBucket = { id: 7, generation: 2, shards: [], sealedAt: 300 };
/** One that was made with two of them. */
export const grownBucket = { id: 9, generation: 3, shards: [2, 3, 4, 1], madeWith: 2, sealedAt: 0 };
export const shardedEffects: readonly Effect[] = [
  { type: 'bucket.shards', place: shardedBucket },
  { type: 'bucket.forget', id: 7 },
];

/** Configurations of buckets. */
export const configurationEffects: readonly Effect[] = [
  { type: 'configuration.write', bucket: 7, kind: 'cors', document: Buffer.from('<x/>') },
  { type: 'configuration.remove', bucket: 300, kind: 'intelligentTiering' },
];

/** Of event notifications. */
export const noticed: Notice = {
  event: 'ObjectCreated:Copy',
  origin: {
    requestId: 'R',
    hostId: 'h',
    principal: 'AK',
    address: '10.0.0.1',
    reason: 'CopyObject',
    bucketName: 'photos',
    bucketOwner: 'owner',
    region: 'eu-1',
  },
  destinations: [
    { shape: 's3', target: 'hook', configuration: 'c' },
    { shape: 'eventBridge', target: 'bus', configuration: '' },
  ],
  ...at,
  timeMs: 1_700_000_000_123,
  sequence: 300,
  nonce: run(8, 60),
  isNull: true,
  versioned: true,
  place: 2,
  object: { size: 5, etag: run(16, 100), etagParts: 3 },
};
export const notificationEffects: readonly Effect[] = [
  { type: 'target.write', name: 'hook', record: run(4, 1) },
  { type: 'target.remove', name: 'hook' },
  { type: 'follower.write', name: 'f', position: 300 },
  { type: 'follower.remove', name: 'f' },
  { type: 'notice', notice: run(4, 1) },
];

/** Accounts and what is in them. */
export const account = { id: '123456789012', canonicalId: 'ab'.repeat(32), name: 'acme', createdMs: 1000 };
const named = { account: '123456789012', path: '/p/', createdMs: 1000, revision: 300, tags: [['k', 'v']] } as const;
const holder = { attached: ['arn:aws:iam::123456789012:policy/P'], inline: [['in', '{}']] } as const;
export const identities: readonly IdentityRecord[] = [
  {
    ...named,
    ...holder,
    kind: 'user',
    id: 'AIDA1',
    name: 'Ann',
    boundary: 'arn:aws:iam::aws:policy/B',
    groups: ['AGPA1'],
    accessKeys: ['AK'],
    email: 'a@b',
  },
  { ...named, ...holder, kind: 'group', id: 'AGPA1', name: 'Staff' },
  {
    ...named,
    ...holder,
    kind: 'role',
    id: 'AROA1',
    name: 'Work',
    boundary: undefined,
    trust: '{"t":1}',
    description: 'd',
    maxSessionSeconds: 3600,
  },
  {
    ...named,
    kind: 'policy',
    id: 'ANPA1',
    name: 'P',
    description: 'd',
    updatedMs: 2000,
    defaultVersion: 2,
    nextVersion: 3,
    versions: [{ number: 2, createdMs: 1500, document: '{}' }],
  },
];
export const userKey: AccessKeyRecord = { ...key, account: '123456789012', user: 'AIDA1', status: 'inactive' };
export const identityEffects: readonly Effect[] = [
  { type: 'account.write', account },
  { type: 'account.remove', id: '123456789012' },
  ...identities.map((identity) => ({ type: 'identity.write', identity }) as const),
  { type: 'identity.remove', id: 'AIDA1' },
  { type: 'key.write', key: userKey },
];

/** Of bytes that are kept in another way. */
export const swapEffects: readonly Effect[] = [
  { type: 'piece.swap', ...at, manifest: run(16, 0), index: 3, row: run(4, 1) },
  { type: 'version.swap', ...at, row: run(4, 1) },
];

export const identity = {
  guk: run(16, 200),
  sequence: 300,
  nonce: run(8, 60),
  isNull: true,
  modifiedMs: 1_700_000_000_123,
};

export const copiesGroup = { id: 300, epoch: 2, devices: ['d', 'e'] };
export const codedGroup = { id: 5, epoch: 1, devices: ['d', 'e', 'f'], code: { data: 2, parity: 1 } };
export const codedBucket: StoredBucket = { ...bucket, redundancy: { data: 8, parity: 3 } };
export const keptUpload: UploadRecord = { ...upload, redundancy: { copies: 3 } };

const hybrid = { hot: { copies: 2 }, cold: { data: 8, parity: 3 }, afterIdleMs: 604_800_000 };
export const hybridBucket: StoredBucket = { ...bucket, redundancy: hybrid };
export const keptObject: ObjectVersion = { ...object, policy: hybrid, use: { readMs: 1_700_000_000_456, heat: 3 } };

const lock = { retention: { mode: 'COMPLIANCE', untilMs: 1_900_000_000_789 }, legalHold: true } as const;
export const lockedObject: ObjectVersion = { ...keptObject, ...lock };
export const lockedUpload: UploadRecord = { ...keptUpload, ...lock };
export const customersObject: ObjectVersion = { ...object, encryption: { kind: 'customer' } };
const kmsId = '01234567-89ab-4def-8123-456789abcdef';
export const kmsObject: ObjectVersion = {
  ...object,
  encryption: {
    kind: 'kms',
    algorithm: 'aws:kms:dsse',
    bucketKey: true,
    key: kmsId,
    version: 3,
    context: Buffer.from('{"a":"b"}'),
  },
};
export const kmsEffects: readonly Effect[] = [
  {
    type: 'kmsKey.write',
    key: { id: kmsId, name: 'payroll', createdMs: 1000, state: 'disabled', versions: [run(4, 1), run(3, 9)] },
  },
];
export const memoEffects: readonly Effect[] = [
  { type: 'memo.write', kind: 'failedEvents', name: 'hook/1', value: run(3, 1) },
  { type: 'memo.write', kind: 'keyUses', name: 'KEY', value: encodeKeyUse({ ms: 1000, service: 's3', region: 'r' }) },
  { type: 'memo.remove', kind: 'keyUses', name: 'KEY' },
];
export const grantedObject: ObjectVersion = { ...object, acl: Buffer.from('{"v":1,"grants":[["READ","AllUsers"]]}') };

export const sourceEffects: readonly Effect[] = [
  { type: 'source.write', bucket: 7, document: Buffer.from('{}') },
  { type: 'source.remove', bucket: 300 },
];

export const lockEffects: readonly Effect[] = [{ type: 'lock.clock', ms: 1_700_000_000_123 }];

export const quotaEffects: readonly Effect[] = [
  { type: 'quota.write', subject: { kind: 'bucket', bucket: 300 }, quota: { bytes: 2 ** 40, objects: 7 } },
  { type: 'quota.write', subject: { kind: 'tenant', account: '123456789012' }, quota: { objects: 0 } },
  { type: 'quota.write', subject: { kind: 'user', user: 'AIDA1' }, quota: null },
  { type: 'usage.charge', sequence: 300, user: 'AIDA1' },
  { type: 'usage.begin', account: '123456789012' },
];
export const usage = { objects: 300, bytes: 2 ** 40 };
export const countsWithParts = { objects: 1, versions: 2, uploads: 3, bytes: 2 ** 40, partBytes: 300 };
