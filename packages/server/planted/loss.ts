import type { Plant } from './plant.ts';

/* Bugs in what a node does when others are lost, and when it comes back itself. */

export const lossPlants: readonly Plant[] = [
  {
    name: 'node: what was asked of a lost owner waits for its time, though another one owns the shard',
    file: 'src/daemon/cluster/shard.ts',
    find: 'if (!asked || !owner || (asked.peer.node === owner.node && asked.address === owner.address)) return;',
    replace: 'if (asked !== undefined || owner !== undefined) return;',
    tests: ['src/daemon/cluster/shard.test.ts'],
    pattern: 'a machine that is lost',
  },
  {
    name: 'node: a start ends at the first call that is not answered',
    file: 'src/daemon/cluster/patience.ts',
    find: 'if (!passing || host.clock.monotonic() >= end) throw cause;',
    replace: 'if (!passing || host.clock.monotonic() <= end) throw cause;',
    tests: ['src/daemon/cluster/patience.test.ts'],
  },
  {
    name: 'node: a start waits for what no waiting helps with',
    file: 'src/daemon/cluster/patience.ts',
    find: 'if (!passing || host.clock.monotonic() >= end) throw cause;',
    replace: 'if (host.clock.monotonic() >= end) throw cause;',
    tests: ['src/daemon/cluster/patience.test.ts'],
  },
  {
    name: 'node: the lead of etcd is handed to a member that has no vote',
    file: 'src/daemon/cluster/apart.ts',
    find: 'voters.has(member) && ',
    replace: '',
    tests: ['src/daemon/cluster/apart.test.ts'],
  },
  {
    name: 'node: a node that does not own the shard hands the lead of etcd over',
    file: 'src/daemon/cluster/apart.ts',
    find: 'if (now) look();',
    replace: 'owned = true;\n      look();',
    tests: ['src/daemon/cluster/apart.test.ts'],
  },
  {
    name: 'node: members of etcd that came later are not learned of',
    file: 'src/daemon/cluster/apart.ts',
    find: 'etcd.use(members.flatMap(({ clientUrls }) => clientUrls));',
    replace: 'etcd.use([]);',
    tests: ['src/daemon/cluster/apart.test.ts'],
  },
  {
    name: 'node: does not start while the one that let it in is down',
    file: 'src/daemon/cluster/engine.ts',
    find: "cause.code !== 'ServiceUnavailable' || known.length === 0) throw cause;",
    replace: "cause.code !== 'ServiceUnavailable' || known.length !== 0) throw cause;",
    tests: ['src/daemon/cluster/engine.test.ts'],
    pattern: 'grows by a member',
  },
  {
    name: 'durability: two missing copies of one stripe are written at the same time',
    file: 'src/durability/jobs/flights.ts',
    find: 'while (this.#running.has(name)) await this.ended(name);',
    replace: '',
    tests: ['src/durability/jobs/flights.test.ts'],
  },
  {
    name: 'durability: a repair that failed among others is forgotten',
    file: 'src/durability/jobs/flights.ts',
    find: 'if (this.#failure) throw this.#failure.cause;',
    replace: 'if (!this.#failure) return;',
    tests: ['src/durability/jobs/flights.test.ts'],
  },
  {
    name: 'node: one refused connection says that the owner is dead',
    file: 'src/daemon/cluster/obituary.ts',
    find: 'if (error === this.#first.error || now - this.#first.at < limits.refusedForMs) return false;',
    replace: '',
    tests: ['src/daemon/cluster/obituary.test.ts'],
  },
  {
    name: 'node: silence says that the owner is dead',
    file: 'src/daemon/cluster/obituary.ts',
    find: "?.code === 'ECONNREFUSED';",
    replace: "?.code !== 'none';",
    tests: ['src/daemon/cluster/obituary.test.ts'],
  },
  {
    name: 'log in etcd: ends the ownership of whoever has it now',
    file: 'src/log/etcd/log.ts',
    find: 'if (owner?.epoch === epoch && owner.lease !== 0)',
    replace: 'if (owner !== undefined && owner.lease !== 0)',
    tests: ['src/log/etcd/shared.test.ts'],
    pattern: 'known to be dead',
  },
];
