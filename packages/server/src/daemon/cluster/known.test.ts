import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoreError } from '../../errors.ts';
import { manualHost } from '../../host/index.ts';
import { objectShardsName } from '../../metadata/index.ts';
import { inlinePiece } from '../../metadata/rig.support.ts';
import { ShardedRig } from '../../metadata/sharded/rig.support.ts';
import { type GateCalls, joinGates } from './gate.ts';
import { KnownShards } from './known.ts';

/** A system shard and three others, of which a node has none open yet; `put` is what comes near a quota. */
async function node() {
  const rig = await ShardedRig.start(3);
  const bucket = await rig.bucket('spread');
  const system = rig.each[0]!.metadata;
  await system.propose({ type: 'setting.write', name: objectShardsName, value: '2' });
  await system.propose({ type: 'quota.write', subject: { kind: 'bucket', bucket }, quota: { objects: 10 } });
  const asked: number[] = [];
  const gates = [0, 1, 2].map(
    (number): GateCalls => ({
      latest: async () => void asked.push(number),
      reached: async () => {},
    }),
  );
  const known = new KnownShards(manualHost());
  const add = (number: number) => known.add(number, rig.each[number]!.reader);
  const decide = (number: number) => {
    const near = known.nearQuotas(number, rig.each[number]!.reader);
    const piece = inlinePiece('x');
    return near.decide(
      { type: 'object.put', bucket, key: Buffer.from('k'), pieces: [piece] } as unknown as Parameters<
        typeof near.decide
      >[0],
      async () => known.others(number).usage({ kind: 'bucket', bucket }).objects,
    );
  };
  return { rig, bucket, known, add, decide, asked, gates };
}

const later = (error: StoreError) => error.code === 'ServiceUnavailable' && error.retryAfter === 1;

describe('what shards of a node know of each other', () => {
  it('is nothing before all are open, which is not as if the others held nothing', async () => {
    const { rig, bucket, known, add, decide, asked, gates } = await node();
    await rig.put(bucket, 'one', inlinePiece('x'));
    add(0);
    await assert.rejects(decide(0), later);
    add(1);
    await assert.rejects(decide(0), later);
    add(2);
    await assert.rejects(decide(0), later, 'they cannot be looked at before');
    known.opened(joinGates(gates, rig.reader), 3);
    assert.equal(typeof (await decide(0)), 'number');
    assert.deepEqual(asked, [0, 1, 2]);
  });

  it('is that of a shard that is opened later as well, and one that could not be opened holds up nobody', async () => {
    const { rig, bucket, known, add, decide, asked, gates } = await node();
    for (const number of [0, 1, 2]) add(number);
    known.opened(joinGates(gates, rig.reader), 3);
    for (let at = 0; at < 9; at++) await rig.put(bucket, `k${at}`, inlinePiece('x'));
    const held = (number: number) => rig.each[number]!.reader.quotas.usage({ kind: 'bucket', bucket }).objects;
    assert.ok(held(3) > 0);
    assert.equal(await decide(0), held(1) + held(2));
    add(3);
    known.leaveOut(3);
    assert.equal(await decide(0), held(1) + held(2));
    asked.length = 0;
    gates.push({ latest: async () => void asked.push(3), reached: async () => {} });
    add(3);
    assert.equal(await decide(0), held(1) + held(2) + held(3));
    assert.deepEqual(asked, [0, 1, 2, 3]);
    assert.equal(await decide(3), held(0) + held(1) + held(2));
  });

  it('that cannot be read is known to nobody: what is near is refused, and what is far goes on', async () => {
    const { rig, bucket, known, add, decide, gates } = await node();
    for (const number of [0, 1, 2]) add(number);
    const away: GateCalls = { ...gates[2]!, latest: () => Promise.reject(new Error('no quorum')) };
    known.opened(joinGates([gates[0]!, gates[1]!, away], rig.reader), 3);
    await assert.rejects(decide(1), later);
    const quota = { objects: 1_000_000 };
    await rig.each[0]!.metadata.propose({ type: 'quota.write', subject: { kind: 'bucket', bucket }, quota });
    assert.equal(await decide(1), 0);
  });
});
