import assert from 'node:assert/strict';
import { it } from 'node:test';
import { authorize, contextOf, identityOf, isFree, unowned } from '../../access/index.ts';
import type { AccessKeyRecord } from '../../metadata/index.ts';
import { refusedOperations, supportedOperations } from './names.ts';
import { permissionsOf, questionsOf } from './permissions.ts';

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

/** The rule for keys, apart from policies: a role may read or also write, in its buckets or in all. */
const reads = /^(?:Get|Head|List|Select)/;
function expected({ role, buckets }: AccessKeyRecord, operation: string, bucket: string): boolean {
  if (!['root', 'readwrite', 'readonly'].includes(role)) return false;
  // Whoever has a key may ask for the buckets; each is asked about for itself.
  if (/^List(?:Directory)?Buckets$/.test(operation)) return true;
  if (buckets.length > 0 && !buckets.includes(bucket)) return false;
  return role !== 'readonly' || reads.test(operation);
}

it('the role and the buckets of a key allow each operation as the words say', () => {
  let compared = 0;
  for (const role of ['root', 'readwrite', 'readonly', 'constructor', 'none'] as AccessKeyRecord['role'][])
    for (const buckets of [[], ['mine'], ['mine', 'ours'], ['*'], ['min?'], ['${aws:username}']])
      for (const operation of [...supportedOperations, ...refusedOperations])
        for (const bucket of ['mine', 'ours', 'other', 'mine2', '*']) {
          if (permissionsOf(operation).needs.length === 0) continue;
          const key = keyOf(role, buckets);
          const identity = identityOf({ kind: 'key', key });
          const target = { bucket, key: 'a/b', versionId: undefined };
          const questions = questionsOf(operation, { target, source: target, each: [target], causes: new Set() });
          assert.ok(questions.length > 0, operation);
          const allowed = questions.every(
            ({ action, resource }) => authorize(identity, { action, resource, rules: unowned, context }).allowed,
          );
          const what = `${role} ${buckets.join()} ${operation} ${bucket}`;
          assert.equal(allowed, expected(key, operation, bucket), what);
          if (isFree(identity, unowned)) assert.ok(allowed, `${what}: what need not be decided is allowed`);
          compared++;
        }
  assert.ok(compared > 10_000, `${compared}`);
});

it('the server itself is for the root of the first account only', () => {
  const rules = { account: '000000000000', policy: undefined };
  for (const role of ['root', 'readwrite', 'readonly', 'admin', '__proto__'] as AccessKeyRecord['role'][])
    for (const buckets of [[], ['mine']])
      for (const owner of ['root', '123456789012']) {
        const identity = identityOf({ kind: 'key', key: { ...keyOf(role, buckets), owner } });
        const attempt = { action: 'dsom:GetStatus', resource: 'arn:aws:dsom:::server', rules, context };
        assert.equal(
          authorize(identity, attempt).allowed,
          role === 'root' && buckets.length === 0 && owner === 'root',
          `${role} ${buckets.join()} ${owner}`,
        );
      }
});
