import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { Cluster } from './cluster.support.ts';
import type { DeviceRecord, NodeRecord } from './machine/records.ts';
import { Rig, stripedPiece } from './rig.support.ts';

const says = (expected: string, what: RegExp) => (error: StoreError) =>
  error.code === expected && what.test(error.message);

const nodeOf = (id: string, more: Partial<NodeRecord> = {}): NodeRecord => ({
  id,
  address: `${id}:7000`,
  apiAddress: `${id}:9000`,
  zone: 'z',
  roles: ['gateway', 'metadata', 'storage'],
  state: 'active',
  version: '0.2.0',
  features: ['a'],
  incarnation: Buffer.alloc(8, 1),
  ...more,
});

const deviceOf = (identity: string, node: string, more: Partial<DeviceRecord> = {}): DeviceRecord => ({
  identity,
  node,
  class: 'ssd',
  capacityBytes: 2 ** 40,
  weight: 1000,
  state: 'active',
  ...more,
});

const states = (rig: Rig) => rig.reader.intents().map(({ prefix, state }) => `${prefix[0]} ${state}`);
const prefix = (number: number) => Buffer.alloc(8, number);

describe('what the system shard knows of nodes', () => {
  it('is written, read, and the same after a replay', async () => {
    const rig = await Rig.open();
    const [one, two] = [nodeOf('n1'), nodeOf('n2', { state: 'joining', roles: ['storage'] })];
    for (const node of [one, two]) await rig.metadata.propose({ type: 'node.write', node });
    await rig.metadata.propose({ type: 'device.write', device: deviceOf('d1', 'n1') });
    await rig.metadata.propose({ type: 'node.write', node: { ...two, state: 'active' } });
    const check = () => {
      assert.deepEqual(rig.reader.nodes(), [one, { ...two, state: 'active' }]);
      assert.deepEqual(rig.reader.devices(), [deviceOf('d1', 'n1')]);
    };
    check();
    await rig.crash();
    check();
  });

  it('keeps what its node and an operator say of it at the same time', async () => {
    const rig = await Rig.open();
    const [first, second] = [nodeOf('n1'), nodeOf('n1', { incarnation: Buffer.alloc(8, 2), version: '0.3.0' })];
    await rig.metadata.propose({ type: 'node.write', node: first, keeps: 'state' });
    await rig.metadata.propose({ type: 'device.write', device: deviceOf('d1', 'n1'), keeps: 'state' });
    // Both have read the first record; the node starts anew, and is drained.
    await rig.metadata.propose({ type: 'node.write', node: second, keeps: 'state' });
    const opener = { node: 'n1', incarnation: second.incarnation };
    await rig.metadata.propose({ type: 'intent.open', prefix: prefix(7), opener });
    await rig.metadata.propose({ type: 'node.write', node: { ...first, state: 'draining', zone: 'y' }, keeps: 'self' });
    assert.deepEqual(rig.reader.nodes(), [{ ...second, state: 'draining', zone: 'y' }]);
    assert.deepEqual(
      rig.reader.intents().map(({ state }) => state),
      ['open'],
      'the intents of the living are left alone',
    );
    // The other way round: it is drained, and starts anew with what it read before.
    const third = { ...second, incarnation: Buffer.alloc(8, 3) };
    await rig.metadata.propose({ type: 'node.write', node: third, keeps: 'state' });
    assert.deepEqual(rig.reader.nodes(), [{ ...third, state: 'draining' }]);
    const grown = deviceOf('d1', 'n1', { capacityBytes: 2 ** 41 });
    await rig.metadata.propose({ type: 'device.write', device: grown, keeps: 'state' });
    await rig.metadata.propose({
      type: 'device.write',
      device: deviceOf('d1', 'n1', { state: 'draining' }),
      keeps: 'self',
    });
    assert.deepEqual(rig.reader.devices(), [{ ...grown, state: 'draining' }]);
    await rig.metadata.propose({ type: 'device.write', device: grown, keeps: 'state' });
    assert.deepEqual(rig.reader.devices(), [{ ...grown, state: 'draining' }]);
  });

  it('changes only as it can', async () => {
    const rig = await Rig.open();
    const write = (node: NodeRecord) => rig.metadata.propose({ type: 'node.write', node });
    const device = (record: DeviceRecord) => rig.metadata.propose({ type: 'device.write', device: record });
    await assert.rejects(write(nodeOf('n1', { state: 'draining' })), says('InvalidRequest', /not known/));
    await assert.rejects(write(nodeOf('')), says('InvalidArgument', /id/));
    await assert.rejects(write(nodeOf('x'.repeat(limits.nodeTextBytes + 1))), says('InvalidRequest', /bytes/));
    await assert.rejects(device(deviceOf('d1', 'n1')), says('InvalidRequest', /join first/));
    await write(nodeOf('n1'));
    await device(deviceOf('d1', 'n1'));
    await assert.rejects(device(deviceOf('d1', 'n1', { weight: 0.5 })), says('InvalidArgument', /whole/));
    await device(deviceOf('d1', 'n1', { state: 'draining' }));
    await assert.rejects(write(nodeOf('n1', { state: 'joining' })), says('InvalidRequest', /cannot become joining/));
    await assert.rejects(write(nodeOf('n1', { state: 'removed' })), says('InvalidRequest', /retire them first/));
    await device(deviceOf('d1', 'n1', { state: 'retired' }));
    await assert.rejects(device(deviceOf('d1', 'n1')), says('InvalidRequest', /cannot become active/));
    await assert.rejects(rig.metadata.propose({ type: 'node.remove', id: 'n1' }), says('InvalidRequest', /is active/));
    await write(nodeOf('n1', { state: 'removed' }));
    await assert.rejects(write(nodeOf('n1')), says('InvalidRequest', /cannot become active/));
    await assert.rejects(device(deviceOf('d2', 'n1')), says('InvalidRequest', /join first/));
    await rig.metadata.propose({ type: 'node.remove', id: 'n1' });
    await rig.metadata.propose({ type: 'node.remove', id: 'n1' });
    assert.deepEqual([rig.reader.nodes(), rig.reader.devices()], [[], []]);
    await rig.crash();
    assert.deepEqual([rig.reader.nodes(), rig.reader.devices()], [[], []]);
  });

  it('is bounded', async () => {
    const rig = await Rig.open();
    const nodes = Array.from({ length: limits.nodes }, (_, n) => nodeOf(`n${n}`));
    await Promise.all(nodes.map((node) => rig.metadata.propose({ type: 'node.write', node })));
    const more = rig.metadata.propose({ type: 'node.write', node: nodeOf('more') });
    await assert.rejects(more, says('InvalidRequest', /remove one/));
    for (let n = 0; n < limits.devices; n += 512) {
      const some = Array.from({ length: 512 }, (_, m) => deviceOf(`d${n + m}`, 'n0'));
      await Promise.all(some.map((device) => rig.metadata.propose({ type: 'device.write', device })));
    }
    const device = rig.metadata.propose({ type: 'device.write', device: deviceOf('more', 'n0') });
    await assert.rejects(device, says('InvalidRequest', /devices/));
    const features = Array.from({ length: limits.features + 1 }, (_, n) => `f${n}`);
    const known = rig.metadata.propose({ type: 'node.write', node: nodeOf('n0', { features }) });
    await assert.rejects(known, says('InvalidRequest', /features/));
  });

  it('lets a feature be turned on once every node knows it, and no node come that does not', async () => {
    const rig = await Rig.open();
    const write = (node: NodeRecord) => rig.metadata.propose({ type: 'node.write', node });
    const enable = (feature: string) => rig.metadata.propose({ type: 'feature.enable', feature });
    await write(nodeOf('n0', { features: [] }));
    await write(nodeOf('n0', { features: [], state: 'removed' }));
    await write(nodeOf('n1', { features: ['settings', 'authorities'] }));
    await write(nodeOf('n2', { features: ['settings'] }));
    await write(nodeOf('n3', { features: [], state: 'joining' }));
    await assert.rejects(enable('settings'), says('InvalidRequest', /n3/));
    await assert.rejects(enable('authorities'), says('InvalidRequest', /n2, n3/));
    await write(nodeOf('n3', { features: [], state: 'removed' }));
    await enable('settings');
    await enable('settings');
    assert.deepEqual(rig.reader.features(), ['settings']);
    await assert.rejects(
      write(nodeOf('n4', { features: ['authorities'] })),
      says('InvalidRequest', /does not know settings/),
    );
    await assert.rejects(write(nodeOf('n2', { features: [] })), says('InvalidRequest', /does not know settings/));
    await rig.crash();
    assert.deepEqual(rig.reader.features(), ['settings']);
  });
});

describe('a setting', () => {
  it('is kept, replaced, and bounded in number', async () => {
    const rig = await Rig.open();
    const write = (name: string, value: string) => rig.metadata.propose({ type: 'setting.write', name, value });
    assert.equal(rig.reader.setting('pace'), undefined);
    await write('pace', 'slow');
    await write('pace', 'fast');
    await rig.crash();
    assert.equal(rig.reader.setting('pace'), 'fast');
    for (let i = 1; i < limits.settings; i++) await write(`s${i}`, '');
    await assert.rejects(write('more', ''), says('InvalidRequest', /settings|setting/));
    await assert.rejects(write('', 'x'), says('InvalidRequest', /name/));
    await write('pace', 'slow');
    assert.equal(rig.reader.setting('pace'), 'slow');
  });
});

describe('an intent of a node', () => {
  it('is closed when its process is known to be gone, and not when another is', async () => {
    const rig = await Rig.open();
    const [old, young] = [Buffer.alloc(8, 1), Buffer.alloc(8, 2)];
    const open = (number: number, node?: string, incarnation = old) =>
      rig.metadata.propose({
        type: 'intent.open',
        prefix: prefix(number),
        ...(node !== undefined && { opener: { node, incarnation } }),
      });
    await rig.metadata.propose({ type: 'node.write', node: nodeOf('n1', { incarnation: old }) });
    await open(1, 'n1');
    await open(2, 'n2');
    await open(3);
    await rig.metadata.propose({ type: 'node.write', node: nodeOf('n1', { incarnation: old, zone: 'y' }) });
    assert.deepEqual(states(rig), ['1 open', '2 open', '3 open']);
    await rig.metadata.propose({ type: 'node.write', node: nodeOf('n1', { incarnation: young }) });
    assert.deepEqual(states(rig), ['1 closed', '2 open', '3 open']);
    await assert.rejects(open(4, 'n1'), says('ServiceUnavailable', /started again/));
    await open(4, 'n1', young);
    await open(5, 'n2', young);
    await rig.metadata.propose({ type: 'intent.expire', dead: [{ node: 'n2', except: young }] });
    assert.deepEqual(states(rig), ['1 closed', '2 closed', '3 open', '4 open', '5 open']);
    await rig.metadata.propose({ type: 'intent.expire', dead: [{ node: '' }] });
    assert.deepEqual(states(rig), ['1 closed', '2 closed', '3 closed', '4 open', '5 open']);
    await rig.metadata.propose({ type: 'node.write', node: nodeOf('n1', { incarnation: young, state: 'removed' }) });
    await rig.metadata.propose({ type: 'intent.expire', dead: [{ node: 'n2' }] });
    assert.deepEqual(states(rig), ['1 closed', '2 closed', '3 closed', '4 closed', '5 closed']);
    await assert.rejects(open(6, 'n1', young), says('ServiceUnavailable', /removed/));
  });

  it('outlives the node that leads, and a start of another one', async () => {
    const cluster = new Cluster();
    const first = await cluster.start();
    const bucket = await cluster.bucket(first);
    const opener = { node: 'n1', incarnation: Buffer.alloc(8, 1) };
    await first.propose({ type: 'intent.open', prefix: prefix(7), opener });
    const stripes = [{ id: Buffer.concat([prefix(7), Buffer.alloc(8)]), group: 1, length: 10, frames: undefined }];
    await first.term!.close();
    await cluster.settle();
    const leader = cluster.leader!;
    assert.notEqual(leader, first);
    await leader.propose({ type: 'intent.expire' });
    await leader.propose({ type: 'intent.expire', dead: [{ node: 'n0' }, { node: '' }] });
    const piece = stripedPiece(stripes, 100);
    const draft = { size: 100, etag: piece.md5, etagParts: 0, storageClass: 'STANDARD', headers: {}, metadata: [] };
    const rest = { tags: [], checksum: undefined, wrappedKey: Buffer.alloc(1), partSizes: [] };
    const at = { bucket, key: Buffer.from('k'), owner: 'o', guard: undefined, pieces: [piece] };
    await leader.propose({ type: 'object.put', ...at, draft: { ...draft, ...rest } });
    assert.ok(leader.has(bucket, 'k'));
    await cluster.stop();
  });
});
