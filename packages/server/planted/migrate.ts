import type { Plant } from './plant.ts';

/* Bugs in migrations from other stores. */

const key = 'src/cli/migrate/key.test.ts';
const faults = 'src/cli/migrate/faults.test.ts';
const whole = 'src/cli/migrate/migrate.test.ts';

export const migratePlants: readonly Plant[] = [
  {
    name: 'migrate: after a lost answer a version is made twice',
    file: 'src/cli/migrate/key.ts',
    find: '        done = await copiedVersions',
    replace: '        await copiedVersions',
    tests: [faults],
    pattern: 'made twice',
  },
  {
    name: 'migrate: the ETag of the parts is not compared before they become an object',
    file: 'src/cli/migrate/object.ts',
    find: 'copied !== plan.size || (cut.own',
    replace: 'copied !== plan.size || (!cut.own',
    tests: [faults],
    pattern: 'change on the way',
  },
  {
    name: 'migrate: versions are copied with the newest first',
    file: 'src/cli/migrate/versions.ts',
    find: 'key.versions.reverse();',
    replace: 'key.versions.slice();',
    tests: [whole],
    pattern: 'in their order',
  },
  {
    name: 'migrate: the version null gets an id',
    file: 'src/cli/migrate/bucket.ts',
    find: "if (before === '') await",
    replace: "if (before === 'Suspended') await",
    tests: [whole],
    pattern: 'in their order',
  },
  {
    name: 'migrate: a lock that cannot be kept is left out',
    file: 'src/cli/migrate/object.ts',
    find: "if (!order.locks && (retained || hold === 'ON'))",
    replace: "if (!order.locks && (retained && hold === 'ON'))",
    tests: [whole],
    pattern: 'locks and configurations',
  },
  {
    name: 'migrate: what is newer at the target is replaced',
    file: 'src/cli/migrate/key.ts',
    find: 'newest.modified > only.modified',
    replace: 'newest.modified < only.modified',
    tests: [key],
  },
  {
    name: 'migrate: keys that only the target has are deleted unasked',
    file: 'src/cli/migrate/key.ts',
    find: 'if (!order.remove)',
    replace: 'if (order.remove)',
    tests: [whole],
    pattern: 'of its own',
  },
];
