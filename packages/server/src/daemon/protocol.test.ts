import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { realHost } from '../host/index.ts';
import type { Command } from '../metadata/index.ts';
import { connect, type Methods } from './port.ts';
import { remoteProposer } from './protocol.ts';

test('a proposal from another thread keeps the id by which a second try is answered as the first', async () => {
  const { port1, port2 } = new MessageChannel();
  const { timers } = realHost();
  const surprises: unknown[] = [];
  const seen: unknown[] = [];
  const methods = {
    propose: async (call: unknown) => {
      seen.push(call);
      return { reply: { type: 'none' }, position: 7 };
    },
  } as unknown as Methods;
  const near = connect(port1, {}, timers, (cause) => surprises.push(cause));
  const far = connect(port2, methods, timers, (cause) => surprises.push(cause));
  const proposer = remoteProposer(near);
  const command: Command = { type: 'key.revoke', id: 'K' };
  const request = Buffer.alloc(16, 1);
  assert.equal((await proposer.propose(command, request)).position, 7);
  await proposer.propose(command);
  assert.deepEqual(seen, [
    { command, request },
    { command, request: undefined },
  ]);
  assert.ok(Buffer.isBuffer((seen[0] as { request: unknown }).request));
  assert.deepEqual(surprises, []);
  near.close();
  far.close();
});
