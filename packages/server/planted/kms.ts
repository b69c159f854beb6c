import type { Plant } from './plant.ts';

/* Bugs that open what a named key wraps with less than that key, or with one that is disabled. */

const s3 = 'src/api/s3/kms.test.ts';

export const kmsPlants: readonly Plant[] = [
  {
    name: 'kms: a disabled key opens',
    file: 'src/objects/kms.ts',
    find: "if (key.state !== 'enabled')",
    replace: "if (key.state !== 'enabled' && version === 0)",
    tests: [s3],
    pattern: 'is read while the key is enabled',
  },
  {
    name: 'kms: an object with a named key is given to who asks for its headers only',
    file: 'src/objects/read.ts',
    find: 'withoutBytes && !customerKey ? undefined',
    replace: '!customerKey ? key.newObjectKey().key',
    tests: [s3],
    pattern: 'is read while the key is enabled',
  },
  {
    name: 'kms: the encryption context binds nothing',
    file: 'src/keys/bucket.ts',
    find: 'Buffer.concat([named, bound])',
    replace: 'Buffer.concat([named, bound.subarray(0, 0)])',
    tests: [s3],
    pattern: 'with nothing less',
  },
  {
    name: 'kms: versions of named keys are not bound to their key',
    file: 'src/keys/kms.ts',
    find: 'Buffer.from(`dsom kms key 1\\0${id}\\0${version}`',
    replace: 'Buffer.from(`dsom kms key 1${id.slice(36)}${version > 0 ? "" : "0"}`',
    tests: [s3],
    pattern: 'with nothing less',
  },
  {
    name: 'kms: new objects go on with the first version of a key that was rotated',
    file: 'src/objects/kms.ts',
    find: 'await open(keeping, record, record.versions.length)',
    replace: 'await open(keeping, record, 1)',
    tests: [s3],
    pattern: 'wraps with its newest version',
  },
  {
    name: 'kms: a node that has not heard of a key yet says that there is none',
    file: 'src/objects/kms.ts',
    find: '  await keeping.latest();\n  return here(keeping, text, region);',
    replace: '  return key;',
    tests: ['src/daemon/cluster/kms.test.ts'],
    pattern: 'asked for by a node',
  },
  {
    name: 'kms: the key of an object that was replaced meanwhile is put in the place of the new one',
    file: 'src/metadata/machine/decide-annotate.ts',
    find: "if (!command.before.equals(before.wrappedKey)) throw new StoreError('ConditionalRequestConflict');",
    replace: '',
    tests: ['src/api/s3/object-encryption.test.ts'],
    pattern: 'loses nothing of what others do',
  },
  {
    name: 'kms: what is locked gets another key',
    file: 'src/metadata/machine/decide-annotate.ts',
    find: 'checkUnlocked(row!, stamp, false);',
    replace: 'checkUnlocked(row!, stamp, true);',
    tests: ['src/api/s3/object-encryption.test.ts'],
    pattern: 'refused for what is locked',
  },
  {
    name: 'kms: the default of a bucket is passed over',
    file: 'src/objects/encryption.ts',
    find: 'return kms ? { ...kms, bucketKey: byDefault?.bucketKey } : byDefault;',
    replace: 'return kms ? { ...kms, bucketKey: byDefault?.bucketKey } : undefined;',
    tests: [s3],
    pattern: 'for all that do not say another',
  },
];
