/* Events that a target has refused for good: what an operator sees, and what becomes of them. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, it } from 'node:test';
import { realHost } from '../host/index.ts';
import type { KeyService } from '../keys/index.ts';
import type { Command } from '../metadata/index.ts';
import { type FollowedShard, openSender, targetRecord } from '../notifications/index.ts';
import { failedEventMethods } from './failed-events.ts';

const host = realHost();
const keys: KeyService = {
  wrap: async (secret) => Buffer.from(secret),
  unwrap: async (wrapped) => Buffer.from(wrapped),
};
const rooms = { keys, host, stores: () => assert.fail('it is no store') };
let status = 200;
const taken: string[] = [];
const receiver = http.createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => {
    const refused = body.includes('refused');
    if (!refused && status === 200) taken.push(body);
    response.writeHead(refused ? 422 : status).end();
  });
});
await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
after(() => receiver.close());
const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
const secret = { url, headers: [], subject: undefined, token: undefined };
const target = await targetRecord(keys, { name: 'hook', kind: 'webhook', secret, eventBridge: false, createdMs: 0 });

const event = (key: string, body: string): Buffer =>
  Buffer.from(
    JSON.stringify({ version: 1, id: body, body, event: 'e', bucket: 'b', key, failedMs: 7, tries: 12, failure: 'no' }),
  );
/** A shard that is nothing but what failed in it. */
function shardOf(number: number, failed: Map<string, Buffer>): FollowedShard {
  return {
    number,
    failed: () => failed,
    async propose(command: Command) {
      assert.ok(command.type === 'event.settle' && command.target === 'hook');
      for (const name of command.names) failed.delete(name);
    },
  } as unknown as FollowedShard;
}

it('failed events are listed, delivered again in order, and dropped', async () => {
  const first = new Map([
    ['1', event('k', 'k first')],
    ['2', event('bad', 'refused')],
    ['3', event('bad', 'behind it')],
    ['4', event('k', 'k second')],
  ]);
  const second = new Map([['1', event('other', 'in another shard')]]);
  const methods = failedEventMethods({
    shards: () => [shardOf(0, first), shardOf(3, second)],
    targets: () => new Map([['hook', target]]),
    open: (name, record) => openSender(name, record, rooms),
    host,
  });
  const listed = methods['notify.failed']?.(undefined) as { events: { id: string; failedAt: string }[]; more: boolean };
  assert.deepEqual([listed.events.map(({ id }) => id), listed.more], [['0/1', '0/2', '0/3', '0/4', '3/1'], false]);
  assert.equal(listed.events[0]?.failedAt, '1970-01-01T00:00:00.007Z');
  const ids = listed.events.map(({ id }) => id);
  assert.deepEqual(await methods['notify.retry']?.({ target: 'hook', ids }), {
    delivered: 3,
    failures: ['it answered with status 422'],
  });
  assert.deepEqual(taken, ['k first', 'k second', 'in another shard']);
  assert.deepEqual([[...first.keys()], second.size], [['2', '3'], 0], 'one behind another of its key waits for it');
  assert.deepEqual(await methods['notify.drop']?.({ target: 'hook', ids: ['0/2', '0/9'] }), { dropped: 1 });
  assert.deepEqual([...first.keys()], ['3']);
  assert.throws(() => methods['notify.failed']?.('none'), { code: 'NotFound' });
  await assert.rejects(async () => methods['notify.retry']?.({ target: 'none', ids }), { code: 'NotFound' });
});

it('a webhook refuses with what is below 500, but for what asks to come again', async () => {
  const sender = await openSender('hook', target, rooms);
  after(() => sender.close());
  for (const [answer, refusal] of [
    [301, true],
    [400, true],
    [404, true],
    [408, false],
    [425, false],
    [429, false],
    [500, false],
    [503, false],
  ] as const) {
    status = answer;
    await assert.rejects(
      sender.send({ id: 'i', body: Buffer.from('x') }),
      (error: Error) => (error.name === 'RefusalError') === refusal,
      String(answer),
    );
  }
});
