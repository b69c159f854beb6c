import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../../errors.ts';
import { realHost } from '../../host/index.ts';
import type { SharedLog } from '../../log/index.ts';
import type { ShardReplica } from '../../metadata/index.ts';
import { type Peer, pack } from '../../transport/index.ts';
import { ClusterShard } from './shard.ts';

/** A shard of a node that only follows, and what became of its links to owners. */
function follower() {
  const links: { readonly to: string; calls: number; closed: boolean }[] = [];
  const state = { owner: { node: 'a', address: 'a:1', epoch: 1 }, refuse: 0 };
  const peer = (node: string, address: string): Peer => {
    const link = { to: `${node} ${address}`, calls: 0, closed: false };
    links.push(link);
    return {
      node,
      reachable: true,
      async call() {
        link.calls += 1;
        if (state.refuse-- > 0) throw new StoreError('ServiceUnavailable');
        return { head: Buffer.alloc(0), body: pack({ reply: { type: 'done' }, position: 7 }) };
      },
      stream() {
        throw new Error('not asked');
      },
      async close() {
        link.closed = true;
      },
    };
  };
  const shard = new ClusterShard({
    log: { owner: () => state.owner } as unknown as SharedLog,
    replica: { reader: {}, applied: () => 7, failure: () => undefined, async close() {} } as unknown as ShardReplica,
    host: realHost(),
    node: 'me',
    incarnation: Buffer.alloc(8),
    campaigns: false,
    peer,
    onLead: () => {},
    onEvent: () => {},
  });
  const propose = () => shard.propose({ type: 'intent.expire', dead: [] });
  return { shard, links, state, propose };
}

test('all proposals to one owner go over one link, which is closed when another node owns the log', async () => {
  const { shard, links, state, propose } = follower();
  await Promise.all(Array.from({ length: 50 }, propose));
  assert.deepEqual(links, [{ to: 'a a:1', calls: 50, closed: false }]);
  state.refuse = 1;
  await propose();
  assert.deepEqual(links, [{ to: 'a a:1', calls: 52, closed: false }], 'another try goes the same way');
  state.owner = { node: 'b', address: 'b:1', epoch: 2 };
  await propose();
  state.owner = { node: 'b', address: 'b:2', epoch: 3 };
  await propose();
  assert.deepEqual(links, [
    { to: 'a a:1', calls: 52, closed: true },
    { to: 'b b:1', calls: 1, closed: true },
    { to: 'b b:2', calls: 1, closed: false },
  ]);
  await shard.close();
  assert.ok(links.every((link) => link.closed));
});
