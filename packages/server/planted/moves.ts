import type { Plant } from './plant.ts';

/* Bugs in how fragments follow their group to other devices. */

const leftovers = 'src/durability/jobs/leftovers.ts';
const whereabouts = 'src/durability/whereabouts.ts';
const leftoverTests = ['src/durability/jobs/leftovers.test.ts'];
const whereaboutsTests = ['src/durability/whereabouts.test.ts'];
const orderTests = ['src/durability/jobs/order.test.ts'];
const rebalanceTests = ['src/daemon/cluster/rebalance.test.ts'];

export const movePlants: readonly Plant[] = [
  {
    name: 'moves: a fragment is removed before the device that has its place now has it',
    file: leftovers,
    find: "if (!isMissing || options.isComplete(to.device))\n      await options.repair(one.stripe, one.group, one.index, 'unreadable');\n    return false;",
    replace: 'return isMissing;',
    tests: leftoverTests,
  },
  {
    name: 'moves: a fragment is removed though the other device has other bytes',
    file: leftovers,
    find: 'if (!mine || mine.equals(theirs)) return true;',
    replace: 'if (!mine || mine.length === theirs.length) return true;',
    tests: leftoverTests,
  },
  {
    name: 'moves: a fragment is removed though the device that has its place now is away',
    file: leftovers,
    find: 'away.add(device);\n            return false;',
    replace: 'away.add(device);\n            return true;',
    tests: leftoverTests,
  },
  {
    name: 'moves: a fragment is removed by groups that have changed since it was looked at',
    file: leftovers,
    find: '.filter(({ group }) => groupNow(group.id)?.epoch === group.epoch)',
    replace: '.filter(({ group }) => groupNow(group.id) !== undefined)',
    tests: leftoverTests,
  },
  {
    name: 'moves: two devices remove the same fragment, each relying on the other',
    file: leftovers,
    find: 'for (const name of names) removing.add(name);',
    replace: 'names.length = 0;',
    tests: leftoverTests,
  },
  {
    name: 'moves: a fragment is removed before every reader knows where it went',
    file: leftovers,
    find: 'if (!options.settled(at)) return;',
    replace: 'options.settled(at);',
    tests: leftoverTests,
  },
  {
    name: 'moves: the device before is forgotten as a source',
    file: whereabouts,
    find: 'of known.devices.entries())\n          if (group.devices[index] !== device)',
    replace: 'of known.devices.entries())\n          if (group.devices[index] === device)',
    tests: whereaboutsTests,
    pattern: 'which this thread saw',
  },
  {
    name: 'moves: nobody is asked for what is not where it should be',
    file: whereabouts,
    find: 'found = true;\n          if (group.devices[index] !== device) remember(group.id, index, device);',
    replace: 'found = false;',
    tests: whereaboutsTests,
  },
  {
    name: 'moves: a fragment that came to its place while it was looked for is not found',
    file: whereabouts,
    find: 'found = true;\n          if (group.devices[index] !== device) remember(group.id, index, device);',
    replace:
      'if (group.devices[index] === device) continue;\n          found = true;\n          remember(group.id, index, device);',
    tests: whereaboutsTests,
  },
  {
    name: 'moves: a copy that was asked is not asked again where its place was given to',
    file: 'src/durability/read.ts',
    find: '(await read(isLate ? others : order))',
    replace: '(await read(others))',
    tests: whereaboutsTests,
  },
  {
    name: 'moves: a good copy on the device before is not asked for when the new one is damaged',
    file: 'src/durability/read.ts',
    find: '?? (await fromFormer(reads, stripe, group, start, end))',
    replace: '',
    tests: whereaboutsTests,
  },
  {
    name: 'moves: what was moved while it was read is taken for damaged',
    file: 'src/durability/store.ts',
    find: "const isMoved = bad.reason === 'missing' && (await",
    replace: "const isMoved = bad.reason !== 'missing' && (await",
    tests: whereaboutsTests,
  },
  {
    name: 'moves: a repair replaces what another node wrote meanwhile',
    file: 'src/durability/repair.ts',
    find: 'if (now !== undefined && before === undefined) {',
    replace: 'if (now !== undefined && before === undefined && Number(now) < 0) {',
    tests: whereaboutsTests,
  },
  {
    name: 'repair: stripes are repaired in the order of their ids',
    file: 'src/durability/jobs/mend.ts',
    find: 'for (let rank: number | undefined = first;',
    replace: 'for (let rank: number | undefined = Number.POSITIVE_INFINITY;',
    tests: orderTests,
  },
  {
    name: 'repair: a device that goes meanwhile changes no order',
    file: 'src/durability/jobs/mend.ts',
    find: "if (!isFirst && gone() > before) return 'again';",
    replace: '',
    tests: orderTests,
  },
  {
    name: 'repair: the parity of a code counts as spare for a copy, whatever the code needs',
    file: 'src/durability/jobs/endangered.ts',
    find: 'neededCount(redundancyOf(group))',
    replace: '1',
    tests: orderTests,
  },
  {
    name: 'placement: storage ignores the epoch by which a device was chosen',
    file: 'src/durability/remote/serve.ts',
    find: 'group.epoch > by.epoch && group.devices[indexOf(id)] !== device',
    replace: 'group.epoch < by.epoch && group.devices[indexOf(id)] !== device',
    tests: ['src/durability/remote/remote.test.ts'],
  },
  {
    name: 'placement: a writer goes on with the old map after it was refused',
    file: 'src/durability/create.ts',
    find: 'if ((groups.byId(id)?.epoch ?? 0) >= epoch) return;',
    replace: 'if (epoch >= 0) return;',
    tests: ['src/durability/stale.test.ts'],
  },
  {
    name: 'placement: this node’s own newer map is not looked at',
    file: 'src/durability/create.ts',
    find: 'if (now && now.epoch > group.epoch)',
    replace: 'if (now && now.epoch < group.epoch)',
    tests: ['src/durability/stale.test.ts'],
  },
  {
    name: 'placement: what a device that refused did open is not given back',
    file: 'src/durability/create.ts',
    find: "await abortAll(results.map((result) => (result.status === 'fulfilled' ? result.value : undefined)));",
    replace: '',
    tests: ['src/durability/stale.test.ts'],
  },
  {
    name: 'moves: a drain ends though a group that cannot be completed without the node holds stripes',
    file: 'src/daemon/cluster/admin.ts',
    find: 'stuck?.length === 0',
    replace: 'stuck !== undefined',
    tests: ['src/daemon/cluster/admin.test.ts'],
  },
  {
    name: 'moves: which groups hold stripes is looked up once',
    file: 'src/durability/jobs/used-groups.ts',
    find: 'walking ??= begin();',
    replace: 'if (!known) walking ??= begin();',
    tests: ['src/durability/jobs/used-groups.test.ts'],
  },
  {
    name: 'moves: which groups hold stripes is said by a walk that had passed by some of them',
    file: 'src/durability/jobs/used-groups.ts',
    find: 'await wait(walking);\n      walking ??= begin();',
    replace: 'walking ??= begin();',
    tests: ['src/durability/jobs/used-groups.test.ts'],
  },
  {
    name: 'moves: a member goes to a device of a node that has one',
    file: 'src/placement/rehome.ts',
    find: 'if (!counts.fits(device)) continue;',
    replace: '',
    tests: ['src/placement/cluster.test.ts'],
  },
  {
    name: 'moves: the next groups move before the last ones have arrived',
    file: 'src/daemon/cluster/rebalance.ts',
    find: 'at !== undefined && at >= since ? [] : [id]',
    replace: 'at !== undefined || since >= 0 ? [] : [id]',
    tests: rebalanceTests,
  },
  {
    name: 'moves: what moves does not count in bytes',
    file: 'src/daemon/cluster/rebalance.ts',
    find: 'if (batch.length > 0 && sum > most) break;',
    replace: 'if (batch.length > most) break;',
    tests: rebalanceTests,
  },
];
