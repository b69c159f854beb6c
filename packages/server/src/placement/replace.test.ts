import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { planLayout, rehomeGroups, replaceDevice } from './index.ts';
import type { PlacementDevice } from './topology.ts';

const deviceOf = (node: number, index: number): PlacementDevice => ({
  identity: `n${node}-d${index}`,
  weight: 1000,
  healthy: true,
  node: `n${node}`,
  zone: '',
  class: 'ssd',
  state: 'active',
});

describe('a device that takes the place of another', () => {
  it('has its places and no others, in groups that lie as evenly as before', () => {
    const cluster = fc.record({
      nodes: fc.integer({ min: 3, max: 8 }),
      each: fc.integer({ min: 1, max: 3 }),
      at: fc.nat(),
    });
    fc.assert(
      fc.property(cluster, fc.boolean(), ({ nodes, each, at }, sameNode) => {
        const devices = Array.from({ length: nodes * each }, (_, i) => deviceOf(Math.floor(i / each), i % each));
        const groups = planLayout(devices, []);
        const old = devices[at % devices.length] as PlacementDevice;
        const node = Number(old.node?.slice(1));
        const fresh = deviceOf(sameNode ? node : (node + 1) % nodes, 99);
        const moved = replaceDevice([...devices, fresh], groups, old.identity, fresh.identity);
        const held = groups.filter((group) => group.devices.includes(old.identity));
        if (sameNode) assert.equal(moved.length, held.length, 'in the same node it takes them all');
        const left = new Set([...devices, fresh].flatMap((one) => (one === old ? [] : [one.node])));
        for (const group of moved) {
          const before = held.find(({ id }) => id === group.id);
          assert.ok(before);
          assert.equal(group.epoch, before.epoch + 1);
          assert.deepEqual(
            group.devices,
            before.devices.map((one) => (one === old.identity ? fresh.identity : one)),
          );
          const domains = group.devices.map((one) => one.split('-')[0]);
          assert.equal(new Set(domains).size, Math.min(left.size, group.devices.length), domains.join());
        }
        // What is left finds other homes.
        const now = new Map([...groups, ...moved].map((group) => [group.id, group]));
        const after = [...devices.map((one) => (one === old ? { ...one, state: 'retired' as const } : one)), fresh];
        for (const group of rehomeGroups(after, [...now.values()])) now.set(group.id, group);
        for (const { devices: all } of now.values()) assert.ok(!all.includes(old.identity));
      }),
      { numRuns: 200 },
    );
  });

  it('that is not known takes nothing', () => {
    const devices = [0, 1, 2].map((node) => deviceOf(node, 0));
    assert.deepEqual(replaceDevice(devices, planLayout(devices, []), 'n0-d0', 'unknown'), []);
  });
});
