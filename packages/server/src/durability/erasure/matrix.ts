import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import { inverse, multiply } from './field.ts';

/*
 * The parity matrix, and the rows that give lost fragments back.
 *
 * Row i of a Cauchy matrix is 1 / (x_i + y_j), for x and y without a common element: every square part of it has an inverse, so any k fragments
 * of k + m are enough (Blömer et al., "An XOR-Based Erasure-Resilient Coding Scheme", 1995). Dividing columns and rows by their first elements
 * keeps that, and makes the first row and the first column ones (after Plank and Xu, "Optimizing Cauchy Reed-Solomon Codes", 2006): parity 0 is
 * the exclusive or of the data, and fragment 0 is never multiplied.
 *
 * One matrix serves every code: k + m takes its first m rows and first k columns. So a parity does not depend on how many there are, and
 * data that ends early reads as zeros. What it holds is part of the format on disk (docs/formats/erasure.md).
 */

/** Coefficients of the sources whose sum is one fragment. */
export type Row = Uint8Array;

function cauchy(): readonly Row[] {
  const rows = Array.from({ length: limits.codeParity }, (_, i) =>
    Uint8Array.from({ length: limits.codeData }, (_, j) => inverse(i ^ (limits.codeParity + j))),
  );
  const first = Uint8Array.from(rows[0] as Row);
  for (const row of rows) for (let j = 0; j < row.length; j++) row[j] = multiply(row[j]!, inverse(first[j]!));
  return rows.map((row) => row.map((each) => multiply(each, inverse(row[0]!))));
}

/** Row i: the coefficients of parity i. */
export const parityRows: readonly Row[] = cauchy();

/**
 * The rows that give the `wanted` fragments as sums of `sources`.
 * @param data k
 * @param sources k different fragments, ascending: data below k, parities from k on
 */
export function rowsFrom(data: number, sources: readonly number[], wanted: readonly number[]): Row[] {
  invariant(sources.length === data, 'as many fragments are needed as there are data fragments');
  const given = sources.filter((source) => source < data);
  const parities = sources.slice(given.length);
  const lost = Array.from({ length: data }, (_, j) => j).filter((j) => !given.includes(j));
  // What the parities say of the lost fragments, once the given ones are taken away, is a square of the matrix.
  const solved = inverted(parities.map((p) => Uint8Array.from(lost, (j) => parityRows[p - data]?.[j] as number)));
  const dataRows = Array.from({ length: data }, (_, j) => {
    const shares = solved[lost.indexOf(j)];
    if (!shares) return Uint8Array.from(sources, (source) => (source === j ? 1 : 0));
    return Uint8Array.from(sources, (source, column) => {
      if (column >= given.length) return shares[column - given.length] as number;
      return parities.reduce((sum, p, i) => sum ^ multiply(shares[i]!, parityRows[p - data]?.[source] as number), 0);
    });
  });
  return wanted.map((fragment) => {
    if (fragment < data) return dataRows[fragment] as Row;
    const row = new Uint8Array(data);
    for (const [j, dataRow] of dataRows.entries()) add(row, parityRows[fragment - data]?.[j] as number, dataRow);
    return row;
  });
}

/** `row` += `factor` · `other` */
function add(row: Row, factor: number, other: Row): void {
  for (let j = 0; j < row.length; j++) row[j] = row[j]! ^ multiply(factor, other[j]!);
}

/** By Gauss and Jordan: what turns `square` into the unit matrix turns that into the inverse. */
function inverted(square: readonly Row[]): readonly Row[] {
  const size = square.length;
  // Both matrices side by side: what is done to a row is done to the other's as well.
  const rows = square.map((row, i) =>
    Uint8Array.from({ length: 2 * size }, (_, j) => row[j] ?? (j - size === i ? 1 : 0)),
  );
  for (let pivot = 0; pivot < size; pivot++) {
    // Rows never change places: a square of the parity matrix has inverses in its upper left corners too, so no pivot is 0.
    const row = rows[pivot] as Row;
    invariant(row[pivot] !== 0, 'every square of the parity matrix has an inverse');
    const scale = inverse(row[pivot] as number);
    for (let j = 0; j < row.length; j++) row[j] = multiply(row[j]!, scale);
    for (const [i, other] of rows.entries()) if (i !== pivot) add(other, other[pivot] as number, row);
  }
  return rows.map((row) => row.subarray(size));
}
