import { createHash, hash } from 'node:crypto';
import { invariant } from '../invariant.ts';
import { type CrcAlgorithm, crc32, crc32c } from './crc.ts';
import { engines, WasmStream } from './wasm-stream.ts';

/** The checksums of S3 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html), by their S3 names. */
export type ChecksumAlgorithm =
  | CrcAlgorithm
  | 'SHA1'
  | 'SHA256'
  | 'SHA512'
  | 'MD5'
  | 'XXHASH64'
  | 'XXHASH3'
  | 'XXHASH128';

/** Bytes of a digest. */
export const digestBytes = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  MD5: 16,
  SHA1: 20,
  SHA256: 32,
  SHA512: 64,
  XXHASH64: 8,
  XXHASH3: 8,
  XXHASH128: 16,
} as const satisfies Record<ChecksumAlgorithm, number>;

/** A running digest. CRCs and xxHashes come out big-endian, as S3 shows them. */
export interface Checksum {
  update(bytes: Uint8Array): void;
  /** Once only; the stream must not be used afterwards. */
  digest(): Buffer;
}

class Crc32Stream implements Checksum {
  #crc = 0;
  readonly #next: (bytes: Uint8Array, seed: number) => number;

  constructor(next: (bytes: Uint8Array, seed: number) => number) {
    this.#next = next;
  }

  update(bytes: Uint8Array): void {
    this.#crc = this.#next(bytes, this.#crc);
  }

  digest(): Buffer {
    const out = Buffer.allocUnsafe(4);
    out.writeUInt32BE(this.#crc, 0);
    return out;
  }
}

const streams = {
  CRC32: () => new Crc32Stream(crc32),
  CRC32C: () => new Crc32Stream(crc32c),
  CRC64NVME: () => new WasmStream(engines.CRC64NVME),
  MD5: () => createHash('md5'),
  SHA1: () => createHash('sha1'),
  SHA256: () => createHash('sha256'),
  SHA512: () => createHash('sha512'),
  XXHASH64: () => new WasmStream(engines.XXHASH64),
  XXHASH3: () => new WasmStream(engines.XXHASH3),
  XXHASH128: () => new WasmStream(engines.XXHASH128),
} as const satisfies Record<ChecksumAlgorithm, () => Checksum>;

/** Starts a running digest. */
export function createChecksum(algorithm: ChecksumAlgorithm): Checksum {
  return streams[algorithm]();
}

/** The digest of bytes that are all at hand: two to three times cheaper than a stream for small ones. */
export function digestOf(algorithm: ChecksumAlgorithm, bytes: Uint8Array): Buffer {
  switch (algorithm) {
    case 'MD5':
      return hash('md5', bytes, 'buffer');
    case 'SHA1':
      return hash('sha1', bytes, 'buffer');
    case 'SHA256':
      return hash('sha256', bytes, 'buffer');
    case 'SHA512':
      return hash('sha512', bytes, 'buffer');
    default: {
      const stream = createChecksum(algorithm);
      stream.update(bytes);
      return stream.digest();
    }
  }
}

/** The composite checksum of a multipart object: the digest of its parts' digests, one after the other. */
export function compositeChecksum(algorithm: ChecksumAlgorithm, parts: readonly Buffer[]): Buffer {
  invariant(parts.length > 0, 'a composite checksum has at least one part');
  return digestOf(algorithm, Buffer.concat(parts as Buffer[]));
}

/** True for the algorithms whose full-object checksum follows from those of the parts. */
export function isCrc(algorithm: ChecksumAlgorithm): algorithm is CrcAlgorithm {
  return algorithm === 'CRC32' || algorithm === 'CRC32C' || algorithm === 'CRC64NVME';
}

/** Base64, followed by `-parts` for a composite checksum: the form of S3's headers and XML. */
export function checksumText(value: Buffer, parts?: number): string {
  return parts === undefined ? value.toString('base64') : `${value.toString('base64')}-${parts}`;
}

/** Characters of the longest digest, that of SHA512, in base64. */
const longestText = 4 * Math.ceil(Math.max(...Object.values(digestBytes)) / 3);

/**
 * Reads {@link checksumText}. Only the one canonical form is accepted.
 * @returns undefined when the text is not a digest of this algorithm
 */
export function parseChecksum(
  algorithm: ChecksumAlgorithm,
  text: string,
): { readonly value: Buffer; readonly parts: number | undefined } | undefined {
  const dash = text.indexOf('-');
  const encoded = dash < 0 ? text : text.slice(0, dash);
  const count = dash < 0 ? undefined : text.slice(dash + 1);
  if (encoded.length > longestText || (count !== undefined && !/^[1-9][0-9]{0,4}$/.test(count))) return undefined;
  const value = Buffer.from(encoded, 'base64');
  if (value.length !== digestBytes[algorithm] || value.toString('base64') !== encoded) return undefined;
  return { value, parts: count === undefined ? undefined : Number(count) };
}
