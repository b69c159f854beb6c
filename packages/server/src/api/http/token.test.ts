import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limits } from '../../limits.ts';
import { numberOf } from '../../metadata/index.ts';
import { parseToken, tokenOf, tokenText } from './token.ts';

describe('a token', () => {
  it('has a position of each shard that an answer is of, and of each that the request had seen', () => {
    const carried = tokenText(
      new Map([
        [0, 7],
        [2, 90],
      ]),
    );
    const token = tokenOf([numberOf(2, 80), numberOf(3, 5), 9], carried);
    assert.deepEqual(Object.fromEntries(parseToken(token)), { 0: 9, 2: 90, 3: 5 });
    assert.deepEqual(Object.fromEntries(parseToken(tokenOf([4], undefined))), { 0: 4 });
    assert.deepEqual(Object.fromEntries(parseToken(`${token},${tokenText(new Map([[3, 6]]))}`)), { 0: 9, 2: 90, 3: 6 });
  });

  it('fits its bound when it names every shard that there can be', () => {
    const all = new Map(Array.from({ length: limits.objectShards + 1 }, (_, shard) => [shard, 2 ** 41 - 1]));
    assert.ok(3 * tokenText(all).length < limits.tokenBytes);
  });
});
