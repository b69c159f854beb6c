import { describedHeaders, describedMetadata, parseDate } from '../api/index.ts';
import { type ChecksumAlgorithm, parseChecksum } from '../codec/index.ts';
import { CorruptionError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { BucketRecord, ObjectChecksum, ObjectVersion } from '../metadata/index.ts';
import type { Tags } from '../objects/index.ts';
import type { SourceHeaders } from './client.ts';
import { parseEtag } from './documents.ts';

/** An object at the source of a bucket, said as one that is here. */
export interface Described {
  /** Has no GUK, which is how it is told from one that is here. */
  readonly version: ObjectVersion;
  /** As the source quotes it. */
  readonly etag: string;
  /** Whether the ETag is of the bytes: an MD5, or one of the parts whose sizes the version has. Then it can be kept here under the same one. */
  readonly provable: boolean;
}

const algorithms: readonly ChecksumAlgorithm[] = [
  'CRC64NVME',
  'CRC32C',
  'CRC32',
  'SHA256',
  'SHA1',
  'SHA512',
  'MD5',
  'XXHASH128',
  'XXHASH3',
  'XXHASH64',
];
const none = Buffer.alloc(0);

/** A checksum of the whole object, where the source says one. */
function checksumOf(headers: SourceHeaders): ObjectChecksum | undefined {
  for (const algorithm of algorithms) {
    const text = headers[`x-amz-checksum-${algorithm.toLowerCase()}`];
    const found = text === undefined ? undefined : parseChecksum(algorithm, text);
    if (found && found.parts === undefined && headers['x-amz-checksum-type'] !== 'COMPOSITE')
      return { algorithm, type: 'FULL_OBJECT', value: found.value };
  }
  return undefined;
}

/** Sizes of the parts, when all but the last have the size of the first. */
function partSizesOf(size: number, told: { readonly first: number; readonly count: number } | undefined): number[] {
  if (!told || told.count > limits.parts || told.first < 1) return [];
  const { first, count } = told;
  if (Math.ceil(size / first) !== count) return [];
  return Array.from({ length: count }, (_, at) => Math.min(first, size - at * first));
}

/**
 * What the headers of a source say of an object.
 * @param parts of an object of several, where the source tells
 * @throws CorruptionError at headers without length, time or ETag; StoreError where what they say could not be said here
 */
export function describedSource(
  bucket: BucketRecord,
  headers: SourceHeaders,
  tags: Tags,
  parts: { readonly first: number; readonly count: number } | undefined,
): Described {
  const size = Number(headers['content-length'] ?? Number.NaN);
  const modifiedMs = parseDate(headers['last-modified'] ?? '');
  const quoted = headers['etag'];
  if (!Number.isSafeInteger(size) || size < 0 || modifiedMs === undefined || quoted === undefined)
    throw new CorruptionError('a source says no length, time or ETag of an object');
  const { etag, etagParts, isMd5 } = parseEtag(quoted);
  const keyed = (headers['x-amz-server-side-encryption'] ?? 'AES256') !== 'AES256';
  const partSizes = etagParts > 0 ? partSizesOf(size, parts?.count === etagParts ? parts : undefined) : [];
  const version: ObjectVersion = {
    kind: 'object',
    guk: none,
    sequence: 0,
    nonce: Buffer.alloc(8),
    isNull: true,
    modifiedMs,
    owner: bucket.owner,
    size,
    etag,
    etagParts,
    storageClass: headers['x-amz-storage-class'] ?? 'STANDARD',
    headers: describedHeaders(headers),
    metadata: describedMetadata(headers),
    tags,
    checksum: checksumOf(headers),
    wrappedKey: none,
    manifest: { id: Buffer.alloc(16), pieces: 0, embedded: undefined, sealed: false },
    partSizes,
  };
  return { version, etag: quoted, provable: isMd5 && !keyed && (etagParts === 0 || partSizes.length > 0) };
}
