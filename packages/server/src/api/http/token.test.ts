import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../../errors.ts';
import { checkToken, tokenText } from './token.ts';

const invalid = (cause: unknown) => cause instanceof StoreError && cause.code === 'InvalidToken';

test('a token of the past or present is accepted, one of the future or of another shard is not', () => {
  const token = tokenText(new Map([[0, 1_000_000]]));
  checkToken(token, 1_000_000);
  checkToken(undefined, 0);
  checkToken('', 0);
  assert.throws(() => checkToken(token, 999_999), invalid);
  assert.throws(() => checkToken(tokenText(new Map([[7, 1]])), 100), invalid);
});

test('of several tokens the newest position counts', () => {
  const both = `${tokenText(new Map([[0, 5]]))}, ${tokenText(new Map([[0, 9]]))}`;
  checkToken(both, 9);
  assert.throws(() => checkToken(both, 8), invalid);
});

test('what is no token is refused', () => {
  for (const text of ['!', 'AA', 'AgAB', `${tokenText(new Map([[0, 5]]))}_`, 'A'.repeat(10_000)])
    assert.throws(() => checkToken(text, 100), invalid, text.slice(0, 20));
});
