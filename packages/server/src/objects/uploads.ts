import { isCrc } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import type { BucketKey } from '../keys/index.ts';
import { limits } from '../limits.ts';
import type { BucketRecord, PartRecord, Piece, UploadRecord } from '../metadata/index.ts';
import { again } from './again.ts';
import { borrow } from './borrow.ts';
import { checkMayKeep } from './checksums.ts';
import { mayShrink } from './compression.ts';
import { findSource } from './copy.ts';
import { checkDescribing, checkKey } from './describing.ts';
import { type CustomerKey, openedKeyOf, wrappingFor } from './encryption.ts';
import type { ReadHorizon } from './horizon.ts';
import { parseUploadId, parseVersionId } from './ids.ts';
import { type Plan, takeBody } from './intake.ts';
import type { Found } from './outlet.ts';
import { askForRecoding, type Kept, keptWith, preparePolicy, writtenWith } from './policy.ts';
import { publish } from './publish.ts';
import { checkRoom } from './quotas.ts';
import { bodyFrom } from './read.ts';
import { bucketKey, findBucket, propose, type Rooms } from './rooms.ts';
import type { Expected, Incoming, ObjectService, Slice } from './types.ts';

type CreateRequest = Parameters<ObjectService['createUpload']>[0];

/**
 * How the checksum of a whole upload is made: from the parts' checksums, or over all bytes (which only CRCs can be combined to: of the hashes, the
 * newer ones too, there is the first kind only). CRC64NVME is always of the second kind
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html).
 */
function checksumTypeOf({
  checksumAlgorithm: algorithm,
  checksumType: type,
}: CreateRequest): CreateRequest['checksumType'] {
  if (algorithm === undefined) {
    if (type === undefined) return undefined;
    throw new StoreError('InvalidRequest', {
      message: 'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    });
  }
  const chosen = type ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE');
  if (chosen === 'FULL_OBJECT' ? !isCrc(algorithm) : algorithm === 'CRC64NVME') {
    throw new StoreError('InvalidRequest', {
      message: `The ${chosen} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    });
  }
  return chosen;
}

/** Begins an upload of parts. All parts share the key that is made here. */
export async function createUpload(rooms: Rooms, request: CreateRequest): Promise<UploadRecord> {
  checkKey(request.key);
  checkDescribing(rooms, request);
  const checksumType = checksumTypeOf(request);
  checkMayKeep(rooms, request.checksumAlgorithm);
  const bucket = findBucket(rooms, request.bucket);
  if (request.redundancy) await preparePolicy(rooms, request.redundancy);
  if (request.redundancy && 'hot' in request.redundancy) await askForRecoding(rooms);
  const { keys, said } = await wrappingFor(rooms, bucket, request);
  const { wrapped } = keys.newObjectKey();
  const { key, owner, storageClass, headers, metadata, tags, checksumAlgorithm } = request;
  const command = {
    type: 'upload.create',
    bucket: bucket.id,
    key,
    owner,
    storageClass,
    headers,
    metadata,
    tags,
    checksumAlgorithm,
    checksumType,
    wrappedKey: wrapped,
    ...(request.redundancy && { redundancy: request.redundancy }),
    ...request.lock,
    ...said,
    ...(request.acl && { acl: request.acl }),
  } as const;
  return (await propose(rooms, command, 'upload')).upload;
}

/** @throws StoreError NoSuchBucket, NoSuchUpload */
export function findUpload(
  rooms: Rooms,
  name: string,
  key: Buffer,
  uploadId: string,
): { readonly bucket: BucketRecord; readonly upload: UploadRecord } {
  const bucket = findBucket(rooms, name);
  const upload = rooms.reader.upload(bucket.id, key, parseUploadId(uploadId));
  if (!upload) throw new StoreError('NoSuchUpload', { detail: { UploadId: uploadId } });
  return { bucket, upload };
}

/** @throws StoreError InvalidArgument */
export function checkPartNumber(number: number): void {
  if (Number.isInteger(number) && number >= 1 && number <= limits.parts) return;
  throw new StoreError('InvalidArgument', {
    message: `Part number must be an integer between 1 and ${limits.parts}, inclusive`,
    detail: { ArgumentName: 'partNumber', ArgumentValue: String(number) },
  });
}

interface PartTarget {
  readonly bucket: string;
  readonly key: Buffer;
  readonly uploadId: string;
  readonly number: number;
  readonly customerKey?: CustomerKey | undefined;
}

/** Every part comes with the key of its upload. @throws StoreError InvalidRequest */
async function partKeyOf(
  rooms: Rooms,
  keys: BucketKey,
  upload: UploadRecord,
  customerKey: CustomerKey | undefined,
): Promise<Buffer> {
  const refuse = (message: string, cause?: unknown) => new StoreError('InvalidRequest', { message, cause });
  const isCustomers = upload.encryption?.kind === 'customer';
  if (isCustomers && !customerKey)
    throw refuse(
      'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.',
    );
  if (!isCustomers && customerKey)
    throw refuse(
      'The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters.',
    );
  try {
    return await openedKeyOf(rooms, keys, upload, customerKey);
  } catch (cause) {
    if (!isCustomers) throw cause;
    throw refuse('The provided encryption parameters did not match the ones used originally.', cause);
  }
}

/** What the parts of an upload are to be kept with. */
const keptAs = (rooms: Rooms, bucket: BucketRecord, { redundancy: policy, storageClass }: UploadRecord): Kept =>
  keptWith(rooms, bucket, { storageClass, ...(policy && { policy }) });

/** Writes one part and records it in its upload; one that has the number already is replaced. */
async function writePart(rooms: Rooms, target: PartTarget, body: Incoming, expected: Expected): Promise<PartRecord> {
  checkPartNumber(target.number);
  const { bucket, upload } = findUpload(rooms, target.bucket, target.key, target.uploadId);
  const given = expected.checksum?.algorithm;
  if (given && upload.checksumAlgorithm && given !== upload.checksumAlgorithm) {
    throw new StoreError('InvalidRequest', {
      message: `Checksum Type mismatch occurred, expected checksum Type: ${upload.checksumAlgorithm.toLowerCase()}, actual checksum Type: ${given.toLowerCase()}`,
    });
  }
  const kept = keptAs(rooms, bucket, upload);
  const plan: Plan = {
    key: await partKeyOf(rooms, await bucketKey(rooms, bucket), upload, target.customerKey),
    redundancy: writtenWith(kept.policy),
    mayInline: kept.mayInline,
    pack: mayShrink(upload.headers),
    expected,
    keep: upload.checksumAlgorithm,
    maximum: limits.partBytesMax,
    shard: rooms.reader.shardOf(bucket.id, target.key),
  };
  checkRoom(rooms, bucket, body.length, () => rooms.reader.part(upload.id, target.number)?.piece.size ?? 0);
  const piece = await takeBody(rooms, body, plan);
  return (await publish(rooms, partCommand(bucket, upload, target.number, piece), 'part', piece)).part;
}

const partCommand = (bucket: BucketRecord, { key, id }: UploadRecord, number: number, piece: Piece) =>
  ({ type: 'upload.part', bucket: bucket.id, key, upload: id, number, piece }) as const;

export function putPart(rooms: Rooms, request: Parameters<ObjectService['putPart']>[0]): Promise<PartRecord> {
  return writePart(rooms, request, request.body, request.expected);
}

/** A part whose bytes are those of an object: it borrows them where it can. Else they are sealed anew, for the upload has its own key. */
export function copyPart(
  rooms: Rooms,
  horizon: ReadHorizon,
  request: Parameters<ObjectService['copyPart']>[0],
): ReturnType<ObjectService['copyPart']> {
  checkPartNumber(request.number);
  return again(() => copyPartOnce(rooms, horizon, request));
}

async function copyPartOnce(
  rooms: Rooms,
  horizon: ReadHorizon,
  request: Parameters<ObjectService['copyPart']>[0],
): ReturnType<ObjectService['copyPart']> {
  const { bucket, upload } = findUpload(rooms, request.bucket, request.key, request.uploadId);
  const found = findSource(rooms, request.source);
  const { size } = found.version;
  const slice = request.slice ?? { start: 0, end: size };
  if (slice.start > slice.end || slice.end > size) {
    throw new StoreError('InvalidArgument', {
      message: `Range specified is not valid for source object of size: ${size}`,
      detail: { ArgumentName: 'x-amz-copy-source-range' },
    });
  }
  const borrowed = await borrowPart(rooms, horizon, request, bucket, upload, found, slice);
  if (borrowed) return { part: borrowed, source: found.version };
  const body = await bodyFrom(rooms, horizon, found, slice, request.source.customerKey);
  const part = await writePart(rooms, request, { ...body, whose: upload.owner }, {});
  return { part, source: found.version };
}

async function borrowPart(
  rooms: Rooms,
  horizon: ReadHorizon,
  target: Parameters<ObjectService['copyPart']>[0],
  bucket: BucketRecord,
  upload: UploadRecord,
  found: Found,
  slice: Slice,
): Promise<PartRecord | undefined> {
  const { source, number, customerKey } = target;
  const uploadKey = async () => partKeyOf(rooms, await bucketKey(rooms, bucket), upload, customerKey);
  const kept = keptAs(rooms, bucket, upload);
  const piece = await borrow(rooms, horizon, { found, slice, source, upload, uploadKey, kept });
  if (!piece) return undefined;
  checkRoom(rooms, bucket, piece.size, () => rooms.reader.part(upload.id, number)?.piece.size ?? 0);
  const lender = { bucket: found.bucket.id, key: source.key, version: parseVersionId(source.versionId) };
  try {
    return (await propose(rooms, { ...partCommand(bucket, upload, number, piece), source: lender }, 'part')).part;
  } catch (error) {
    // The shard does not know yet that every node knows what it is.
    if (error instanceof StoreError && error.code === 'NotImplemented') return undefined;
    throw error;
  }
}

export async function abortUpload(rooms: Rooms, name: string, key: Buffer, uploadId: string): Promise<void> {
  const { bucket, upload } = findUpload(rooms, name, key, uploadId);
  await propose(rooms, { type: 'upload.abort', bucket: bucket.id, key, upload: upload.id }, 'done');
}

export function listParts(
  rooms: Rooms,
  name: string,
  key: Buffer,
  uploadId: string,
  after: number,
  limit: number,
): ReturnType<ObjectService['listParts']> {
  const { upload } = findUpload(rooms, name, key, uploadId);
  const page = limit > 0 ? rooms.reader.parts(upload.id, after, limit) : { items: [], truncated: false };
  return { upload, page };
}
