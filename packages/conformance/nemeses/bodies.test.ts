import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyOf, writtenIn } from './bodies.ts';

test('a body says which write it is, whatever its size', () => {
  for (const bytes of [1, 10, 100, 4097, 100_000]) {
    const { value, body } = bodyOf('some "name"/x', bytes);
    assert.ok(body.length >= Math.min(bytes, value.length) && body.length <= bytes + value.length + 1);
    assert.equal(writtenIn(body), value);
  }
});

test('one wrong byte, a lost end, and bytes too many are found', () => {
  const { body } = bodyOf('7', 20_000);
  for (const at of [0, 3, 100, 19_999]) {
    const damaged = Buffer.from(body);
    damaged[at] = (damaged[at] as number) ^ 1;
    assert.notEqual(writtenIn(damaged), '7/20000');
  }
  assert.equal(writtenIn(body.subarray(0, 19_999)), undefined);
  assert.equal(writtenIn(Buffer.concat([body, Buffer.from('x')])), undefined);
  assert.equal(writtenIn(Buffer.alloc(0)), undefined);
});
