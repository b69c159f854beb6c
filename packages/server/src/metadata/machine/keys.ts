import { CorruptionError } from '../../errors.ts';
import type { BucketId } from './records.ts';

/*
 * One key space, ordered as unsigned bytes. The first byte names the table. Keys of objects stand raw at the end of their row key, so
 * their order is exact whatever bytes they hold. Where something must follow an object key (uploads), the key is written in groups of
 * eight bytes, each followed by a count, which keeps the order and costs an eighth more.
 */

/**
 * The first byte of every row key. Never change or reuse one. The rows that change with every entry (how far it is, counters, counts) come
 * first, side by side: they share a page of the KV, and a commit writes one for them instead of three.
 */
export const tables = {
  meta: 0x00,
  counters: 0x01,
  bucketCounts: 0x02,
  objects: 0x03,
  history: 0x04,
  guks: 0x05,
  buckets: 0x06,
  bucketIds: 0x07,
  uploads: 0x08,
  nulls: 0x09,
  pieces: 0x0a,
  references: 0x0b,
  stripes: 0x0c,
  garbage: 0x0d,
  intents: 0x0e,
  groups: 0x0f,
  accessKeys: 0x10,
  requests: 0x11,
  nodes: 0x12,
  devices: 0x13,
  features: 0x14,
  settings: 0x15,
  invitations: 0x20,
  authorities: 0x21,
  bucketShards: 0x18,
  configurations: 0x30,
  accounts: 0x34,
  identities: 0x35,
  identityNames: 0x36,
  identityUses: 0x37,
  identityCounts: 0x38,
  targets: 0x3c,
  followers: 0x3d,
  kmsKeys: 0x3f,
  usage: 0x40,
  quotas: 0x41,
  charges: 0x42,
  restores: 0x45,
  memos: 0x46,
  renames: 0x47,
  holds: 0x48,
  rates: 0x43,
  sources: 0x44,
} as const;

export type Table = keyof typeof tables;

/** Counters: next sequence, next bucket id, buckets, intents, access keys, nodes, devices, next request, oldest request kept, position of the last swap of stripes, renames and holds. */
export const counters = {
  sequence: 0x01,
  bucketId: 0x02,
  buckets: 0x03,
  intents: 0x04,
  accessKeys: 0x05,
  nodes: 0x06,
  devices: 0x07,
  requests: 0x08,
  oldestRequest: 0x09,
  recodedAt: 0x0a,
  lockClock: 0x3c,
  renames: 0x47,
  holds: 0x48,
} as const;

const GROUP = 8;
const MORE = 0xff;

const sized = (table: number, length: number): Buffer => {
  const key = Buffer.allocUnsafe(length);
  key[0] = table;
  return key;
};

function u64At(key: Buffer, value: number, at: number): void {
  key.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  key.writeUInt32BE(value % 2 ** 32, at + 4);
}

const readU64 = (key: Buffer, at: number): number => key.readUInt32BE(at) * 2 ** 32 + key.readUInt32BE(at + 4);

function prefixed(table: number, id: Uint8Array): Buffer {
  const key = sized(table, 1 + id.length);
  key.set(id, 1);
  return key;
}

function numbered(table: number, value: number): Buffer {
  const key = sized(table, 5);
  key.writeUInt32BE(value, 1);
  return key;
}

function idAndIndex(table: number, id: Uint8Array, index: number): Buffer {
  const key = sized(table, 21);
  key.set(id, 1);
  key.writeUInt32BE(index, 17);
  return key;
}

const identityNameKey = (account: string, kind: number, name: string): Buffer =>
  prefixed(
    tables.identityNames,
    Buffer.concat([Buffer.from(account), Buffer.from([kind]), Buffer.from(name.toLowerCase())]),
  );

/** First byte of an object's key within its row key in `objects`. */
const objectKeyAt = 5;

/** The first key above every key of a table. */
export const tableEnd = (table: Table): Buffer => Buffer.from([tables[table] + 1]);
export const tableStart = (table: Table): Buffer => Buffer.from([tables[table]]);

export const keys = {
  meta: (name: number) => Buffer.from([tables.meta, name]),
  counter: (name: number) => Buffer.from([tables.counters, name]),

  object(bucket: BucketId, key: Uint8Array): Buffer {
    const out = sized(tables.objects, objectKeyAt + key.length);
    out.writeUInt32BE(bucket, 1);
    out.set(key, objectKeyAt);
    return out;
  },

  /** Newer versions first. */
  history(guk: Uint8Array, sequence: number): Buffer {
    const out = sized(tables.history, 25);
    out.set(guk, 1);
    out.writeUInt32BE(0xffff_ffff - Math.floor(sequence / 2 ** 32), 17);
    out.writeUInt32BE(0xffff_ffff - (sequence % 2 ** 32), 21);
    return out;
  },
  /** First possible history row of an object, and the first key behind the last one. */
  historyStart: (guk: Uint8Array) => prefixed(tables.history, guk),
  historyEnd: (guk: Uint8Array) => keys.history(guk, 0),

  guk: (guk: Uint8Array) => prefixed(tables.guks, guk),
  nullVersion: (guk: Uint8Array) => prefixed(tables.nulls, guk),
  bucket: (name: string) => prefixed(tables.buckets, Buffer.from(name)),
  bucketId: (id: BucketId) => numbered(tables.bucketIds, id),
  bucketCounts: (id: BucketId) => numbered(tables.bucketCounts, id),
  bucketShards: (id: BucketId) => numbered(tables.bucketShards, id),
  configuration(id: BucketId, kind: number): Buffer {
    const out = sized(tables.configurations, 6);
    out.writeUInt32BE(id, 1);
    out[5] = kind;
    return out;
  },
  /** First possible row of a bucket's configurations, and the first key behind the last one. */
  configurationsOf: (id: BucketId) => numbered(tables.configurations, id),
  configurationsEnd: (id: BucketId) => Buffer.concat([numbered(tables.configurations, id), Buffer.from([0xff])]),

  upload(bucket: BucketId, key: Uint8Array, upload: Uint8Array): Buffer {
    const start = keys.uploadStart(bucket, key);
    const out = Buffer.allocUnsafe(start.length + upload.length);
    out.set(start, 0);
    out.set(upload, start.length);
    return out;
  },
  /** First possible row of a key's uploads, or of the uploads of all keys that begin with it. */
  uploadStart(bucket: BucketId, key: Uint8Array): Buffer {
    const groups = Math.max(1, Math.ceil(key.length / GROUP));
    const out = sized(tables.uploads, 5 + groups * (GROUP + 1));
    out.writeUInt32BE(bucket, 1);
    for (let group = 0; group < groups; group++) {
      const at = 5 + group * (GROUP + 1);
      const from = group * GROUP;
      const count = Math.min(GROUP, key.length - from);
      out.fill(0, at, at + GROUP);
      out.set(key.subarray(from, from + count), at);
      out[at + GROUP] = group === groups - 1 ? count : MORE;
    }
    return out;
  },
  uploadsOf: (bucket: BucketId) => numbered(tables.uploads, bucket),

  piece: (manifest: Uint8Array, index: number) => idAndIndex(tables.pieces, manifest, index),
  reference: (manifest: Uint8Array, pieces: number) => idAndIndex(tables.references, manifest, pieces),
  stripe: (id: Uint8Array) => prefixed(tables.stripes, id),

  garbage(position: number, ordinal: number): Buffer {
    const out = sized(tables.garbage, 13);
    u64At(out, position, 1);
    out.writeUInt32BE(ordinal, 9);
    return out;
  },

  /** In the order in which they are due. */
  restore(dueMs: number, sequence: number): Buffer {
    const out = sized(tables.restores, 17);
    u64At(out, dueMs, 1);
    u64At(out, sequence, 9);
    return out;
  },

  source: (id: BucketId) => numbered(tables.sources, id),
  /** 00 and the id of a rename under way, or 01 and a bucket into which there was one. */
  rename: (id: Uint8Array) => prefixed(tables.renames, Buffer.concat([Buffer.from([0]), id])),
  renamesEnd: () => Buffer.from([tables.renames, 1]),
  renamedInto(bucket: BucketId): Buffer {
    const out = sized(tables.renames, 6);
    out[1] = 1;
    out.writeUInt32BE(bucket, 2);
    return out;
  },
  hold(bucket: BucketId, key: Uint8Array): Buffer {
    const out = keys.object(bucket, key);
    out[0] = tables.holds;
    return out;
  },
  intent: (prefix: Uint8Array) => prefixed(tables.intents, prefix),
  group: (id: number) => numbered(tables.groups, id),
  accessKey: (id: string) => prefixed(tables.accessKeys, Buffer.from(id)),
  request(number: number): Buffer {
    const out = sized(tables.requests, 9);
    u64At(out, number, 1);
    return out;
  },
  node: (id: string) => prefixed(tables.nodes, Buffer.from(id)),
  device: (identity: string) => prefixed(tables.devices, Buffer.from(identity)),
  feature: (name: string) => prefixed(tables.features, Buffer.from(name)),
  setting: (name: string) => prefixed(tables.settings, Buffer.from(name)),
  target: (name: string) => prefixed(tables.targets, Buffer.from(name)),
  /** By subject. */
  rates: (subject: string) => prefixed(tables.rates, Buffer.from(subject)),
  follower: (name: string) => prefixed(tables.followers, Buffer.from(name)),
  /** 00 and the id, or 01 and the name: a row that holds the id. */
  kmsKey: (id: string) => prefixed(tables.kmsKeys, Buffer.from(`\0${id}`)),
  kmsKeyName: (name: string) => prefixed(tables.kmsKeys, Buffer.from(`\x01${name}`)),
  /** Number of the kind, name. */
  memo: (kind: number, name: string) => prefixed(tables.memos, Buffer.from(String.fromCharCode(kind) + name)),
  invitation: (id: Uint8Array) => prefixed(tables.invitations, id),
  account: (id: string) => prefixed(tables.accounts, Buffer.from(id)),
  identity: (id: string) => prefixed(tables.identities, Buffer.from(id)),
  /** Account of 12 digits, kind, name in lower case. */
  identityName: (account: string, kind: number, name: string) => identityNameKey(account, kind, name),
  /** The first possible key behind a name. */
  identityNameBehind: (account: string, kind: number, name: string) =>
    Buffer.concat([identityNameKey(account, kind, name), Buffer.from([0])]),
  identityNamesEnd: (account: string, kind: number) => identityNameKey(account, kind + 1, ''),
  /** Account of 12 digits, target, 00, use, id of the identity that uses it. */
  identityUse: (account: string, target: string, use: number, holder: string) =>
    prefixed(
      tables.identityUses,
      Buffer.concat([Buffer.from(`${account}${target}`), Buffer.from([0, use]), Buffer.from(holder, 'latin1')]),
    ),
  identityCount: (account: string, kind: number) =>
    prefixed(tables.identityCounts, Buffer.concat([Buffer.from(account), Buffer.from([kind])])),
  identityGeneration: () => prefixed(tables.identityCounts, Buffer.from([0])),
  /** What a tenant has, or a user has written: account of 12 digits, or id of the user. */
  usage: (of: string) => prefixed(tables.usage, Buffer.from(of)),
  /** Kind and name of the subject (quotas.ts). */
  quota: (subject: Uint8Array) => prefixed(tables.quotas, subject),
  /** How many rows there are in the tables `usage` and `quotas`. */
  quotaRows: () => prefixed(tables.quotas, Buffer.from([0])),
  /** What the parts of an open upload have. */
  partBytes: (upload: Uint8Array) => prefixed(tables.charges, upload),
  /** Whom a version or an upload counts for, by its sequence. Ids of uploads begin with 0. */
  charge(sequence: number): Buffer {
    const out = sized(tables.charges, 10);
    out[1] = 1;
    u64At(out, sequence, 2);
    return out;
  },
  /** The one row of its table. */
  authority: () => prefixed(tables.authorities, Buffer.from([0])),
};

/** The parts of a row key. Each throws CorruptionError when the key cannot be one of its table. */
export const parse = {
  objectKey(key: Buffer): Buffer {
    if (key.length < objectKeyAt) throw new CorruptionError('key of table objects is too short');
    return key.subarray(objectKeyAt);
  },
  bucketId(key: Buffer): BucketId {
    if (key.length < 5) throw new CorruptionError('key is too short for a bucket id');
    return key.readUInt32BE(1);
  },
  sequence(key: Buffer): number {
    if (key.length !== 25) throw new CorruptionError('key of table history has a wrong length');
    return (0xffff_ffff - key.readUInt32BE(17)) * 2 ** 32 + (0xffff_ffff - key.readUInt32BE(21));
  },
  index(key: Buffer): number {
    if (key.length !== 21) throw new CorruptionError('key of an indexed table has a wrong length');
    return key.readUInt32BE(17);
  },
  manifest: (key: Buffer): Buffer => key.subarray(1, 17),
  garbage(key: Buffer): { position: number; ordinal: number } {
    if (key.length !== 13) throw new CorruptionError('key of table garbage has a wrong length');
    return { position: readU64(key, 1), ordinal: key.readUInt32BE(9) };
  },
  restore(key: Buffer): { dueMs: number; sequence: number } {
    if (key.length !== 17) throw new CorruptionError('key of table restores has a wrong length');
    return { dueMs: readU64(key, 1), sequence: readU64(key, 9) };
  },
  request(key: Buffer): number {
    if (key.length !== 9) throw new CorruptionError('key of table requests has a wrong length');
    return readU64(key, 1);
  },
  setting: (key: Buffer): string => key.toString('utf8', 1),
  feature: (key: Buffer): string => key.toString('utf8', 1),
  memo: (key: Buffer): string => key.toString('utf8', 2),
  /** Of a target, of a follower, or the subject of limits. */
  name: (key: Buffer): string => key.toString('utf8', 1),
  upload(row: Buffer): { key: Buffer; upload: Buffer } {
    const groups: Buffer[] = [];
    for (let at = 5; ; at += GROUP + 1) {
      const count = row[at + GROUP];
      if (count === undefined || (count > GROUP && count !== MORE)) {
        throw new CorruptionError('key of table uploads is malformed');
      }
      groups.push(row.subarray(at, at + (count === MORE ? GROUP : count)));
      if (count === MORE) continue;
      const upload = row.subarray(at + GROUP + 1);
      if (upload.length !== 16) throw new CorruptionError('key of table uploads is malformed');
      return { key: Buffer.concat(groups), upload };
    }
  },
};

/** The first key above every key that begins with `prefix`; undefined when there is none (all 0xff). */
export function successorOfPrefix(prefix: Uint8Array): Buffer | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return undefined;
  const out = Buffer.from(prefix.subarray(0, length));
  out[length - 1]! += 1;
  return out;
}

/** The map key of a row key: one character a byte, so that strings sort as the bytes do. */
export const textOf = (key: Uint8Array): string =>
  (key instanceof Buffer ? key : Buffer.from(key.buffer, key.byteOffset, key.byteLength)).toString('latin1');
