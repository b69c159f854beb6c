import type { Plant } from './plant.ts';

/* Bugs in the erasure code. */

const tests = ['src/durability/erasure/erasure.test.ts'];

export const codePlants: readonly Plant[] = [
  {
    name: 'erasure: one entry of one table is wrong',
    file: 'src/durability/erasure/field.ts',
    find: '= multiply(factor, half << 4);',
    replace: '= multiply(factor, half << 4) ^ (factor === 88 && half === 9 ? 1 : 0);',
    tests,
  },
  {
    name: 'erasure: the field of another polynomial',
    file: 'src/durability/erasure/field.ts',
    find: 'const polynomial = 0x11d;',
    replace: 'const polynomial = 0x12b;',
    tests,
  },
  {
    name: 'erasure: the rest behind the last whole step is forgotten',
    file: 'src/durability/erasure/kernel.ts',
    find: 'Math.ceil(bytes / stepBytes) * stepBytes;',
    replace: 'Math.max(1, Math.floor(bytes / stepBytes)) * stepBytes;',
    tests,
  },
  {
    name: 'erasure: the last piece of a long fragment is as long as the others',
    file: 'src/durability/erasure/kernel.ts',
    find: 'const size = Math.min(pieceBytes, length - at);',
    replace: 'const size = Math.min(pieceBytes, length);',
    tests,
  },
  {
    name: 'erasure: lost fragments take the rows of each other',
    file: 'src/durability/erasure/matrix.ts',
    find: 'solved[lost.indexOf(j)]',
    replace: 'solved[lost.indexOf(j) < 0 ? -1 : lost.length - 1 - lost.indexOf(j)]',
    tests,
  },
  {
    name: 'erasure: what the given fragments add to a parity stays in it',
    file: 'src/durability/erasure/matrix.ts',
    find: 'sum ^ multiply(shares[i]!, parityRows[p - data]?.[source] as number)',
    replace: 'sum ^ multiply(shares[i]!, p === source ? 1 : 0)',
    tests,
  },
  {
    name: 'erasure: fragments come back in the order of the rows',
    file: 'src/durability/erasure/kernel.ts',
    find: 'inputs, inOrder(results), false);',
    replace: 'inputs, results, false);',
    tests,
  },
  {
    name: 'erasure: a sum begins with the first fragment and adds it again',
    file: 'src/durability/erasure/combiner.ts',
    find: "start === 'input' ? 1 : 0",
    replace: "start === 'input' ? 0 : 0",
    tests,
  },
  {
    name: 'erasure: what follows a part of a lent fragment is overwritten',
    file: 'src/durability/erasure/kernel.ts',
    find: 'fragment.buffer === bytes.buffer && size % stepBytes === 0',
    replace: 'fragment.buffer === bytes.buffer',
    tests,
  },
  {
    name: 'erasure: the same memory is lent twice',
    file: 'src/durability/erasure/room.ts',
    find: '{ start: range.start + size, size: range.size - size }',
    replace: '{ start: range.start, size: range.size - size }',
    tests,
  },
];
