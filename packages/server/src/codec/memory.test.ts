import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import { release } from './memory.ts';

test('what spans its buffer is given back: every view of it is empty', () => {
  const bytes = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(65_536));
  const view = bytes.subarray(10, 20);
  release(bytes);
  assert.equal(bytes.length, 0);
  assert.equal(view.length, 0);
});

test('a part of a buffer is left alone: the rest may be somebody else’s', () => {
  const whole = Buffer.allocUnsafeSlow(1000).fill(7);
  release(whole.subarray(0, 999));
  release(whole.subarray(1));
  const pooled = Buffer.from('a few bytes of the pool that all small buffers share');
  release(pooled);
  assert.equal(whole.length, 1000);
  assert.equal(pooled.toString('latin1', 0, 5), 'a few');
  const shared = new Uint8Array(new SharedArrayBuffer(8));
  release(shared);
  assert.equal(shared.length, 8);
});

test('memory that is given back does not count any more', () => {
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 64; i++) release(Buffer.allocUnsafeSlow(2 ** 20));
  assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 22);
});
