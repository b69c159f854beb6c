import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { manualHost } from '../../host/index.ts';
import { memoryKv } from '../../kv/index.ts';
import { Overlay } from './overlay.ts';

const key = fc.tuple(fc.constantFrom(1, 2), fc.nat(12)).map((bytes) => Buffer.from(bytes));
const value = fc.option(
  fc.nat(3).map((byte) => Buffer.from([byte])),
  { nil: undefined },
);
const set = fc.record({ type: fc.constant('set' as const), key, value });
const get = fc.record({ type: fc.constant('get' as const), key });
const range = fc.record({
  type: fc.constant('range' as const),
  start: key,
  end: key,
  reverse: fc.boolean(),
  limit: fc.option(fc.nat(4), { nil: undefined }),
});

describe('an overlay', () => {
  it('reads as the KV would after the commit, and commits just that', () => {
    const base = fc.array(fc.tuple(key, fc.nat(3)), { maxLength: 20 });
    const property = fc.property(base, fc.array(fc.oneof(set, set, get, range), { maxLength: 40 }), (rows, steps) => {
      const kv = memoryKv(manualHost());
      kv.commit(rows.map(([key, byte]) => [key, Buffer.from([byte])]));
      const expected = memoryKv(manualHost());
      expected.commit(rows.map(([key, byte]) => [key, Buffer.from([byte])]));
      const overlay = new Overlay(kv);
      for (const step of steps) {
        if (step.type === 'set') {
          overlay.set(step.key, step.value);
          expected.commit([[step.key, step.value]]);
        } else if (step.type === 'get') assert.deepEqual(overlay.get(step.key), expected.get(step.key));
        else {
          const { start, end, reverse, limit } = step;
          if (start[0] !== end[0]) continue;
          const asked = { start, end, reverse, ...(limit === undefined ? {} : { limit }) };
          assert.deepEqual([...overlay.range(asked)], [...expected.range(asked)]);
        }
      }
      for (const { key, before, after } of overlay.changes()) {
        assert.deepEqual(before, kv.get(key));
        assert.notDeepEqual(before, after);
      }
      kv.commit(overlay.commit());
      const all = { start: Buffer.from([0]), end: Buffer.from([9]) };
      assert.deepEqual([...kv.range(all)], [...expected.range(all)]);
    });
    fc.assert(property, { numRuns: 400 });
  });
});
