import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { bucketCommand, ClusterRig, type RigNode } from './rig.fixture.ts';

const isUnavailable = (message: RegExp) => (error: unknown) =>
  error instanceof StoreError && error.code === 'ServiceUnavailable' && message.test(error.message);

let rig: ClusterRig;
beforeEach(async () => {
  rig = new ClusterRig();
  await rig.start();
});
afterEach(() => rig.stop());

const propose = (node: RigNode, name: string) => rig.run(node.shard.propose(bucketCommand(name)));
const names = (node: RigNode): string[] => node.shard.reader.buckets('', 100).items.map(({ name }) => name);

describe('a proposal', () => {
  it('is decided by the owner, whoever was asked, and can be read where it was answered', async () => {
    for (const [index, node] of rig.nodes.entries()) {
      const { reply, position } = await propose(node, `bucket-${index}`);
      assert.equal(reply.type, 'bucket');
      assert.ok(node.replica.applied() >= position);
      assert.ok(names(node).includes(`bucket-${index}`));
    }
    await rig.until(() => rig.nodes.every(({ replica }) => replica.applied() === rig.head));
    for (const node of rig.nodes) assert.deepEqual(names(node), ['bucket-0', 'bucket-1', 'bucket-2']);
  });

  it('is refused by the owner in its own words, once', async () => {
    const [other] = rig.others as [RigNode];
    await propose(other, 'taken');
    rig.made.length = 0;
    await assert.rejects(propose(other, 'taken'), { code: 'BucketAlreadyOwnedByYou' });
    assert.equal(rig.made.length, 1);
  });

  it('whose answer was lost is made once: the same id is asked again', async () => {
    const [other] = rig.others as [RigNode];
    rig.calls.push('unheard');
    const { reply } = await propose(other, 'once');
    assert.equal(reply.type, 'bucket');
    assert.equal(rig.made.length, 2);
    assert.deepEqual(names(other), ['once']);
  });

  it('with an id of its own is answered as the first time, on every node', async () => {
    const id = Buffer.alloc(16, 7);
    const [other] = rig.others as [RigNode];
    const first = await rig.run(other.shard.propose(bucketCommand('named'), id));
    for (const node of rig.nodes) {
      const again = await rig.run(node.shard.propose(bucketCommand('named'), id));
      assert.equal(again.reply.type, first.reply.type);
    }
    await assert.rejects(propose(other, 'named'), { code: 'BucketAlreadyOwnedByYou' });
  });

  it('that never arrived is made by the next try', async () => {
    const [other] = rig.others as [RigNode];
    rig.calls.push('lost', 'silent');
    await propose(other, 'late');
    assert.equal(rig.made.length, 3);
    assert.deepEqual(names(other), ['late']);
  });

  for (const [fate, when] of [
    ['lost', 'before'],
    ['unheard', 'after'],
  ] as const)
    it(`is made once when its owner dies ${when} it was logged`, async () => {
      const former = rig.owner as RigNode;
      const [other] = rig.others as [RigNode];
      rig.appends.push(fate);
      const asked = other.shard.propose(bucketCommand('moved'));
      await rig.settle();
      rig.kill(former);
      const { reply } = await rig.run(asked);
      assert.equal(reply.type, 'bucket');
      assert.notEqual(rig.owner, former);
      assert.deepEqual(names(other), ['moved']);
    });

  it('that waits for a machine that is lost is made by the next owner as soon as there is one', async () => {
    const former = rig.owner as RigNode;
    const [other] = rig.others as [RigNode];
    rig.calls.push('silent');
    const began = rig.host.clock.monotonic();
    const asked = other.shard.propose(bucketCommand('waiting'));
    await rig.settle();
    rig.kill(former);
    await rig.run(asked);
    const lasted = rig.host.clock.monotonic() - began;
    assert.ok(lasted < limits.proposeTryMs - 500, `it waited for ${lasted} ms`);
    assert.notEqual(rig.owner, former);
    assert.deepEqual(names(other), ['waiting']);
  });

  it('that finds the process of the owner gone does not wait for the lease', async () => {
    const former = rig.owner as RigNode;
    const [other] = rig.others as [RigNode];
    rig.kill(former);
    const began = rig.host.clock.monotonic();
    await propose(other, 'soon');
    const lasted = rig.host.clock.monotonic() - began;
    assert.ok(lasted < 1000, `it waited for ${lasted} ms`);
    assert.notEqual(rig.owner, former);
    former.log.heal();
    await rig.until(() => !former.shard.leads);
    assert.deepEqual(names(other), ['soon']);
  });

  it('of the owner itself survives the end of its term', async () => {
    const former = rig.owner as RigNode;
    rig.appends.push('unheard');
    const asked = former.shard.propose(bucketCommand('own'));
    const { reply } = await rig.run(asked);
    assert.equal(reply.type, 'bucket');
    assert.deepEqual(names(former), ['own']);
  });

  it('says after its deadline that nobody knows what became of it', async () => {
    for (const node of rig.nodes) node.log.cut();
    const began = rig.host.clock.monotonic();
    const asked = rig.nodes[0]?.shard.propose(bucketCommand('never')) as Promise<unknown>;
    await assert.rejects(rig.run(asked), isUnavailable(/whether the change was made is not known/));
    assert.ok(rig.host.clock.monotonic() - began <= limits.proposeMs + limits.proposeTryMs);
  });

  it('that was made, but cannot be read here yet, is not answered as if it could', async () => {
    const [other] = rig.others as [RigNode];
    other.log.cut();
    const asked = other.shard.propose(bucketCommand('unseen'));
    await assert.rejects(rig.run(asked), isUnavailable(/whether the change was made is not known/));
    assert.ok(names(rig.owner as RigNode).includes('unseen'));
    other.log.heal();
    await rig.until(() => names(other).includes('unseen'));
  });

  it('with which this node opens an intent carries the life that opens it', async () => {
    const [other] = rig.others as [RigNode];
    await rig.run(other.shard.propose({ type: 'intent.open', prefix: Buffer.alloc(8, 1) }));
    const [intent] = other.shard.reader.intents();
    assert.deepEqual(intent?.opener, { node: other.name, incarnation: Buffer.alloc(8, other.name.charCodeAt(1)) });
  });
});

describe('ownership', () => {
  it('goes to another node, and is told where it begins and ends', async () => {
    const former = rig.owner as RigNode;
    assert.deepEqual(former.events, ['this node owns the shard', 'leads']);
    former.log.cut();
    await rig.until(() => rig.owner !== undefined && rig.owner !== former);
    await rig.until(() => !former.shard.leads);
    assert.deepEqual(former.events.slice(2), ['leads no more', 'this node owns the shard no more']);
    assert.equal(rig.owner?.shard.failure(), undefined);
  });

  it('is missed while nobody has it', async () => {
    const idle = new ClusterRig(2, false);
    try {
      const [one] = idle.nodes as [RigNode];
      await idle.run(idle.host.timers.sleep(10_000));
      assert.match(String(one.shard.failure()), /no node owns the shard/);
      await assert.rejects(
        one.shard.serve({ head: Buffer.alloc(16), body: Buffer.alloc(0) }),
        isUnavailable(/another/),
      );
      await assert.rejects(idle.run(one.shard.propose(bucketCommand('nobody'))), isUnavailable(/No owner/));
    } finally {
      await idle.stop();
    }
  });
});

describe('a shard that another node should own', () => {
  const led = ({ events }: RigNode): boolean => events.includes('leads');
  /** The owner, the node that asks for the log before the others do, and the one that asks last. */
  const parts = (): [RigNode, RigNode, RigNode] => {
    const [next, last] = rig.others as [RigNode, RigNode];
    return [rig.owner as RigNode, next, last];
  };

  it('is left to it, whoever asks first', async () => {
    const [owner, next, last] = parts();
    rig.preferred = last.name;
    await rig.until(() => rig.owner === last, limits.yieldMs + limits.yieldLookMs + limits.ownerTurnMs);
    assert.ok(led(owner) && !led(next));
    await propose(owner, 'kept');
    assert.equal(rig.owner, last);
  });

  it('is owned by a third one where that one cannot', async () => {
    const [owner, next, last] = parts();
    rig.preferred = last.name;
    rig.kill(last);
    await rig.until(() => rig.owner === next);
    assert.ok(!led(last));
    assert.ok(owner.events.includes('leads no more'));
  });
});
