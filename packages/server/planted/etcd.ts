import type { Plant } from './plant.ts';

/* Bugs of the log in etcd. */

const faults = ['src/log/etcd/faults.test.ts'];
const shared = ['src/log/etcd/shared.test.ts'];

export const etcdPlants: readonly Plant[] = [
  {
    name: 'log in etcd: a batch need not follow the one before it',
    file: 'src/log/etcd/batch.ts',
    find: "if (!batch.previous.equals(place.hash)) throw wrong('its previous hash is another');",
    replace: '',
    tests: faults,
    pattern: 'another previous hash',
  },
  {
    name: 'log in etcd: a batch of an older epoch is taken in',
    file: 'src/log/etcd/batch.ts',
    find: 'if (batch.epoch < place.epoch)',
    replace: 'if (batch.epoch < 0)',
    tests: faults,
    pattern: 'an older epoch',
  },
  {
    name: 'log in etcd: a missing entry is passed over',
    file: 'src/log/etcd/batch.ts',
    find: 'if (batch.slot !== place.position + 1)',
    replace: 'if (batch.slot <= place.position)',
    tests: faults,
    pattern: 'a gap',
  },
  {
    name: 'log in etcd: an append does not ask who owns the log',
    file: 'src/log/etcd/flight.ts',
    find: '{ key: keys.owner, created: epoch },',
    replace: '',
    tests: faults,
    pattern: 'does not know yet',
  },
  {
    name: 'log in etcd: an append does not ask what it was built on',
    file: 'src/log/etcd/flight.ts',
    find: '{ key: keys.tail, value: this.#tailBefore },',
    replace: '',
    tests: faults,
    pattern: 'came late, once another',
  },
  {
    name: 'log in etcd: a transaction whose answer was lost is sent again without a look',
    file: 'src/log/etcd/flight.ts',
    find: 'sight = await this.#look();',
    replace: "sight = 'free';",
    tests: faults,
    pattern: 'whose answer was lost',
  },
  {
    name: 'log in etcd: a barrier tells what this node has seen',
    file: 'src/log/etcd/log.ts',
    find: 'return this.#readTail();',
    replace: 'return this.head;',
    tests: [...faults, ...shared],
    pattern: 'barriers|asks everything',
  },
  {
    name: 'log in etcd: a barrier joins a read that is under way',
    file: 'src/log/etcd/log.ts',
    find: 'this.#nextBarrier = undefined;\n        return this.#readTail();',
    replace: 'return this.#readTail().finally(() => {\n          this.#nextBarrier = undefined;\n        });',
    tests: faults,
    pattern: 'barriers',
  },
  {
    name: 'log in etcd: is trimmed behind any snapshot',
    file: 'src/log/etcd/trim.ts',
    find: 'positions[quorum - 1] ?? 0',
    replace: 'positions[0] ?? 0',
    tests: shared,
    pattern: 'a quorum of snapshots',
  },
  {
    name: 'log in etcd: versions with stale reads are used',
    file: 'src/log/etcd/version.ts',
    find: 'if (least !== undefined && patch >= least)',
    replace: 'if (least !== undefined)',
    tests: ['src/log/etcd/member.test.ts'],
    pattern: 'knows the versions',
  },
  {
    name: 'log in etcd: a member takes the address of another one',
    file: 'src/log/etcd/membership.ts',
    find: "there.name !== '' && there.name !== name",
    replace: "there.name === '' && there.name !== name",
    tests: ['src/log/etcd/member.test.ts'],
    pattern: 'grows a cluster',
  },
  {
    name: 'log in etcd: a member that ended is reported by the end of its stack',
    file: 'src/log/etcd/member.ts',
    find: 'said.findLast(',
    replace: 'said.slice(-1).find(',
    tests: ['src/log/etcd/member.test.ts'],
    pattern: 'says why it ended',
  },
];
