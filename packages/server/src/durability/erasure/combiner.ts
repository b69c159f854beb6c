import { assembler } from '../../codec/index.ts';
import { limits } from '../../limits.ts';
import { productBytes } from './field.ts';

/*
 * Sums of multiples of fragments, 32 bytes at a time.
 *
 * A product with a constant factor is two look-ups in tables of 16 bytes, one for each half of a byte (Plank, Greenan and Miller, "Screaming Fast
 * Galois Field Arithmetic Using Intel SIMD Instructions", 2013). The look-up is `relaxed_swizzle`, one instruction on x86 and Arm alike for
 * indexes below 16. A column of two vectors passes through all inputs while its sums stay in registers; nothing is written but results.
 *
 * One function per number of results and kind serves every code and every set of lost fragments: tables and addresses are
 * arguments in memory. Where a row is all ones no table is needed for it, and where the first column is all ones the sums begin with it.
 * docs/decisions/0010-erasure-kernel.md has the figures.
 */

const { FunctionWriter, get, i16x8, i32, i8x16, set, tee, v128, valueType } = assembler;

/** Bytes of one pass through the inputs. */
export const stepBytes = 32;
const vectors = [0, 16] as const;
/** Between the tables of two inputs. */
export const tableStride = productBytes * limits.codeParity;
/** Tables of all inputs. */
export const tableBytes = tableStride * limits.codeData;
/** Where in memory: the addresses of inputs and of results, one word each. Tables and fragments are where the arguments say. */
export const inputsAt = 0;
export const resultsAt = 4 * limits.codeData;

export interface Kind {
  /** Results with tables. */
  readonly rows: number;
  /** The first result is the exclusive or of all inputs, and has no tables. */
  readonly plain: boolean;
  /** What the sums begin with: nothing, the first input (where it counts once in every result), or what the results hold. */
  readonly start: 'zero' | 'input' | 'result';
}

export const nameOf = ({ rows, plain, start }: Kind): string => `${start}${plain ? 'Plain' : ''}${rows}`;

/** A function of: bytes of each input, a whole number of steps; address of the tables; end of the list of inputs. */
export function combinerOf({ rows, plain, start }: Kind): assembler.FunctionWriter {
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
  /** Where in the input or result that stands at `place` of its list the work is. */
  const goTo = (list: assembler.Code, place = 0) => set(at, i32.add(i32.load(list, 4 * place), get(offset)));
  const skipped = start === 'input' ? 1 : 0;
  const addTo = (sum: number, value: assembler.Code) => set(sum, v128.xor(get(sum), value));
  const eachVector = (write: (vector: number) => void) => {
    for (const vector of vectors.keys()) write(vector);
  };

  writer.write(set(mask, i8x16.splat(i32.const(0x0f))), assembler.loop);
  writer.write(set(input, i32.const(inputsAt + 4 * skipped)));
  writer.write(set(table, i32.add(get(tables), i32.const(skipped * tableStride))));
  if (start === 'input') writer.write(goTo(i32.const(inputsAt)));
  for (const [row, sums] of results.entries()) {
    if (start === 'result') writer.write(goTo(i32.const(resultsAt), row));
    eachVector((vector) => writer.write(set(sums[vector] as number, start === 'zero' ? v128.zero : load(vector))));
  }

  writer.write(assembler.loop, goTo(get(input)));
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
    writer.write(goTo(i32.const(resultsAt), row));
    eachVector((vector) =>
      writer.write(v128.storeUnaligned(get(at), vectors[vector] as number, get(sums[vector] as number))),
    );
  }
  writer.write(
    assembler.again(i32.ltU(tee(offset, i32.add(get(offset), i32.const(stepBytes))), get(length as number))),
  );
  return writer;
}
