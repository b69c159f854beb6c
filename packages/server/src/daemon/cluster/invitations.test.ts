import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { clusterInvitations } from './invitations.ts';
import { ClusterRig, type RigNode } from './rig.fixture.ts';

let rig: ClusterRig;
beforeEach(async () => {
  rig = new ClusterRig();
  await rig.start();
});
afterEach(() => rig.stop());

const storeOf = (node: RigNode) =>
  clusterInvitations({ metadata: node.shard, node: node.name, latest: () => node.gate.latest() });
const recordOf = (number: number, untilMs = Number.MAX_SAFE_INTEGER) => ({
  id: Buffer.alloc(16, number).toString('hex'),
  secretHash: Buffer.alloc(32, number),
  untilMs,
});
const turnOn = () => rig.run((rig.owner as RigNode).shard.propose({ type: 'feature.enable', feature: 'invitations' }));

describe('the invitations of a cluster', () => {
  it('are found by every node, and used up by one of those that try at the same time', async () => {
    await turnOn();
    const [a, b, c] = rig.nodes.map(storeOf) as [
      ReturnType<typeof storeOf>,
      ReturnType<typeof storeOf>,
      ReturnType<typeof storeOf>,
    ];
    const record = recordOf(1);
    await rig.run(a.add(record));
    for (const store of [a, b, c]) assert.deepEqual(await rig.run(store.find(record.id)), record);
    assert.equal(await rig.run(b.find(recordOf(2).id)), undefined);
    const taken = await rig.run(Promise.all([a, b, c].map((store) => store.take(record.id))));
    assert.deepEqual(taken.sort(), [false, false, true]);
    for (const store of [a, b, c]) assert.equal(await rig.run(store.find(record.id)), undefined);
  });

  it('are not looked for in what a node has while it is cut off: they may be used up', async () => {
    await turnOn();
    const [other] = rig.others as [RigNode];
    const store = storeOf(other);
    await rig.run(store.add(recordOf(1)));
    other.log.cut();
    await assert.rejects(rig.run(store.find(recordOf(1).id)), { code: 'ServiceUnavailable' });
    other.log.heal();
    assert.deepEqual(await rig.run(store.find(recordOf(1).id)), recordOf(1));
  });

  it('are listed until they expire, and revoked by the beginning of their ids', async () => {
    await turnOn();
    const [store] = rig.nodes.map(storeOf) as [ReturnType<typeof storeOf>];
    const now = rig.host.clock.now();
    const [soon, late, other] = [
      recordOf(0x11, now + 60_000),
      recordOf(0x12, now + 90_000),
      recordOf(0x22, now + 90_000),
    ];
    for (const record of [soon, late, other]) await rig.run(store.add(record));
    assert.deepEqual(
      store.open(now + 60_000).map(({ id, node }) => [id.toString('hex'), node]),
      [late, other].map(({ id }) => [id, 'n0']),
    );
    await assert.rejects(rig.run(store.revoke('1')), { code: 'InvalidRequest' });
    await assert.rejects(rig.run(store.revoke('33')), { code: 'NotFound' });
    assert.equal(await rig.run(store.revoke('22')), other.id);
    assert.equal(await rig.run(store.take(other.id)), false);
  });

  it('are good at the node that made them, as long as another does not know them', async () => {
    const [a, b] = rig.nodes.map(storeOf) as [ReturnType<typeof storeOf>, ReturnType<typeof storeOf>];
    assert.equal(a.shared(), false);
    const record = recordOf(1);
    await rig.run(a.add(record));
    assert.deepEqual(await rig.run(a.find(record.id)), record);
    assert.equal(await rig.run(b.find(record.id)), undefined);
    await turnOn();
    assert.equal(a.shared(), true);
    assert.deepEqual([await rig.run(a.take(record.id)), await rig.run(a.take(record.id))], [true, false]);
  });
});
