import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../limits.ts';
import type { GroupRecord } from '../metadata/index.ts';
import { slotsOf } from './draw.ts';
import {
  chooseGroup,
  layoutOf,
  type PlacementDevice,
  planGroups,
  planLayout,
  rehomeGroups,
  type Scheme,
  spreadPoint,
} from './index.ts';
import { slotDevices } from './plan.ts';
import { drawStraws } from './straw.ts';

const device = (index: number, weight = 1, healthy = true): PlacementDevice => ({
  identity: `00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`,
  weight,
  healthy,
});
const some = (count: number): PlacementDevice[] => Array.from({ length: count }, (_, i) => device(i));

/** What the log holds after the records were defined: same id replaces. */
function define(existing: readonly GroupRecord[], records: readonly GroupRecord[]): GroupRecord[] {
  const groups = new Map(existing.map((group) => [group.id, group]));
  for (const record of records) groups.set(record.id, record);
  return [...groups.values()];
}

const devicesArbitrary = fc
  .uniqueArray(fc.record({ index: fc.nat(10_000), weight: fc.integer({ min: 0, max: 50 }), healthy: fc.boolean() }), {
    selector: (d) => d.index,
    minLength: 1,
    maxLength: 14,
  })
  .map((list) => list.map((d) => device(d.index, d.weight, d.healthy)));

test('one device and one copy make one group', () => {
  assert.deepEqual(planGroups([device(7)], [], { copies: 1 }), [{ id: 1, epoch: 1, devices: [device(7).identity] }]);
  assert.deepEqual(planGroups([device(7)], [], { copies: 2 }), []);
});

test('two devices and two copies make one group', () => {
  assert.equal(planGroups(some(2), [], { copies: 2 }).length, 1);
  assert.equal(planGroups(some(2), [], { copies: 1 }).length, 2);
});

test('groups hold distinct, healthy, weighted devices, and planning again gives nothing', () => {
  fc.assert(
    fc.property(devicesArbitrary, fc.integer({ min: 1, max: 4 }), (devices, copies) => {
      const usable = new Set(devices.filter((d) => d.healthy && d.weight > 0).map((d) => d.identity));
      const groups = planGroups(devices, [], { copies });
      assert.equal(groups.length > 0, usable.size >= copies);
      assert.ok(groups.length <= limits.placementSlots);
      assert.equal(new Set(groups.map((g) => [...g.devices].sort().join())).size, groups.length);
      assert.equal(new Set(groups.map((g) => g.id)).size, groups.length);
      for (const group of groups) {
        assert.equal(new Set(group.devices).size, copies);
        for (const identity of group.devices) assert.ok(usable.has(identity));
      }
      assert.deepEqual(planGroups(devices, groups, { copies }), []);
    }),
  );
});

test('copies never share a failure domain', () => {
  const devices = Array.from({ length: 12 }, (_, i) => ({ ...device(i), node: `node-${i % 4}` }));
  const domain = new Map(devices.map((d) => [d.identity, d.node]));
  const groups = planGroups(devices, [], { copies: 3 });
  assert.ok(groups.length > 20);
  for (const group of groups) assert.equal(new Set(group.devices.map((d) => domain.get(d))).size, 3);
});

test('an added device is in every new group, and slots it does not win stay', () => {
  const slots = (devices: readonly PlacementDevice[], scheme: Scheme) => {
    const layout = layoutOf(devices, scheme);
    return 'refused' in layout ? 0 : slotsOf(layout).slots;
  };
  fc.assert(
    fc.property(devicesArbitrary, fc.integer({ min: 1, max: 3 }), (devices, copies) => {
      const added = device(20_000, 5);
      const before = planGroups(devices, [], { copies });
      const drawn = slots(devices, { copies });
      const more = slots([...devices, added], { copies }) > drawn;
      for (const record of planGroups([...devices, added], before, { copies })) {
        assert.ok(more || record.devices.includes(added.identity));
        assert.equal(record.epoch, 1);
      }
      for (let slot = 0; slot < drawn; slot++) {
        const old = slotDevices(slot, devices, { copies });
        const now = slotDevices(slot, [...devices, added], { copies });
        const kept = now.filter((d) => old.includes(d)).length;
        assert.equal(kept, now.includes(added.identity) ? copies - 1 : copies);
      }
    }),
  );
});

test('a lost device is replaced where it was; other members and groups stay', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 1, max: 3 }), fc.nat(8), (count, copies, pick) => {
      const devices = some(count);
      const gone = devices[pick % count]?.identity as string;
      const before = planGroups(devices, [], { copies });
      const after = define(before, rehomeGroups(devices, before, new Set([gone])));
      for (const group of before) {
        const now = after.find((g) => g.id === group.id) as GroupRecord;
        if (!group.devices.includes(gone)) assert.deepEqual(now, group);
        else if (count - 1 < copies) assert.deepEqual(now, group);
        else {
          assert.equal(now.epoch, group.epoch + 1);
          assert.equal(new Set(now.devices).size, copies);
          assert.ok(!now.devices.includes(gone));
          for (const [i, d] of group.devices.entries()) if (d !== gone) assert.equal(now.devices[i], d);
        }
      }
      assert.deepEqual(rehomeGroups(devices, after, new Set([gone])), []);
    }),
  );
});

test('a device that is only absent changes no group', () => {
  const devices = some(4);
  const before = planLayout(devices, []);
  for (const record of planLayout(devices.slice(1), before)) assert.ok(!before.some((group) => group.id === record.id));
});

test('the layout has groups for every number of copies that the devices give', () => {
  for (const count of [1, 2, 3, 5]) {
    const layout = planLayout(some(count), []);
    assert.deepEqual(
      [...new Set(layout.map((g) => g.devices.length))],
      Array.from({ length: count }, (_, i) => i + 1),
    );
    assert.equal(new Set(layout.map((g) => g.id)).size, layout.length);
    assert.deepEqual(planLayout(some(count), layout), []);
  }
});

test('an unhealthy device keeps its groups and gets no new one', () => {
  const devices = some(4);
  const before = planGroups(devices, [], { copies: 2 });
  const sick = devices.map((d, i) => (i === 0 ? { ...d, healthy: false } : d));
  assert.deepEqual(planGroups(sick, before, { copies: 2 }), []);
  assert.ok(planGroups(sick, [], { copies: 2 }).every((g) => !g.devices.includes(devices[0]?.identity as string)));
});

test('straws fall in proportion to weight', () => {
  const candidates = [1, 2, 3, 10].map((weight, i) => ({ name: `device-${i}`, weight }));
  const won = new Map<string, number>();
  const draws = 20_000;
  for (let draw = 0; draw < draws; draw++) {
    const [winner] = drawStraws(draw, candidates, 1);
    won.set(winner?.name as string, (won.get(winner?.name as string) ?? 0) + 1);
  }
  for (const { name, weight } of candidates) {
    const share = (won.get(name) ?? 0) / draws;
    assert.ok(Math.abs(share - weight / 16) < 0.015, `${name}: ${share}`);
  }
});

test('more weight only draws towards that device', () => {
  const light = [1, 1, 1, 1].map((weight, i) => ({ name: `d${i}`, weight }));
  const heavy = light.map((c, i) => (i === 2 ? { ...c, weight: 3 } : c));
  for (let draw = 0; draw < 500; draw++) {
    const before = drawStraws(draw, light, 1)[0]?.name;
    const after = drawStraws(draw, heavy, 1)[0]?.name;
    if (before !== after) assert.equal(after, 'd2');
  }
});

test('stripes go to groups in proportion to free space, and never to excluded or full devices', () => {
  const groups = [1, 2, 3].map((id) => ({ id, epoch: 1, devices: [`d${id}`] }));
  const space: Record<string, number> = { d1: 100, d2: 300, d3: 0 };
  const free = (d: string): number => space[d] ?? 0;
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 1000; i++) {
    const chosen = chooseGroup(groups, spreadPoint(i), free, new Set());
    counts[chosen?.id as number] = (counts[chosen?.id as number] as number) + 1;
  }
  assert.equal(counts[3], 0);
  assert.ok(Math.abs((counts[1] as number) - 250) < 10, String(counts));
  assert.equal(chooseGroup(groups, 0.5, free, new Set(['d2']))?.id, 1);
  assert.equal(chooseGroup(groups, 0.5, free, new Set(['d1', 'd2'])), undefined);
  assert.equal(chooseGroup([], 0.5, free, new Set()), undefined);
});
