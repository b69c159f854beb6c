import { ByteReader, ByteWriter } from '../../codec/index.ts';
import { CorruptionError } from '../../errors.ts';
import type { Page } from '../types.ts';
import { firstAccount } from './decide-identities.ts';
import { choice, ended, format } from './fields.ts';
import type { BucketId } from './records.ts';

/*
 * Quotas: how many bytes and versions a bucket, or all buckets of a tenant together, may hold, or a user may have written. What a bucket holds is counted in its own row, in the entry of
 * every change (`bucketCounts`); what the buckets of a tenant hold together is a row of table `usage` from the first time on that somebody had to know
 * (effect `usage.begin`), and then changes with theirs (usage.ts). What a user writes while he has a quota
 * is charged to him (effect `usage.charge`), until it goes. A quota is a row of the system shard alone; whether a change keeps within it is decided
 * with the change itself, on the newest state (decide-quotas.ts). Bytes are those that objects have for their readers, whatever they take on disk.
 */

/** At least one of the two. Whole numbers from 0 on. */
export interface Quota {
  readonly bytes?: number;
  /** Versions and delete markers. */
  readonly objects?: number;
}

/** What a quota is of. `account`: 12 digits; `user`: his id, which is never used again. */
export type QuotaSubject =
  | { readonly kind: 'bucket'; readonly bucket: BucketId }
  | { readonly kind: 'tenant'; readonly account: string }
  | { readonly kind: 'user'; readonly user: string };

/** What a subject holds: versions and markers, and the bytes of versions and of the parts of open uploads. */
export interface Usage {
  readonly objects: number;
  readonly bytes: number;
}

/** null takes the quota away. @throws StoreError NoSuchBucket, NoSuchEntity; InvalidArgument at one that limits nothing, or is no whole number */
export interface QuotaCommand {
  readonly type: 'quota.write';
  readonly subject: QuotaSubject;
  readonly quota: Quota | null;
}

/** Quotas and usage of one replica, or of several as one. */
export interface QuotaReader {
  /** Whether there may be any quota. */
  any(): boolean;
  of(subject: QuotaSubject): Quota | undefined;
  /** As counted by the newest entries that are applied here. */
  usage(subject: QuotaSubject): Usage;
  /** Those behind `after`, buckets by id first, then tenants by account. */
  list(after: QuotaSubject | undefined, limit: number): Page<{ readonly subject: QuotaSubject; readonly quota: Quota }>;
  /** Tenants and users whose usage is a row of its own, to be held against what it counts. */
  counted(): Iterable<QuotaSubject>;
  /** What the buckets of an account hold together, from their own counts. */
  addedUp(account: string): Usage;
  /** Id of the user whom a version or an upload counts for, by its sequence. */
  writerOf(sequence: number): string | undefined;
}

/** What a node knows of the shards besides the one that decides. */
export interface OtherShards {
  /** The system shard's, where that is another one. */
  readonly quotas: Pick<QuotaReader, 'any' | 'of'> | undefined;
  /** All of them together. @throws StoreError ServiceUnavailable while one of them is not open here */
  usage(subject: QuotaSubject): Usage;
}

const accountForm = /^\d{12}$/;

/** The account behind the owner of a bucket: an account says itself, every older name is of the first one. */
export const tenantOf = (owner: string): string => (accountForm.test(owner) ? owner : firstAccount);

/** Whom a row of table `usage` is of: no id of a user is twelve digits. */
export const holderOf = (name: string): QuotaSubject =>
  accountForm.test(name) ? { kind: 'tenant', account: name } : { kind: 'user', user: name };

const kinds = ['bucket', 'tenant', 'user'] as const;

/** The row key behind the table: kind u8 (1 bucket, 2 tenant, 3 user), then the id of the bucket as u32 big-endian, the 12 digits of the account, or the id of the user. */
export function encodeSubject(subject: QuotaSubject): Buffer {
  const kind = 1 + kinds.indexOf(subject.kind);
  if (subject.kind !== 'bucket')
    return Buffer.concat([Buffer.from([kind]), Buffer.from(subject.kind === 'user' ? subject.user : subject.account)]);
  const out = Buffer.alloc(5);
  out[0] = kind;
  out.writeUInt32BE(subject.bucket, 1);
  return out;
}

/** @throws CorruptionError */
export function decodeSubject(bytes: Buffer): QuotaSubject {
  const kind = choice([undefined, ...kinds], bytes[0] ?? 0, 'subject of a quota');
  if (kind === 'bucket' && bytes.length === 5) return { kind, bucket: bytes.readUInt32BE(1) };
  const name = bytes.toString('utf8', 1);
  if (kind === 'tenant' && accountForm.test(name)) return { kind, account: name };
  if (kind === 'user' && name.length > 0) return { kind, user: name };
  throw new CorruptionError('subject of a quota is malformed');
}

const BYTES = 1;
const OBJECTS = 2;

/** The row of table `quotas`: 01, flags u8 (1 bytes, 2 objects), then those that the flags name, each u64. */
export function encodeQuota({ bytes, objects }: Quota): Buffer {
  const out = new ByteWriter(18).u8(1).u8((bytes === undefined ? 0 : BYTES) | (objects === undefined ? 0 : OBJECTS));
  if (bytes !== undefined) out.u64(bytes);
  if (objects !== undefined) out.u64(objects);
  return out.finish();
}

/** @throws CorruptionError */
export function decodeQuota(row: Uint8Array): Quota {
  const from = new ByteReader(row);
  format(from, 1, 'quota');
  const flags = from.u8();
  if (flags === 0 || flags > (BYTES | OBJECTS)) throw new CorruptionError('quota has unknown flags');
  return ended(from, {
    ...(flags & BYTES && { bytes: from.u64() }),
    ...(flags & OBJECTS && { objects: from.u64() }),
  });
}

/** The row of table `usage`: 01, objects u64, bytes u64. */
export const encodeUsage = ({ objects, bytes }: Usage): Buffer =>
  new ByteWriter(17).u8(1).u64(objects).u64(bytes).finish();

/** @throws CorruptionError */
export function decodeUsage(row: Uint8Array): Usage {
  const from = new ByteReader(row);
  format(from, 1, 'usage');
  return ended(from, { objects: from.u64(), bytes: from.u64() });
}

/** Effects of quotas, as they stand in entries. */
export const quotaCodecs = {
  'quota.write': {
    code: 80,
    write: (out: ByteWriter, { subject, quota }: { readonly subject: QuotaSubject; readonly quota: Quota | null }) =>
      out.bytes(encodeSubject(subject)).bytes(quota === null ? Buffer.alloc(0) : encodeQuota(quota)),
    read(from: ByteReader) {
      const [subject, quota] = [decodeSubject(from.bytes()), from.bytes()];
      return { subject, quota: quota.length === 0 ? null : decodeQuota(quota) };
    },
  },
  'usage.charge': {
    code: 81,
    write: (out: ByteWriter, { sequence, user }: { readonly sequence: number; readonly user: string }) =>
      out.varint(sequence).string(user),
    read: (from: ByteReader) => ({ sequence: from.varint(), user: from.string() }),
  },
  'usage.begin': {
    code: 82,
    write: (out: ByteWriter, { account }: { readonly account: string }) => out.string(account),
    read: (from: ByteReader) => ({ account: from.string() }),
  },
} as const;
