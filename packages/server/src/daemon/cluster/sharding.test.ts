import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { NodeRecord } from '../../metadata/index.ts';
import { inlinePiece } from '../../metadata/rig.support.ts';
import { ShardedRig } from '../../metadata/sharded/rig.support.ts';
import { shardAdmin } from './shard-admin.ts';
import { growBuckets, lacking, objectShardsOf, useShards } from './sharding.ts';

const node = (id: string): NodeRecord => ({
  id,
  address: `${id}:1`,
  apiAddress: `${id}:2`,
  zone: '',
  roles: ['storage'],
  state: 'active',
  version: '1',
  features: ['settings', 'objectShards', 'reshard'],
  incarnation: Buffer.alloc(8, id.charCodeAt(0)),
});

const refusal =
  (code: StoreError['code'], text: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof StoreError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, text);
    return true;
  };

/** A cluster of two nodes that was begun with one object shard; `open` of them are open on this node, and on the other as `says` says. */
async function cluster(open = 4, begun = 1) {
  const rig = await ShardedRig.start(open);
  const system = rig.each[0]!.metadata;
  for (const feature of ['settings', 'objectShards', 'reshard'])
    await rig.metadata.propose({ type: 'feature.enable', feature });
  await system.propose({ type: 'setting.write', name: 'objectShards', value: String(begun) });
  const says = async (id: string, shard: number): Promise<void> => {
    await rig.each[shard]!.metadata.propose({ type: 'node.write', node: node(id) });
  };
  for (const id of ['a', 'b']) {
    await system.propose({ type: 'node.write', node: node(id) });
    for (let shard = 1; shard <= begun; shard++) await says(id, shard);
  }
  const events: string[] = [];
  const objectShards = rig.each.slice(1).map(({ reader }) => reader);
  const about = { system, objectShards: () => objectShards, onEvent: (text: string) => void events.push(text) };
  const admin = shardAdmin({ metadata: rig.metadata, node: 'a', objectShards: () => objectShards });
  const ask = async (method: string, argument?: unknown) =>
    (await admin[`cluster.${method}`]!(argument)) as Record<string, unknown>;
  return { rig, system, says, about, ask, events, objectShards };
}

describe('object shards of a cluster', () => {
  it('come into use when every node has said that it has them, one after the other', async () => {
    const { rig, says, about, ask, events } = await cluster();
    await useShards(about);
    assert.equal(rig.reader.setting('objectShardsInUse'), undefined);
    assert.deepEqual(await ask('growShards', { count: 4 }), {
      objectShards: 4,
      inUse: 1,
      notOpenOn: ['a', 'b'],
    });
    assert.equal(objectShardsOf(rig.reader), 4);
    // New buckets do not use what not every node has.
    assert.deepEqual(rig.reader.shardsOf(await rig.bucket('early')), [1]);
    for (const shard of [2, 3, 4]) await says('a', shard);
    await useShards(about);
    assert.deepEqual(await ask('shards'), { objectShards: 4, inUse: 1, notOpenOn: ['b'] });
    for (const shard of [2, 4]) await says('b', shard);
    await useShards(about);
    // Number 3 lacks, and so 4 waits as well.
    assert.deepEqual(await ask('shards'), { objectShards: 4, inUse: 2, notOpenOn: ['b'] });
    await says('b', 3);
    await useShards(about);
    assert.deepEqual(await ask('shards'), { objectShards: 4, inUse: 4, notOpenOn: [] });
    assert.equal(events.length, 3);
    assert.equal(rig.reader.shardsOf(await rig.bucket('late')).length, 4);
  });

  it('wait for a node that came meanwhile, and not for one that was removed', async () => {
    const { system, says, about, ask, objectShards } = await cluster();
    await ask('growShards', { count: 2 });
    await says('a', 2);
    await system.propose({ type: 'node.write', node: node('c') });
    await system.propose({ type: 'node.write', node: { ...node('b'), state: 'removed' } });
    assert.deepEqual(lacking(system.reader, objectShards[1]!), ['c']);
    await useShards(about);
    assert.equal((await ask('shards'))['inUse'], 1);
    await says('c', 2);
    await useShards(about);
    assert.equal((await ask('shards'))['inUse'], 2);
  });

  it('are not in use on the word of a node that does not have them open itself', async () => {
    const { says, about, ask, objectShards } = await cluster();
    await ask('growShards', { count: 2 });
    for (const id of ['a', 'b']) await says(id, 2);
    await useShards({ ...about, objectShards: () => objectShards.slice(0, 1) });
    assert.equal((await ask('shards'))['inUse'], 1);
  });

  it('are refused as fewer, as too many, and while a node does not know of this', async () => {
    const { ask } = await cluster(4, 2);
    await assert.rejects(ask('growShards', { count: 1 }), refusal('InvalidRequest', /has 2 object shards.*more/));
    await assert.rejects(
      ask('growShards', { count: limits.objectShards + 1 }),
      refusal('InvalidRequest', /64 object shards at most/),
    );
    assert.equal((await ask('growShards', { count: 2 }))['objectShards'], 2);
    const rig = await ShardedRig.start(1);
    const admin = shardAdmin({ metadata: rig.metadata, node: 'a', objectShards: () => [rig.each[1]!.reader] });
    await assert.rejects(
      async () => admin['cluster.growShards']!({ count: 2 }),
      refusal('NotImplemented', /dsom cluster features/),
    );
  });
});

describe('the shards of a bucket', () => {
  it('are doubled, or made as many as is said, and told with what is in each', async () => {
    const { rig, says, about, ask } = await cluster();
    await ask('growShards', { count: 4 });
    const id = await rig.bucket('bucket');
    for (let i = 0; i < 20; i++) await rig.put(id, `k${i}`, inlinePiece(`${i}`));
    for (const shard of [2, 3, 4]) for (const one of ['a', 'b']) await says(one, shard);
    await useShards(about);
    const grown = await ask('reshardBucket', { name: 'bucket' });
    assert.deepEqual([grown['madeWith'], (grown['shards'] as unknown[]).length], [1, 2]);
    const again = await ask('reshardBucket', { name: 'bucket', shards: 4 });
    assert.deepEqual(await ask('reshardBucket', { name: 'bucket', shards: 4 }), again);
    const each = again['shards'] as { shard: number; objects: number }[];
    assert.deepEqual(
      each.map(({ objects }) => objects),
      [20, 0, 0, 0],
    );
    assert.deepEqual(await ask('bucketShards', { name: 'bucket' }), again);
  });

  it('are refused where there are none to be had, with what to do', async () => {
    const { rig, system, ask } = await cluster(1);
    await rig.bucket('bucket');
    await system.propose({
      type: 'bucket.create',
      name: 'plain',
      owner: 'o',
      region: 'r',
      wrappedKey: Buffer.from('k'),
    });
    await assert.rejects(ask('reshardBucket', { name: 'nobody' }), refusal('NoSuchBucket', /./));
    await assert.rejects(ask('bucketShards', { name: 'nobody' }), refusal('NoSuchBucket', /./));
    await assert.rejects(
      ask('reshardBucket', { name: 'bucket' }),
      refusal('InvalidRequest', /1 of the 1 object shards.*cluster shards grow 2/),
    );
    await assert.rejects(
      ask('reshardBucket', { name: 'bucket', shards: 3 }),
      refusal('InvalidRequest', /doubled.*ask for 2/),
    );
    await assert.rejects(
      ask('reshardBucket', { name: 'plain' }),
      refusal('InvalidRequest', /system shard.*new bucket/),
    );
    assert.deepEqual((await ask('bucketShards', { name: 'plain' }))['shards'], [
      { shard: 0, objects: 0, versions: 0, uploads: 0, bytes: 0 },
    ]);
  });

  it('are as many as a bucket may have, and no more', async () => {
    const { rig, ask } = await cluster(2 * limits.bucketShards, 2 * limits.bucketShards);
    const place = { name: 'bucket', shards: limits.bucketShards };
    await rig.bucket('bucket');
    assert.equal(rig.reader.shardsOf(rig.reader.bucket('bucket')!.id).length, limits.bucketShards);
    assert.equal(((await ask('reshardBucket', place))['shards'] as unknown[]).length, limits.bucketShards);
    await assert.rejects(ask('reshardBucket', { name: 'bucket' }), refusal('InvalidRequest', /which is the most/));
  });

  it('are doubled by themselves past the limit, once, and as far as there are so many', async () => {
    const { rig, says, about, ask } = await cluster();
    await ask('growShards', { count: 4 });
    const id = await rig.bucket('bucket');
    await rig.bucket('small');
    for (let i = 0; i < 21; i++) await rig.put(id, `k${i}`, inlinePiece(`${i}`));
    const grow = () => growBuckets({ ...about, keysPerShard: 10 });
    await grow();
    assert.equal(rig.reader.shardsOf(id).length, 1);
    for (const shard of [2, 3, 4]) for (const one of ['a', 'b']) await says(one, shard);
    await useShards(about);
    await growBuckets({ ...about, keysPerShard: 21 });
    assert.equal(rig.reader.shardsOf(id).length, 1);
    // More than 11 in each of one shard, and no more than that in each of two.
    for (let turn = 0; turn < 3; turn++) await growBuckets({ ...about, keysPerShard: 11 });
    assert.equal(rig.reader.shardsOf(id).length, 2);
    await grow();
    assert.equal(rig.reader.shardsOf(id).length, 4);
    await grow();
    assert.equal(rig.reader.shardsOf(id).length, 4);
    assert.equal(rig.reader.shardsOf(rig.reader.bucket('small')!.id).length, 1);
    // The owner told the system shard alone: the shards take it over, and whoever writes tells them.
    for (let i = 0; i < 40; i++) await rig.put(id, `n${i}`, inlinePiece(`${i}`));
    assert.equal(rig.reader.bucket('bucket')!.counts.objects, 61);
  });
});
