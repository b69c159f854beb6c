import { digestOf } from '../../codec/index.ts';
import { StoreError } from '../../errors.ts';
import type {
  BucketRecord,
  ConfigurationKind,
  Guard,
  ObjectVersion,
  PartRecord,
  UploadRecord,
  VersionRecord,
} from '../../metadata/index.ts';
import { etagText, parseVersionId, readOutcome, versionIdText } from '../../objects/index.ts';

/* The rows of the object service in maps, and how they are chosen, checked and listed. */

export interface Stored {
  readonly record: VersionRecord;
  readonly bytes: Buffer;
}

export interface FakeBucket {
  record: BucketRecord;
  /** By key in hexadecimal, so that sorting them sorts bytes; versions newest first. */
  readonly keys: Map<string, Stored[]>;
  readonly configurations: Map<ConfigurationKind, Buffer>;
  readonly uploads: Map<string, { record: UploadRecord; parts: Map<number, { record: PartRecord; bytes: Buffer }> }>;
}
export const versions = (bucket: FakeBucket, key: Buffer): Stored[] => bucket.keys.get(key.toString('hex')) ?? [];

export const checkGuard = (bucket: FakeBucket, key: Buffer, guard: Guard | undefined) => {
  if (!guard) return;
  const newest = versions(bucket, key)[0];
  const object = newest?.record.kind === 'object' ? newest.record : undefined;
  if (guard.ifMatch !== undefined && !object) throw new StoreError('NoSuchKey');
  if (
    guard.ifNoneMatch !== undefined &&
    object &&
    (guard.ifNoneMatch === '*' || guard.ifNoneMatch.includes(etagText(object)))
  )
    throw new StoreError('PreconditionFailed');
  if (guard.ifMatch !== undefined && object && readOutcome({ ifMatch: guard.ifMatch }, object) !== 'read')
    throw new StoreError('PreconditionFailed');
  if (guard.ifSize !== undefined && object?.size !== guard.ifSize) throw new StoreError('PreconditionFailed');
  if (
    guard.ifModifiedAtMs !== undefined &&
    Math.floor((object?.modifiedMs ?? 0) / 1000) !== Math.floor(guard.ifModifiedAtMs / 1000)
  )
    throw new StoreError('PreconditionFailed');
};

export const select = (
  bucket: FakeBucket,
  key: Buffer,
  versionId: string | undefined,
): Stored & { record: ObjectVersion } => {
  const selector = parseVersionId(versionId);
  const found = versions(bucket, key).find(
    ({ record }) =>
      selector === undefined || (selector === 'null' ? record.isNull : record.sequence === selector.sequence),
  );
  if (!found)
    throw selector === undefined
      ? new StoreError('NoSuchKey')
      : new StoreError('NoSuchVersion', { detail: { VersionId: versionId ?? '' } });
  if (found.record.kind === 'marker') {
    throw new StoreError(selector === undefined ? 'NoSuchKey' : 'MethodNotAllowed', {
      detail: { DeleteMarker: 'true', VersionId: versionIdText(found.record) },
    });
  }
  return found as Stored & { record: ObjectVersion };
};

export const page = <Item>(all: readonly Item[], limit: number) => ({
  items: all.slice(0, limit),
  truncated: all.length > limit,
});

export const rolled = <Item>(
  query: { prefix: Buffer; delimiter: Buffer; after: Buffer },
  rows: readonly { key: Buffer; item: Item }[],
) => {
  const out: (Item | { prefix: Buffer })[] = [];
  let last: Buffer | undefined;
  for (const { key, item } of rows) {
    if (!key.subarray(0, query.prefix.length).equals(query.prefix)) continue;
    const cut = query.delimiter.length === 0 ? -1 : key.indexOf(query.delimiter, query.prefix.length);
    if (cut < 0) {
      if (query.after.length === 0 || key.compare(query.after) > 0) out.push(item);
      continue;
    }
    const prefix = key.subarray(0, cut + query.delimiter.length);
    if (
      last?.equals(prefix) ||
      (query.after.length > 0 && query.after.compare(prefix) === 0) ||
      (query.after.length > 0 && key.compare(query.after) <= 0)
    )
      continue;
    last = prefix;
    out.push({ prefix });
  }
  return out;
};

export const sorted = (bucket: FakeBucket) =>
  [...bucket.keys].sort(([a], [b]) => (a < b ? -1 : 1)).map(([hex, list]) => ({ key: Buffer.from(hex, 'hex'), list }));

export const uploadOf = (bucket: FakeBucket, key: Buffer, id: string) => {
  const found = bucket.uploads.get(id);
  if (!found?.record.key.equals(key)) throw new StoreError('NoSuchUpload');
  return found;
};

const zeros = Buffer.alloc(8);

/** A version of these bytes that nothing was said about. */
export const plainVersion = (bytes: Buffer): ObjectVersion => ({
  kind: 'object',
  guk: zeros,
  sequence: 0,
  nonce: zeros,
  isNull: true,
  modifiedMs: 0,
  owner: 'owner',
  size: bytes.length,
  etag: digestOf('MD5', bytes),
  etagParts: 0,
  storageClass: 'STANDARD',
  headers: {},
  metadata: [],
  tags: [],
  checksum: undefined,
  wrappedKey: zeros,
  manifest: { id: zeros, pieces: 1, embedded: undefined, sealed: true },
  partSizes: [],
});

export const plainBucket = (
  id: number,
  name: string,
  owner: string,
  region: string,
  createdMs: number,
): BucketRecord => ({
  id,
  name,
  owner,
  createdMs,
  region,
  versioning: 'off',
  tags: [],
  wrappedKey: Buffer.alloc(8),
  consistency: 'strong',
  redundancy: undefined,
  counts: { objects: 0, versions: 0, uploads: 0, bytes: 0, partBytes: 0 },
});

/** Says something else of a version, where it is. */
export function rewritten(
  bucket: FakeBucket,
  { key, versionId }: { readonly key: Buffer; readonly versionId: string | undefined },
  change: (record: ObjectVersion) => ObjectVersion,
): ObjectVersion {
  const found = select(bucket, key, versionId);
  const record = change(found.record);
  const list = versions(bucket, key);
  list[list.indexOf(found)] = { ...found, record };
  return record;
}

export const granting = (bucket: FakeBucket, which: Parameters<typeof rewritten>[1], acl: Buffer | null) =>
  rewritten(bucket, which, (record) => {
    const { acl: _, ...rest } = record;
    return acl === null ? rest : { ...rest, acl };
  });

const noKey = () => Promise.reject(new Error('this store has no named keys'));

/** What the store in maps does not have. */
export const withoutKeysAndQuotas = {
  by: () => undefined,
  kms: { list: () => [], create: noKey, setState: noKey, rotate: noKey },
  rewrap: noKey,
} as const;

/** The pieces of a body, whose bytes are counted as they come. */
export async function* counted(
  stream: AsyncIterable<Uint8Array>,
  taken: { bytes: number },
): AsyncGenerator<Uint8Array> {
  for await (const piece of stream) {
    taken.bytes += piece.length;
    yield piece;
  }
}
