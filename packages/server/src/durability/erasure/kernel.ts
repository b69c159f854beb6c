import { assembler } from '../../codec/index.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import { productBytes, products } from './field.ts';
import { parityRows, type Row } from './matrix.ts';

/*
 * Sums of multiples of fragments, 32 bytes at a time.
 *
 * A product with a constant factor is two look-ups in tables of 16 bytes, one for each half of a byte (Plank, Greenan and Miller, "Screaming Fast
 * Galois Field Arithmetic Using Intel SIMD Instructions", 2013). The look-up is `relaxed_swizzle`, one instruction on x86 and Arm alike for
 * indexes below 16. A column of two vectors passes through all inputs while its sums stay in registers; nothing is written but results.
 *
 * One function per number of results and kind serves every code and every set of lost fragments: tables and addresses are
 * arguments in memory. Where a row is all ones no table is needed for it, and where the first column is all ones the sums begin with it.
 * docs/decisions/0009-erasure-kernel.md has the figures.
 */

const { FunctionWriter, get, i16x8, i32, i8x16, set, tee, v128, valueType } = assembler;

/** Bytes of one pass through the inputs. */
const stepBytes = 32;
const vectors = [0, 16] as const;
/** Between the tables of two inputs. */
const tableStride = productBytes * limits.codeParity;
const tableBytes = tableStride * limits.codeData;
/** Where in memory: tables of the parity matrix, tables of other rows, addresses of inputs and results, bytes of fragments. */
const parityTablesAt = 0;
const otherTablesAt = tableBytes;
const inputsAt = 2 * tableBytes;
const resultsAt = inputsAt + 4 * limits.codeData;
const bytesAt = 2 * tableBytes + 4096;
/** Fragments begin at different places within a page: caches tell addresses apart by those bits. */
const pageBytes = 4096;
const skewBytes = 192;

interface Kind {
  /** Results with tables. */
  readonly rows: number;
  /** The first result is the exclusive or of all inputs, and has no tables. */
  readonly plain: boolean;
  /** The first input counts once in every result. */
  readonly first: boolean;
}

const nameOf = ({ rows, plain, first }: Kind): string => `${first ? 'first' : 'any'}${plain ? 'plain' : ''}${rows}`;

/** A function of: bytes of each input, a whole number of steps; address of the tables; end of the list of inputs. */
function combinerOf({ rows, plain, first }: Kind): assembler.FunctionWriter {
  const writer = new FunctionWriter(3);
  const [length, tables, end] = [0, 1, 2];
  const local = (type: number) => () => writer.local(type as typeof valueType.i32);
  const [offset, table, input, at] = [1, 2, 3, 4].map(local(valueType.i32)) as [number, number, number, number];
  const [mask, lowTable, highTable] = [1, 2, 3].map(local(valueType.v128)) as [number, number, number];
  const low = vectors.map(local(valueType.v128));
  const high = vectors.map(local(valueType.v128));
  const results = Array.from({ length: rows + (plain ? 1 : 0) }, () => vectors.map(local(valueType.v128)));
  const tabled = plain ? results.slice(1) : results;
  const load = (vector: number) => v128.loadUnaligned(get(at), vectors[vector] as number);
  const addTo = (sum: number, value: assembler.Code) => set(sum, v128.xor(get(sum), value));
  const eachVector = (write: (vector: number) => void) => {
    for (const vector of vectors.keys()) write(vector);
  };

  writer.write(set(mask, i8x16.splat(i32.const(0x0f))), assembler.loop);
  writer.write(set(input, i32.const(inputsAt + (first ? 4 : 0))));
  writer.write(set(table, i32.add(get(tables), i32.const(first ? tableStride : 0))));
  if (first) {
    writer.write(set(at, i32.add(i32.load(i32.const(inputsAt), 0), get(offset))));
    eachVector((vector) => writer.write(set(low[vector] as number, load(vector))));
  }
  for (const sums of results)
    eachVector((vector) => writer.write(set(sums[vector] as number, first ? get(low[vector] as number) : v128.zero)));

  writer.write(assembler.loop, set(at, i32.add(i32.load(get(input), 0), get(offset))));
  eachVector((vector) => {
    const [lows, highs] = [low[vector] as number, high[vector] as number];
    writer.write(set(lows, load(vector)));
    if (plain) writer.write(addTo(results[0]?.[vector] as number, get(lows)));
    if (rows === 0) return;
    writer.write(set(highs, v128.and(i16x8.shrU(get(lows), i32.const(4)), get(mask))));
    writer.write(set(lows, v128.and(get(lows), get(mask))));
  });
  for (const [row, sums] of tabled.entries()) {
    writer.write(set(lowTable, v128.loadUnaligned(get(table), row * productBytes)));
    writer.write(set(highTable, v128.loadUnaligned(get(table), row * productBytes + 16)));
    eachVector((vector) => {
      const lows = i8x16.relaxedSwizzle(get(lowTable), get(low[vector] as number));
      const highs = i8x16.relaxedSwizzle(get(highTable), get(high[vector] as number));
      writer.write(addTo(sums[vector] as number, v128.xor(lows, highs)));
    });
  }
  writer.write(set(table, i32.add(get(table), i32.const(tableStride))));
  writer.write(assembler.again(i32.ltU(tee(input, i32.add(get(input), i32.const(4))), get(end as number))));

  for (const [row, sums] of results.entries()) {
    writer.write(set(at, i32.add(i32.load(i32.const(resultsAt), 4 * row), get(offset))));
    eachVector((vector) =>
      writer.write(v128.storeUnaligned(get(at), vectors[vector] as number, get(sums[vector] as number))),
    );
  }
  writer.write(
    assembler.again(i32.ltU(tee(offset, i32.add(get(offset), i32.const(stepBytes))), get(length as number))),
  );
  return writer;
}

type Combiner = (length: number, tables: number, end: number) => void;

/** What of the engine's WebAssembly is used: the library of ECMAScript does not declare it. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

const counts = Array.from({ length: limits.codeParity + 1 }, (_, count) => count);
const kinds: readonly Kind[] = [
  ...counts.slice(0, -1).map((rows) => ({ rows, plain: true, first: true })),
  ...counts.slice(0, -1).map((rows) => ({ rows, plain: true, first: false })),
  ...counts.slice(1).map((rows) => ({ rows, plain: false, first: false })),
];
const memoryBytes = bytesAt + limits.codingBytes + (limits.codeData + limits.codeParity) * (pageBytes + skewBytes);
const moduleOf = (chosen: readonly Kind[]): Uint8Array =>
  assembler.encodeModule(memoryBytes, new Map(chosen.map((kind) => [nameOf(kind), combinerOf(kind)])));
invariant(
  WebAssembly.validate(moduleOf([{ rows: 1, plain: false, first: false }])),
  'the runtime knows WebAssembly with relaxed SIMD: start DSOM with its own Node 26',
);

/** One thread's combiners, and the memory that they share. */
export class Kernel {
  readonly #bytes: Uint8Array;
  readonly #addresses: Int32Array;
  readonly #combiners: ReadonlyMap<string, Combiner>;

  constructor() {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleOf(kinds)));
    const { buffer } = exports['memory'] as { readonly buffer: ArrayBuffer };
    this.#bytes = new Uint8Array(buffer);
    this.#addresses = new Int32Array(buffer, inputsAt, limits.codeData + limits.codeParity);
    this.#combiners = new Map(kinds.map(nameOf).map((name) => [name, exports[name] as Combiner]));
    this.#setTables(parityTablesAt, parityRows.slice(1));
  }

  /** `parity[i]` = Σ_j {@link parityRows}[i][j] · `data[j]` */
  encode(data: readonly Uint8Array[], parity: readonly Uint8Array[]): void {
    const rows = parity.length - 1;
    this.#run(this.#combiner({ rows, plain: true, first: true }), parityTablesAt, data, parity);
  }

  /** `results[i]` = Σ_j `rows[i][j]` · `inputs[j]` */
  combine(rows: readonly Row[], inputs: readonly Uint8Array[], results: readonly Uint8Array[]): void {
    const ones = rows.findIndex((row) => row.every((each) => each === 1));
    const inOrder = <T>(list: readonly T[]): T[] =>
      ones < 0 ? [...list] : [list[ones] as T, ...list.filter((_, index) => index !== ones)];
    const plain = ones >= 0;
    const tabled = inOrder(rows).slice(plain ? 1 : 0);
    this.#setTables(otherTablesAt, tabled);
    const combiner = this.#combiner({ rows: tabled.length, plain, first: false });
    this.#run(combiner, otherTablesAt, inputs, inOrder(results));
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

  /** Piece by piece, so small that what is copied in is still near when it is used, and results when they are copied out. */
  #run(combiner: Combiner, tables: number, inputs: readonly Uint8Array[], results: readonly Uint8Array[]): void {
    const bytes = this.#bytes;
    const length = inputs[0]?.length as number;
    const most = limits.codingBytes / (inputs.length + results.length);
    const pieceBytes = steps(length / Math.ceil(length / most));
    const stride = Math.ceil(pieceBytes / pageBytes) * pageBytes + skewBytes;
    const addressOf = (index: number) => bytesAt + index * stride;
    for (let i = 0; i < inputs.length; i++) this.#addresses[i] = addressOf(i);
    for (let i = 0; i < results.length; i++) this.#addresses[limits.codeData + i] = addressOf(inputs.length + i);
    for (let at = 0; at < length; at += pieceBytes) {
      const size = Math.min(pieceBytes, length - at);
      for (let i = 0; i < inputs.length; i++) bytes.set(inputs[i]!.subarray(at, at + size), addressOf(i));
      // Behind an end that is no whole step lies what was there before: results are computed of it, and not copied.
      combiner(steps(size), tables, inputsAt + 4 * inputs.length);
      for (let i = 0; i < results.length; i++) {
        const from = addressOf(inputs.length + i);
        results[i]!.set(bytes.subarray(from, from + size), at);
      }
    }
  }
}

const steps = (bytes: number): number => Math.ceil(bytes / stepBytes) * stepBytes;
