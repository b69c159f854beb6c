import type { Plant } from './plant.ts';

/* Bugs in where copies and fragments are placed. */

const tests = ['src/placement/cluster.test.ts'];

export const placementPlants: readonly Plant[] = [
  {
    name: 'placement: two fragments of a stripe lie on one node although there are nodes enough',
    file: 'src/placement/draw.ts',
    find: 'for (const domain of order) {',
    replace: 'for (const domain of order.slice(0, Math.max(2, order.length - 2))) {',
    tests,
  },
  {
    name: 'placement: more fragments on one node than the code can lose',
    file: 'src/placement/layout.ts',
    find: 'if (perDomain > Math.max(tolerance, 1))',
    replace: 'if (perDomain > Math.max(tolerance + 1, 1))',
    tests,
  },
  {
    name: 'placement: a node that is away makes new groups worse',
    file: 'src/placement/layout.ts',
    find: 'const all = inUse(devices);',
    replace: 'const all = usable(devices);',
    tests,
  },
  {
    name: 'placement: what lacks for a drain is one node, however many it takes',
    file: 'src/placement/shortage.ts',
    find: '} while (missing < widthOf(widest) && ',
    replace: '} while (missing < 1 && widthOf(widest) > 0 && ',
    tests,
    pattern: 'what lacks',
  },
  {
    name: 'placement: a drain that finds no other place is begun',
    file: 'src/daemon/cluster/leaving.ts',
    find: '    if (shortage)\n      throw',
    replace: '    if (shortage && ids.size === 0)\n      throw',
    tests: ['src/daemon/cluster/admin.test.ts'],
    pattern: 'refused at once',
  },
  {
    name: 'placement: zones do not matter',
    file: 'src/placement/draw.ts',
    find: '|| zone >= perZone) continue;',
    replace: '|| zone >= perZone + width) continue;',
    tests,
  },
  {
    name: 'placement: a moved group keeps its epoch',
    file: 'src/placement/rebalance.ts',
    find: 'epoch: group.epoch + 1',
    replace: 'epoch: group.epoch',
    tests,
  },
  {
    name: 'placement: the member that stays changes its place',
    file: 'src/placement/rehome.ts',
    find: 'const next = group.devices.map((each) => (leaving',
    replace: 'const next = [...group.devices].reverse().map((each) => (leaving',
    tests,
  },
  {
    name: 'placement: a lost member is replaced by a neighbour of another',
    file: 'src/placement/rehome.ts',
    find: 'if (!counts.fits(device)) continue;',
    replace: 'if (!counts.fits(device) && vacant > 99) continue;',
    tests,
  },
  {
    name: 'placement: devices that are drained get groups',
    file: 'src/placement/topology.ts',
    find: "(device.state ?? 'active') === 'active'",
    replace: "(device.state ?? 'active') !== 'retired'",
    tests,
  },
  {
    name: 'placement: a small node gets a member of every crowded group',
    file: 'src/placement/rebalance.ts',
    find: 'to.bytes + size > tolerated * to.due',
    replace: 'to.bytes + size > 9 * tolerated * to.due',
    tests,
  },
  {
    name: 'placement: the order of devices decides what moves',
    file: 'src/placement/rebalance.ts',
    find: '[...existing].sort((a, b) => a.id - b.id)',
    replace: '[...existing]',
    tests,
  },
  {
    name: 'placement: the last repair before loss never meets what cannot be read',
    file: 'src/placement/risk.ts',
    find: 'if (lost === tolerance) {',
    replace: 'if (lost > tolerance) {',
    tests: ['src/placement/risk.test.ts'],
  },
  {
    name: 'placement: more nines are told than anybody has',
    file: 'src/placement/risk.ts',
    find: 'Math.min(mostNines, modelledNines)',
    replace: 'Math.max(0, modelledNines)',
    tests: ['src/placement/risk.test.ts'],
  },
  {
    name: 'placement: new stripes go to groups that lie in one zone although there are several',
    file: 'src/durability/groups.ts',
    find: 'const even = leastBy(groups, inOneZone);',
    replace: 'const even = groups.filter((group) => inOneZone(group) > 0);',
    tests: ['src/durability/groups.test.ts'],
  },
  {
    name: 'placement: groups of a time with fewer zones are told to survive what new ones do',
    file: 'src/placement/layout.ts',
    find: 'zones: Math.min(survives.zones, lost.zones),',
    replace: 'zones: survives.zones,',
    tests: ['src/daemon/cluster/risk.test.ts'],
  },
  {
    name: 'placement: a bucket is given a code that the nodes have no place for',
    file: 'src/daemon/layout.ts',
    find: "if ('refused' in layout) {",
    replace: "if ('refused' in layout && existing.length < 0) {",
    tests: ['src/daemon/layout.test.ts'],
  },
];
