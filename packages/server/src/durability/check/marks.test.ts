import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { IdMarks, sliceOf } from './marks.ts';

const stripeId = (prefix: Buffer, counter: number): Buffer => {
  const id = Buffer.alloc(16);
  prefix.copy(id);
  id.writeUInt32BE(counter, 11);
  return id;
};

test('holds a number per id, as a Map would', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(40), fc.nat(3), fc.integer({ min: 1, max: 9 }))), (steps) => {
      const marks = new IdMarks(200);
      const model = new Map<string, number>();
      for (const [counter, prefix, mark] of steps) {
        const id = stripeId(Buffer.alloc(8, prefix), counter);
        assert.equal(marks.get(id), model.get(id.toString('hex')) ?? 0);
        marks.set(id, mark);
        model.set(id.toString('hex'), mark);
        assert.equal(marks.get(id), mark);
      }
      assert.equal(marks.size, model.size);
    }),
  );
});

test('ids of one intent, of many intents and of manifests stay apart and spread over slices', () => {
  const random = (i: number): Buffer => hash('sha256', String(i), 'buffer').subarray(0, 8);
  const one = random(-1);
  const kinds = {
    counters: (i: number) => stripeId(one, i),
    prefixes: (i: number) => stripeId(random(i), i % 3),
    manifests: (i: number) =>
      Buffer.concat([Buffer.from([0, 0, 0, 0, 0, i >> 16, (i >> 8) & 255, i & 255]), random(i)]),
  };
  for (const [kind, make] of Object.entries(kinds)) {
    const marks = new IdMarks(30_000);
    const slices = [0, 0, 0, 0];
    for (let i = 0; i < 30_000; i++) {
      const id = make(i);
      assert.equal(marks.get(id), 0, kind);
      marks.set(id, 1);
      slices[sliceOf(id, 4)] = (slices[sliceOf(id, 4)] as number) + 1;
    }
    assert.equal(marks.size, 30_000);
    for (const share of slices) assert.ok(Math.abs(share - 7500) < 800, `${kind}: ${slices.join()}`);
  }
});

test('is bounded by its user', () => {
  const marks = new IdMarks(4);
  let count = 0;
  while (!marks.isFull) marks.set(stripeId(Buffer.alloc(8), count++), 1);
  assert.ok(count >= 4);
  assert.throws(() => marks.set(stripeId(Buffer.alloc(8), count), 1));
  marks.set(stripeId(Buffer.alloc(8), 0), 2);
});
