/* When access keys were used: noted for every request, written seldom, and bounded. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { AccessKeyRecord, KeyUse, Proposer } from '../metadata/index.ts';
import { KeyUses } from './key-uses.ts';

it('uses are written together, each key seldom, the newest; a failure holds nothing up', async () => {
  const host = manualHost();
  const written = new Map<string, KeyUse>();
  const proposals: (readonly string[])[] = [];
  const failures: unknown[] = [];
  let refusal: StoreError | undefined;
  const proposer: Proposer = {
    async propose(command) {
      assert.ok(command.type === 'key.used');
      if (refusal) throw refusal;
      proposals.push(command.uses.map(({ id }) => id));
      for (const { id, ...use } of command.uses) written.set(id, use);
      return { reply: { type: 'done' }, position: 0 };
    },
  };
  const uses = new KeyUses({
    reader: {
      keyUse: (id) => written.get(id),
      accessKey: (id) => (id === 'root' ? undefined : ({ id } as AccessKeyRecord)),
    },
    proposer,
    clock: host.clock,
    timers: host.timers,
    onFailure: (fields) => failures.push(fields),
  });
  const began = host.clock.now();
  for (let at = 0; at < 1000; at++) uses.used(at % 2 ? 'a' : 'b', 's3', 'r');
  host.advance(10);
  uses.used('a', 'iam', 'q');
  assert.equal(proposals.length, 0, 'no request writes');
  await uses.write();
  assert.deepEqual(proposals, [['b', 'a']]);
  assert.deepEqual(written.get('a'), { ms: began + 10, service: 'iam', region: 'q' });
  uses.used('a', 's3', 'r');
  uses.used('root', 's3', 'r');
  await uses.write();
  assert.equal(proposals.length, 1, 'it was written a moment ago');
  host.advance(limits.keyUseEveryMs);
  uses.used('a', 's3', 'r');
  await uses.write();
  assert.deepEqual(proposals[1], ['a']);
  await uses.write();
  assert.equal(proposals.length, 2, 'nothing was used');
  for (let at = 0; at < limits.keyUsesNoted + 5; at++) uses.used(`many${at}`, 's3', 'r');
  await uses.write();
  assert.equal(proposals[2]?.length, limits.keyUsesNoted);
  for (const [code, said] of [
    ['NotImplemented', 0],
    ['ServiceUnavailable', 1],
  ] as const) {
    refusal = new StoreError(code);
    uses.used('late', 's3', 'r');
    await uses.write();
    assert.equal(failures.length, said, code);
  }
  refusal = undefined;
  uses.used('late', 's3', 'r');
  await uses.close();
  assert.deepEqual(proposals[3], ['late'], 'what is left is written at the end');
  const silent = new KeyUses({
    reader: { keyUse: () => undefined, accessKey: (id) => ({ id }) as AccessKeyRecord },
    proposer: { propose: () => new Promise(() => undefined) },
    clock: host.clock,
    timers: host.timers,
    onFailure: () => undefined,
  });
  silent.used('a', 's3', 'r');
  const closed = silent.close();
  host.advance(limits.keyUseCloseMs);
  await closed;
});
