import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { Arena } from './index.ts';

it('an arena never hands out a byte twice', () => {
  const sizes = fc.array(fc.oneof(fc.nat(300), fc.nat(20_000)), { maxLength: 60 });
  fc.assert(
    fc.property(sizes, (all) => {
      const arena = new Arena();
      const taken = all.map((bytes, index) => arena.take(bytes).fill(index + 1));
      for (const [index, buffer] of taken.entries()) {
        assert.equal(buffer.length, all[index]);
        assert.ok(buffer.every((byte) => byte === index + 1));
      }
    }),
    { numRuns: 50 },
  );
});
