import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../../limits.ts';
import { type Code, createCode, lendFragments } from './index.ts';
import { Room } from './room.ts';

/* The reference: one byte at a time, from the definitions, and nothing of the code under test. */

function product(a: number, b: number): number {
  let sum = 0;
  for (let bit = 0; bit < 8; bit++) if (b & (1 << bit)) sum ^= a << bit;
  for (let bit = 14; bit >= 8; bit--) if (sum & (1 << bit)) sum ^= 0x11d << (bit - 8);
  return sum;
}

function quotient(a: number, b: number): number {
  for (let c = 0; c < 256; c++) if (product(b, c) === a) return c;
  throw new Error('divided by 0');
}

/** 1 / (x_i + y_j), divided by the first of its column, then by the first of its row, with x_i = i and y_j = 8 + j. */
function coefficient(i: number, j: number): number {
  const entry = (row: number, column: number) => quotient(1, row ^ (8 + column));
  const scaled = (column: number) => quotient(entry(i, column), entry(0, column));
  return quotient(scaled(j), scaled(0));
}
const matrix = Array.from({ length: 8 }, (_, i) => Array.from({ length: 32 }, (_, j) => coefficient(i, j)));

function parityOf(data: readonly Uint8Array[], row: number): Uint8Array {
  return Uint8Array.from(data[0] as Uint8Array, (_, at) =>
    data.reduce((sum, fragment, j) => sum ^ product(matrix[row]?.[j] as number, fragment[at] as number), 0),
  );
}

/** Bytes that depend on `seed`, and take every value. */
function bytesOf(length: number, seed: number): Uint8Array {
  let state = Math.imul(seed, 0x9e3779b1) | 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state >>> 24;
  });
}

const emptyParity = (code: Code, length: number) =>
  Array.from({ length: code.parity }, () => new Uint8Array(length).fill(0xee));

function stripe(code: Code, length: number, seed: number): Uint8Array[] {
  const data = Array.from({ length: code.data }, (_, j) => bytesOf(length, seed * 64 + j));
  const parity = emptyParity(code, length);
  code.encode(data, parity);
  return [...data, ...parity];
}

const without = <T>(list: readonly T[], lost: readonly number[]): (T | undefined)[] =>
  list.map((each, index) => (lost.includes(index) ? undefined : each));

/** Every choice of up to `most` of the numbers below `count`. */
function* choices(count: number, most: number, from = 0): Generator<number[]> {
  yield [];
  if (most === 0) return;
  for (let first = from; first < count; first++)
    for (const rest of choices(count, most - 1, first + 1)) yield [first, ...rest];
}

test('the first row and the first column are ones, and every other coefficient of its row differs', () => {
  for (const row of matrix) {
    assert.equal(row[0], 1);
    if (row !== matrix[0]) assert.equal(new Set(row).size, row.length);
  }
  assert.ok(matrix[0]?.every((each) => each === 1));
});

test('parities are what the definition says: all k and m, every byte value at every factor', () => {
  const everyValue = Uint8Array.from({ length: 256 }, (_, value) => value);
  for (let k = 2; k <= limits.codeData; k++) {
    const data = Array.from({ length: k }, (_, j) => everyValue.map((value) => (value * (2 * j + 1) + j) & 0xff));
    const expected = matrix.map((_, row) => parityOf(data, row));
    for (let m = 1; m <= limits.codeParity; m++) {
      const code = createCode(k, m);
      const parity = emptyParity(code, 256);
      code.encode(data, parity);
      assert.deepEqual(parity, expected.slice(0, m), `${k}+${m}`);
    }
  }
});

test('the bytes that are on disk stay what they were', () => {
  const parity = emptyParity(createCode(4, 3), 4);
  const data = [
    [0, 1, 2, 255],
    [0, 1, 4, 1],
    [0, 1, 8, 2],
    [0, 1, 16, 128],
  ];
  createCode(4, 3).encode(
    data.map((each) => Uint8Array.from(each)),
    parity,
  );
  assert.deepEqual(
    parity.map((each) => [...each]),
    [
      [0, 0, 30, 124],
      [0, 88, 31, 245],
      [0, 94, 218, 41],
    ],
  );
});

test('any length: no byte too few, none too many', () => {
  const whole = Math.floor(limits.codingBytes / 7);
  const lengths = [...Array.from({ length: 100 }, (_, n) => n), whole - 1, whole, whole + 1, 2 * whole + 17];
  const code = createCode(5, 2);
  for (const length of lengths) {
    // Views into larger arrays at odd places, whose surroundings must stay.
    const around = Array.from({ length: 7 }, (_, i) => bytesOf(length + 80, i + length));
    const before = around.map((each) => Uint8Array.from(each));
    const fragments = around.map((each, i) => each.subarray(3 + i, 3 + i + length));
    code.encode(fragments.slice(0, 5), fragments.slice(5));
    for (const [i, each] of around.entries()) {
      if (i < 5) assert.deepEqual(each, before[i]);
      assert.deepEqual(each.subarray(0, 3 + i), before[i]?.subarray(0, 3 + i));
      assert.deepEqual(each.subarray(3 + i + length), before[i]?.subarray(3 + i + length));
    }
    const samples = length < 300 ? [...Array(length).keys()] : [0, 31, whole - 65, whole - 1, length - 32, length - 1];
    for (const at of samples)
      for (const row of [0, 1]) {
        const column = fragments.slice(0, 5).map((each) => each.subarray(at, at + 1));
        assert.equal(fragments[5 + row]?.[at], parityOf(column, row)[0], `length ${length}, byte ${at}`);
      }
    const [second, last] = code.reconstruct(without(fragments, [1, 6]), [1, 6]);
    assert.ok(Buffer.compare(second as Uint8Array, fragments[1] as Uint8Array) === 0, `length ${length}`);
    assert.ok(Buffer.compare(last as Uint8Array, fragments[6] as Uint8Array) === 0, `length ${length}`);
  }
});

test('small codes: every set of lost fragments, all wanted, in any order', () => {
  for (const [k, m] of [
    [2, 1],
    [2, 2],
    [3, 2],
    [4, 2],
    [4, 4],
    [8, 3],
    [3, 8],
  ] as const) {
    const code = createCode(k, m);
    const fragments = stripe(code, 37, k * 10 + m);
    for (const lost of choices(k + m, m)) {
      const wanted = [...lost].reverse();
      const given = without(fragments, lost);
      assert.deepEqual(
        code.reconstruct(given, wanted),
        wanted.map((index) => fragments[index]),
        `${k}+${m} without ${lost}`,
      );
    }
  }
});

test('all codes: random lost fragments, some of them wanted beside some that are there', () => {
  const scheme = fc.record({
    k: fc.integer({ min: 2, max: limits.codeData }),
    m: fc.integer({ min: 1, max: limits.codeParity }),
    seed: fc.nat(1000),
    length: fc.integer({ min: 0, max: 200 }),
    order: fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
    lost: fc.nat(8),
    asked: fc.nat(12),
  });
  fc.assert(
    fc.property(scheme, ({ k, m, seed, length, order, lost, asked }) => {
      const code = createCode(k, m);
      const fragments = stripe(code, length, seed);
      const shuffled = () =>
        fragments
          .map((_, index) => ({ index, at: order.next().value as number }))
          .sort((a, b) => a.at - b.at || a.index - b.index)
          .map(({ index }) => index);
      const gone = shuffled().slice(0, Math.min(lost, m));
      const wanted = shuffled().slice(0, asked);
      const given = without(fragments, gone);
      const made = code.reconstruct(given, wanted);
      for (const [at, index] of wanted.entries()) {
        assert.deepEqual(made[at], fragments[index]);
        assert.equal(made[at] === given[index], given[index] !== undefined, 'what is there is given back itself');
      }
    }),
    { numRuns: 400 },
  );
});

test('the corners of the range, with every parity in use', () => {
  for (const k of [2, 3, 31, 32])
    for (const m of [1, 2, 7, 8]) {
      const code = createCode(k, m);
      const fragments = stripe(code, 100, k + m);
      const most = Math.min(k, m);
      for (const lost of [
        Array.from({ length: most }, (_, i) => i),
        Array.from({ length: most }, (_, i) => k - 1 - i),
        Array.from({ length: m }, (_, i) => k + i),
      ])
        assert.deepEqual(
          code.reconstruct(without(fragments, lost), lost),
          lost.map((index) => fragments[index]),
          `${k}+${m} without ${lost}`,
        );
    }
});

test('lost fragments go where the caller wants them', () => {
  const code = createCode(3, 2);
  const fragments = stripe(code, 50, 9);
  const room = [new Uint8Array(50), new Uint8Array(50)];
  const made = code.reconstruct(without(fragments, [0, 4]), [4, 0], room);
  assert.equal(made[0], room[0]);
  assert.equal(made[1], room[1]);
  assert.deepEqual(room, [fragments[4], fragments[0]]);
});

test('a parity does not depend on how many there are, and missing data reads as zeros', () => {
  const data = Array.from({ length: 5 }, (_, j) => bytesOf(64, j));
  const few = emptyParity(createCode(5, 1), 64);
  const many = emptyParity(createCode(7, 4), 64);
  createCode(5, 1).encode(data, few);
  createCode(7, 4).encode([...data, new Uint8Array(64), new Uint8Array(64)], many);
  assert.deepEqual(many[0], few[0]);
});

test('pieces added in any order, of any sizes, give the parities of the whole', () => {
  const scheme = fc.record({
    k: fc.integer({ min: 2, max: limits.codeData }),
    m: fc.integer({ min: 1, max: limits.codeParity }),
    length: fc.integer({ min: 1, max: 300 }),
    cuts: fc.array(fc.nat(300), { maxLength: 4 }),
    lent: fc.boolean(),
    turn: fc.integer(),
  });
  fc.assert(
    fc.property(scheme, ({ k, m, length, cuts, lent, turn }) => {
      const code = createCode(k, m);
      const [...expected] = stripe(code, length, turn & 1023);
      const data = expected.splice(0, k);
      const loan = lent ? lendFragments(m, length) : { fragments: emptyParity(code, length), give: () => {} };
      for (const each of loan.fragments) each.fill(0);
      const ends = [...new Set([...cuts.filter((cut) => cut < length), length])].sort((a, b) => a - b);
      const pieces = data.flatMap((_, index) => ends.map((end, i) => ({ index, from: ends[i - 1] ?? 0, end })));
      const place = new Map(pieces.map((piece, i) => [piece, Math.imul(i + 1, turn | 1) >>> 0]));
      for (const { index, from, end } of pieces.sort((a, b) => place.get(a)! - place.get(b)!)) {
        code.add(
          index,
          (data[index] as Uint8Array).subarray(from, end),
          loan.fragments.map((each) => each.subarray(from, end)),
        );
      }
      assert.deepEqual(
        loan.fragments.map((each) => Uint8Array.from(each)),
        expected,
      );
      loan.give();
    }),
  );
});

test('fragments that are lent give the same as others, and their neighbours stay', () => {
  const code = createCode(3, 2);
  const whole = Math.floor(limits.codingBytes / 5);
  for (const length of [1, 31, 32, 33, 4000, 4096, whole + 100, 3 * whole]) {
    const expected = stripe(code, length, length);
    for (const which of ['data', 'parity', 'all']) {
      const loan = lendFragments(5, length);
      const next = lendFragments(1, 4096);
      next.fragments[0]?.fill(0x55);
      const fragments = loan.fragments.map((each, i) => {
        each.fill(0xee);
        return which === 'all' || (which === 'data') === i < 3 ? each : new Uint8Array(length);
      });
      for (let j = 0; j < 3; j++) fragments[j]?.set(expected[j] as Uint8Array);
      code.encode(fragments.slice(0, 3), fragments.slice(3));
      for (let i = 0; i < 5; i++)
        assert.ok(Buffer.compare(fragments[i]!, expected[i]!) === 0, `${which} ${length}: ${i}`);
      fragments[1]?.fill(0);
      code.reconstruct(without(fragments, [1]), [1], [fragments[1]!]);
      assert.ok(Buffer.compare(fragments[1]!, expected[1]!) === 0);
      assert.ok(next.fragments[0]?.every((byte) => byte === 0x55));
      next.give();
      loan.give();
    }
  }
});

test('a part of a lent fragment is written without its neighbourhood', () => {
  const code = createCode(2, 2);
  const loan = lendFragments(2, 100);
  const data = [bytesOf(10, 1), bytesOf(10, 2)];
  for (const each of loan.fragments) each.fill(0x55);
  code.encode(
    data,
    loan.fragments.map((each) => each.subarray(7, 17)),
  );
  for (const [row, each] of loan.fragments.entries()) {
    assert.deepEqual(Uint8Array.from(each.subarray(7, 17)), parityOf(data, row));
    assert.ok([...each.subarray(0, 7), ...each.subarray(17)].every((byte) => byte === 0x55));
  }
  loan.give();
});

test('when all room is lent, fragments are memory like any other; given back it is lent again', () => {
  const inKernel = lendFragments(1, 1);
  const { buffer } = inKernel.fragments[0] as Uint8Array;
  inKernel.give();
  const most = lendFragments(1, limits.codingRoomBytes - 4096);
  assert.ok(most.fragments[0]?.buffer === buffer);
  const more = lendFragments(2, 4096);
  assert.ok(more.fragments[0]?.buffer !== buffer);
  more.give();
  most.give();
  assert.throws(() => most.give(), /given back once/);
  const again = lendFragments(1, limits.codingRoomBytes - 4096);
  assert.ok(again.fragments[0]?.buffer === buffer);
  again.give();
});

test('room that is taken never overlaps, and all of it comes back', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ size: fc.integer({ min: 1, max: 40 }), give: fc.nat(5) })), (steps) => {
      const room = new Room(10, 100);
      const taken: { start: number; size: number }[] = [];
      for (const { size, give } of steps) {
        const start = room.take(size);
        if (start !== undefined) {
          assert.ok(start >= 10 && start + size <= 110);
          for (const other of taken) assert.ok(start >= other.start + other.size || other.start >= start + size);
          taken.push({ start, size });
        }
        const back = taken.splice(give, 1)[0];
        if (back) room.give(back.start, back.size);
      }
      for (const { start, size } of taken) room.give(start, size);
      assert.equal(room.take(100), 10);
    }),
  );
});

test('a code is made once in a thread', () => {
  assert.equal(createCode(6, 3), createCode(6, 3));
  assert.deepEqual([createCode(6, 3).data, createCode(6, 3).parity], [6, 3]);
});

test('what no code can do is refused before anything is written', () => {
  for (const [k, m] of [
    [1, 1],
    [33, 1],
    [2, 0],
    [2, 9],
    [2.5, 1],
  ] as const)
    assert.throws(() => createCode(k, m), /a code has/);
  const code = createCode(2, 2);
  const four = stripe(code, 8, 1) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const parity = emptyParity(code, 8);
  assert.throws(() => code.encode(four.slice(0, 1), parity), /as many data fragments/);
  assert.throws(() => code.encode(four.slice(0, 2), parity.slice(1)), /room for every parity/);
  assert.throws(() => code.encode([four[0], new Uint8Array(7)], parity), /equally long/);
  assert.ok(parity.every((each) => each.every((byte) => byte === 0xee)));
  assert.throws(() => code.add(2, four[0], parity), /has the data fragment/);
  assert.throws(() => code.add(0, four[0], parity.slice(1)), /every parity/);
  assert.throws(() => code.add(0, four[0].subarray(1), parity), /equally long/);
  assert.throws(() => code.reconstruct([four[0], undefined, undefined, undefined], [1]), /as many fragments are there/);
  assert.throws(() => code.reconstruct(four.slice(0, 3), [0]), /by their index/);
  assert.throws(() => code.reconstruct([undefined, ...four.slice(1)], [4]), /has the wanted fragment/);
  assert.throws(() => code.reconstruct([undefined, ...four.slice(1)], [0, 0]), /wanted once/);
  assert.throws(() => code.reconstruct([undefined, ...four.slice(1)], [0], [new Uint8Array(7)]), /equally long/);
});
