import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { GroupRecord, NodeRecord } from '../../metadata/index.ts';
import type { Owner } from '../owner.ts';
import { clusterRisk } from './risk.ts';

/** Nodes whose zones are the first letters of their names, with one device each. */
function nodesOf(ids: readonly string[], leaving?: string) {
  const nodes = ids.map(
    (id) => ({ id, zone: id.charAt(0), state: id === leaving ? 'draining' : 'active' }) as NodeRecord,
  );
  const devices = nodes.map(({ id }) => ({ identity: id, node: id, capacityBytes: 100, weight: 100, state: 'active' }));
  return { nodes, devices };
}

/** Three copies on nodes a1 and a2 of zone a, b of zone b and c of zone c: one group of before there was c, and one of since then. */
const copied = [
  { id: 1, epoch: 1, devices: ['a1', 'a2', 'b'] },
  { id: 2, epoch: 1, devices: ['a1', 'b', 'c'] },
];

function riskOf(
  used: ReadonlySet<number> | undefined,
  leaving?: string,
  members?: readonly string[],
  ids = ['a1', 'a2', 'b', 'c'],
  groups: readonly GroupRecord[] = copied,
) {
  const { nodes, devices } = nodesOf(ids, leaving);
  const reader = { nodes: () => nodes, devices: () => devices, groups: () => groups, setting: () => undefined };
  const owner = { metadata: { reader } } as unknown as Owner;
  const voting = members?.map((node) => ({ node, votes: true }));
  return clusterRisk({ owner, works: new Map(), away: () => false, used, members: voting, nowMs: 0 });
}

const risk = (...given: Parameters<typeof riskOf>) =>
  (riskOf(...given)['schemes'] as { survives: string; nines: number; crowded?: number }[])[0]!;

it('objects of a time with fewer zones are told to survive what their placement groups do, and how many these are', () => {
  const even = risk(new Set([2]));
  assert.equal(even.survives, '3 copies: no object is lost with any 2 zones, or any 2 nodes, or any 2 devices');
  assert.equal(even.crowded, undefined);
  // As long as it is not known which groups hold objects, all may.
  for (const used of [new Set([1, 2]), undefined]) {
    const crowded = risk(used);
    assert.equal(crowded.survives, '3 copies: no object is lost with one zone, or any 2 nodes, or any 2 devices');
    assert.equal(crowded.crowded, 1);
    assert.ok(crowded.nines < even.nines);
  }
  assert.equal(risk(new Set([1, 2]), 'a2').crowded, undefined, 'who leaves crowds nobody');
});

it('what is said of a code rests on its own placement groups, not on those of another code that are as wide', () => {
  const groups = [
    { id: 1, epoch: 1, devices: ['a1', 'a2', 'a3', 'b'], code: { data: 3, parity: 1 } },
    { id: 2, epoch: 1, devices: ['a1', 'b', 'c', 'd'], code: { data: 2, parity: 2 } },
  ];
  const given = riskOf(undefined, undefined, undefined, ['a1', 'a2', 'a3', 'b', 'c', 'd'], groups);
  const schemes = given['schemes'] as { scheme: string; crowded?: number }[];
  const crowded = (name: string) => schemes.find(({ scheme }) => scheme === name)?.crowded;
  assert.equal(crowded('3+1'), 1);
  assert.equal(crowded('2+2'), undefined);
});

it('the zone is named without which etcd has no majority', () => {
  const deciding = (...members: string[]) => riskOf(new Set(), undefined, members)['decidingZone'];
  assert.deepEqual(deciding('a1', 'a2', 'b'), { zone: 'a', members: 2, of: 3 });
  assert.equal(deciding('a1', 'b', 'c'), null);
  // What is left is half of them, and decides nothing.
  assert.deepEqual(deciding('a1', 'a2', 'b', 'c'), { zone: 'a', members: 2, of: 4 });
  assert.equal(riskOf(new Set())['decidingZone'], null, 'etcd does not say');
});
