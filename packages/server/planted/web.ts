import type { Plant } from './plant.ts';

/* Bugs in append, rename, uploads by form, websites, and configurations of which a bucket has many. */

const reports = 'src/api/s3/reports.test.ts';
const append = 'src/api/s3/append.test.ts';
const rename = 'src/api/s3/rename.test.ts';
const model = 'src/metadata/model.test.ts';

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
  {
    name: 'web: a rename leaves the object under its old name as well',
    file: 'src/metadata/machine/decide-rename.ts',
    find: '[added, ...gone.effects]',
    replace: '[added, ...gone.effects.slice(1)]',
    tests: [model],
    pattern: 'plain model',
  },
  {
    name: 'web: a renamed object is as old as its new name',
    file: 'src/metadata/machine/decide-rename.ts',
    find: "bucket.versioning === 'off' ? before.modifiedMs",
    replace: "bucket.versioning !== 'off' ? before.modifiedMs",
    tests: [rename],
  },
  {
    name: 'web: a rename counts the pieces of the object once, and frees them with the old name',
    file: 'src/metadata/machine/decide-rename.ts',
    find: "shares ? 'share' : 'new'",
    replace: "'new'",
    tests: [model],
    pattern: 'plain model',
  },
  {
    name: 'web: the marker of a rename has the sequence of its new version',
    file: 'src/metadata/machine/decide-rename.ts',
    find: 'deleteItem(seen,',
    replace: 'deleteItem(view,',
    tests: [model],
    pattern: 'plain model',
  },
  {
    name: 'web: conditions on the source of a rename are passed over',
    file: 'src/metadata/machine/decide-rename.ts',
    find: 'checkGuard(source.guard, found);',
    replace: 'void checkGuard;',
    tests: [rename],
  },
  {
    name: 'web: a rename does not know its token again',
    file: 'src/objects/rename.ts',
    find: 'if (token === undefined) return undefined;',
    replace: 'if (token !== undefined) return undefined;',
    tests: [rename],
    pattern: 'with a token',
  },
  {
    name: 'web: a rename between two shards is asked of one of them',
    file: 'src/metadata/sharded/proposer.ts',
    find: "command.type === 'object.rename' && ",
    replace: "command.type === 'object.recode' && ",
    tests: ['src/metadata/sharded/rename.test.ts'],
  },
  {
    name: 'web: a rename asks about its new name only',
    file: 'src/api/s3/facts.ts',
    find: "if (call.operation === 'RenameObject')",
    replace: "if (call.bucket === '')",
    tests: [rename],
    pattern: 'asks about the name',
  },
];
