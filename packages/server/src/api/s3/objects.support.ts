import { digestOf } from '../../codec/index.ts';
import { StoreError } from '../../errors.ts';
import type {
  BucketRecord,
  DeleteMarker,
  DeleteResult,
  ObjectVersion,
  PartRecord,
  Redundancy,
  UploadRecord,
} from '../../metadata/index.ts';
import { type ObjectService, parseVersionId, type ReadResult, readOutcome, uploadIdText } from '../../objects/index.ts';
import { collect } from '../http/body.ts';
import {
  checkGuard,
  counted,
  type FakeBucket,
  granting,
  page,
  plainBucket,
  plainVersion,
  rewritten,
  rolled,
  type Stored,
  select,
  sorted,
  uploadOf,
  versions,
  withoutKeysAndQuotas,
} from './rows.support.ts';

/* An object service in maps, for tests of the protocol: it decides as the real one does, keeps bytes as they are, and can give broken or slow streams. */

export interface FakeObjects {
  readonly service: ObjectService;
  /** What the next streams do instead of giving all bytes. */
  readonly faults: {
    breakAfter?: number;
    error?: Error;
    forbidImmediate?: boolean;
    chunk?: number;
    wait?: () => Promise<void>;
  };
  /** Bodies that ended before their end. */
  readonly aborted: string[];
  /** Bodies that came whole, and those that began to come, with what came of them. */
  readonly taken: { whole: number; streamed: number; bytes: number };
}

type Put = Parameters<ObjectService['put']>[0];
const zeros = Buffer.alloc(8);
const notHere = () => Promise.reject(new Error('not in the fake'));

export function fakeObjects(now: () => number = () => 1_700_000_000_000): FakeObjects {
  const buckets = new Map<string, FakeBucket>();
  let sequence = 0;
  const kept = new WeakMap<object, Redundancy>();
  const faults: FakeObjects['faults'] = {};
  const aborted: string[] = [];
  const taken = { whole: 0, streamed: 0, bytes: 0 };

  const find = (name: string): FakeBucket => {
    const bucket = buckets.get(name);
    if (!bucket) throw new StoreError('NoSuchBucket');
    return bucket;
  };
  const nextIdentity = (bucket: FakeBucket) => {
    sequence++;
    const nonce = Buffer.alloc(8);
    nonce.writeUInt32BE(sequence);
    return {
      guk: Buffer.concat([zeros, nonce]),
      sequence,
      nonce,
      isNull: bucket.record.versioning !== 'enabled',
      modifiedMs: now(),
    };
  };
  const store = (bucket: FakeBucket, key: Buffer, stored: Stored) => {
    const hex = key.toString('hex');
    const kept = (bucket.keys.get(hex) ?? []).filter(({ record }) => !(stored.record.isNull && record.isNull));
    bucket.keys.set(hex, [stored, ...kept]);
  };
  const takeBody = async (body: Put['body'], expected: Put['expected'], what: string) => {
    let bytes: Buffer;
    if (body.whole) {
      taken.whole++;
      bytes = Buffer.from(body.whole);
    } else {
      taken.streamed++;
      bytes = await collect(counted(body.stream, taken), 2 ** 31, () => new StoreError('EntityTooLarge')).catch(
        (error: unknown) => {
          aborted.push(what);
          throw error;
        },
      );
    }
    if (body.length !== undefined && body.length !== bytes.length) throw new StoreError('IncompleteBody');
    if (expected.md5 && !digestOf('MD5', bytes).equals(expected.md5)) throw new StoreError('BadDigest');
    const sha256 = expected.sha256;
    if (sha256 && !digestOf('SHA256', bytes).equals(sha256)) throw new StoreError('XAmzContentSHA256Mismatch');
    const given = expected.trailer?.() ?? expected.checksum;
    const algorithm = given?.algorithm;
    const value = algorithm && digestOf(algorithm, bytes);
    if (value && given?.value && !value.equals(given.value)) throw new StoreError('BadDigest');
    return { bytes, checksum: algorithm && value ? ({ algorithm, type: 'FULL_OBJECT', value } as const) : undefined };
  };
  const readOf = (bucket: FakeBucket, found: Stored & { record: ObjectVersion }): ReadResult => ({
    bucket: bucket.record,
    version: found.record,
    position: sequence,
    archived: false,
    immediate: ({ start, end }) => (faults.forbidImmediate ? undefined : found.bytes.subarray(start, end)),
    async *open({ start, end }) {
      const step = faults.chunk ?? 64 * 1024;
      for (let at = start; at < end; at += step) {
        if (faults.breakAfter !== undefined && at - start >= faults.breakAfter)
          throw faults.error ?? new StoreError('Damaged');
        await faults.wait?.();
        yield found.bytes.subarray(at, Math.min(end, at + step));
      }
    },
    parts: (after, limit) =>
      found.record.partSizes
        .slice(after, after + limit)
        .map((size, i) => ({ number: after + i + 1, size, checksum: undefined })),
  });
  const upload = (name: string, key: Buffer, id: string) => uploadOf(find(name), key, id);
  const makeVersion = (bucket: FakeBucket, bytes: Buffer, rest: Partial<ObjectVersion>): ObjectVersion => ({
    ...plainVersion(bytes),
    ...nextIdentity(bucket),
    ...rest,
  });

  const service: ObjectService = {
    announcing: () => service,
    ...withoutKeysAndQuotas,
    listThrough: (query) => service.list(query),
    arrive: () => undefined,
    async createBucket({ name, owner, region }) {
      if (buckets.has(name)) throw new StoreError('BucketAlreadyOwnedByYou');
      const record = plainBucket(buckets.size + 1, name, owner, region, now());
      buckets.set(name, { record, keys: new Map(), uploads: new Map(), configurations: new Map() });
      return record;
    },
    async deleteBucket(name) {
      if ([...find(name).keys.values()].some((list) => list.length > 0)) throw new StoreError('BucketNotEmpty');
      buckets.delete(name);
    },
    bucket: (name) => find(name).record,
    buckets: (start, limit) =>
      page(
        [...buckets.values()]
          .map((b) => b.record)
          .filter((b) => b.name >= start)
          .sort((a, b) => (a.name < b.name ? -1 : 1)),
        limit,
      ),
    async updateBucket(name, change) {
      const bucket = find(name);
      bucket.record = { ...bucket.record, ...change } as BucketRecord;
      return bucket.record;
    },
    configuration: (name, kind) => find(name).configurations.get(kind),
    async configure(name, kind, document, expected) {
      const { configurations } = find(name);
      if (expected !== undefined && (configurations.get(kind) ?? null) !== expected)
        throw new StoreError('ConditionalRequestConflict');
      if (document === null) configurations.delete(kind);
      else configurations.set(kind, document);
    },
    async put(request) {
      const bucket = find(request.bucket);
      const { bytes, checksum } = await takeBody(request.body, request.expected, request.key.toString());
      checkGuard(bucket, request.key, request.guard);
      const { headers, metadata, tags, storageClass, owner, acl } = request;
      const said = { headers, metadata, tags, storageClass, owner, checksum, ...(acl && { acl }) };
      const version = makeVersion(bucket, bytes, said);
      store(bucket, request.key, { record: version, bytes });
      if (request.redundancy && !('hot' in request.redundancy)) kept.set(version, request.redundancy);
      return { bucket: bucket.record, version, position: sequence };
    },
    look: ({ bucket, key, versionId }) => readOf(find(bucket), select(find(bucket), key, versionId)),
    read: (request) => service.look(request) as ReadResult,
    async copy(request) {
      const from = find(request.source.bucket);
      const source = select(from, request.source.key, request.source.versionId);
      if (request.source.guard) {
        const outcome = readOutcome(request.source.guard, source.record);
        if (outcome !== 'read') throw new StoreError(outcome === 'failed' ? 'PreconditionFailed' : 'NotModified');
      }
      const bucket = find(request.bucket);
      checkGuard(bucket, request.key, request.guard);
      const { headers, metadata, tags, checksum, etag, etagParts, partSizes } = source.record;
      const version = makeVersion(bucket, source.bytes, {
        checksum,
        etag,
        etagParts,
        partSizes,
        headers: request.headers ?? headers,
        metadata: request.metadata ?? metadata,
        tags: request.tags ?? tags,
        storageClass: request.storageClass,
        owner: request.owner,
        ...(request.acl && { acl: request.acl }),
      });
      store(bucket, request.key, { record: version, bytes: source.bytes });
      return { bucket: bucket.record, version, position: sequence, source: source.record };
    },
    append: notHere,
    rename: notHere,
    restore: notHere,
    setLock: notHere,
    patch: notHere,
    setTags: async (request, tags) => rewritten(find(request.bucket), request, (record) => ({ ...record, tags })),
    setAcl: async (request, acl) => granting(find(request.bucket), request, acl),
    async delete(name, owner, items) {
      const bucket = find(name);
      return items.map(({ key, versionId, guard }): DeleteResult => {
        try {
          checkGuard(bucket, key, guard);
        } catch (error) {
          return {
            version: undefined,
            marker: false,
            error: { code: (error as StoreError).code as 'PreconditionFailed', message: 'no' },
          };
        }
        const selector = parseVersionId(versionId);
        const list = versions(bucket, key);
        if (selector !== undefined || bucket.record.versioning === 'off') {
          const found = list.find(
            ({ record }) =>
              selector === undefined || (selector === 'null' ? record.isNull : record.sequence === selector.sequence),
          );
          bucket.keys.set(
            key.toString('hex'),
            list.filter((one) => one !== found),
          );
          return { version: found?.record, marker: found?.record.kind === 'marker', error: undefined };
        }
        const marker: DeleteMarker = { ...nextIdentity(bucket), kind: 'marker', owner };
        store(bucket, key, { record: marker, bytes: Buffer.alloc(8) });
        return { version: marker, marker: true, error: undefined };
      });
    },
    byGuk: () => {
      throw new StoreError('NotFound');
    },
    list(query) {
      const rows = sorted(find(query.bucket)).flatMap(({ key, list }) => {
        const record = list[0]?.record;
        if (record?.kind !== 'object') return [];
        const { checksum: sum } = record;
        const checksum = sum && { algorithm: sum.algorithm, type: sum.type };
        return [{ key, item: { ...record, key, checksum } }];
      });
      return page(rolled(query, rows), query.limit);
    },
    listVersions(query) {
      const marker = parseVersionId(query.versionMarker);
      const all = sorted(find(query.bucket));
      const rows = all.flatMap(({ key, list }) =>
        list.map(({ record }, i) => ({ key, item: { key, record, isLatest: i === 0 } })),
      );
      if (marker === undefined) return page(rolled(query, rows), query.limit);
      const at = rows.findIndex(
        ({ key, item }) =>
          key.equals(query.after) &&
          (marker === 'null' ? item.record.isNull : item.record.sequence === marker.sequence),
      );
      return page(rolled({ ...query, after: zeros.subarray(0, 0) }, rows.slice(at + 1)), query.limit);
    },
    async createUpload(request) {
      const bucket = find(request.bucket);
      const { guk } = nextIdentity(bucket);
      const { key, owner, storageClass, headers, metadata, tags, checksumAlgorithm } = request;
      const checksumType =
        request.checksumType ??
        (checksumAlgorithm && (checksumAlgorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE'));
      const record: UploadRecord = {
        id: guk,
        bucket: bucket.record.id,
        key,
        initiatedMs: now(),
        owner,
        storageClass,
        headers,
        metadata,
        tags,
        checksumAlgorithm,
        checksumType,
        wrappedKey: zeros,
      };
      bucket.uploads.set(uploadIdText(record.id), { record, parts: new Map() });
      return record;
    },
    upload: (bucket, key, id) => upload(bucket, key, id).record,
    async putPart(request) {
      const found = upload(request.bucket, request.key, request.uploadId);
      const { bytes, checksum } = await takeBody(request.body, request.expected, `part ${request.number}`);
      const record: PartRecord = {
        number: request.number,
        modifiedMs: now(),
        piece: {
          salt: zeros,
          size: bytes.length,
          md5: digestOf('MD5', bytes),
          checksum,
          compressed: false,
          sealed: true,
          body: { inline: bytes },
        },
      };
      found.parts.set(request.number, { record, bytes });
      return record;
    },
    async copyPart(request) {
      const found = upload(request.bucket, request.key, request.uploadId);
      const source = select(find(request.source.bucket), request.source.key, request.source.versionId);
      const { start, end } = request.slice ?? { start: 0, end: source.bytes.length };
      if (end > source.bytes.length) throw new StoreError('InvalidArgument', { message: 'Range is not valid' });
      const bytes = source.bytes.subarray(start, end);
      const part: PartRecord = {
        number: request.number,
        modifiedMs: now(),
        piece: {
          salt: zeros,
          size: bytes.length,
          md5: digestOf('MD5', bytes),
          checksum: undefined,
          compressed: false,
          sealed: true,
          body: { inline: bytes },
        },
      };
      found.parts.set(request.number, { record: part, bytes });
      return { part, source: source.record };
    },
    async completeUpload(request) {
      const bucket = find(request.bucket);
      const { record, parts } = upload(request.bucket, request.key, request.uploadId);
      checkGuard(bucket, request.key, request.guard);
      const type = request.checksumType ?? record.checksumType ?? 'FULL_OBJECT';
      if (type !== (record.checksumType ?? type)) throw new StoreError('InvalidRequest');
      const chosen = request.parts.map(({ number, etag }) => {
        const part = parts.get(number);
        if (!part || etag.replaceAll('"', '') !== part.record.piece.md5.toString('hex'))
          throw new StoreError('InvalidPart');
        return part;
      });
      const bytes = Buffer.concat(chosen.map((part) => part.bytes));
      const { headers, metadata, tags, storageClass, owner } = record;
      const version = makeVersion(bucket, bytes, {
        headers,
        metadata,
        tags,
        storageClass,
        owner,
        etag: digestOf('MD5', Buffer.concat(chosen.map((part) => part.record.piece.md5))),
        etagParts: chosen.length,
        partSizes: chosen.map((part) => part.bytes.length),
        checksum: request.checksum && { ...request.checksum, type },
      });
      store(bucket, request.key, { record: version, bytes });
      bucket.uploads.delete(request.uploadId);
      return { bucket: bucket.record, version, position: sequence };
    },
    async abortUpload(bucket, key, id) {
      upload(bucket, key, id);
      find(bucket).uploads.delete(id);
    },
    listUploads(query) {
      const rows = [...find(query.bucket).uploads.values()]
        .map(({ record }) => ({ key: record.key, item: record }))
        .sort((a, b) => a.key.compare(b.key) || a.item.id.compare(b.item.id));
      const marker = query.uploadIdMarker;
      if (marker === undefined) return page(rolled(query, rows), query.limit);
      const later = rows.filter(
        ({ key, item }) => key.compare(query.after) > 0 || (key.equals(query.after) && uploadIdText(item.id) > marker),
      );
      return page(rolled({ ...query, after: zeros.subarray(0, 0) }, later), query.limit);
    },
    listParts(bucket, key, id, after, limit) {
      const found = upload(bucket, key, id);
      const all = [...found.parts.values()]
        .map((part) => part.record)
        .filter((part) => part.number > after)
        .sort((a, b) => a.number - b.number);
      return { upload: found.record, page: page(all, limit) };
    },
    storageClasses: () => ['STANDARD', 'STANDARD_IA', 'REDUCED_REDUNDANCY'],
    stored: (what) => ({ redundancy: kept.get(what) ?? { copies: 2 }, missing: 0 }),
    // Where the tests of listings say that the replica is.
    positions: () => [7],
    oldestRead: () => undefined,
  };
  return { service, faults, aborted, taken };
}
