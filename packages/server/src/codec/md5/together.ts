import { hash } from 'node:crypto';
import { limits } from '../../limits.ts';
import { blockBytes, initialState, kernelOfThread, maxLanes } from './kernel.ts';

/*
 * MD5 of whole bodies. Requests that arrive in one turn of the event loop take each step together, so the bodies of all of them are here before
 * the digest of the first is asked for: whoever asks first has those of all that wait hashed side by side, and the others find theirs made.
 * Nobody waits for anybody: a body alone is hashed by node:crypto, in one call. docs/decisions/0021-small-puts.md has the figures.
 *
 * As many bodies wait at most as there are lanes. One whose digest is never asked for is hashed with the next ones, for nothing.
 */

class Whole {
  readonly bytes: Uint8Array;
  /** What is hashed: the bytes and RFC 1321's padding (3.1 and 3.2: one bit, zeros, eight bytes of length). */
  readonly blocks: number;
  readonly state = Int32Array.from(initialState);
  /** Blocks of it that are in the state. */
  done = 0;
  digest: Buffer | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.blocks = Math.ceil((bytes.length + 9) / blockBytes);
  }

  /** Writes the next so many blocks to `input`, at `at`. */
  put(blocks: number, input: Uint8Array, at: number): void {
    const { bytes } = this;
    const from = this.done * blockBytes;
    const end = from + blocks * blockBytes;
    this.done += blocks;
    input.set(bytes.subarray(from, end), at);
    if (end <= bytes.length) return;
    const rest = at + Math.max(0, bytes.length - from);
    input.fill(0, rest, at + blocks * blockBytes);
    if (bytes.length >= from) input[rest] = 0x80;
    if (this.done < this.blocks) return;
    // Bodies are shorter than 2^29 bytes: the upper half of the length in bits is zero.
    const bits = bytes.length * 8;
    for (let byte = 0; byte < 4; byte++) input[at + blocks * blockBytes - 8 + byte] = bits >>> (8 * byte);
  }
}

let waiting: Whole[] = [];

function hashAll(): void {
  const group = waiting;
  waiting = [];
  const [only] = group;
  if (only && group.length === 1) {
    only.digest = Buffer.from(hash('md5', only.bytes, 'latin1'), 'latin1');
    return;
  }
  const kernel = kernelOfThread();
  for (let left = group; left.length > 0; left = left.filter(({ done, blocks }) => done < blocks)) {
    let blocks = limits.digestLaneBytes / blockBytes;
    for (const one of left) blocks = Math.min(blocks, one.blocks - one.done);
    for (const [lane, one] of left.entries()) {
      one.put(blocks, kernel.input, lane * limits.digestLaneBytes);
      for (let word = 0; word < 4; word++) kernel.state[word * maxLanes + lane] = one.state[word] as number;
    }
    kernel.advance(left.length, blocks);
    for (const [lane, one] of left.entries())
      for (let word = 0; word < 4; word++) one.state[word] = kernel.state[word * maxLanes + lane] as number;
  }
  for (const one of group) {
    const digest = Buffer.allocUnsafe(16);
    for (let word = 0; word < 4; word++) digest.writeInt32LE(one.state[word] as number, 4 * word);
    one.digest = digest;
  }
}

/**
 * MD5 of a body at hand, shorter than 2^29 bytes, which nobody changes until its digest was taken.
 * @returns gives the digest: best asked for once others had the time to bring theirs
 */
export function md5Together(bytes: Uint8Array): () => Buffer {
  const whole = new Whole(bytes);
  if (waiting.push(whole) === maxLanes) hashAll();
  return () => {
    if (!whole.digest) hashAll();
    return whole.digest as Buffer;
  };
}
