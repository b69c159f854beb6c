import { pageBytes } from './environment.ts';
import { KvDamaged } from './failures.ts';

/*
 * Pages of LMDB as the package lmdb 3.5.6 writes them (mdb.c: MDB_page, MDB_node), little-endian, on a 64-bit machine:
 *
 *   page   0 number u64 │ 8 transaction u64 │ 16 pad u16 │ 18 flags u16 │ 20 lower u16 │ 22 upper u16 │ 24 offsets of nodes, u16 each …
 *          … free … │ nodes up to the end. Offsets, lower and upper count from 24. An overflow page has its count of pages, u32, at 20.
 *   node   0 low u16 │ 2 high u16 │ 4 flags u16 │ 6 bytes of the key u16 │ 8 key │ value
 *          In a leaf low and high are the length of the value, which is on an overflow page when flags are 1: then its number is here. In a branch low,
 *          high and flags are the number of the page below.
 */

const header = 24;
const nodeHeader = 8;
const room = pageBytes - header;
const kinds = { branch: 1, leaf: 2, overflow: 4 } as const;
/** Flags that say of what kind a page is; others are about pages in memory. */
const kindFlags = 0x6f;
const bigData = 1;

export interface Page {
  readonly number: number;
  readonly kind: keyof typeof kinds;
  readonly bytes: Buffer;
  /** Of an overflow page. */
  readonly pages: number;
}

export interface Node {
  readonly key: Buffer;
  /** The page below, or of the value; 0 when the value is here. */
  readonly target: number;
  /** Bytes of the value. */
  readonly value: number;
  readonly inline: Buffer | undefined;
}

const check = (sound: boolean, why: string): void => {
  if (!sound) throw new KvDamaged(why);
};

/** A u64, which no sound file has beyond 2^53: what is too large is so for everything it is held against. */
export const numberAt = (bytes: Buffer, at: number): number =>
  bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x100000000;

/** @throws KvDamaged when it is not that page, or not of that kind */
export function checkPage(bytes: Buffer, number: number, kind: Page['kind'], transaction: number): Page {
  check(numberAt(bytes, 0) === number, 'it is another page, or none');
  check((bytes.readUInt16LE(18) & kindFlags) === kinds[kind], `it should be a ${kind} page`);
  check(numberAt(bytes, 8) <= transaction, 'it is newer than the checkpoint');
  return { number, kind, bytes, pages: kind === 'overflow' ? bytes.readUInt32LE(20) : 1 };
}

/**
 * @param keys how they are ordered: as bytes, or as one u64 each
 * @param from none is smaller @param to each is smaller
 * @throws KvDamaged when the nodes of the page are not whole and in order
 */
export function nodesOf(
  { bytes, kind }: Page,
  keys: 'bytes' | 'number',
  from: Buffer | undefined,
  to: Buffer | undefined,
): Node[] {
  const [lower, upper] = [bytes.readUInt16LE(20), bytes.readUInt16LE(22)];
  check(lower % 2 === 0 && lower > 0 && lower <= upper && upper <= room, 'its bounds contradict each other');
  const compare =
    keys === 'bytes' ? Buffer.compare : (a: Buffer, b: Buffer) => Number(a.readBigUInt64LE() - b.readBigUInt64LE());
  const found: Node[] = [];
  let taken = 0;
  let before = from;
  for (let n = 0; n < lower / 2; n++) {
    const offset = bytes.readUInt16LE(header + 2 * n);
    check(offset >= upper && offset + nodeHeader <= room, 'a node lies outside of it');
    const at = header + offset;
    const low = bytes.readUInt16LE(at) + bytes.readUInt16LE(at + 2) * 0x10000;
    const flags = bytes.readUInt16LE(at + 4);
    const keyBytes = bytes.readUInt16LE(at + 6);
    const isBig = kind === 'leaf' && flags === bigData;
    check(kind === 'branch' || flags === 0 || isBig, 'a node is of an unknown kind');
    const here = kind === 'branch' ? 0 : isBig ? 8 : low;
    const size = nodeHeader + keyBytes + here;
    check(offset + size <= room, 'a node ends outside of it');
    taken += size + (size % 2);
    const key = bytes.subarray(at + nodeHeader, at + nodeHeader + keyBytes);
    const value = bytes.subarray(at + nodeHeader + keyBytes, at + size);
    // The first key of a branch stands for all that are smaller than the second.
    if (kind === 'leaf' || n > 0) {
      check(keys === 'bytes' ? keyBytes > 0 : keyBytes === 8, 'a key has a length that none has');
      const order = before === undefined ? -1 : compare(before, key);
      check(order < 0 || (order === 0 && before === from), 'its keys are not in order');
      before = key;
    }
    found.push({
      key,
      target: kind === 'branch' ? low + flags * 0x100000000 : isBig ? numberAt(value, 0) : 0,
      value: low,
      inline: isBig ? undefined : value,
    });
  }
  // LMDB leaves gaps where a value went to pages of its own.
  check(taken <= room - upper, 'its nodes lie over each other');
  check(to === undefined || before === undefined || compare(before, to) < 0, 'its keys belong to another page');
  return found;
}

/** Pages of one entry of the tree of free pages (midl.c): a count, then numbers; −n before a number stands for n pages from there, 0 for nothing. */
export function checkEntry(list: Buffer, pages: number): (readonly [first: number, count: number])[] {
  const words = list.length / 8;
  check(Number.isInteger(words) && words > 0, 'a list of free pages is cut short');
  const count = numberAt(list, 0);
  check(count < words, 'a list of free pages is cut short');
  const found: (readonly [number, number])[] = [];
  let run = 1;
  for (let n = 1; n <= count; n++) {
    const number = Number(list.readBigInt64LE(8 * n));
    if (number < 0) run = -number;
    else if (number > 0) {
      check(number >= 2 && number + run <= pages, 'a free page lies outside of the file');
      found.push([number, run]);
      run = 1;
    }
  }
  return found;
}
