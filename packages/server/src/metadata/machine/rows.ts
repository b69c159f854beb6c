import { ByteReader, ByteWriter } from '../../codec/index.ts';
import { CorruptionError } from '../../errors.ts';
import { extensionsOf, readExtensions, writeExtensions } from './extensions.ts';
import {
  algorithmCode,
  algorithmOf,
  choice,
  count,
  ended,
  format,
  formatOf,
  readHeaders,
  readPairs,
  readPolicy,
  writeHeaders,
  writePairs,
  writePolicy,
} from './fields.ts';
import type {
  AccessKeyRecord,
  BucketCounts,
  BucketShards,
  Extensions,
  GarbageRecord,
  GroupRecord,
  IntentRecord,
  RequestRecord,
  StoredBucket,
  StripeRecord,
  UploadRecord,
  Versioning,
} from './records.ts';

/*
 * Byte forms of the smaller rows. Each begins with its format: 1, or 2 where a record says what format 1 had no place for (a code, a redundancy
 * of an upload; what else an upload says is format 3). What format 1 can say stays format 1, so that versions of the program that know only that read it, and write the same bytes.
 * Fields that the row key holds are not repeated, unless noted.
 */

const versionings: readonly Versioning[] = ['off', 'enabled', 'suspended'];
const consistencies = ['strong', 'causal', 'eventual'] as const;
const roles = ['root', 'readwrite', 'readonly'] as const;
const keyStatuses = ['active', 'inactive'] as const;
const states = ['open', 'closed'] as const;
const checksumTypes = [undefined, 'FULL_OBJECT', 'COMPOSITE'] as const;

const start = (capacity?: number): ByteWriter => new ByteWriter(capacity).u8(1);
const startOf = (version: 1 | 2 | 3): ByteWriter => new ByteWriter().u8(version);

function open(bytes: Uint8Array, what: string): ByteReader {
  const from = new ByteReader(bytes);
  format(from, 1, what);
  return from;
}

/** Holds the id too: the same bytes travel in log entries. */
export function encodeBucket(bucket: StoredBucket): Buffer {
  const { redundancy } = bucket;
  const isCoded = redundancy !== undefined && !('copies' in redundancy);
  const out = startOf(isCoded ? 2 : 1)
    .u32(bucket.id)
    .string(bucket.name)
    .string(bucket.owner)
    .u64(bucket.createdMs);
  out.string(bucket.region).u8(versionings.indexOf(bucket.versioning));
  writePairs(out, bucket.tags);
  out.bytes(bucket.wrappedKey).u8(consistencies.indexOf(bucket.consistency));
  if (isCoded) return writePolicy(out, redundancy).finish();
  return out.varint(redundancy === undefined ? 0 : redundancy.copies).finish();
}

export function decodeBucket(bytes: Uint8Array): StoredBucket {
  const from = new ByteReader(bytes);
  const version = formatOf(from, 2, 'bucket');
  const bucket = {
    id: from.u32(),
    name: from.string(),
    owner: from.string(),
    createdMs: from.u64(),
    region: from.string(),
    versioning: choice(versionings, from.u8(), 'versioning'),
    tags: readPairs(from),
    wrappedKey: from.bytes(),
    consistency: choice(consistencies, from.u8(), 'consistency'),
  };
  if (version === 2) return ended(from, { ...bucket, redundancy: readPolicy(from) });
  const copies = from.varint();
  return ended(from, { ...bucket, redundancy: copies === 0 ? undefined : { copies } });
}

export function encodeCounts({ objects, versions, uploads, bytes, partBytes }: BucketCounts): Buffer {
  const out = new ByteWriter(41).u8(partBytes === 0 ? 1 : 2);
  out.u64(objects).u64(versions).u64(uploads).u64(bytes);
  return (partBytes === 0 ? out : out.u64(partBytes)).finish();
}

export function decodeCounts(bytes: Uint8Array): BucketCounts {
  const from = new ByteReader(bytes);
  const version = formatOf(from, 2, 'bucket counts');
  const counts = { objects: from.u64(), versions: from.u64(), uploads: from.u64(), bytes: from.u64() };
  return ended(from, { ...counts, partBytes: version === 1 ? 0 : from.u64() });
}

/** Holds the id too: the same bytes travel in log entries. */
export function encodeBucketShards({ id, generation, shards, madeWith, sealedAt }: BucketShards): Buffer {
  const out = startOf(madeWith === undefined ? 1 : 2);
  out.u32(id).varint(generation).varint(sealedAt).varint(shards.length);
  for (const shard of shards) out.varint(shard);
  if (madeWith !== undefined) out.varint(madeWith);
  return out.finish();
}

export function decodeBucketShards(bytes: Uint8Array): BucketShards {
  const from = new ByteReader(bytes);
  const hasGrown = bytes[0] === 2;
  format(from, hasGrown ? 2 : 1, 'shards of a bucket');
  const about = { id: from.u32(), generation: from.varint(), sealedAt: from.varint() };
  const shards: number[] = [];
  for (let left = count(from); left > 0; left--) shards.push(from.varint());
  if (!hasGrown) return ended(from, { ...about, shards });
  const madeWith = from.varint();
  const fits = madeWith > 0 && madeWith < shards.length;
  if (!fits || !Number.isInteger(Math.log2(madeWith)) || !Number.isInteger(Math.log2(shards.length)))
    throw new CorruptionError('a bucket with more shards than it was made with has a wrong number of them');
  return ended(from, { ...about, shards, madeWith });
}

/** Holds id, bucket and key too: the same bytes travel in log entries. */
export function encodeUpload(upload: UploadRecord): Buffer {
  const isExtended = extensionsOfUpload(upload) !== 0;
  const out = startOf(isExtended ? 3 : upload.redundancy ? 2 : 1)
    .raw(upload.id)
    .u32(upload.bucket)
    .bytes(upload.key)
    .u64(upload.initiatedMs)
    .string(upload.owner);
  out.string(upload.storageClass);
  writeHeaders(out, upload.headers);
  writePairs(out, upload.metadata);
  writePairs(out, upload.tags);
  out.u8(algorithmCode(upload.checksumAlgorithm)).u8(checksumTypes.indexOf(upload.checksumType));
  out.bytes(upload.wrappedKey);
  if (isExtended) writeExtensions(out, extendedOf(upload));
  else if (upload.redundancy) writePolicy(out, upload.redundancy);
  return out.finish();
}

/** What an upload keeps for the version that it becomes, with its redundancy as the policy. */
const extendedOf = ({ redundancy, ...upload }: UploadRecord): Extensions => ({
  ...upload,
  ...(redundancy && { policy: redundancy }),
});

/** Extensions besides its redundancy, for which format 2 has a place, as the bits of extensions.ts. */
export const extensionsOfUpload = (upload: UploadRecord): number => extensionsOf(upload);

export function decodeUpload(bytes: Uint8Array): UploadRecord {
  const from = new ByteReader(bytes);
  const version = formatOf(from, 3, 'upload');
  const upload = {
    id: from.raw(16),
    bucket: from.u32(),
    key: from.bytes(),
    initiatedMs: from.u64(),
    owner: from.string(),
    storageClass: from.string(),
    headers: readHeaders(from),
    metadata: readPairs(from),
    tags: readPairs(from),
    checksumAlgorithm: algorithmOf(from.u8()),
    checksumType: choice(checksumTypes, from.u8(), 'checksum type'),
    wrappedKey: from.bytes(),
  };
  if (version === 1) return ended(from, upload);
  if (version === 2) return ended(from, { ...upload, redundancy: readPolicy(from) });
  const { policy, ...others } = readExtensions(from);
  return ended(from, { ...upload, ...others, ...(policy && { redundancy: policy }) });
}

/** Holds the id too: the same bytes travel in log entries. */
export function encodeAccessKey(key: AccessKeyRecord): Buffer {
  const { account } = key;
  const out = startOf(account === undefined ? 1 : 2)
    .string(key.id)
    .bytes(key.sealedSecret)
    .string(key.owner)
    .string(key.name)
    .u64(key.createdMs);
  out.u8(roles.indexOf(key.role)).varint(key.buckets.length);
  for (const bucket of key.buckets) out.string(bucket);
  if (account !== undefined)
    out
      .string(account)
      .string(key.user ?? '')
      .u8(keyStatuses.indexOf(key.status ?? 'active'));
  return out.finish();
}

export function decodeAccessKey(bytes: Uint8Array): AccessKeyRecord {
  const from = new ByteReader(bytes);
  const version = formatOf(from, 2, 'access key');
  const key = {
    id: from.string(),
    sealedSecret: from.bytes(),
    owner: from.string(),
    name: from.string(),
    createdMs: from.u64(),
    role: choice(roles, from.u8(), 'role'),
  };
  const buckets: string[] = [];
  for (let left = count(from); left > 0; left--) buckets.push(from.string());
  if (version === 1) return ended(from, { ...key, buckets });
  const account = from.string();
  const user = from.string();
  const status = choice(keyStatuses, from.u8(), 'status of an access key');
  return ended(from, { ...key, buckets, account, ...(user !== '' && { user }), status });
}

/** Holds the prefix too. Format 1 has no opener, format 2 has one. */
export function encodeIntent({ prefix, state, openedAt, opener }: IntentRecord): Buffer {
  const out = new ByteWriter(48)
    .u8(opener ? 2 : 1)
    .raw(prefix)
    .u8(states.indexOf(state))
    .u64(openedAt);
  return opener ? out.string(opener.node).raw(opener.incarnation).finish() : out.finish();
}

export function decodeIntent(bytes: Uint8Array): IntentRecord {
  const from = new ByteReader(bytes);
  const found = choice([undefined, false, true], from.u8(), 'format of an intent');
  if (found === undefined) throw new CorruptionError('intent has unknown format 0');
  const intent = { prefix: from.raw(8), state: choice(states, from.u8(), 'intent state'), openedAt: from.u64() };
  const opener = found ? { node: from.string(), incarnation: from.raw(8) } : undefined;
  return ended(from, { ...intent, opener });
}

export const encodeRequest = ({ request, outcome }: RequestRecord): Buffer =>
  start(17 + outcome.length)
    .raw(request)
    .raw(outcome)
    .finish();

export function decodeRequest(bytes: Uint8Array): RequestRecord {
  const from = open(bytes, 'request');
  return { request: from.raw(16), outcome: from.raw(from.remaining) };
}

/** Holds the id too. */
export function encodeGroup(group: GroupRecord): Buffer {
  const out = startOf(group.code ? 2 : 1)
    .u32(group.id)
    .varint(group.epoch)
    .varint(group.devices.length);
  for (const device of group.devices) out.string(device);
  if (group.code) out.varint(group.code.data).varint(group.code.parity);
  return out.finish();
}

export function decodeGroup(bytes: Uint8Array): GroupRecord {
  const from = new ByteReader(bytes);
  const version = formatOf(from, 2, 'placement group');
  const group = { id: from.u32(), epoch: from.varint() };
  const devices: string[] = [];
  for (let left = count(from); left > 0; left--) devices.push(from.string());
  if (version === 1) return ended(from, { ...group, devices });
  const code = { data: from.varint(), parity: from.varint() };
  if (code.data + code.parity !== devices.length) throw new CorruptionError('placement group does not fit its code');
  return ended(from, { ...group, devices, code });
}

export const encodeGarbage = (record: GarbageRecord): Buffer =>
  start(32).raw(record.manifest).u32(record.first).u32(record.end).finish();

export function decodeGarbage(bytes: Uint8Array): GarbageRecord {
  const from = open(bytes, 'garbage');
  return ended(from, { manifest: from.raw(16), first: from.u32(), end: from.u32() });
}

export const encodeStripe = (stripe: StripeRecord): Buffer =>
  start(64).raw(stripe.manifest).varint(stripe.group).u32(stripe.bucket).raw(stripe.key).finish();

export function decodeStripe(bytes: Uint8Array): StripeRecord {
  const from = open(bytes, 'stripe');
  const record = { manifest: from.raw(16), group: from.varint(), bucket: from.u32() };
  return { ...record, key: from.raw(from.remaining) };
}

/** Row of table `guks`: where the object is. */
export function encodePlace(bucket: number, key: Uint8Array): Buffer {
  return start(5 + key.length)
    .u32(bucket)
    .raw(key)
    .finish();
}

export function decodePlace(bytes: Uint8Array): { bucket: number; key: Buffer } {
  const from = open(bytes, 'guk');
  return { bucket: from.u32(), key: from.raw(from.remaining) };
}

/** A whole number: rows of `counters`, `nulls`, `references` and `bucketNames`. */
export function encodeNumber(value: number): Buffer {
  const out = Buffer.allocUnsafe(8);
  out.writeUInt32LE(value >>> 0, 0);
  out.writeUInt32LE(Math.floor(value / 2 ** 32), 4);
  return out;
}

export function decodeNumber(bytes: Buffer): number {
  if (bytes.length !== 8) throw new CorruptionError('number row has a wrong length');
  const value = bytes.readUInt32LE(0) + bytes.readUInt32LE(4) * 2 ** 32;
  if (!Number.isSafeInteger(value)) throw new CorruptionError('number row is larger than 2^53 - 1');
  return value;
}

export const encodeSetting = (value: string): Buffer => start().string(value).finish();

export function decodeSetting(bytes: Uint8Array): string {
  const from = open(bytes, 'setting');
  return ended(from, from.string());
}
