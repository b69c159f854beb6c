import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { permits } from './index.ts';
import { record } from './signer.support.ts';
import type { AccessQuestion } from './types.ts';

const kinds = ['read', 'write', 'admin'] as const;
const ask = (principal: unknown, kind: unknown, bucket: string | undefined) =>
  permits({ principal, kind, bucket, action: 'Any' } as AccessQuestion);

describe('permits', () => {
  it('answers by role, and denies what it does not know', () => {
    const expected = {
      root: [true, true, true],
      readwrite: [true, true, false],
      readonly: [true, false, false],
      admin: [false, false, false],
      constructor: [false, false, false],
      __proto__: [false, false, false],
    };
    for (const role of [...Object.keys(expected), '__proto__'] as (keyof typeof expected)[]) {
      const key = record({ role: role as 'root' });
      const want = Object.hasOwn(expected, role) ? expected[role] : [false, false, false];
      assert.deepEqual(
        kinds.map((kind) => ask({ kind: 'key', key }, kind, 'b')),
        want,
        role,
      );
      assert.deepEqual(
        kinds.map((kind) => ask({ kind: 'key', key }, kind, undefined)),
        want,
        role,
      );
    }
    for (const kind of ['toString', 'delete', undefined])
      assert.equal(ask({ kind: 'key', key: record({ role: 'root' }) }, kind, 'b'), false);
  });

  it('denies anonymous and unknown principals', () => {
    for (const kind of kinds) {
      assert.equal(ask({ kind: 'anonymous' }, kind, 'b'), false);
      assert.equal(ask({ kind: 'service' }, kind, 'b'), false);
    }
  });

  it('keeps a key to its buckets, whatever its role', () => {
    for (const role of ['root', 'readwrite', 'readonly'] as const) {
      const principal = { kind: 'key', key: record({ role, buckets: ['mine', 'ours'] }) };
      assert.equal(ask(principal, 'read', 'mine'), true);
      assert.equal(ask(principal, 'read', 'ours'), true);
      for (const bucket of ['min', 'mine2', 'Mine', '', undefined]) assert.equal(ask(principal, 'read', bucket), false);
    }
  });
});
