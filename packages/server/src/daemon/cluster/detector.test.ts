import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { LogOwner } from '../../log/index.ts';
import { type Peer, pack, type Transport } from '../../transport/index.ts';
import { FailureDetector, type WatchedShard } from './detector.ts';
import { Network, type NodeState } from './network.ts';
import { bucketCommand, ClusterRig, fakePeer, type RigNode } from './rig.fixture.ts';

const record = (id: string) => ({ id, state: 'active' as const, roles: ['metadata' as const], address: `${id}:1` });

/** Nodes as the daemon puts them together: each asks the others how they are, and watches who owns the shard. */
function watched(rig: ClusterRig, cut: (from: string, to: string) => boolean = () => false) {
  const nodes = rig.nodes.map(({ name }) => record(name));
  const detectors = new Map<string, FailureDetector>();
  const networks = rig.nodes.map((node: RigNode) => {
    const peer = (to: string): Peer =>
      fakePeer(
        node.name,
        to,
        () => async () => ({
          head: pack({ devices: [], applied: 0, silent: detectors.get(to)?.silent() ?? [] } satisfies NodeState),
        }),
        rig.host,
        () => (cut(node.name, to) || cut(to, node.name) ? 'silent' : rig.fateOf(node.name, to)),
      );
    const reader = { nodes: () => nodes, devices: () => [] } as unknown as ConstructorParameters<
      typeof Network
    >[0]['reader'];
    const transport = { peer } as unknown as Transport;
    const network = new Network({ node: node.name, transport, reader, host: rig.host }, new Map());
    const shards = () => [node.shard];
    detectors.set(
      node.name,
      new FailureDetector({ node: node.name, network, nodes: () => nodes, shards, host: rig.host }),
    );
    return network;
  });
  return async () => {
    for (const detector of detectors.values()) detector.close();
    await rig.run(Promise.all(networks.map((network) => network.close())));
    await rig.stop();
  };
}

test('the machine of the owner is lost without a word, and its lease was just prolonged: a write goes on within 5 s, whenever that was', async () => {
  for (const offset of [0, 250, 500, 750, 950]) {
    const rig = new ClusterRig(3, true, 0, manualHost(offset), 60_000);
    await rig.start();
    const stop = watched(rig);
    let passed = 0;
    await rig.until(() => (passed += 50) > 5000 + offset);
    const lost = rig.owner as RigNode;
    const [other] = rig.others as [RigNode];
    rig.hush(lost);
    const began = rig.host.clock.monotonic();
    await rig.run(other.shard.propose(bucketCommand('written')), 5000);
    const took = rig.host.clock.monotonic() - began;
    assert.ok(took < 5000, `${took} ms`);
    assert.notEqual(rig.owner, lost);
    assert.ok(
      rig.others.every(({ events }) => events.filter((text) => text.includes('hear nothing')).length <= 1),
      'each says so once',
    );
    await stop();
  }
});

test('an owner that one node alone does not hear keeps the log, and so does one whose log engine is away', async () => {
  const rig = new ClusterRig(3, true, 0, manualHost(5), 60_000);
  await rig.start();
  const owner = rig.owner as RigNode;
  const [one] = rig.others as [RigNode];
  const stop = watched(rig, (from, to) => from === one.name && to === owner.name);
  let passed = 0;
  await rig.until(() => (passed += 50) > 30_000);
  assert.equal(rig.owner, owner);
  await stop();
});

/** A detector on its own: how long the other nodes were silent, and what they say, is up to the test. */
function alone(count: number, campaigns = true) {
  const host = manualHost();
  let slept = 0;
  const clock = { ...host.clock, monotonic: () => host.clock.monotonic() + slept };
  const ids = Array.from({ length: count - 1 }, (_, index) => `n${index + 1}`);
  const heard = new Map<string, { at: number; silent: readonly string[] }>();
  const ended: number[] = [];
  const state = { owner: { node: 'n1', address: 'a', epoch: 1 } as LogOwner, fails: 0, head: 7 };
  const shard: WatchedShard = {
    campaigns,
    leads: false,
    get head() {
      return state.head;
    },
    owner: () => state.owner,
    async endOwnership({ epoch }) {
      ended.push(epoch);
      if (state.fails-- > 0) throw new Error('away');
    },
  };
  const neighbours = () =>
    ids.map((id) => {
      const one = heard.get(id);
      const said = one && { devices: [], applied: 0, silent: one.silent };
      return { id, peer: {} as Peer, state: said, silentMs: one && clock.monotonic() - one.at };
    });
  const detector = new FailureDetector({
    node: 'n0',
    network: { neighbours },
    nodes: () => ['n0', ...ids].map(record),
    shards: () => [shard],
    host: { clock, timers: host.timers },
  });
  const says = (id: string, ...silent: readonly string[]): void =>
    void heard.set(id, { at: clock.monotonic(), silent });
  /** Time passes, in which these nodes are heard and say that n1 is silent. */
  const pass = async (milliseconds: number, ...agree: readonly string[]): Promise<void> => {
    for (let left = milliseconds; left > 0; left -= limits.detectMs) {
      for (const id of agree) says(id, 'n1');
      host.advance(limits.detectMs);
      await Promise.resolve();
    }
  };
  return { detector, ended, state, says, pass, sleep: (milliseconds: number) => (slept += milliseconds) };
}

const long = limits.silentOwnerMs + limits.detectMs;

test('a majority ends an ownership, once for each epoch, and tries again what failed', async () => {
  const five = alone(5);
  await five.pass(2 * long, 'n2');
  assert.deepEqual(five.ended, [], 'two of five');
  await five.pass(limits.detectMs, 'n2', 'n3');
  assert.deepEqual(five.ended, [1]);
  await five.pass(2 * long, 'n2', 'n3');
  assert.deepEqual(five.ended, [1]);
  five.state.owner = { ...five.state.owner, epoch: 2 };
  five.state.fails = 1;
  await five.pass(2 * limits.detectMs, 'n2', 'n3');
  assert.deepEqual(five.ended, [1, 2, 2]);
  five.state.owner = { ...five.state.owner, node: 'n2', epoch: 3 };
  await five.pass(long, 'n2', 'n3');
  assert.deepEqual(five.ended, [1, 2, 2], 'another node owns it, and is heard');
  five.detector.close();
});

test('an owner that appends is alive, however late its machine answers', async () => {
  const one = alone(3);
  for (let i = 0; i < 10; i++) {
    one.state.head++;
    await one.pass(limits.silentOwnerMs - limits.detectMs, 'n2');
  }
  assert.deepEqual(one.ended, []);
  await one.pass(2 * limits.detectMs, 'n2');
  assert.deepEqual(one.ended, [1]);
  one.detector.close();
});

test('what a node said before it fell silent itself does not count, and one of two is no majority', async () => {
  const three = alone(3);
  three.says('n2', 'n1');
  await three.pass(3 * long);
  assert.deepEqual(three.ended, []);
  three.detector.close();
  const two = alone(2);
  await two.pass(3 * long);
  assert.deepEqual(two.ended, []);
  two.detector.close();
});

test('a process that stood still counts the silence of others anew, and a node that cannot own the shard ends nothing', async () => {
  const one = alone(3);
  one.says('n1');
  await one.pass(limits.detectMs, 'n2');
  one.sleep(60_000);
  await one.pass(limits.silentOwnerMs - limits.detectMs, 'n2');
  assert.deepEqual(one.ended, []);
  assert.deepEqual(one.detector.silent(), []);
  await one.pass(2 * limits.detectMs, 'n2');
  assert.deepEqual(one.ended, [1]);
  one.detector.close();
  const gateway = alone(3, false);
  await gateway.pass(2 * long, 'n2');
  assert.deepEqual(gateway.detector.silent(), ['n1']);
  assert.deepEqual(gateway.ended, []);
  gateway.detector.close();
});
