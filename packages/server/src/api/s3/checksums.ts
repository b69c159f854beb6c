import { type ChecksumAlgorithm, checksumText, digestOf, parseChecksum } from '../../codec/index.ts';
import { StoreError } from '../../errors.ts';
import type { ObjectChecksum } from '../../metadata/index.ts';
import type { HeaderList } from '../http/exchange.ts';
import { header, type S3Call } from './call.ts';

/*
 * Checksums in headers and elements (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html).
 * A request names at most one; it comes with its value in a header, or with its value behind the body (a trailer).
 */

export type ChecksumType = ObjectChecksum['type'];

/** Header and element of each algorithm. */
export const checksumHeaders = {
  CRC32: 'x-amz-checksum-crc32',
  CRC32C: 'x-amz-checksum-crc32c',
  CRC64NVME: 'x-amz-checksum-crc64nvme',
  SHA1: 'x-amz-checksum-sha1',
  SHA256: 'x-amz-checksum-sha256',
  SHA512: 'x-amz-checksum-sha512',
  MD5: 'x-amz-checksum-md5',
  XXHASH64: 'x-amz-checksum-xxhash64',
  XXHASH3: 'x-amz-checksum-xxhash3',
  XXHASH128: 'x-amz-checksum-xxhash128',
} as const satisfies Record<ChecksumAlgorithm, string>;

export const checksumElements = {
  CRC32: 'ChecksumCRC32',
  CRC32C: 'ChecksumCRC32C',
  CRC64NVME: 'ChecksumCRC64NVME',
  SHA1: 'ChecksumSHA1',
  SHA256: 'ChecksumSHA256',
  SHA512: 'ChecksumSHA512',
  MD5: 'ChecksumMD5',
  XXHASH64: 'ChecksumXXHASH64',
  XXHASH3: 'ChecksumXXHASH3',
  XXHASH128: 'ChecksumXXHASH128',
} as const satisfies Record<ChecksumAlgorithm, string>;

export const checksumAlgorithms = Object.keys(checksumHeaders) as readonly ChecksumAlgorithm[];
const byHeader = new Map<string, ChecksumAlgorithm>(
  checksumAlgorithms.map((algorithm) => [checksumHeaders[algorithm], algorithm]),
);

/** Headers of the same beginning that carry no checksum. */
const aboutChecksums: ReadonlySet<string> = new Set([
  'x-amz-checksum-algorithm',
  'x-amz-checksum-mode',
  'x-amz-checksum-type',
]);

/**
 * A checksum that nobody compares must not look as if it held.
 * @throws StoreError InvalidRequest
 */
function checkKnown(headers: S3Call['headers']): void {
  for (const name in headers) {
    if (!name.startsWith('x-amz-checksum-') || byHeader.has(name) || aboutChecksums.has(name)) continue;
    throw new StoreError('InvalidRequest', {
      message: `The algorithm type you specified in x-amz-checksum- header is invalid: ${name.slice(0, 64)}. The valid ones are ${checksumAlgorithms.join(', ')}.`,
    });
  }
}

function badValue(name: string): StoreError {
  return new StoreError('InvalidRequest', { message: `Value for ${name} header is invalid.` });
}

/** @param name the header that it stands in, for the error */
export function algorithmOf(text: string, name: string): ChecksumAlgorithm {
  const algorithm = text.toUpperCase() as ChecksumAlgorithm;
  if (checksumAlgorithms.includes(algorithm)) return algorithm;
  throw new StoreError('InvalidRequest', {
    message: `The checksum algorithm in ${name} is not supported. The valid ones are ${checksumAlgorithms.join(', ')}.`,
  });
}

/** A checksum whose value is in a header; composite values (`…-parts`) only where `composite`. */
export function checksumOfHeaders(
  call: S3Call,
  composite = false,
): { algorithm: ChecksumAlgorithm; value: Buffer } | undefined {
  checkKnown(call.headers);
  let found: { algorithm: ChecksumAlgorithm; value: Buffer } | undefined;
  for (const algorithm of checksumAlgorithms) {
    const name = checksumHeaders[algorithm];
    const text = header(call, name);
    if (text === undefined) continue;
    if (found)
      throw new StoreError('InvalidRequest', {
        message: 'Expecting a single x-amz-checksum- header. Multiple checksum types are not allowed.',
      });
    const parsed = parseChecksum(algorithm, text);
    if (!parsed || (parsed.parts !== undefined && !composite)) throw badValue(name);
    found = { algorithm, value: parsed.value };
  }
  return found;
}

/** What a request says about the digests of its body, before any byte of it. */
export interface AnnouncedDigests {
  readonly md5: Buffer | undefined;
  /** `value` is undefined while it is still to come, in a trailer. */
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly value: Buffer | undefined } | undefined;
}

const nothing: AnnouncedDigests = { md5: undefined, checksum: undefined };

/** @throws StoreError InvalidDigest, InvalidRequest */
export function announcedDigests(call: S3Call): AnnouncedDigests {
  const { headers } = call;
  const md5Text = headers['content-md5'] as string | undefined;
  const trailer = headers['x-amz-trailer'] as string | undefined;
  const sdk = headers['x-amz-sdk-checksum-algorithm'] as string | undefined;
  const given = checksumOfHeaders(call);
  if (md5Text === undefined && trailer === undefined && sdk === undefined && given === undefined) return nothing;
  const md5 = md5Text === undefined ? undefined : md5Of(md5Text);
  const trailing = trailer === undefined ? undefined : byHeader.get(trailer.trim().toLowerCase());
  if (trailer !== undefined && trailing === undefined) {
    throw new StoreError('InvalidRequest', {
      message: `The value specified in the x-amz-trailer header is not supported. The valid ones are ${[...byHeader.keys()].join(', ')}.`,
    });
  }
  if (trailing !== undefined && given !== undefined) {
    throw new StoreError('InvalidRequest', { message: 'A checksum comes either in a header or in the trailer.' });
  }
  if (sdk !== undefined) {
    const algorithm = algorithmOf(sdk, 'x-amz-sdk-checksum-algorithm');
    const announced = given?.algorithm ?? trailing;
    if (announced === undefined) {
      throw new StoreError('InvalidRequest', {
        message: 'x-amz-sdk-checksum-algorithm was given, but no x-amz-checksum- or x-amz-trailer header.',
      });
    }
    if (announced !== algorithm) throw badValue('x-amz-sdk-checksum-algorithm');
  }
  return { md5, checksum: given ?? (trailing === undefined ? undefined : { algorithm: trailing, value: undefined }) };
}

function md5Of(text: string): Buffer {
  const parsed = parseChecksum('MD5', text);
  if (!parsed || parsed.parts !== undefined) throw new StoreError('InvalidDigest', { detail: { 'Content-MD5': text } });
  return parsed.value;
}

/** The value of a trailing checksum, once the body has ended. */
export function trailingValue(algorithm: ChecksumAlgorithm, trailers: ReadonlyMap<string, string>): Buffer {
  const name = checksumHeaders[algorithm];
  const parsed = parseChecksum(algorithm, trailers.get(name) ?? '');
  if (!parsed || parsed.parts !== undefined) throw badValue(name);
  return parsed.value;
}

/** Verifies a document that is at hand. @returns whether there was anything to verify */
export function verifyDigests(
  body: Uint8Array,
  digests: AnnouncedDigests,
  trailers: ReadonlyMap<string, string>,
): boolean {
  const { md5, checksum } = digests;
  if (md5 && !digestOf('MD5', body).equals(md5)) throw new StoreError('BadDigest');
  if (checksum) {
    const value = checksum.value ?? trailingValue(checksum.algorithm, trailers);
    if (!digestOf(checksum.algorithm, body).equals(value)) throw new StoreError('BadDigest');
  }
  return md5 !== undefined || checksum !== undefined;
}

/** COMPOSITE or FULL_OBJECT out of x-amz-checksum-type. */
export function checksumTypeOf(call: S3Call): ChecksumType | undefined {
  const text = header(call, 'x-amz-checksum-type');
  if (text === undefined) return undefined;
  const type = text.toUpperCase();
  if (type !== 'COMPOSITE' && type !== 'FULL_OBJECT') throw badValue('x-amz-checksum-type');
  return type;
}

/** A stored checksum as text; a composite one also says of how many parts. */
export function storedChecksumText(checksum: ObjectChecksum, parts: number): string {
  return checksumText(checksum.value, checksum.type === 'COMPOSITE' ? parts : undefined);
}

/** Headers of a stored checksum. @param parts number of parts of the object, 0 when it has none */
export function pushChecksum(headers: HeaderList, checksum: ObjectChecksum | undefined, parts: number): void {
  if (!checksum) return;
  headers.push(
    checksumHeaders[checksum.algorithm],
    storedChecksumText(checksum, parts),
    'x-amz-checksum-type',
    checksum.type,
  );
}
