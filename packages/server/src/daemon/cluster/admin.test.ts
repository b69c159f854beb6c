import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { manualHost } from '../../host/index.ts';
import type { Command, DeviceRecord, GroupRecord, NodeRecord } from '../../metadata/index.ts';
import type { NodeWork } from '../mending.ts';
import type { Owner } from '../owner.ts';
import type { RecodeStatus } from '../recoding.ts';
import type { ClusterLink } from '../shard.ts';
import { type ClusterAdmin, clusterAdmin } from './admin.ts';
import { clusterHealth } from './health.ts';
import type { Rebalance, RebalanceStatus } from './rebalance.ts';
import { rebalanceName } from './settings.ts';

const id = (digit: string): string => `${digit.repeat(8)}-0000-4000-8000-000000000000`;
const [me, other, third] = ['1', '2', '3'].map(id) as [string, string, string];

const idle = {
  completeAt: 9,
  mended: 0,
  waiting: 0,
  writing: {},
  leftovers: { waiting: 0, waitingBytes: 0, complete: true, removed: 0 },
} as unknown as NodeWork;
const { completeAt: _, ...searching } = idle;

let nodes: NodeRecord[];
let devices: DeviceRecord[];
let groups: GroupRecord[];
let answering: Set<string>;
let sick: Set<string>;
/** Devices from which nothing was heard yet, until they are asked. */
let unheard: Set<string>;
let silence: number;
let used: ReadonlySet<number> | undefined;
let lost: number;
let onlyLost: true | undefined;
let done: (Command | string)[];
let settings: Map<string, string>;
/** What the node that leads last told the others of evening out. */
let rebalanceHeard: RebalanceStatus | undefined;
let owner: Owner;
let link: ClusterLink;
let admin: ClusterAdmin;

beforeEach(() => {
  nodes = [me, other, third].map((one) => ({
    id: one,
    address: `${one[0]}:1`,
    apiAddress: `${one[0]}:2`,
    zone: 'z',
    roles: ['gateway', 'metadata', 'storage'],
    state: 'active',
    version: '1',
    features: [],
    incarnation: Buffer.alloc(8),
  }));
  devices = [me, other, third].map((node) => ({
    identity: `d${node}`,
    node,
    class: 'ssd',
    capacityBytes: 100,
    weight: 100,
    state: 'active',
  }));
  groups = [{ id: 1, epoch: 1, devices: devices.map(({ identity }) => identity) }];
  answering = new Set([other, third]);
  sick = new Set();
  unheard = new Set();
  silence = 0;
  used = new Set();
  lost = 0;
  onlyLost = undefined;
  done = [];
  settings = new Map();
  rebalanceHeard = undefined;
  const reader = {
    nodes: () => nodes,
    devices: () => devices,
    groups: () => groups,
    position: () => 9,
    features: () => ['settings'],
    setting: (name: string) => settings.get(name),
  };
  const condition = (device: string) => ({ healthy: !sick.has(device) && !unheard.has(device), free: 40 });
  const propose = async (command: Command): Promise<void> => {
    done.push(command);
    if (command.type === 'node.write') nodes = nodes.map((one) => (one.id === command.node.id ? command.node : one));
    if (command.type === 'device.write')
      devices = devices.map((one) => (one.identity === command.device.identity ? command.device : one));
  };
  owner = {
    metadata: { reader, propose },
    log: { tail: 1 },
    directories: { store: 'store' },
    thread: {
      devices: new Map([[`d${me}`, {}]]),
      conditions: { of: condition },
      network: {
        neighbours: () =>
          [other, third].map((one) => ({
            id: one,
            state: answering.has(one) ? { devices: [], applied: 8, work: idle, rebalance: rebalanceHeard } : undefined,
            silentMs: answering.has(one) ? 100 : 61_000,
          })),
        condition: (device: string) =>
          answering.has(devices.find((one) => one.identity === device)?.node ?? device.slice(1))
            ? condition(device)
            : { healthy: false, free: 1 },
        ask: async (device: string) => void unheard.delete(device),
      },
    },
  } as unknown as Owner;
  link = {
    name: 'main',
    node: me,
    owner: () => ({ node: other, epoch: 4, address: '2:1' }),
    objectShards: [
      { number: 1, log: { owner: () => undefined, tail: 2 }, replica: { applied: () => 5 } },
      {
        number: 2,
        log: { owner: () => ({ node: third, epoch: 8, address: '3:1' }), tail: 3 },
        replica: { applied: () => 6 },
      },
    ],
    ageMs: () => silence,
    engine: async () => [{ node: me, clientUrls: ['https://1:3'], votes: true }],
    members: { invite: async (seconds: number | undefined) => ({ line: `dsom-join:${seconds}`, expiresAt: 'then' }) },
    forget: async (node: string) => void done.push(`forget ${node}`),
  } as unknown as ClusterLink;
  admin = clusterAdmin({
    owner,
    cluster: link,
    usedGroups: async () => used,
    host: manualHost(),
    work: () => (lost > 0 ? { ...searching, lost, ...(onlyLost && { onlyLost }) } : idle),
    recode: () => ({ stripes: 1, complete: true }) as RecodeStatus,
    rebalance: {
      status: () => ({ state: 'running' }),
      change: async (change: unknown) => void done.push(JSON.stringify(change)),
    } as unknown as Rebalance,
    degraded: async () => ['something lacks'],
  });
});

const ask = async (method: string, argument?: unknown) =>
  (await admin[`cluster.${method}`]?.(argument)) as Record<string, unknown>;

describe('what an operator asks', () => {
  it('the status says who leads, who answers, and how the devices are', async () => {
    answering.delete(third);
    sick.add(`d${other}`);
    const status = await ask('status');
    assert.deepEqual([status['cluster'], status['leader'], status['epoch'], status['position']], ['main', other, 4, 9]);
    assert.deepEqual(status['degraded'], ['something lacks']);
    assert.deepEqual(status['shards'], [
      { shard: 0, holds: 'system', owner: other, epoch: 4, position: 9, oldest: 1 },
      { shard: 1, holds: 'objects', owner: null, epoch: null, position: 5, oldest: 2 },
      { shard: 2, holds: 'objects', owner: third, epoch: 8, position: 6, oldest: 3 },
    ]);
    assert.deepEqual(status['etcd'], [{ node: me, clientUrls: ['https://1:3'], votes: true }]);
    const [settings, invitations] = status['features'] as Record<string, unknown>[];
    assert.deepEqual(settings, { name: 'settings', on: true, known: true, heldBackBy: [] });
    assert.deepEqual(
      invitations?.['heldBackBy'],
      nodes.map((one) => ({ node: one.id, version: '1' })),
    );
    const seen = status['nodes'] as Record<string, unknown>[];
    assert.deepEqual(
      seen.map(({ leads, reachable, silentSeconds, applied }) => [leads, reachable, silentSeconds, applied]),
      [
        [false, true, 0, 9],
        [true, true, 0, 8],
        [false, false, 61, null],
      ],
    );
    const health = (status['devices'] as Record<string, unknown>[]).map((one) => [one['health'], one['freeBytes']]);
    assert.deepEqual(health, [
      ['good', 40],
      ['away', null],
      ['away', null],
    ]);
  });

  it('a rebalance that was just asked for runs, whatever was last heard of who leads', async () => {
    rebalanceHeard = { state: 'stopped', moved: 3, bytesPerSecond: 1 } as RebalanceStatus;
    settings.set(rebalanceName, JSON.stringify({ state: 'running', bytesPerSecond: 2 }));
    const told = (await admin['rebalance.status']?.(undefined)) as RebalanceStatus;
    assert.deepEqual([told.state, told.bytesPerSecond, told.moved], ['running', 2, 3]);
    assert.deepEqual((await ask('status'))['rebalance'], told);
  });

  it('an invitation is good for as long as was asked for', async () => {
    assert.deepEqual(await ask('invite', { seconds: 60 }), { line: 'dsom-join:60', expiresAt: 'then' });
  });

  it('a node is drained, taken into use again, and told its zone, by the beginning of its id', async () => {
    assert.equal((await ask('node', { id: '2222', action: 'drain' }))['state'], 'draining');
    assert.equal((await ask('node', { id: other, action: 'activate' }))['state'], 'active');
    assert.equal((await ask('node', { id: '2', action: 'label', zone: 'west' }))['zone'], 'west');
    assert.equal(done.length, 3);
  });

  it('a node that is gone is removed: its devices are retired, its intents closed, and nothing waits for it', async () => {
    answering.delete(third);
    await ask('node', { id: third, action: 'remove' });
    assert.deepEqual(
      done.map((one) => (typeof one === 'string' ? one : one.type)),
      ['device.write', 'node.write', 'intent.expire', `forget ${third}`],
    );
    assert.equal(devices[2]?.state, 'retired');
    assert.equal(nodes[2]?.state, 'removed');
    const removed = ((await ask('status'))['devices'] as Record<string, unknown>[])[2];
    assert.equal(removed?.['health'], 'removed');
  });

  it('a node that answers is not removed, nor does one remove itself', async () => {
    await assert.rejects(ask('node', { id: other, action: 'remove' }), /still answers. Drain it/);
    await assert.rejects(ask('node', { id: me, action: 'remove' }), /ask another node/);
    assert.deepEqual(done, []);
  });

  it('a device is drained, retired, and taken into use again', async () => {
    assert.equal((await ask('device', { id: 'd2', action: 'drain' }))['state'], 'draining');
    assert.equal((await ask('device', { id: 'd2', action: 'retire' }))['state'], 'retired');
    assert.equal((await ask('device', { id: `d${other}`, action: 'activate' }))['state'], 'active');
  });

  it('a device takes the place of another, which is retired, wherever the layout allows it', async () => {
    const spare = { ...(devices[0] as DeviceRecord), identity: 'spare', node: third };
    devices.push(spare, { ...spare, identity: 'elsewhere', node: other });
    groups.push({ id: 2, epoch: 4, devices: [`d${third}`, `d${me}`, 'elsewhere'] });
    groups.push({ id: 3, epoch: 1, devices: [`d${me}`, `d${third}`, 'spare'] });
    const replace = (by: string) => ask('device', { id: `d${third}`, action: 'replace', by });
    await assert.rejects(replace(`d${third}`), /does not replace itself/);
    sick.add('spare');
    await assert.rejects(replace('spare'), /not in use, or does not answer/);
    sick.delete('spare');
    // What a lost device held nobody can say.
    sick.add(`d${third}`);
    unheard.add('spare');
    const found = await replace('spa');
    assert.deepEqual(
      [found['state'], found['by'], found['groups'], found['groupsElsewhere']],
      ['retired', 'spare', 2, 1],
    );
    assert.deepEqual(done, [
      {
        type: 'group.define',
        groups: [
          { id: 1, epoch: 2, devices: [`d${me}`, `d${other}`, 'spare'] },
          { id: 2, epoch: 5, devices: ['spare', `d${me}`, 'elsewhere'] },
        ],
      },
      { type: 'device.write', device: { ...devices[2], state: 'retired' }, keeps: 'self' },
    ]);
  });

  it('a device does not take the place of one that holds more than it has space for', async () => {
    devices.push({ ...(devices[0] as DeviceRecord), identity: 'spare', node: third });
    devices = devices.map((one) => (one.identity === `d${third}` ? { ...one, capacityBytes: 1000 } : one));
    await assert.rejects(
      ask('device', { id: `d${third}`, action: 'replace', by: 'spare' }),
      /less space.*device retire/,
    );
    assert.deepEqual(done, []);
  });

  it('an id that is none, or the beginning of several, changes nothing', async () => {
    await assert.rejects(ask('node', { id: '9', action: 'drain' }), { code: 'NotFound' });
    await assert.rejects(ask('device', { id: 'd', action: 'retire' }), /3 devices begin with d: give more digits/);
    assert.deepEqual(done, []);
  });
});

describe('whether a drain has ended', () => {
  const repair = async () => {
    const { done: ended, groupsOnLeavingDevices } = await ask('repair');
    return [ended, groupsOnLeavingDevices];
  };

  it('not while a group that cannot be completed without the node holds stripes, as of now', async () => {
    assert.deepEqual(await repair(), [true, 0]);
    await ask('node', { id: third, action: 'drain' });
    assert.deepEqual(await repair(), [true, 0]);
    // Somebody writes such a stripe while the node is drained.
    used = new Set([1]);
    assert.deepEqual(await repair(), [false, 1]);
    used = new Set([2]);
    assert.deepEqual(await repair(), [true, 0]);
  });

  it('is refused at once where no other place is left for what is there, and says what is needed', async () => {
    used = new Set([1]);
    const refused =
      /1 placement group holds objects \(3 copies\).*at least 1 node more is needed.*cluster invite.*redundancy/;
    await assert.rejects(ask('node', { id: third, action: 'drain' }), { code: 'InvalidRequest', message: refused });
    for (const action of ['drain', 'retire'])
      await assert.rejects(ask('device', { id: `d${third}`, action }), { code: 'InvalidRequest', message: refused });
    assert.deepEqual(done, []);
    // Nobody can take off it what is there, and it is no place any more.
    sick.add(`d${third}`);
    assert.equal((await ask('device', { id: `d${third}`, action: 'retire' }))['state'], 'retired');
    assert.match(String((await ask('repair'))['needs']), refused);
  });

  it('says of copies that nothing is left to be written from that they are gone: nobody waits for those', async () => {
    lost = 2;
    const first = await ask('repair');
    assert.match(String(first['needs']), /^2 copies of stripes are gone.*dsom fsck/);
    assert.deepEqual([first['done'], first['lost'], first['onlyLost']], [false, 2, false]);
    onlyLost = true;
    assert.deepEqual([(await ask('repair'))['done'], (await ask('repair'))['onlyLost']], [false, true]);
  });

  it('waits for what is away, and for nothing where there is another place', async () => {
    const spare = '4'.repeat(8);
    nodes.push({ ...(nodes[0] as NodeRecord), id: spare });
    devices.push({ ...(devices[0] as DeviceRecord), identity: `d${spare}`, node: spare });
    used = new Set([1]);
    assert.equal((await ask('node', { id: third, action: 'drain' }))['state'], 'draining');
    assert.match(String((await ask('repair'))['needs']), /^1 placement group waits for nodes or devices that are away/);
    answering.add(spare);
    assert.equal((await ask('repair'))['needs'], null);
    await assert.rejects(ask('node', { id: other, action: 'drain' }), /at least 1 node more is needed/);
  });

  it('not while it is not known which groups hold stripes; nobody is asked where every group can be completed', async () => {
    used = undefined;
    assert.deepEqual(await repair(), [true, 0]);
    await ask('node', { id: third, action: 'drain' });
    assert.deepEqual(await repair(), [false, null]);
  });
});

describe('what is at risk', () => {
  const schemes = async () =>
    ((await ask('risk'))['schemes'] as { scheme: string; survives: string; belowDefault?: number }[]).map(
      ({ scheme, survives, belowDefault }) => [scheme, survives, belowDefault],
    );
  const three = ['copies=3', '3 copies: no object is lost with any 2 nodes, or any 2 devices', undefined];

  it('are objects with fewer copies than new ones get, as those of a store that was alone, and no groups without any', async () => {
    groups.push({ id: 2, epoch: 1, devices: [`d${me}`] }, { id: 3, epoch: 1, devices: [`d${other}`] });
    used = new Set([1]);
    assert.deepEqual(await schemes(), [three]);
    used = new Set([1, 3]);
    const one = ['copies=1', '1 copy: the loss of one device loses objects', 1];
    assert.deepEqual(await schemes(), [three, one]);
    assert.equal((await ask('risk'))['fewerCopies'], true);
    used = undefined;
    assert.deepEqual([await schemes(), (await ask('risk'))['fewerCopies']], [[three], null]);
  });
});

describe('the health of a node', () => {
  it('lacks nothing when all answer', () => {
    assert.deepEqual(clusterHealth(owner, link), { reasons: [], degraded: [] });
  });

  it('names nodes that are away, and is ready as long as a group has its write quorum', () => {
    answering.delete(third);
    const { reasons, degraded } = clusterHealth(owner, link);
    assert.deepEqual(reasons, []);
    assert.deepEqual(degraded, [`node ${third} (3:1) does not answer`]);
    nodes = nodes.map((one) => (one.id === third ? { ...one, state: 'removed' } : one));
    assert.deepEqual(clusterHealth(owner, link).degraded, []);
  });

  it('is not ready when no group has its write quorum, when there is none, and when etcd is silent', () => {
    answering.clear();
    assert.match(clusterHealth(owner, link).reasons.join(), /none of the 1 placement groups of 3 copies/);
    groups = [];
    assert.match(clusterHealth(owner, link).reasons.join(), /no placement group is defined/);
    silence = 10_000;
    assert.match(clusterHealth(owner, link).reasons.join(), /etcd\) has not answered for 10 s/);
  });

  it('is degraded by a code that no write can be kept with, and not by one of its groups', () => {
    const code = { data: 2, parity: 2 };
    const sites = [`d${me}`, `d${other}`, `d${third}`];
    groups.push(
      { id: 2, epoch: 1, devices: [...sites, 'd-lost'], code },
      { id: 3, epoch: 1, devices: ['d-lost', ...sites.slice(1), 'd-gone'], code },
    );
    assert.deepEqual(clusterHealth(owner, link).degraded, []);
    sick.add(`d${other}`);
    const { reasons, degraded } = clusterHealth(owner, link);
    assert.deepEqual(reasons, []);
    assert.match(degraded.join(), /^none of the 2 placement groups of 2\+2 has its write quorum: .* are refused/);
  });

  it('is degraded by a group without its quorum while another has one', () => {
    devices.push({ ...(devices[0] as DeviceRecord), identity: 'd-second' });
    groups.push({ id: 2, epoch: 1, devices: [`d${me}`, 'd-lost', 'd-gone'] });
    sick.add('d-lost').add('d-gone');
    const { reasons, degraded } = clusterHealth(owner, link);
    assert.deepEqual([reasons, degraded], [[], ['placement group 2 has lost its write quorum']]);
  });
});
