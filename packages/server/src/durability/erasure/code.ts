import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import { Kernel } from './kernel.ts';
import { rowsFrom } from './matrix.ts';

/** A systematic Reed–Solomon code: of `data + parity` fragments of equal length any `data` give all others. Synchronous, and pure. */
export interface Code {
  /** k: the first fragments, which are the bytes themselves. */
  readonly data: number;
  /** m: the fragments behind them, computed. */
  readonly parity: number;
  /**
   * Fills `parity` from `data`. All are of the same length, which may be any, and none overlaps another.
   * @param data k fragments
   * @param parity m fragments; what they held does not matter
   */
  encode(data: readonly Uint8Array[], parity: readonly Uint8Array[]): void;
  /**
   * Adds to `parity` what a piece of one data fragment contributes. Parities that began as zeros are whole once every byte of every data
   * fragment was added once, in any order: a stripe can be coded while it comes in, and let go again.
   * @param index of the data fragment
   * @param parity the same range of each parity fragment
   */
  add(index: number, piece: Uint8Array, parity: readonly Uint8Array[]): void;
  /**
   * The wanted fragments, in the order in which they are wanted. One that is there is given back itself; others are new.
   * @param fragments all k + m by index, at least k of them there and of equal length
   * @param wanted indexes, each at most once
   * @param into where to put those that are not there, by position in `wanted`; new arrays when left out
   */
  reconstruct(
    fragments: readonly (Uint8Array | undefined)[],
    wanted: readonly number[],
    into?: readonly Uint8Array[],
  ): Uint8Array[];
}

/** Fragments that were lent. */
export interface Loan {
  readonly fragments: readonly Uint8Array[];
  /** Once, when nobody reads or writes them any more: others get their memory. */
  give(): void;
}

/** Codes of this thread, by their numbers, and the kernel that they share. */
const codes = new Map<string, Code>();
let kernel: Kernel | undefined;

/**
 * The code of k + m; the same object each time in a thread.
 * @param k data fragments, 2 to `limits.codeData`
 * @param m parity fragments, 1 to `limits.codeParity`
 */
export function createCode(k: number, m: number): Code {
  const name = `${k}+${m}`;
  let code = codes.get(name);
  if (!code) {
    invariant(Number.isInteger(k) && k >= 2 && k <= limits.codeData, 'a code has 2 to 32 data fragments');
    invariant(Number.isInteger(m) && m >= 1 && m <= limits.codeParity, 'a code has 1 to 8 parity fragments');
    kernel ??= new Kernel();
    code = new ReedSolomon(k, m, kernel);
    codes.set(name, code);
  }
  return code;
}

/**
 * Memory for fragments where this thread codes, so that they are not copied for it: whether data, parity or both. What is in it is
 * anybody's earlier bytes. When `limits.codingRoomBytes` are lent out it is memory like any other, and gets copied.
 * @param length bytes of each fragment, at least 1
 */
export function lendFragments(count: number, length: number): Loan {
  kernel ??= new Kernel();
  const loan = kernel.lend(count, length);
  return loan ?? { fragments: Array.from({ length: count }, () => new Uint8Array(length)), give: () => {} };
}

class ReedSolomon implements Code {
  readonly data: number;
  readonly parity: number;
  readonly #kernel: Kernel;

  constructor(data: number, parity: number, kernel: Kernel) {
    this.data = data;
    this.parity = parity;
    this.#kernel = kernel;
  }

  encode(data: readonly Uint8Array[], parity: readonly Uint8Array[]): void {
    invariant(data.length === this.data, 'as many data fragments are encoded as the code has');
    invariant(parity.length === this.parity, 'there is room for every parity fragment');
    sameLength([...data, ...parity]);
    this.#kernel.encode(data, parity);
  }

  add(index: number, piece: Uint8Array, parity: readonly Uint8Array[]): void {
    invariant(Number.isInteger(index) && index >= 0 && index < this.data, 'the code has the data fragment');
    invariant(parity.length === this.parity, 'a piece is added to every parity fragment');
    sameLength([piece, ...parity]);
    this.#kernel.add(index, piece, parity);
  }

  reconstruct(
    fragments: readonly (Uint8Array | undefined)[],
    wanted: readonly number[],
    into?: readonly Uint8Array[],
  ): Uint8Array[] {
    const all = this.data + this.parity;
    invariant(fragments.length === all, 'fragments are given by their index, lost ones as undefined');
    invariant(
      wanted.every((index) => Number.isInteger(index) && index >= 0 && index < all),
      'the code has the wanted fragment',
    );
    invariant(new Set(wanted).size === wanted.length, 'a fragment is wanted once');
    const given = fragments.flatMap((fragment) => (fragment ? [fragment] : []));
    invariant(given.length >= this.data, 'as many fragments are there as the code has data fragments');
    const length = sameLength(given);
    const results = wanted.map((index, at) => fragments[index] ?? into?.[at] ?? new Uint8Array(length));
    const lost = wanted.filter((index) => !fragments[index]);
    if (lost.length === 0) return results;
    const made = results.filter((_, at) => !fragments[wanted[at] as number]);
    sameLength([...given, ...made]);
    const sources = fragments.flatMap((fragment, index) => (fragment ? [index] : [])).slice(0, this.data);
    this.#kernel.combine(
      rowsFrom(this.data, sources, lost),
      sources.map((index) => fragments[index] as Uint8Array),
      made,
    );
    return results;
  }
}

function sameLength(fragments: readonly Uint8Array[]): number {
  const length = fragments[0]?.length ?? 0;
  invariant(
    fragments.every((fragment) => fragment.length === length),
    'the fragments of a stripe are equally long',
  );
  return length;
}
