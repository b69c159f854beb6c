import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import type { KeyService } from '../keys/index.ts';
import type { Command, MetadataReader, Proposer } from '../metadata/index.ts';
import { createKeyAdmin } from './keyadmin.ts';

/** A server that keeps a root key and another one, and may have been given a root key at its start. */
function setUp(givenRoot: string | undefined) {
  const kept = new Map([
    ['AKROOT', { id: 'AKROOT', role: 'root' }],
    ['AKOTHER', { id: 'AKOTHER', role: 'readwrite' }],
  ]);
  const proposed: Command[] = [];
  const reader = { accessKey: (id: string) => kept.get(id) } as unknown as MetadataReader;
  const proposer = { propose: async (command: Command) => void proposed.push(command) } as unknown as Proposer;
  const admin = createKeyAdmin(reader, proposer, {} as KeyService, manualHost(1).entropy, givenRoot);
  return { admin, proposed };
}

test('the root key that is kept goes where another one was given, and stays where it is the only one', async () => {
  const rotated = setUp('AKNEW');
  await rotated.admin.revoke('AKROOT');
  assert.deepEqual(rotated.proposed, [{ type: 'key.revoke', id: 'AKROOT' }]);
  for (const given of [undefined, 'AKROOT']) {
    const { admin, proposed } = setUp(given);
    await assert.rejects(
      admin.revoke('AKROOT'),
      (error) => error instanceof StoreError && /with another one in DSOM_ROOT_ACCESS_KEY_ID/.test(error.message),
    );
    assert.deepEqual(proposed, []);
    await admin.revoke('AKOTHER');
    assert.deepEqual(proposed, [{ type: 'key.revoke', id: 'AKOTHER' }]);
  }
});
