import { xxh3 } from '@node-rs/xxhash';
import { crc32c } from '../codec/index.ts';
import { limits } from '../limits.ts';

/*
 * The state digest: the sum, modulo 2^128, of a 128-bit hash of every row but those of table `meta`. It does not depend on the order of
 * the rows, and a change of one row is one subtraction and one addition, so it is kept with every commit. It finds replicas that went
 * apart and rows that rotted; it is no proof against someone who can write rows.
 *
 * XXH3-128, because it costs 0.5 µs for a small row; MD5 took three times as long. Of a value that is longer than 1 KiB (an object within
 * its row) it sees the first 512 bytes, the last 16, and the CRC32C of all: 1.7 µs where it took 3.2 for all of 4 KiB.
 */

export const zeroDigest = Buffer.alloc(16);

const wholeBytes = 1024;
const firstBytes = 512;
const lastBytes = 16;

/** Marks the hash input of a long value. */
const LONG = 0x8000_0000;

/**
 * Hash input: key length u32 LE ‖ key ‖ value, so that no byte can move from one to the other unseen. For a long value the mark is added to
 * the length of the key, and the value's first and last bytes, its length u32 LE and its CRC32C u32 LE stand for it.
 */
const scratch = Buffer.allocUnsafe(4 + limits.kvKeyBytes + wholeBytes);

function hashOf(key: Uint8Array, value: Uint8Array): bigint {
  const long = value.length > wholeBytes;
  scratch.writeUInt32LE(long ? LONG + key.length : key.length, 0);
  scratch.set(key, 4);
  let end = 4 + key.length;
  if (long) {
    scratch.set(value.subarray(0, firstBytes), end);
    scratch.set(value.subarray(value.length - lastBytes), end + firstBytes);
    end = scratch.writeUInt32LE(value.length, end + firstBytes + lastBytes);
    end = scratch.writeUInt32LE(crc32c(value), end);
  } else {
    scratch.set(value, end);
    end += value.length;
  }
  return xxh3.xxh128(scratch.subarray(0, end));
}

/** A digest that follows changes. */
export class RunningDigest {
  #sum: bigint;

  /** @param digest 16 bytes */
  constructor(digest: Buffer) {
    this.#sum = (digest.readBigUInt64BE(0) << 64n) | digest.readBigUInt64BE(8);
  }

  change(key: Uint8Array, before: Uint8Array | undefined, after: Uint8Array | undefined): void {
    if (before) this.#sum -= hashOf(key, before);
    if (after) this.#sum += hashOf(key, after);
  }

  /** 16 bytes, most significant first. */
  value(): Buffer {
    this.#sum = BigInt.asUintN(128, this.#sum);
    const out = Buffer.allocUnsafe(16);
    out.writeBigUInt64BE(this.#sum >> 64n, 0);
    out.writeBigUInt64BE(BigInt.asUintN(64, this.#sum), 8);
    return out;
  }
}
