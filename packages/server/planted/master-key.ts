import type { Plant } from './plant.ts';

const duty = 'src/daemon/master-key.test.ts';
const machine = 'src/metadata/master-key.test.ts';
const keyring = 'src/keys/rotation.test.ts';

/** Bugs in rotations of the master key. */
export const masterKeyPlants: readonly Plant[] = [
  {
    name: 'master key: it seals before every node has it',
    file: 'src/daemon/master-key.ts',
    find: "if (state !== 'spreading') await keyring.activate(number);",
    replace: 'await keyring.activate(number);',
    tests: [duty],
    pattern: 'waits for a node that is away',
  },
  {
    name: 'master key: a rotation goes on without a node that has not said that it is as far',
    file: 'src/metadata/machine/master-key.ts',
    find: "one.state !== 'removed' && !nodes.includes(one.id)",
    replace: "one.state === 'joining' && !nodes.includes(one.id)",
    tests: [machine],
    pattern: 'goes on once every node',
  },
  {
    name: 'master key: an older one is removed from a node while something hangs on it there',
    file: 'src/daemon/master-key.ts',
    find: 'if (total > 0 || own?.hangs(number))',
    replace: 'if (total > 0)',
    tests: [duty],
    pattern: 'removes no key from a node',
  },
  {
    name: 'master key: a rotation ends although a row hangs on an older key',
    file: 'src/daemon/master-key.ts',
    find: "if (state === 'resealing' && (await countHanging(reader, number, host)).total > 0) return false;",
    replace: '',
    tests: [duty],
    pattern: 'keeps all keys as long as',
  },
  {
    name: 'master key: what an older one sealed is taken after the rows were looked through',
    file: 'src/metadata/machine/master-key.ts',
    find: 'isSealedBefore(sealed, first))',
    replace: 'isSealedBefore(sealed, first - 1))',
    tests: [machine],
    pattern: 'only until every node seals',
  },
  {
    name: 'master key: what has changed since it was read is overwritten by what was sealed anew',
    file: 'src/metadata/machine/master-key.ts',
    find: 'if (!found[kind](view, item)?.equals(before)) continue;',
    replace: 'if (!found[kind](view, item)) continue;',
    tests: [machine],
    pattern: 'stays what it is',
  },
  {
    name: 'master key: sessions that may be good still are ended unasked',
    file: 'src/metadata/machine/master-key.ts',
    find: 'if (now < goodUntil && command.endSessions !== true)',
    replace: 'if (now > goodUntil && command.endSessions !== true)',
    tests: [machine],
    pattern: 'no session can be good',
  },
  {
    name: 'keys: a key is taken that is not the one that was named',
    file: 'src/keys/keyring.ts',
    find: 'fingerprintOf(found, number) === key.fingerprint &&',
    replace: '',
    tests: [keyring],
    pattern: 'goes from node to node',
  },
  {
    name: 'keys: of two copies of a keyring the one with the older active key is taken',
    file: 'src/keys/fitting.ts',
    find: '  active,\n  keys.filter',
    replace: '  keys.filter',
    tests: [keyring],
    pattern: 'takes the newest of two',
  },
  {
    name: 'keys: a keyring without its first keys is not known by an older fingerprint',
    file: 'src/keys/format.ts',
    find: '    digest: digestOf(content, at + 1),',
    replace: '    digest: digestOf(content, content.keys.length - at),',
    tests: [keyring],
    pattern: 'removes a key from the file',
  },
];
