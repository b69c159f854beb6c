import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../limits.ts';
import type { GroupRecord } from '../metadata/index.ts';
import {
  type Layout,
  layoutOf,
  mapEpoch,
  type PlacementDevice,
  planGroups,
  planLayout,
  rebalanceGroups,
  rehomeGroups,
  type Scheme,
  type Shortage,
  shortageOf,
  survivalText,
} from './index.ts';
import { Members } from './members.ts';
import { loadsOf } from './shares.ts';

interface NodeShape {
  readonly weights: readonly number[];
  readonly zone?: number;
}

/** Devices of nodes, named after their place in the list. */
function cluster(nodes: readonly NodeShape[]): PlacementDevice[] {
  return nodes.flatMap(({ weights, zone }, n) =>
    weights.map((weight, d) => ({
      identity: `n${n}-d${d}`,
      weight,
      healthy: true,
      node: `n${n}`,
      ...(zone === undefined ? {} : { zone: `z${zone}` }),
    })),
  );
}
const even = (nodes: number, devices: number, zones?: number): PlacementDevice[] =>
  cluster(
    Array.from({ length: nodes }, (_, n) => ({
      weights: Array.from({ length: devices }, () => 10),
      ...(zones === undefined ? {} : { zone: n % zones }),
    })),
  );

const schemes = fc.oneof(
  fc.integer({ min: 1, max: 4 }).map((copies) => ({ copies })),
  fc.record({ data: fc.integer({ min: 2, max: 8 }), parity: fc.integer({ min: 1, max: 4 }) }),
);
const shapes = (most: number) =>
  fc.array(
    fc.record({
      weights: fc.array(fc.integer({ min: 5, max: 20 }), { minLength: 1, maxLength: 4 }),
      zone: fc.integer({ min: 0, max: 3 }),
    }),
    { minLength: 1, maxLength: most },
  );

const define = (existing: readonly GroupRecord[], records: readonly GroupRecord[]): GroupRecord[] => {
  const groups = new Map(existing.map((group) => [group.id, group]));
  for (const record of records) {
    assert.equal(record.epoch, (groups.get(record.id)?.epoch ?? 0) + 1, 'every record is the next of its group');
    groups.set(record.id, record);
  }
  return [...groups.values()];
};

const laidOut = (devices: readonly PlacementDevice[], scheme: Scheme): Layout => {
  const layout = layoutOf(devices, scheme);
  assert.ok(!('refused' in layout), 'refused' in layout ? layout.refused : '');
  return layout;
};

const nodeOf = (identity: string) => identity.split('-')[0] as string;
const toleranceOf = (scheme: Scheme) => ('copies' in scheme ? scheme.copies - 1 : scheme.parity);
const widthOf = (scheme: Scheme) => ('copies' in scheme ? scheme.copies : scheme.data + scheme.parity);

/** Members of a group that the worst `count` of the domains hold. */
function worst(group: GroupRecord, count: number, domainOf: (identity: string) => string): number {
  const held = Map.groupBy(group.devices, domainOf);
  return [...held.values()]
    .map((members) => members.length)
    .sort((a, b) => b - a)
    .slice(0, count)
    .reduce((sum, members) => sum + members, 0);
}

test('what a layout says that it survives, every group survives; refused is only what cannot be had', () => {
  fc.assert(
    fc.property(shapes(9), schemes, (nodes, scheme) => {
      const devices = cluster(nodes);
      const zones = new Map(devices.map((device) => [device.identity, device.zone as string]));
      const layout = layoutOf(devices, scheme);
      const groups = planGroups(devices, [], scheme);
      if ('refused' in layout) {
        assert.deepEqual(groups, []);
        const most = nodes.length > 1 ? Math.max(1, toleranceOf(scheme)) : 1;
        const room = nodes.reduce((sum, { weights }) => sum + Math.min(weights.length, most), 0);
        assert.ok(nodes.length === 1 ? devices.length < widthOf(scheme) : room < widthOf(scheme), layout.refused);
        return;
      }
      assert.ok(groups.length > 0 && groups.length <= limits.placementSlots);
      const { survives, survivesLargestAndOne } = layout;
      const zoned = new Set(zones.values()).size > 1;
      for (const group of groups) {
        assert.equal(new Set(group.devices).size, widthOf(scheme));
        assert.deepEqual(group.code, 'copies' in scheme ? undefined : { ...scheme });
        const zoneOf = (identity: string) => zones.get(identity) as string;
        assert.ok(survives.devices <= toleranceOf(scheme));
        assert.ok(worst(group, survives.nodes, nodeOf) <= toleranceOf(scheme));
        assert.ok(worst(group, survives.zones, zoneOf) <= toleranceOf(scheme));
        const domain = zoned ? zoneOf : nodes.length > 1 ? nodeOf : (identity: string) => identity;
        if (survivesLargestAndOne) assert.ok(worst(group, 1, domain) + 1 <= toleranceOf(scheme));
      }
      assert.deepEqual(planGroups(devices, groups, scheme), []);
    }),
  );
});

test('members lie on as many nodes as there are, and never more than can be lost on one', () => {
  for (const [nodes, devices, scheme, perDomain, survives] of [
    [11, 1, { data: 8, parity: 3 }, 1, 3],
    [6, 4, { data: 8, parity: 3 }, 2, 1],
    [4, 4, { data: 8, parity: 3 }, 3, 1],
    [3, 2, { data: 4, parity: 2 }, 2, 1],
    [2, 4, { copies: 3 }, 2, 1],
    [3, 1, { copies: 3 }, 1, 2],
    [5, 1, { copies: 1 }, 1, 0],
  ] as const) {
    const layout = laidOut(even(nodes, devices), scheme);
    assert.equal(layout.perDomain, perDomain);
    assert.equal(layout.survives.nodes, survives);
    for (const group of planGroups(even(nodes, devices), [], scheme)) assert.equal(worst(group, 1, nodeOf), perDomain);
  }
});

test('what cannot be placed is refused, with what to do', () => {
  const refusedOf = (devices: readonly PlacementDevice[], scheme: Scheme) => {
    const layout = layoutOf(devices, scheme);
    assert.deepEqual(planGroups(devices, [], scheme), []);
    return 'refused' in layout ? layout.refused : '';
  };
  const code = { data: 8, parity: 3 };
  assert.match(refusedOf(even(3, 4), code), /8\+3 would put 4 .* one of 3 nodes, and can lose 3\. Add nodes/);
  assert.match(refusedOf(even(1, 10), code), /8\+3 needs 11 devices, and there are 10\. Add devices/);
  assert.match(refusedOf(even(11, 1), { ...code, class: 'ssd' }), /on ssd needs 11 devices, and there are 0/);
  assert.match(refusedOf(even(2, 1), { copies: 3 }), /3 copies needs 3 devices/);
  const away = even(3, 1).map((device, i) => ({ ...device, healthy: i > 0 }));
  assert.match(refusedOf(away, { copies: 3 }), /3 copies finds too few nodes .*: 2 of 3/);
});

test('a node that is away for a while makes no group worse', () => {
  const away = even(4, 3).map((device) => ({ ...device, healthy: device.node !== 'n0' }));
  for (const group of planGroups(away, [], { copies: 3 })) assert.equal(worst(group, 1, nodeOf), 1);
  assert.deepEqual(planGroups(away, [], { data: 8, parity: 3 }), []);
  const alone = even(2, 4).map((device) => ({ ...device, healthy: device.node !== 'n0' }));
  assert.deepEqual(planGroups(alone, [], { copies: 2 }), []);
});

test('zones come before nodes', () => {
  const devices = even(9, 2, 3);
  const zoneOf = (identity: string) => devices.find((device) => device.identity === identity)?.zone as string;
  for (const group of planGroups(devices, [], { copies: 3 })) assert.equal(worst(group, 1, zoneOf), 1);
  for (const group of planGroups(devices, [], { data: 4, parity: 2 })) {
    assert.equal(worst(group, 1, zoneOf), 2);
    assert.equal(worst(group, 1, nodeOf), 1);
  }
  assert.deepEqual(laidOut(devices, { data: 4, parity: 2 }).survives, { devices: 2, nodes: 2, zones: 1 });
  assert.match(
    survivalText(laidOut(devices, { data: 4, parity: 2 })),
    /4\+2: .*one zone, or any 2 nodes, or any 2 dev/,
  );
  assert.match(survivalText(laidOut(even(1, 1), { copies: 1 })), /1 copy: the loss of one device loses objects/);
});

test('a scheme with a class uses devices of it, and a member is replaced by one of its class', () => {
  const devices = even(6, 4).map((device) => ({
    ...device,
    class: /d[01]$/.test(device.identity) ? 'ssd' : 'hdd',
  }));
  const groups = planGroups(devices, [], { copies: 3, class: 'ssd' });
  assert.ok(groups.length > 0);
  const onSsd = (group: GroupRecord) => assert.ok(group.devices.every((each) => /d[01]$/.test(each)));
  groups.forEach(onSsd);
  const rehomed = rehomeGroups(devices, groups, new Set(['n0-d0', 'n0-d1']));
  assert.ok(rehomed.length > 0);
  rehomed.forEach(onSsd);
  rebalanceGroups(
    [...devices, { ...(devices[0] as PlacementDevice), identity: 'n9-d2', node: 'n9', class: 'hdd' }],
    groups,
    () => 1,
  ).forEach(onSsd);
});

test('devices that are drained or retired get nothing new', () => {
  for (const state of ['draining', 'retired'] as const) {
    const devices = even(5, 2).map((device) => (device.node === 'n1' ? { ...device, state } : device));
    for (const group of planLayout(devices, [])) assert.ok(!group.devices.some((each) => nodeOf(each) === 'n1'));
  }
});

test('few sets of nodes, many groups of devices, shares by weight', () => {
  const devices = cluster(
    Array.from({ length: 12 }, (_, n) => ({ weights: Array.from({ length: 8 }, () => (n % 2 ? 20 : 10)) })),
  );
  const groups = planGroups(devices, [], { copies: 3 });
  assert.ok(groups.length > 200, `${groups.length} groups`);
  const sets = new Set(groups.map((group) => group.devices.map(nodeOf).sort().join()));
  assert.ok(sets.size <= 64, `${sets.size} sets of nodes, of 220`);
  const places = Map.groupBy(
    groups.flatMap((group) => group.devices),
    (identity) => Number(nodeOf(identity).slice(1)) % 2,
  );
  const ratio = (places.get(1)?.length as number) / (places.get(0)?.length as number);
  assert.ok(ratio > 1.4 && ratio < 2.4, `heavier nodes hold ${ratio.toFixed(2)} times as much`);
});

/** Plans and carries out until there is nothing more to do. */
function settle(
  devices: readonly PlacementDevice[],
  groups: readonly GroupRecord[],
  bytes: (group: GroupRecord) => number,
) {
  let now = [...groups];
  let moved = 0;
  for (let round = 0; ; round++) {
    assert.ok(round < 200, 'rebalancing comes to an end');
    const records = rebalanceGroups(devices, now, bytes);
    if (records.length === 0) return { groups: now, moved };
    for (const record of records) {
      const before = now.find((group) => group.id === record.id) as GroupRecord;
      assert.equal(record.devices.filter((each, at) => each !== before.devices[at]).length, 1);
      moved += bytes(record);
    }
    now = define(now, records);
  }
}

const clusters = fc.record({
  nodes: fc.array(fc.array(fc.integer({ min: 8, max: 16 }), { minLength: 1, maxLength: 3 }), {
    minLength: 3,
    maxLength: 40,
  }),
  added: fc.array(fc.integer({ min: 8, max: 16 }), { minLength: 1, maxLength: 3 }),
  scheme: fc.constantFrom<Scheme>(
    { copies: 2 },
    { copies: 3 },
    { data: 2, parity: 1 },
    { data: 4, parity: 2 },
    { data: 8, parity: 3 },
  ),
  sizes: fc.array(fc.integer({ min: 90, max: 110 }), { minLength: 1, maxLength: 7 }),
});

/** The last node's share by weight of what all groups hold, unless no group puts so much on one node. */
function fairShare(nodes: readonly (readonly number[])[], groupBytes: number, { scheme, perDomain }: Layout): number {
  const last = nodes.at(-1) as readonly number[];
  const weight = (each: readonly number[]) => each.reduce((sum, device) => sum + device, 0);
  const share = (groupBytes * widthOf(scheme) * weight(last)) / weight(nodes.flat());
  return Math.min(share, groupBytes * Math.min(perDomain, last.length));
}

test('a node that is added gets its share, and no more than 1.1 times as much is moved', () => {
  fc.assert(
    fc.property(clusters, ({ nodes, added, scheme, sizes }) => {
      const before = cluster(nodes.map((weights) => ({ weights })));
      const after = cluster([...nodes, added].map((weights) => ({ weights })));
      if ('refused' in layoutOf(before, scheme)) return;
      const first = planGroups(before, [], scheme);
      // What is defined after the node came holds nothing yet.
      const known = new Set(first.map((group) => group.id));
      const bytes = (group: GroupRecord) => (known.has(group.id) ? (sizes[group.id % sizes.length] as number) : 0);
      const settled = settle(before, first, bytes);
      // What a device had too little of for its weight, because nobody could give it more, it may get now as well.
      const lacked = [...loadsOf(new Members(before), settled.groups, bytes).values()].reduce(
        (sum, { bytes: held, due }) => sum + Math.max(0, 0.9 * due - held),
        0,
      );
      const end = settle(after, define(settled.groups, planGroups(after, settled.groups, scheme)), bytes);
      const groupBytes = first.reduce((sum, group) => sum + bytes(group), 0);
      const share = fairShare([...nodes, added], groupBytes, laidOut(after, scheme));
      // Whole members are moved, and there may be few: one of 110 bytes more, and one for each of its devices less.
      assert.ok(end.moved <= 1.1 * share + 110 + lacked, `${end.moved} moved, ${share.toFixed(0)} is the share`);
      const name = `n${nodes.length}`;
      const held = end.groups.reduce(
        (sum, group) => sum + bytes(group) * group.devices.filter((each) => nodeOf(each) === name).length,
        0,
      );
      assert.ok(held >= 0.6 * share - 110 * added.length, `it holds ${held}, ${share.toFixed(0)} is its share`);
    }),
    { numRuns: 60 },
  );
});

test('a node that is removed moves what lay there, and nothing else', () => {
  fc.assert(
    fc.property(clusters, fc.nat(), fc.constantFrom('draining', 'retired'), ({ nodes, scheme }, pick, state) => {
      const devices = cluster(nodes.map((weights) => ({ weights })));
      const gone = `n${pick % nodes.length}`;
      const left = devices.map((device) => (device.node === gone ? { ...device, state: state as 'draining' } : device));
      const groups = planGroups(devices, [], scheme);
      const after = define(groups, rehomeGroups(left, groups));
      const possible = !('refused' in layoutOf(left, scheme));
      for (const [index, group] of groups.entries()) {
        const now = after[index] as GroupRecord;
        for (const [at, identity] of group.devices.entries())
          if (nodeOf(identity) !== gone) assert.equal(now.devices[at], identity);
        assert.equal(new Set(now.devices).size, now.devices.length);
        if (!possible) continue;
        assert.ok(!now.devices.some((each) => nodeOf(each) === gone), `${now.devices}`);
        assert.ok(worst(now, 1, nodeOf) <= Math.max(1, toleranceOf(scheme)));
      }
      assert.equal(mapEpoch(after) - mapEpoch(groups), after.filter((group) => group.epoch > 1).length);
    }),
    { numRuns: 60 },
  );
});

test('a third node takes one copy of each group of which two lie together', () => {
  const before = planGroups(even(2, 3), [], { copies: 3 });
  const end = settle(even(3, 3), before, () => 1);
  for (const group of end.groups) assert.equal(worst(group, 1, nodeOf), 1, `${group.devices}`);
});

test('a small node that joins takes what it can hold, however crowded groups are', () => {
  const devices = cluster([{ weights: [50, 50] }, { weights: [50, 50] }, { weights: [10] }]);
  const before = planGroups(devices.slice(0, 4), [], { copies: 3 });
  const bytes = () => 10;
  const end = settle(devices, [...before, ...before.map((group) => ({ ...group, id: group.id + 100 }))], bytes);
  const share = (2 * before.length * 30) / 21;
  assert.ok(end.moved > 0 && end.moved <= 1.1 * share, `${end.moved} moved, ${share} is the share`);
});

test('a plan does not depend on the order in which devices and groups are given', () => {
  const devices = cluster(Array.from({ length: 7 }, (_, n) => ({ weights: [10 + n, 5], zone: n % 3 })));
  const groups = planLayout(devices, [], [{ copies: 3 }, { data: 4, parity: 2 }]);
  const backwards = [...devices].reverse();
  assert.deepEqual(planLayout(backwards, [], [{ copies: 3 }, { data: 4, parity: 2 }]), groups);
  const byId = (records: readonly GroupRecord[]) => [...records].sort((a, b) => a.id - b.id);
  const more = [...devices, ...cluster(Array.from({ length: 8 }, () => ({ weights: [9], zone: 1 }))).slice(7)];
  const moves = rebalanceGroups(more, groups, () => 1);
  assert.ok(moves.length > 0);
  assert.deepEqual(byId(rebalanceGroups([...more].reverse(), [...groups].reverse(), () => 1)), byId(moves));
  const crowded = planGroups(even(2, 3), [], { copies: 3 });
  assert.deepEqual(
    byId(rebalanceGroups(even(3, 3).reverse(), [...crowded].reverse(), () => 1)),
    byId(rebalanceGroups(even(3, 3), crowded, () => 1)),
  );
  assert.deepEqual(
    byId(rehomeGroups(backwards, [...groups].reverse(), new Set(['n2-d0']))),
    byId(rehomeGroups(devices, groups, new Set(['n2-d0']))),
  );
});

test('what lacks for groups to leave devices is what it takes, and not less; and nothing lacks where they can', () => {
  const other = fc.record({ nodes: shapes(6), scheme: schemes, leaving: fc.nat(5) });
  fc.assert(
    fc.property(other, ({ nodes, scheme, leaving }) => {
      const devices = cluster(nodes);
      const groups = planGroups(devices, [], scheme);
      const gone = `n${leaving % nodes.length}`;
      const now = devices.map((device) => (device.node === gone ? { ...device, state: 'draining' as const } : device));
      const held = groups.filter((group) => group.devices.some((each) => nodeOf(each) === gone));
      const stay = (all: readonly PlacementDevice[]) => held.length - rehomeGroups(all, held).length;
      const shortage = shortageOf(now, groups);
      assert.equal(shortage?.groups.length ?? 0, stay(now));
      if (!shortage) return;
      assert.equal(shortage.of, nodes.length > 1 ? 'node' : 'device');
      const zone = devices.find(({ node }) => node === gone)?.zone;
      const more = (count: number) =>
        Array.from({ length: count }, (_, n) => {
          const node = nodes.length > 1 ? `more${n}` : gone;
          return { identity: `more${n}-d`, weight: 10, healthy: true, node, zone };
        });
      assert.ok(stay([...now, ...more(shortage.missing - 1)]) > 0, 'less is not enough');
      assert.equal(stay([...now, ...more(shortage.missing)]), 0, `${shortage.missing} are enough`);
    }),
  );
  const three = even(3, 1);
  const lost = three.map((device) => (device.node === 'n2' ? { ...device, state: 'retired' as const } : device));
  const { groups: _, ...short } = shortageOf(lost, planGroups(three, [], { copies: 3 })) as Shortage;
  assert.deepEqual(short, { scheme: '3 copies', missing: 1, of: 'node' });
});
