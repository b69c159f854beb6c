import { combineCrc, compositeChecksum, isCrc } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import type { ObjectChecksum, PartRecord, UploadRecord } from '../metadata/index.ts';
import { completedBefore } from './completed.ts';
import { etagOfParts, etagText, parsePartEtag } from './etag.ts';
import { parseUploadId } from './ids.ts';
import { written } from './publish.ts';
import { findBucket, propose, type Rooms } from './rooms.ts';
import type { ObjectService, WriteResult } from './types.ts';
import { checkPartNumber } from './uploads.ts';

type CompleteRequest = Parameters<ObjectService['completeUpload']>[0];
type NamedPart = CompleteRequest['parts'][number];

/** Parts fetched at once; what is kept of each is small. */
const page = 500;

/** What completing needs of a part. */
interface Part {
  readonly number: number;
  readonly md5: Buffer;
  readonly size: number;
  readonly checksum: ObjectChecksum | undefined;
}

/**
 * Makes an object of the named parts, in their order; parts that are not named are dropped. Asked again with the same parts, as who did not hear the
 * answer does, it makes nothing and answers the version that it made.
 */
export async function completeUpload(rooms: Rooms, request: CompleteRequest): Promise<WriteResult> {
  checkOrder(request.parts);
  const bucket = findBucket(rooms, request.bucket);
  const id = parseUploadId(request.uploadId);
  const open = () => rooms.reader.upload(bucket.id, request.key, id);
  const upload = open();
  if (!upload) return again(rooms, bucket, id, request);
  let assembled: ReturnType<typeof assemble>;
  try {
    assembled = assemble(rooms, upload, request);
  } catch (error) {
    // Another request completed it meanwhile, and its parts have moved.
    if (open()) throw error;
    return again(rooms, bucket, id, request);
  }
  const { key, guard } = request;
  const reply = await propose(
    rooms,
    { type: 'upload.complete', bucket: bucket.id, key, upload: id, guard, ...assembled },
    'version',
  );
  return written(bucket, reply);
}

function again(...[rooms, bucket, upload, request]: Parameters<typeof completedBefore>): WriteResult {
  const result = completedBefore(rooms, bucket, upload, request);
  checkSize(result.version.size, request);
  checkChecksum(result.version.checksum, request);
  return result;
}

function assemble(rooms: Rooms, upload: UploadRecord, request: CompleteRequest) {
  const parts = chosenParts(rooms, upload, request.parts);
  return {
    parts: parts.map(({ number, md5 }) => ({ number, md5 })),
    etag: etagOfParts(parts.map((part) => part.md5)),
    size: checkSizes(parts, request),
    checksum: checksumOf(upload, parts, request),
  };
}

function invalidPart(named: NamedPart, upload: UploadRecord): StoreError {
  return new StoreError('InvalidPart', {
    detail: { UploadId: upload.id.toString('hex'), PartNumber: String(named.number), ETag: named.etag.slice(0, 128) },
  });
}

/** @throws StoreError InvalidPartOrder, InvalidArgument, InvalidRequest */
function checkOrder(named: readonly NamedPart[]): void {
  if (named.length === 0) {
    throw new StoreError('InvalidRequest', { message: 'You must specify at least one part' });
  }
  let before = 0;
  for (const { number } of named) {
    checkPartNumber(number);
    if (number <= before) throw new StoreError('InvalidPartOrder');
    before = number;
  }
}

/**
 * The parts that the client names, each as it is now.
 * @throws StoreError InvalidPart
 */
function chosenParts(rooms: Rooms, upload: UploadRecord, named: readonly NamedPart[]): Part[] {
  const parts: Part[] = [];
  let seen = 0;
  while (parts.length < named.length) {
    const { items, truncated } = rooms.reader.parts(upload.id, seen, page);
    for (const record of items) {
      seen = record.number;
      const next = named[parts.length];
      if (!next || record.number < next.number) continue;
      if (record.number > next.number) throw invalidPart(next, upload);
      parts.push(checkedPart(record, next, upload));
    }
    if (!truncated || items.length === 0) break;
  }
  const missing = named[parts.length];
  if (missing) throw invalidPart(missing, upload);
  return parts;
}

function checkedPart({ number, piece }: PartRecord, named: NamedPart, upload: UploadRecord): Part {
  const { md5, size, checksum } = piece;
  if (!parsePartEtag(named.etag)?.equals(md5)) throw invalidPart(named, upload);
  if (named.checksum && !checksum?.value.equals(named.checksum)) throw invalidPart(named, upload);
  return { number, md5, size, checksum };
}

/** @throws StoreError EntityTooSmall, EntityTooLarge, InvalidRequest */
function checkSizes(parts: readonly Part[], request: CompleteRequest): number {
  let total = 0;
  for (const [index, part] of parts.entries()) {
    total += part.size;
    if (part.size >= limits.partBytesMin || index === parts.length - 1) continue;
    throw new StoreError('EntityTooSmall', {
      detail: {
        ProposedSize: String(part.size),
        MinSizeAllowed: String(limits.partBytesMin),
        PartNumber: String(part.number),
        ETag: etagText({ etag: part.md5, etagParts: 0 }),
      },
    });
  }
  if (total > limits.objectBytes) {
    throw new StoreError('EntityTooLarge', {
      detail: { ProposedSize: String(total), MaxSizeAllowed: String(limits.objectBytes) },
    });
  }
  checkSize(total, request);
  return total;
}

/** @throws StoreError InvalidRequest */
function checkSize(total: number, { size }: CompleteRequest): void {
  if (size === undefined || size === total) return;
  throw new StoreError('InvalidRequest', {
    message: `The provided 'x-amz-mp-object-size' header value ${size} does not match what was computed: ${total}`,
  });
}

/** @throws StoreError BadDigest */
function checkChecksum(is: ObjectChecksum | undefined, { checksum: given, checksumType: type }: CompleteRequest): void {
  const isOfType = type === undefined || is?.type === type;
  if (!given || (isOfType && is?.algorithm === given.algorithm && is.value.equals(given.value))) return;
  throw new StoreError('BadDigest', {
    message: `The ${given.algorithm} you specified did not match the calculated checksum.`,
  });
}

/**
 * The checksum of the whole. Parts that the client names without their checksums are taken at their stored ones.
 * @throws StoreError InvalidRequest when it cannot be made or is of another kind, BadDigest when it is another value
 */
function checksumOf(
  upload: UploadRecord,
  parts: readonly Part[],
  request: CompleteRequest,
): ObjectChecksum | undefined {
  const { checksum: given, checksumType } = request;
  const algorithm = upload.checksumAlgorithm ?? given?.algorithm;
  if (!algorithm) return undefined;
  const type = upload.checksumType ?? checksumType ?? 'FULL_OBJECT';
  if ((given && given.algorithm !== algorithm) || (checksumType !== undefined && checksumType !== type)) {
    throw new StoreError('InvalidRequest', {
      message: `The upload was created using the ${type} checksum mode of ${algorithm}. The complete request must use the same checksum mode.`,
    });
  }
  const values = parts.flatMap(({ checksum }) => (checksum?.algorithm === algorithm ? [checksum.value] : []));
  if (values.length < parts.length || (type === 'FULL_OBJECT' && !isCrc(algorithm))) {
    throw new StoreError('InvalidRequest', {
      message: `The parts of this upload have no ${algorithm} checksums that a ${type} checksum could be made from.`,
    });
  }
  const value = type === 'COMPOSITE' ? compositeChecksum(algorithm, values) : combined(algorithm, parts, values);
  const checksum = { algorithm, type, value };
  checkChecksum(checksum, request);
  return checksum;
}

function combined(algorithm: ObjectChecksum['algorithm'], parts: readonly Part[], values: readonly Buffer[]): Buffer {
  invariant(isCrc(algorithm), 'only CRCs are combined');
  let value = values[0] as Buffer;
  for (let i = 1; i < values.length; i++) {
    value = combineCrc(algorithm, value, values[i] as Buffer, (parts[i] as Part).size);
  }
  return value;
}
