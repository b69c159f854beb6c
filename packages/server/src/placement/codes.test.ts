import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../limits.ts';
import { codesOf, type PlacementDevice, planGroups, planLayout, rehomeGroups } from './index.ts';

const some = (count: number): PlacementDevice[] =>
  Array.from({ length: count }, (_, i) => ({ identity: `device-${i}`, weight: 1, healthy: true }));

test('groups of a code hold distinct devices, and planning again gives none', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.record(
        { data: fc.integer({ min: 2, max: 10 }), parity: fc.integer({ min: 1, max: 4 }) },
        { noNullPrototype: true },
      ),
      (count, code) => {
        const devices = some(count);
        const before = planLayout(devices, []);
        const groups = planGroups(devices, before, code);
        assert.equal(groups.length > 0, count >= code.data + code.parity);
        assert.ok(groups.length <= limits.placementSlots);
        assert.equal(new Set([...before, ...groups].map(({ id }) => id)).size, before.length + groups.length);
        for (const group of groups) {
          assert.deepEqual(group.code, code);
          assert.equal(new Set(group.devices).size, code.data + code.parity);
        }
        const all = [...before, ...groups];
        assert.deepEqual(planGroups(devices, all, code), []);
        // Groups of a code are none of as many copies, and the other way round.
        assert.deepEqual(planLayout(devices, all), []);
        assert.deepEqual(codesOf(all), groups.length > 0 ? [code] : []);
      },
    ),
  );
});

test('as many devices as fragments take turns in holding parity', () => {
  const groups = planGroups(some(6), [], { data: 4, parity: 2 });
  const parity = new Map<string, number>();
  for (const { devices } of groups)
    for (const device of devices.slice(4)) parity.set(device, (parity.get(device) ?? 0) + 1);
  assert.equal(parity.size, 6);
  for (const [device, count] of parity) assert.ok(count > groups.length / 6, `${device}: ${count} of ${groups.length}`);
});

test('a lost device is replaced in its place, and the code stays', () => {
  const devices = some(8);
  const code = { data: 4, parity: 2 };
  const before = planGroups(devices, [], code);
  const moved = rehomeGroups(devices, before, new Set(['device-0']));
  assert.ok(moved.length > 0);
  for (const group of moved) {
    const old = before.find(({ id }) => id === group.id);
    assert.deepEqual(group.code, code);
    assert.equal(group.epoch, 2);
    for (const [index, device] of group.devices.entries())
      assert.equal(device === old?.devices[index], old?.devices[index] !== 'device-0');
  }
});

test('an added device leaves the groups that are there', () => {
  const code = { data: 3, parity: 1 };
  const before = planGroups(some(5), [], code);
  for (const group of planGroups(some(6), before, code)) assert.ok(group.devices.includes('device-5'));
  assert.equal(planGroups(some(4), before, { copies: 4 }).length, 1);
});
