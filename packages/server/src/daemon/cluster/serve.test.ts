import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { manualHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { type NodeRecord, numberOf } from '../../metadata/index.ts';
import { pack, type Serve, unpack } from '../../transport/index.ts';
import type { NodeWork } from '../mending.ts';
import type { RecodeStatus } from '../recoding.ts';
import type { Thread } from '../thread.ts';
import { openDoor } from './door.ts';
import type { NodeState } from './network.ts';
import type { RebalanceStatus } from './rebalance.ts';
import { type CallFate, fakePeer } from './rig.fixture.ts';
import { callNames, type NodeServerOptions, serveNode } from './serve.ts';
import type { ClusterShard } from './shard.ts';

const idle = { mended: 3, waiting: 0 } as unknown as NodeWork;
const proposed = Buffer.from('answer');

function serving({ oldest, sharded = false }: { oldest?: number; sharded?: boolean } = {}) {
  const host = manualHost();
  const nodes: Pick<NodeRecord, 'id' | 'state'>[] = [
    { id: 'a', state: 'active' },
    { id: 'gone', state: 'removed' },
  ];
  const plans: unknown[] = [];
  const thread = {
    devices: new Map([['d', {}]]),
    stores: new Map(),
    conditions: { of: () => ({ healthy: true, free: 5 }) },
    reader: { nodes: () => nodes, position: () => 20, stripeOwner: () => undefined },
  } as unknown as NodeServerOptions['thread'] & Thread;
  const shard = {
    serve: async () => ({ head: Buffer.alloc(0), body: [proposed] }),
    snapshot: () => [Buffer.from('one'), Buffer.from('two')],
  } as unknown as ClusterShard;
  const objectShards = [1, 2].map((number) => ({
    shard: {
      serve: async () => ({ head: Buffer.alloc(0), body: [Buffer.from(`of ${number}`)] }),
      snapshot: () => [Buffer.from(`all of ${number}`)],
      reader: { position: () => 30 + number },
    },
  })) as unknown as readonly { readonly shard: ClusterShard }[];
  const server = serveNode({
    shard,
    ...(sharded && { objectShards }),
    thread,
    host,
    reached: async () => {},
    oldestRead: async () => oldest,
    work: () => idle,
    rebalance: () => ({}) as RebalanceStatus,
    recode: () => ({}) as RecodeStatus,
    holdings: async () => [],
    limited: () => [3],
    removing: () => false,
    authority: () => undefined,
    masterKey: () => undefined,
    keyring: () => Buffer.from('keys'),
    planMember: async (node, peerUrl) => {
      plans.push([node, peerUrl]);
      return plans.length > 1 ? undefined : { initialCluster: 'x=y' };
    },
  });
  const peer = (node: string, fate?: () => CallFate) =>
    fakePeer(node, 'server', () => (call) => server.serve(call), host, fate);
  const ask = async (method: string, asks: unknown = null, node = 'a') =>
    unpack<unknown>((await peer(node).call(method, pack(asks))).head);
  return { host, nodes, server, peer, ask, plans };
}

describe('the calls of other nodes', () => {
  it('are answered: proposals, the state, a snapshot', async () => {
    const { peer, ask } = serving();
    const { body } = await peer('a').call('shard.propose', Buffer.alloc(16));
    assert.deepEqual(body, proposed);
    const state = (await ask('node.state')) as NodeState;
    assert.deepEqual(state, {
      devices: [{ identity: 'd', healthy: true, free: 5 }],
      applied: 20,
      work: idle,
      limited: [3],
    });
    const pieces: string[] = [];
    for await (const piece of peer('a').stream(callNames.snapshot, pack(null))) pieces.push(piece.toString());
    assert.deepEqual(pieces, ['one', 'two']);
  });

  it('that name a shard are answered by it, and by none that is not here', async () => {
    const { peer, ask } = serving({ sharded: true });
    const head = (shard: number): Buffer => Buffer.from([...Buffer.alloc(16), 0, shard]);
    assert.equal((await peer('a').call('shard.propose', head(2))).body.toString(), 'of 2');
    await assert.rejects(peer('a').call('shard.propose', head(3)), { code: 'ServiceUnavailable' });
    for await (const piece of peer('a').stream(callNames.snapshot, pack({ shard: 1 })))
      assert.equal(piece.toString(), 'all of 1');
    assert.deepEqual(((await ask('node.state')) as NodeState).shards, [31, 32]);
  });

  it('say how old the oldest read is; a replica that is behind counts as one', async () => {
    assert.equal(await serving({ oldest: 7 }).ask(callNames.oldestRead), 7);
    assert.equal(await serving({ oldest: 30 }).ask(callNames.oldestRead), 20);
    assert.equal(await serving().ask(callNames.oldestRead), 20);
  });

  it('make room for a member under the name of the node that asks', async () => {
    const { ask, plans } = serving();
    assert.deepEqual(await ask(callNames.planMember, { peerUrl: 'https://a:3' }), { initialCluster: 'x=y' });
    assert.equal(await ask(callNames.planMember, { peerUrl: 'https://b:3' }), null);
    assert.deepEqual(plans, [
      ['a', 'https://a:3'],
      ['a', 'https://b:3'],
    ]);
  });

  it('that this version does not know are refused by name', async () => {
    const { ask } = serving();
    for (const method of ['shard.unheard', 'constructor', '__proto__'])
      await assert.rejects(ask(method), { code: 'NotImplemented' });
  });

  it('are refused to nodes that were removed, also on links that stand', async () => {
    const { host, ask, nodes } = serving();
    await assert.rejects(ask('node.state', null, 'gone'), { code: 'AccessDenied' });
    await ask('node.state');
    nodes[0] = { id: 'a', state: 'removed' };
    host.advance(limits.nodeStateMs);
    for (const method of ['node.state', 'fragment.flush', 'shard.propose', callNames.snapshot])
      await assert.rejects(ask(method, {}), { code: 'AccessDenied' });
  });
});

describe('a node that is starting', () => {
  const shardOf = (name: string) =>
    ({
      serve: async () => ({ head: Buffer.alloc(0), body: [Buffer.from(`by ${name}`)] }),
      snapshot: () => [Buffer.from(`all of ${name}`)],
      reader: { position: () => 8 },
    }) as unknown as ClusterShard;

  it('answers for the shards that it has open, says that it is not ready for the rest, and answers all once it is whole', async () => {
    const host = manualHost();
    const shards = new Map([[0, shardOf('system')]]);
    const removed = new Set(['gone']);
    let serve: Serve | undefined;
    let admits: ((node: string) => boolean) | undefined;
    const listened: string[] = [];
    const door = await openDoor({
      transport: {
        async listen(address, given, options) {
          listened.push(address);
          serve = given;
          admits = options?.admits;
          return { address, close: async () => void listened.push('closed') };
        },
      },
      address: 'a:1',
      join: async () => ({ head: Buffer.alloc(0) }),
      removed: (node) => removed.has(node),
      shards,
      planMember: async () => ({ initialCluster: 'x=y' }),
      devices: () => ['d'],
      leadsEtcd: () => true,
    });
    const peer = (node: string) => fakePeer(node, 'server', () => (call) => (serve as Serve)(call), host);
    const propose = async (shard: number): Promise<string> =>
      (await peer('a').call('shard.propose', Buffer.from([...Buffer.alloc(16), 0, shard]))).body.toString();
    const snapshot = async (shard: number): Promise<string> => {
      let all = '';
      for await (const piece of peer('a').stream(callNames.snapshot, pack({ shard }))) all += piece.toString();
      return all;
    };
    assert.deepEqual([await propose(0), await snapshot(0)], ['by system', 'all of system']);
    assert.deepEqual([admits?.('a'), admits?.('gone')], [true, false]);
    assert.deepEqual(unpack((await peer('a').call(callNames.planMember, pack({ peerUrl: 'u' }))).head), {
      initialCluster: 'x=y',
    });
    await assert.rejects(propose(2), { code: 'ServiceUnavailable', message: /shard 2 open yet/ });
    shards.set(2, shardOf('2'));
    assert.deepEqual([await propose(2), await snapshot(2)], ['by 2', 'all of 2']);
    const ask = async (method: string, asks: unknown) => unpack((await peer('a').call(method, pack(asks))).head);
    assert.deepEqual(await ask('node.state', null), {
      devices: [{ identity: 'd', free: 0, healthy: false }],
      applied: 8,
      leadsEtcd: true,
    });
    assert.deepEqual(await ask(callNames.oldestRead, { shard: 2 }), numberOf(2, 8));
    await assert.rejects(ask(callNames.oldestRead, { shard: 3 }), { code: 'ServiceUnavailable' });
    for (const method of ['fragment.flush', callNames.holdings, 'constructor'])
      await assert.rejects(peer('a').call(method, pack(null)), { code: 'ServiceUnavailable', message: /is starting/ });
    await assert.rejects(peer('gone').call(callNames.planMember, pack(null)), { code: 'AccessDenied' });
    door.open(async () => ({ head: Buffer.from('whole') }));
    assert.equal((await peer('a').call('node.state', pack(null))).head.toString(), 'whole');
    await Promise.all([door.close(), door.close()]);
    assert.deepEqual(listened, ['a:1', 'closed']);
  });
});
