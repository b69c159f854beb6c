import type { Plant } from './plant.ts';

/* Bugs in migrations from other stores. */

const key = 'src/cli/migrate/key.test.ts';
const faults = 'src/cli/migrate/faults.test.ts';
const whole = 'src/cli/migrate/migrate.test.ts';
const lists = 'src/cli/migrate/acl.test.ts';
const settings = 'src/cli/migrate/settings.test.ts';

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
    find: 'theirs.modified + doubt <= ours.modified - ahead',
    replace: 'theirs.modified + doubt > ours.modified - ahead',
    tests: [key],
  },
  {
    name: 'migrate: within the same second the source counts',
    file: 'src/cli/migrate/key.ts',
    find: 'const doubt = 1000 +',
    replace: 'const doubt =',
    tests: [key],
  },
  {
    name: 'migrate: what is written at the target at the same moment is replaced or buried',
    file: 'src/cli/migrate/key.ts',
    find: "return seen.marker ? { 'if-none-match': '*' } : {",
    replace: 'return seen ? {} : {',
    tests: [faults],
    pattern: 'and is not buried',
  },
  {
    name: 'migrate: what the run wrote itself is any object of the key',
    file: 'src/cli/migrate/own.ts',
    find: '=== mark(version)',
    replace: '!== undefined',
    tests: [key],
  },
  {
    name: 'migrate: grants to accounts that nobody named are given to who migrates',
    file: 'src/cli/migrate/acl.ts',
    find: '(id === owner ? self : undefined)',
    replace: '(id === owner || id !== self ? self : undefined)',
    tests: [lists],
  },
  {
    name: 'migrate: grants to everybody come although they count for nothing there',
    file: 'src/cli/migrate/acl.ts',
    find: 'accounts.blocksPublic && publicGroups',
    replace: '!accounts.self && publicGroups',
    tests: [lists],
  },
  {
    name: "migrate: a radosgw's public access block stays behind",
    file: 'src/cli/migrate/configurations.ts',
    find: '<(Block)?PublicAccessBlock',
    replace: '<PublicAccessBlock',
    tests: [settings],
    pattern: 'at no moment',
  },
  {
    name: 'migrate: a policy that denies is taken for one that only allows',
    file: 'src/cli/migrate/configurations.ts',
    find: "statement.Effect === 'Deny'",
    replace: "statement.Effect !== 'Allow' && statement.Effect !== 'Deny'",
    tests: [lists],
  },
  {
    name: 'migrate: a policy that the source took away stays',
    file: 'src/cli/migrate/settings.ts',
    find: 'if (!written.has(id)) return true;',
    replace: 'if (written.has(id)) return true;',
    tests: [settings],
    pattern: 'goes away',
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
