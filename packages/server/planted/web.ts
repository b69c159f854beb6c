import type { Plant } from './plant.ts';

/* Bugs in append, rename, uploads by form, websites, and configurations of which a bucket has many. */

const reports = 'src/api/s3/reports.test.ts';
const append = 'src/api/s3/append.test.ts';

export const webPlants: readonly Plant[] = [
  {
    name: 'web: two changes of configurations of the same moment, and one is lost',
    file: 'src/metadata/machine/decide-configurations.ts',
    find: 'if (expected !== undefined && (',
    replace: 'if (expected === view && (',
    tests: [reports],
    pattern: 'over the real store',
  },
  {
    name: 'web: one more configuration than there may be',
    file: 'src/api/s3/configurations/listed.ts',
    find: 'others.length >= limits.listedConfigurations',
    replace: 'others.length > limits.listedConfigurations',
    tests: [reports],
    pattern: 'a thousand at most',
  },
  {
    name: 'web: a page of configurations begins with the last of the page before',
    file: 'src/api/s3/configurations/listed.ts',
    find: 'id > after',
    replace: 'id >= after',
    tests: [reports],
    pattern: 'listed by a hundred',
  },
  {
    name: 'web: the id of the request need not be the one in the document',
    file: 'src/api/s3/configurations/listed.ts',
    find: 'if (value.id !== id)',
    replace: 'if (value.id === undefined)',
    tests: [reports],
    pattern: 'the same id',
  },
  {
    name: 'web: an append whose offset is 0 replaces the object',
    file: 'src/api/s3/operations/put-object.ts',
    find: 'offset === undefined\n    ? objects.put',
    replace: '!offset\n    ? objects.put',
    tests: [append],
  },
  {
    name: 'web: every put says the size of an append',
    file: 'src/api/s3/operations/put-object.ts',
    find: 'if (offset !== undefined) headers',
    replace: 'if (offset !== null) headers',
    tests: [append],
  },
];
