/* Rows of named keys that cannot be read: unreadable means denied. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keys } from '../../metadata/machine/keys.ts';
import { type Answer, startHarness } from './harness.support.ts';
import { openMemoryStore } from './store.support.ts';

const sse = 'x-amz-server-side-encryption';
const says = (answer: Answer, status: number, code: string, message: RegExp) => {
  assert.deepEqual([answer.status, answer.code], [status, code], answer.text);
  assert.match(answer.xml('Message') ?? '', message);
};
const ok = (answer: Answer): void => assert.ok(answer.status < 300, answer.text);
const withKey = (key: string): Record<string, string> => ({ [sse]: 'aws:kms', [`${sse}-aws-kms-key-id`]: key });

describe('a record of a named key that cannot be read', () => {
  it('opens and encrypts nothing', async () => {
    const own = await openMemoryStore();
    const server = await startHarness(own.objects, { position: own.position });
    ok(await server.send('PUT', '/b-1'));
    const key = await own.objects.kms.create('broken');
    ok(await server.send('PUT', '/b-1/k', { body: 'bytes', headers: withKey(key.id) }));
    const rowKey = keys.kmsKey(key.id);
    const row = Buffer.from(own.kv.get(rowKey)!);
    const state = 1 + 1 + 36 + 1 + 'broken'.length + 8;
    for (const [at, value] of [
      [0, 2],
      [state, 7],
      [state + 1, 0],
      [state + 1, 2],
    ] as const) {
      const changed = Buffer.from(row);
      changed[at] = value;
      own.kv.commit([[rowKey, changed]]);
      for (const answer of [
        await server.send('GET', '/b-1/k'),
        await server.send('PUT', '/b-1/new', { body: 'x', headers: withKey(key.id) }),
      ])
        says(answer, 403, 'AccessDenied', /cannot be read/);
    }
    await server.close();
    await own.close();
  });
});
