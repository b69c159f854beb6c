import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreError } from '../../errors.ts';
import { manualHost } from '../../host/index.ts';
import {
  type Command,
  joinGrowing,
  type MetadataReader,
  type NodeRecord,
  numberOf,
  shardedReader,
  shardsInUseName,
} from '../../metadata/index.ts';
import { inlinePiece } from '../../metadata/rig.support.ts';
import { ShardedRig } from '../../metadata/sharded/rig.support.ts';
import { type FurtherOptions, keepOpening, openFurther } from './further.ts';
import { type GateCalls, joinGates } from './gate.ts';

const record: NodeRecord = {
  id: 'a',
  address: 'a:1',
  apiAddress: 'a:2',
  zone: 'z',
  roles: ['metadata', 'storage'],
  state: 'active',
  version: '1',
  features: ['settings', 'objectShards', 'reshard'],
  incarnation: Buffer.alloc(8, 7),
};

/** A node that has the first `open` object shards of a rig open, as daemon/cluster has them. */
async function node(open: number) {
  const rig = await ShardedRig.start(4);
  for (const feature of record.features) await rig.metadata.propose({ type: 'feature.enable', feature });
  const system = rig.each[0]!.metadata;
  const set = (name: string, value: number) => system.propose({ type: 'setting.write', name, value: String(value) });
  await set(shardsInUseName, open);
  await set('objectShards', open);
  await system.propose({ type: 'node.write', node: record });
  const shards: FurtherOptions['open'][number][] = rig.each
    .slice(1, open + 1)
    .map(({ metadata }) => ({ shard: metadata }));
  const steps: string[] = [];
  /** Whether the next try to open a shard fails. */
  const trouble = { fails: false };
  const options = {
    system: system.reader,
    record,
    open: shards,
    async openNext() {
      const number = shards.length + 1;
      steps.push(`open ${number}`);
      if (trouble.fails) throw new StoreError('ServiceUnavailable', { message: 'etcd is away' });
      const { metadata } = rig.each[number]!;
      shards.push({
        shard: {
          reader: metadata.reader,
          propose(command: Command, request?: Buffer) {
            steps.push(`say ${number}`);
            return metadata.propose(command, request);
          },
        },
      });
    },
  };
  const says = (shard: number) => rig.each[shard]!.reader.nodes().find(({ id }) => id === 'a');
  return { rig, set, options, steps, trouble, says };
}

describe('object shards that the cluster is given further', () => {
  it('are opened in order, and said to be open when they are, once, as a node without a zone', async () => {
    const { set, options, steps, says } = await node(1);
    assert.equal(await openFurther(options, 1), 1);
    await set('objectShards', 3);
    assert.equal(await openFurther(options, 1), 3);
    assert.deepEqual(steps, ['open 2', 'say 2', 'open 3', 'say 3']);
    assert.equal(await openFurther(options, 3), 3);
    // A node that loses count says nothing twice.
    assert.equal(await openFurther(options, 1), 3);
    assert.equal(steps.length, 4);
    assert.deepEqual([says(2)?.state, says(2)?.zone, says(3)?.incarnation], ['active', '', record.incarnation]);
    assert.equal(says(4), undefined);
  });

  it('are not said to be open while they could not be, and are tried again', async () => {
    const { set, options, trouble, says } = await node(1);
    await set('objectShards', 2);
    trouble.fails = true;
    await assert.rejects(openFurther(options, 1), /etcd is away/);
    assert.equal(says(2), undefined);
    trouble.fails = false;
    assert.equal(await openFurther(options, 1), 2);
    assert.ok(says(2));
  });

  it('are not said to be open by a node that was removed', async () => {
    const { rig, set, options, says } = await node(1);
    await set('objectShards', 2);
    await rig.each[0]!.metadata.propose({ type: 'node.write', node: { ...record, state: 'removed' } });
    await openFurther(options, 1);
    assert.equal(says(2), undefined);
  });

  it('are looked for again and again, and trouble is told, until that is stopped', async () => {
    const { set, options, steps, trouble } = await node(0);
    const host = manualHost();
    const told: unknown[] = [];
    const keeping = keepOpening({ ...options, host, onError: (cause) => told.push(cause) });
    const pass = async () => {
      host.advance(1000);
      for (let turn = 0; turn < 50; turn++) await new Promise((next) => setImmediate(next));
    };
    await pass();
    assert.equal(steps.length, 0);
    trouble.fails = true;
    await set('objectShards', 1);
    while (told.length < 2) await pass();
    trouble.fails = false;
    while (!steps.includes('say 1')) await pass();
    await keeping.stop();
    await set('objectShards', 2);
    await pass();
    assert.equal(steps.includes('open 2'), false);
  });
});

describe('what a node has as one of its shards', () => {
  it('takes in a shard that is added while it is used: commands, reads, listings, freshness, and the node itself', async () => {
    const { rig, set } = await node(0);
    const readers: MetadataReader[] = [rig.each[0]!.reader];
    const asked: number[] = [];
    const gateOf = (shard: number): GateCalls => ({
      latest: async () => void asked.push(shard),
      reached: async (position) => void asked.push(shard, position),
    });
    const gates = [gateOf(0)];
    const metadata = joinGrowing([rig.each[0]!.metadata]);
    rig.metadata = metadata;
    const thread = shardedReader(readers, true);
    const gate = joinGates(gates, metadata.reader);
    await assert.rejects(gate.reached(numberOf(1, 5)), /not have shard 1 open/);
    const add = (shard: number): void => {
      readers.push(rig.each[shard]!.reader);
      gates.push(gateOf(shard));
      metadata.add(rig.each[shard]!.metadata);
    };
    assert.deepEqual(thread.shardsOf(await rig.bucket('before')), [0]);
    add(1);
    add(2);
    assert.equal(thread.shards, 3);
    // Open here is not in use.
    assert.deepEqual(thread.shardsOf(await rig.bucket('meanwhile')), [0]);
    await set(shardsInUseName, 2);
    const id = await rig.bucket('after');
    assert.deepEqual([...thread.shardsOf(id)].sort(), [1, 2]);
    const keys = Array.from({ length: 20 }, (_, at) => `k${String(at).padStart(2, '0')}`);
    for (const key of keys) await rig.put(id, key, inlinePiece(key));
    for (const shard of [1, 2]) assert.ok((rig.each[shard]!.reader.bucketById(id)?.counts.objects ?? 0) > 0);
    assert.equal(metadata.reader.bucket('after')?.counts.objects, keys.length);
    const none = Buffer.alloc(0);
    const page = thread.list({ bucket: id, prefix: none, delimiter: none, start: none, limit: 100 });
    assert.deepEqual(
      page.items.map((item) => ('key' in item ? item.key.toString() : '')),
      keys,
    );
    await gate.latest({ bucket: 'after' });
    assert.deepEqual(asked.splice(0).sort(), [0, 1, 2]);
    await gate.reached(numberOf(2, 9));
    assert.deepEqual(asked, [2, 9]);
    await metadata.propose({ type: 'node.write', node: record });
    for (const shard of [1, 2]) assert.ok(rig.each[shard]!.reader.nodes().some((one) => one.id === 'a'));
  });
});
