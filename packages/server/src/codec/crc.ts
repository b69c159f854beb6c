import { crc32 as nativeCrc32, crc32c as nativeCrc32c } from '@node-rs/crc32';

/*
 * The three CRCs of S3 and the algebra to combine them.
 *
 * A CRC is the remainder of a polynomial over GF(2), so the CRC of A‖B follows from those of A and B and the length of B:
 * crc(A‖B) = crc(A) · x^(8·|B|) mod P  xor  crc(B). The bits are reflected: the highest bit of a word is x^0. Words of
 * 32 and 64 bits share one multiplication over pairs of 32-bit halves; BigInt was fifty times slower, and an upload of
 * ten thousand parts combines ten thousand times.
 */

export type CrcAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME';

/** Polynomials in reflected form, as 32-bit halves. */
const polynomials = {
  CRC32: { bits: 32, hi: 0, lo: 0xedb88320 },
  CRC32C: { bits: 32, hi: 0, lo: 0x82f63b78 },
  CRC64NVME: { bits: 64, hi: 0x9a6c9329, lo: 0xac4bc9b5 },
} as const satisfies Record<CrcAlgorithm, { bits: 32 | 64; hi: number; lo: number }>;

interface Word {
  readonly hi: number;
  readonly lo: number;
}

/** CRC32C (Castagnoli), the checksum of everything DSOM stores. `seed` is the CRC of the bytes before these. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return nativeCrc32c(bytes, seed);
}

/** CRC32 (IEEE 802.3). `seed` is the CRC of the bytes before these. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return nativeCrc32(bytes, seed);
}

function multiply(algorithm: CrcAlgorithm, a: Word, b: Word): Word {
  const { bits, hi: polynomialHi, lo: polynomialLo } = polynomials[algorithm];
  let hi = 0;
  let lo = 0;
  let bHi = b.hi;
  let bLo = b.lo;
  for (let bit = bits - 1; bit >= 0; bit--) {
    const set = bit >= 32 ? (a.hi >>> (bit - 32)) & 1 : (a.lo >>> bit) & 1;
    if (set) {
      hi ^= bHi;
      lo ^= bLo;
    }
    const carry = bLo & 1;
    bLo = (bLo >>> 1) | (bHi << 31);
    bHi >>>= 1;
    if (carry) {
      bHi ^= polynomialHi;
      bLo ^= polynomialLo;
    }
  }
  return { hi: hi >>> 0, lo: lo >>> 0 };
}

/** x^(2^k) mod P for k = 3, 4, …: the factors of x^(8·n) for every length up to 2^53. */
function powers(algorithm: CrcAlgorithm): readonly Word[] {
  const one = polynomials[algorithm].bits === 64 ? { hi: 0x4000_0000, lo: 0 } : { hi: 0, lo: 0x4000_0000 };
  const list: Word[] = [];
  let power: Word = one;
  for (let k = 0; k < 56; k++) {
    if (k >= 3) list.push(power);
    power = multiply(algorithm, power, power);
  }
  return list;
}

const shifts = {
  CRC32: powers('CRC32'),
  CRC32C: powers('CRC32C'),
  CRC64NVME: powers('CRC64NVME'),
} as const satisfies Record<CrcAlgorithm, readonly Word[]>;

function read(algorithm: CrcAlgorithm, digest: Buffer): Word {
  if (polynomials[algorithm].bits === 64) return { hi: digest.readUInt32BE(0), lo: digest.readUInt32BE(4) };
  return { hi: 0, lo: digest.readUInt32BE(0) };
}

/**
 * The CRC of A‖B from the CRCs of A and of B.
 * @param a digest of A, big-endian as S3 shows it; @param b digest of B; @param lengthB bytes of B
 */
export function combineCrc(algorithm: CrcAlgorithm, a: Buffer, b: Buffer, lengthB: number): Buffer {
  let word = read(algorithm, a);
  let rest = lengthB;
  for (const factor of shifts[algorithm]) {
    if (rest === 0) break;
    if (rest % 2 === 1) word = multiply(algorithm, word, factor);
    rest = Math.floor(rest / 2);
  }
  const last = read(algorithm, b);
  const wide = polynomials[algorithm].bits === 64;
  const out = Buffer.allocUnsafe(wide ? 8 : 4);
  if (wide) out.writeUInt32BE((word.hi ^ last.hi) >>> 0, 0);
  out.writeUInt32BE((word.lo ^ last.lo) >>> 0, wide ? 4 : 0);
  return out;
}
