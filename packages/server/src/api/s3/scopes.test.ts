import assert from 'node:assert/strict';
import { it } from 'node:test';
import { contextOf, decide, permits, type Requester, scopeOf } from '../../access/index.ts';
import type { AccessKeyRecord } from '../../metadata/index.ts';
import { refusedOperations, supportedOperations, unsetOperations } from './names.ts';
import { operations } from './operations.ts';
import { permissionsOf, questionsOf } from './permissions.ts';

const requester: Requester = { kind: 'user', account: '000000000000', arn: 'arn:aws:iam::000000000000:user/key' };
const context = contextOf([]);

const keyOf = (role: AccessKeyRecord['role'], buckets: readonly string[]): AccessKeyRecord => ({
  id: 'key',
  sealedSecret: Buffer.alloc(0),
  owner: 'owner',
  name: 'name',
  createdMs: 0,
  role,
  buckets,
});

it('the role and the buckets of a key, said as policies, allow each operation as they do today', () => {
  let compared = 0;
  for (const role of ['root', 'readwrite', 'readonly', 'constructor', 'none'] as AccessKeyRecord['role'][])
    for (const buckets of [[], ['mine'], ['mine', 'ours'], ['*'], ['min?'], ['${aws:username}']])
      for (const operation of [...supportedOperations, ...unsetOperations, ...refusedOperations])
        for (const bucket of ['mine', 'ours', 'other', 'mine2', '*']) {
          const row = operations.get(operation);
          if (!row || permissionsOf(operation).needs.length === 0) continue;
          const key = keyOf(role, buckets);
          const target = { bucket, key: 'a/b', versioned: false };
          const questions = questionsOf(operation, { target, source: target, each: [target], causes: new Set() });
          assert.ok(questions.length > 0, operation);
          const allowed: boolean = questions.every(
            (one) => decide(scopeOf(key), { ...one, requester, resourceAccount: undefined, context }).allowed,
          );
          // Whoever has a key may ask for the buckets; each is asked about for itself.
          const isList = permissionsOf(operation).needs[0]?.target === 'account';
          const known = ['root', 'readwrite', 'readonly'].includes(role);
          const today = isList
            ? known
            : permits({ principal: { kind: 'key', key }, action: row.action, kind: row.kind, bucket });
          assert.equal(allowed, today, `${role} ${buckets.join()} ${operation} ${bucket}`);
          compared++;
        }
  assert.ok(compared > 10_000, `${compared}`);
});
