import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lastBit } from './bitmap.ts';

test('the last set bit is the one that a look at each would find', () =>
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 6 }), fc.nat(48), (bits, most) => {
      const end = Math.min(most, bits.length * 8);
      let expected = -1;
      for (let at = 0; at < end; at++) if (((bits[at >> 3] as number) >> (at & 7)) & 1) expected = at;
      assert.equal(lastBit(bits, end), expected);
    }),
  ));
