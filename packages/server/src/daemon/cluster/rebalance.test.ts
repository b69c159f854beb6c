import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Holding } from '../../durability/index.ts';
import { manualHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { Command, DeviceRecord, GroupRecord, NodeRecord } from '../../metadata/index.ts';
import { planLayout } from '../../placement/index.ts';
import { pack } from '../../transport/index.ts';
import { type NodeWork, remainingOf } from '../mending.ts';
import type { Owner } from '../owner.ts';
import type { ClusterLink } from '../shard.ts';
import { placementDevices } from './layout.ts';
import { batchOf, bytesOfMembers, startRebalance } from './rebalance.ts';

const MiB = 1024 * 1024;
const idle = { phase: 'idle', done: 0, total: 0, bytes: 0, rate: 0, etaMs: undefined };
const none = { removed: 0, bytes: 0, waiting: 0, waitingBytes: 0, complete: true };
const workOf = (completeAt: number | undefined): NodeWork => ({
  ...(completeAt !== undefined && { completeAt }),
  mended: 0,
  waiting: 0,
  writing: idle,
  leftovers: none,
});

const nodeOf = (id: string): NodeRecord => ({
  id,
  address: '',
  apiAddress: '',
  zone: '',
  roles: ['storage'],
  state: 'active',
  version: '1',
  features: [],
  incarnation: Buffer.alloc(8),
});
const deviceOf = (node: string): DeviceRecord => ({
  identity: `d-${node}`,
  node,
  class: 'ssd',
  capacityBytes: 1,
  weight: 1,
  state: 'active',
});

/** Four nodes, the last of which was just added; what each group holds is known to all. */
function setUp() {
  const host = manualHost(3);
  const nodes = ['a', 'b', 'c', 'd'].map(nodeOf);
  const devices = nodes.map(({ id }) => deviceOf(id));
  const reader = {
    nodes: () => nodes,
    devices: () => devices,
    groups: (): readonly GroupRecord[] => groups,
    position: () => position,
    setting: () => setting,
  };
  let position = 10;
  let setting: string | undefined;
  let groups: readonly GroupRecord[] = planLayout(
    placementDevices({ nodes: () => nodes, devices: () => devices.slice(0, 3) }),
    [],
  );
  groups = groups.concat(planLayout(placementDevices(reader), groups));
  const old = new Set(groups.filter((group) => !group.devices.includes('d-d')).map(({ id }) => id));
  /** All bytes are in groups of before the node came. */
  const holdings = (): Holding[] =>
    groups.flatMap((group) =>
      old.has(group.id) ? group.devices.map((device) => ({ device, group: group.id, bytes: 64 * MiB })) : [],
    );
  const completeAt = new Map<string, number | undefined>();
  const batches: (readonly GroupRecord[])[] = [];
  const propose = async (command: Command) => {
    position += 1;
    if (command.type === 'setting.write') setting = command.value;
    if (command.type === 'group.define') {
      batches.push(command.groups);
      const changed = new Map(command.groups.map((group) => [group.id, group]));
      groups = groups.map((group) => changed.get(group.id) ?? group);
    }
    return { reply: { type: 'done' as const }, position };
  };
  const neighbours = () =>
    nodes.slice(1).map(({ id }) => ({
      id,
      peer: { call: async () => ({ body: pack([]) }) },
      state: { devices: [], applied: position, work: workOf(completeAt.get(id)) },
      silentMs: 0,
    }));
  const shard = { leads: true };
  const start = () =>
    startRebalance({
      owner: { metadata: { reader, propose }, thread: { network: { neighbours } } } as unknown as Owner,
      cluster: { node: 'a', shard } as unknown as ClusterLink,
      host,
      work: () => workOf(completeAt.get('a')),
      holdings: async () => holdings(),
      onError: (cause) => assert.fail(cause as Error),
    });
  const arrive = (): void => {
    for (const { id } of nodes) completeAt.set(id, position);
  };
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 200; i++) await Promise.resolve();
  };
  const turn = async (): Promise<void> => {
    await settle();
    host.advance(limits.rebalanceMs);
    await settle();
  };
  return { host, start, arrive, turn, batches, completeAt, shard, groups: () => groups, holdings, old };
}

test('nothing moves before it is asked for, nor when it is paused', async () => {
  const setting = setUp();
  setting.arrive();
  const rebalance = setting.start();
  await setting.turn();
  assert.equal(setting.batches.length, 0);
  await rebalance.change({ state: 'paused' });
  await setting.turn();
  assert.equal(setting.batches.length, 0);
  assert.equal(rebalance.status().waitsFor, 'dsom rebalance start');
  // Asked for at another node: this one knows it before its next turn.
  const other = setting.start();
  await other.change({ state: 'running' });
  assert.notEqual(rebalance.status().waitsFor, 'dsom rebalance start');
  await other.stop();
  await rebalance.stop();
});

test('the next groups move when every node lacks nothing at the position of the last, and a new node gets its share, no more', async () => {
  const setting = setUp();
  setting.arrive();
  const rebalance = setting.start();
  // One group in each plan.
  await rebalance.change({ state: 'running', bytesPerSecond: MiB });
  setting.arrive();
  await setting.turn();
  assert.equal(setting.batches.length, 1);
  assert.equal(setting.batches[0]?.length, 1);
  for (let i = 0; i < 3; i++) await setting.turn();
  assert.equal(setting.batches.length, 1, 'nobody has said that it arrived');
  assert.match(String(rebalance.status().waitsFor), /fragments are missing/);
  for (let i = 0; i < 2000 && rebalance.status().state === 'running'; i++) {
    setting.arrive();
    await setting.turn();
  }
  assert.equal(rebalance.status().state, 'stopped');
  const bytes = (device: string): number =>
    setting
      .groups()
      .reduce((sum, group) => sum + (setting.old.has(group.id) && group.devices.includes(device) ? 64 * MiB : 0), 0);
  const all = ['d-a', 'd-b', 'd-c', 'd-d'].reduce((sum, device) => sum + bytes(device), 0);
  const moved = setting.batches.flat().length * 64 * MiB;
  assert.equal(rebalance.status().movedBytes, moved);
  assert.ok(moved <= 1.1 * (all / 4) + 64 * MiB, `${moved} of ${all}`);
  assert.ok(bytes('d-d') > 0);
  await rebalance.stop();
});

test('a node that leads next goes on', async () => {
  const setting = setUp();
  setting.arrive();
  const first = setting.start();
  await first.change({ state: 'running', bytesPerSecond: MiB });
  setting.arrive();
  await setting.turn();
  await first.stop();
  const done = setting.batches.length;
  assert.ok(done > 0);
  const second = setting.start();
  await setting.turn();
  assert.equal(setting.batches.length, done, 'the last ones have not arrived');
  setting.arrive();
  await setting.turn();
  assert.ok(setting.batches.length > done);
  setting.shard.leads = false;
  const last = setting.batches.length;
  setting.arrive();
  await setting.turn();
  assert.equal(setting.batches.length, last, 'who does not lead plans nothing');
  await second.stop();
});

test('a batch is as many groups as a node writes in its time, one at least', () => {
  const groups = Array.from({ length: 200 }, (_, id) => ({ id, epoch: 1, devices: [] }));
  const size = () => MiB;
  assert.equal(batchOf(groups, size, 1).length, 1);
  assert.equal(batchOf(groups, size, (10 * MiB * 1000) / limits.rebalanceBatchMs).length, 10);
  assert.equal(batchOf(groups, size, 10_000 * MiB).length, limits.rebalanceBatch);
  assert.deepEqual(batchOf([], size, 1), []);
});

test('a member of a group holds what the fullest device has of it: the others may be on their way', () => {
  const found = bytesOfMembers([
    { device: 'x', group: 1, bytes: 5 },
    { device: 'y', group: 1, bytes: 7 },
    { device: 'x', group: 2, bytes: 1 },
  ]);
  assert.deepEqual(
    [...found],
    [
      [1, 7],
      [2, 1],
    ],
  );
});

test('what is left is told in fragments, bytes and time, and as unknown where nothing was written yet', () => {
  const writing = { phase: 'writing missing copies', done: 10, total: 30, bytes: 1000, rate: 5, etaMs: undefined };
  assert.deepEqual(remainingOf({ ...workOf(undefined), waiting: 2, writing }), {
    fragments: 22,
    bytes: 2200,
    fragmentsPerSecond: 5,
    bytesPerSecond: 500,
    seconds: 4,
  });
  const fresh = { ...writing, done: 0, bytes: 0, rate: 0 };
  assert.deepEqual(remainingOf({ ...workOf(undefined), writing: fresh }), {
    fragments: 30,
    bytes: null,
    fragmentsPerSecond: 0,
    bytesPerSecond: 0,
    seconds: null,
  });
  assert.deepEqual(remainingOf(workOf(3)), {
    fragments: 0,
    bytes: 0,
    fragmentsPerSecond: 0,
    bytesPerSecond: 0,
    seconds: 0,
  });
});
