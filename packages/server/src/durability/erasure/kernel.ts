import { assembler } from '../../codec/index.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import { combinerOf, inputsAt, type Kind, nameOf, resultsAt, stepBytes, tableBytes, tableStride } from './combiner.ts';
import { productBytes, products } from './field.ts';
import { parityRows, type Row } from './matrix.ts';
import { Room } from './room.ts';

/* The memory in which one thread codes, and what stands in it: addresses and tables, a place for the pieces of foreign fragments, lent room. */

const fragments = limits.codeData + limits.codeParity;
/** Fragments begin at different places within a page: caches tell addresses apart by those bits. */
const pageBytes = 4096;
const skewBytes = 192;
const parityTablesAt = pageBytes;
const otherTablesAt = parityTablesAt + tableBytes;
const piecesAt = otherTablesAt + tableBytes;
const roomAt = piecesAt + limits.codingBytes + fragments * (pageBytes + skewBytes);
const memoryBytes = roomAt + limits.codingRoomBytes;
invariant(resultsAt + 4 * limits.codeParity <= parityTablesAt, 'addresses end where the tables begin');

type Combiner = (length: number, tables: number, end: number) => void;

/** What of the engine's WebAssembly is used: the library of ECMAScript does not declare it. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

const counts = Array.from({ length: limits.codeParity + 1 }, (_, count) => count);
const kinds: readonly Kind[] = [
  ...(['input', 'zero', 'result'] as const).flatMap((start) =>
    counts.slice(0, -1).map((rows) => ({ rows, plain: true, start })),
  ),
  ...counts.slice(1).map((rows) => ({ rows, plain: false, start: 'zero' }) as const),
];
const moduleOf = (chosen: readonly Kind[]): Uint8Array =>
  assembler.encodeModule(memoryBytes, new Map(chosen.map((kind) => [nameOf(kind), combinerOf(kind)])));
invariant(
  WebAssembly.validate(moduleOf([{ rows: 1, plain: false, start: 'zero' }])),
  'the runtime knows WebAssembly with relaxed SIMD: start DSOM with its own Node 26',
);

/** One thread's combiners, and the memory that they share. */
export class Kernel {
  readonly #bytes: Uint8Array;
  readonly #addresses: Int32Array;
  readonly #combiners: ReadonlyMap<string, Combiner>;
  readonly #room = new Room(roomAt, limits.codingRoomBytes);

  constructor() {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleOf(kinds)));
    const { buffer } = exports['memory'] as { readonly buffer: ArrayBuffer };
    this.#bytes = new Uint8Array(buffer);
    this.#addresses = new Int32Array(buffer, inputsAt, fragments);
    this.#combiners = new Map(kinds.map(nameOf).map((name) => [name, exports[name] as Combiner]));
    this.#setTables(parityTablesAt, parityRows.slice(1));
  }

  /** `parity[i]` = Σ_j {@link parityRows}[i][j] · `data[j]` */
  encode(data: readonly Uint8Array[], parity: readonly Uint8Array[]): void {
    const combiner = this.#combiner({ rows: parity.length - 1, plain: true, start: 'input' });
    this.#run(combiner, parityTablesAt, data, parity, false);
  }

  /** `parity[i]` += {@link parityRows}[i][index] · `piece` */
  add(index: number, piece: Uint8Array, parity: readonly Uint8Array[]): void {
    const combiner = this.#combiner({ rows: parity.length - 1, plain: true, start: 'result' });
    this.#run(combiner, parityTablesAt + index * tableStride, [piece], parity, true);
  }

  /** `results[i]` = Σ_j `rows[i][j]` · `inputs[j]` */
  combine(rows: readonly Row[], inputs: readonly Uint8Array[], results: readonly Uint8Array[]): void {
    const ones = rows.findIndex((row) => row.every((each) => each === 1));
    const inOrder = <T>(list: readonly T[]): T[] =>
      ones < 0 ? [...list] : [list[ones] as T, ...list.filter((_, index) => index !== ones)];
    const plain = ones >= 0;
    const tabled = inOrder(rows).slice(plain ? 1 : 0);
    this.#setTables(otherTablesAt, tabled);
    const combiner = this.#combiner({ rows: tabled.length, plain, start: 'zero' });
    this.#run(combiner, otherTablesAt, inputs, inOrder(results), false);
  }

  #combiner(kind: Kind): Combiner {
    const combiner = this.#combiners.get(nameOf(kind));
    invariant(combiner, 'a kernel has one to eight results');
    return combiner;
  }

  #setTables(at: number, rows: readonly Row[]): void {
    for (const [index, row] of rows.entries()) {
      for (let input = 0; input < row.length; input++) {
        const from = (row[input] as number) * productBytes;
        const to = at + input * tableStride + index * productBytes;
        this.#bytes.set(products.subarray(from, from + productBytes), to);
      }
    }
  }

  /** Fragments of `length` bytes in this memory, so that nothing need be copied; undefined when there is no room. */
  lend(count: number, length: number): { readonly fragments: Uint8Array[]; give(): void } | undefined {
    const stride = Math.ceil(length / pageBytes) * pageBytes + skewBytes;
    const at = this.#room.take(count * stride);
    if (at === undefined) return undefined;
    return {
      fragments: Array.from({ length: count }, (_, i) =>
        this.#bytes.subarray(at + i * stride, at + i * stride + length),
      ),
      give: () => this.#room.give(at, count * stride),
    };
  }

  /**
   * Piece by piece, so small that what is copied in is still near when it is used, and results when they are copied out. Whole steps of
   * fragments that lie in this memory are used where they are.
   * @param kept what the results hold is part of the sums
   */
  #run(
    combiner: Combiner,
    tables: number,
    inputs: readonly Uint8Array[],
    results: readonly Uint8Array[],
    kept: boolean,
  ): void {
    const bytes = this.#bytes;
    const length = inputs[0]?.length as number;
    const most = limits.codingBytes / (inputs.length + results.length);
    const pieceBytes = steps(length / Math.ceil(length / most));
    const stride = Math.ceil(pieceBytes / pageBytes) * pageBytes + skewBytes;
    for (let at = 0; at < length; at += pieceBytes) {
      const size = Math.min(pieceBytes, length - at);
      const here = (fragment: Uint8Array) => fragment.buffer === bytes.buffer && size % stepBytes === 0;
      for (const [i, input] of inputs.entries()) {
        const place = piecesAt + i * stride;
        const direct = here(input);
        if (!direct) bytes.set(input.subarray(at, at + size), place);
        this.#addresses[i] = direct ? input.byteOffset + at : place;
      }
      for (const [i, result] of results.entries()) {
        const place = piecesAt + (inputs.length + i) * stride;
        const direct = here(result);
        if (kept && !direct) bytes.set(result.subarray(at, at + size), place);
        this.#addresses[limits.codeData + i] = direct ? result.byteOffset + at : place;
      }
      // Behind an end that is no whole step lies what was there before: results are computed of it, and not copied.
      combiner(steps(size), tables, inputsAt + 4 * inputs.length);
      for (const [i, result] of results.entries()) {
        const place = piecesAt + (inputs.length + i) * stride;
        if (!here(result)) result.set(bytes.subarray(place, place + size), at);
      }
    }
  }
}

const steps = (bytes: number): number => Math.ceil(bytes / stepBytes) * stepBytes;
