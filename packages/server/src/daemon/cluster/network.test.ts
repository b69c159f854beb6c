import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { DeviceUnreachable, type FragmentAccess } from '../../durability/index.ts';
import { StoreError } from '../../errors.ts';
import { manualHost, realHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { DeviceRecord, NodeRecord } from '../../metadata/index.ts';
import { type IncomingCall, pack, type Serve, type Transport, unpack } from '../../transport/index.ts';
import { Network, type NodeState, stateCall } from './network.ts';
import { fakePeer } from './rig.fixture.ts';

const real = realHost();

const nodeRecord = (id: string, more: Partial<NodeRecord> = {}): NodeRecord => ({
  id,
  address: `${id}:1`,
  apiAddress: `${id}:2`,
  zone: '',
  roles: ['gateway', 'metadata', 'storage'],
  state: 'active',
  version: '1',
  features: [],
  incarnation: Buffer.alloc(8),
  ...more,
});

const deviceRecord = (identity: string, node: string): DeviceRecord => ({
  identity,
  node,
  class: 'ssd',
  capacityBytes: 100,
  weight: 100,
  state: 'active',
});

let host: ReturnType<typeof manualHost>;
let nodes: NodeRecord[];
let devices: DeviceRecord[];
let states: Map<string, NodeState>;
let serve: Map<string, Serve>;
let dialled: string[];
let closed: string[];
let own: Map<string, FragmentAccess>;
let network: Network;

const transport: Transport = {
  listen: () => assert.fail('it only calls'),
  peer(node, address) {
    dialled.push(`${node}@${address}`);
    const peer = fakePeer('me', node, () => serve.get(address), host);
    return { ...peer, close: async () => void closed.push(address) };
  },
  close: async () => {},
};

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => real.timers.soon(resolve));
};
const pass = async (milliseconds: number): Promise<void> => {
  for (let left = milliseconds; left > 0; left -= 500) {
    host.advance(Math.min(500, left));
    await settle();
  }
};

beforeEach(async () => {
  host = manualHost();
  dialled = [];
  closed = [];
  nodes = [nodeRecord('me'), nodeRecord('a'), nodeRecord('b')];
  devices = [deviceRecord('mine', 'me'), deviceRecord('of-a', 'a'), deviceRecord('of-b', 'b')];
  states = new Map([
    ['a', { devices: [{ identity: 'of-a', free: 50, healthy: true }], applied: 7 }],
    ['b', { devices: [{ identity: 'of-b', free: 0, healthy: false }], applied: 8 }],
  ]);
  const serving = (node: string): Serve => {
    return async ({ method }: IncomingCall) => {
      assert.equal(method, stateCall);
      return { head: pack(states.get(node)) };
    };
  };
  serve = new Map([
    ['a:1', serving('a')],
    ['b:1', serving('b')],
  ]);
  own = new Map([['mine', { device: 'mine' } as FragmentAccess]]);
  const reader = { nodes: () => nodes, devices: () => devices, position: () => 42, shardOfIntent: () => 0 };
  network = new Network({ node: 'me', transport, reader, host }, own);
  await settle();
});

describe('the other nodes', () => {
  it('are those of the replica, and their devices are within reach', () => {
    assert.deepEqual(dialled, ['a@a:1', 'b@b:1']);
    assert.deepEqual([...own.keys()], ['mine', 'of-a', 'of-b']);
    assert.equal(own.get('of-a')?.remote, true);
    assert.equal(network.condition('mine'), undefined);
    assert.deepEqual(network.condition('of-a'), { healthy: true, free: 50 });
    assert.equal(network.condition('of-b')?.healthy, false);
    assert.deepEqual(
      network.neighbours().map(({ id, state, silentMs }) => [id, state?.applied, silentMs]),
      [
        ['a', 7, 0],
        ['b', 8, 0],
      ],
    );
  });

  it('are away, with their devices, while they do not answer', async () => {
    const answers = serve.get('a:1') as Serve;
    serve.delete('a:1');
    await pass(2 * limits.nodeStateMs);
    assert.equal(network.condition('of-a')?.healthy, false);
    const [a] = network.neighbours();
    assert.equal(a?.state, undefined);
    assert.ok((a?.silentMs ?? 0) >= limits.nodeStateMs);
    serve.set('a:1', answers);
    await pass(limits.nodeStateMs);
    assert.equal(network.condition('of-a')?.healthy, true);
  });

  it('that hang are away after the deadline, and are asked once at a time', async () => {
    let asked = 0;
    serve.set('a:1', () => {
      asked++;
      return new Promise(() => {});
    });
    await pass(limits.nodeStateMs + limits.nodeStateDeadlineMs);
    assert.equal(network.condition('of-a')?.healthy, false);
    assert.ok(asked <= 2, `${asked} calls`);
  });

  it('say of a device how it is when asked, not only every second', async () => {
    devices.push(deviceRecord('new', 'b'));
    states.set('b', { devices: [{ identity: 'new', free: 3, healthy: true }], applied: 9 });
    assert.deepEqual(await network.ask('new'), { healthy: true, free: 3 });
    // One call that is under way may have been answered before: another follows it.
    let answer = (): void => {};
    const waits = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const before = pack(states.get('b'));
    const now = serve.get('b:1') as Serve;
    serve.set('b:1', async () => {
      await waits;
      serve.set('b:1', now);
      return { head: before };
    });
    await pass(limits.nodeStateMs);
    states.set('b', { devices: [{ identity: 'new', free: 2, healthy: false }], applied: 9 });
    const asked = network.ask('new');
    answer();
    assert.deepEqual(await asked, { healthy: false, free: 2 });
    assert.equal(await network.ask('mine'), undefined);
  });

  it('that were started a moment ago are asked again, and not for ever', async () => {
    const answers = serve.get('a:1') as Serve;
    serve.delete('a:1');
    const asked = network.ask('of-a');
    await settle();
    serve.set('a:1', answers);
    await pass(limits.nodeStateMs);
    assert.deepEqual(await asked, { healthy: true, free: 50 });
    serve.delete('a:1');
    const never = network.ask('of-a');
    await settle();
    await pass(limits.nodeStateDeadlineMs + limits.nodeStateMs);
    assert.equal((await never)?.healthy, false);
  });

  it('are dialled anew where they moved to', async () => {
    nodes = nodes.map((node) => (node.id === 'a' ? { ...node, address: 'a:9' } : node));
    const before = own.get('of-a');
    await pass(limits.nodeStateMs);
    assert.deepEqual(closed, ['a:1']);
    assert.ok(dialled.includes('a@a:9'));
    assert.notEqual(own.get('of-a'), before);
  });

  it('that were removed are forgotten, with their devices', async () => {
    nodes = nodes.map((node) => (node.id === 'a' ? { ...node, state: 'removed' } : node));
    await pass(limits.nodeStateMs);
    assert.deepEqual(closed, ['a:1']);
    assert.deepEqual([...own.keys()], ['mine', 'of-b']);
    assert.deepEqual(
      network.neighbours().map(({ id }) => id),
      ['b'],
    );
    await pass(3 * limits.nodeStateMs);
    assert.equal(dialled.length, 2, 'a node that was removed is not called again');
  });

  it('hand a disk on: it belongs to the node that has it now', async () => {
    devices = devices.map((device) => (device.identity === 'of-a' ? { ...device, node: 'b' } : device));
    states.set('b', { devices: [{ identity: 'of-a', free: 5, healthy: true }], applied: 9 });
    states.set('a', { devices: [], applied: 9 });
    await pass(2 * limits.nodeStateMs);
    assert.deepEqual(network.condition('of-a'), { healthy: true, free: 5 });
  });

  it('sweep their devices once they know what this one knows', async () => {
    const asked: unknown[] = [];
    serve.set('a:1', async ({ method, head }) => {
      asked.push(method, unpack(head));
      return { head: pack({ fragments: 2, bytes: 10 }) };
    });
    const prefix = Buffer.alloc(8, 3);
    assert.deepEqual(await network.sweep('of-a', prefix, 42), { fragments: 2, bytes: 10 });
    assert.deepEqual(asked, ['fragment.sweep', { device: 'of-a', prefix, position: 42 }]);
    await assert.rejects(
      network.sweep('nowhere', prefix, 42),
      (error) => error instanceof DeviceUnreachable && error instanceof StoreError,
    );
  });

  it('are hung up on at the end, and asked no more', async () => {
    await network.close();
    assert.deepEqual(closed.sort(), ['a:1', 'b:1']);
    const before = network.neighbours()[0]?.silentMs;
    await pass(limits.nodeStateMs);
    assert.ok((network.neighbours()[0]?.silentMs ?? 0) > (before ?? 0));
  });
});
