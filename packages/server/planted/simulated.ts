import type { Plant } from './plant.ts';

/*
 * Bugs between rooms and between nodes, which show only where a whole store runs: the simulator finds them. The seed that does stands with
 * each; the comment says the how many-th seed of a cluster it was, of so many operations each, counted from seed 1.
 */

const simulated = (seed: number, operations = 200) => ({
  tests: ['simulator/seeds.test.ts'],
  env: { DSOM_SIMULATE_SEEDS: `${seed}-${seed}`, DSOM_SIMULATE_OPERATIONS: String(operations) },
});

export const simulatedPlants: readonly Plant[] = [
  // The 1st.
  {
    name: 'simulated: a strong read skips the barrier',
    file: 'src/daemon/cluster/gate.ts',
    find: 'latest: async () => applied(await log.barrier()),',
    replace: 'latest: async () => {},',
    ...simulated(2),
  },
  {
    name: 'simulated: a causal read does not wait for what its session saw',
    file: 'src/daemon/cluster/gate.ts',
    find: '(await log.barrier()),\n    async reached(position) {',
    replace: '(await log.barrier()),\n    async reached(position) {\n      if (position >= 0) return;',
    ...simulated(42),
  },
  // The 6th.
  {
    name: 'simulated: a proposal that is sent again has another id',
    file: 'src/daemon/cluster/shard.ts',
    find: 'await this.#once(command, request,',
    replace: 'await this.#once(command, host.entropy.bytes(request.length),',
    ...simulated(22),
  },
  // The 26th.
  {
    name: 'simulated: a node answers a change before it shows it',
    file: 'src/daemon/cluster/shard.ts',
    find: 'await this.#applied(outcome.position,',
    replace: 'if (began < 0) await this.#applied(outcome.position,',
    ...simulated(65),
  },
  // The 8th.
  {
    name: 'simulated: two fragments of a stripe lie on one node',
    file: 'src/daemon/cluster/layout.ts',
    find: '      node: device.node,\n      zone:',
    replace: '      zone:',
    ...simulated(25),
  },
  // The 3rd.
  {
    name: 'simulated: a change whose append was not heard of counts as refused',
    file: 'src/metadata/owner.ts',
    find: "if (term) throw new TermOver('the append failed', true, error);",
    replace: "if (term) throw new NotLogged(new StoreError('SlowDown'));",
    ...simulated(22),
  },
  // The 42nd of 500 operations: recovery itself leaves most of them out.
  {
    name: 'simulated: what recovery found of a dead writer of another node stays',
    file: 'src/durability/jobs/strays.ts',
    find: 'if (strays.length > 0) await store.remove(strays);',
    replace: '',
    ...simulated(101, 500),
  },
  // The 1st.
  {
    name: 'simulated: a replica goes on following while it leads',
    file: 'src/metadata/open.ts',
    find: '    await this.#following.stop();\n    const before',
    replace: '    const before',
    ...simulated(2),
  },
  // The 45th.
  {
    name: 'simulated: a node counts as empty while bytes are on it',
    file: 'src/daemon/cluster/admin.ts',
    find: 'done: emptied && each.every(',
    replace: 'done: true || each.every(',
    ...simulated(110),
  },
  // The 2nd.
  {
    name: 'simulated: a list is read of the first of several shards alone',
    file: 'src/metadata/sharded/reader.ts',
    find: 'const shards = this.shardsOf(query.bucket)\n      .map(',
    replace: 'const shards = this.shardsOf(query.bucket)\n      .slice(0, 1)\n      .map(',
    ...simulated(6),
  },
  // The 1st in which a redundancy changes.
  {
    name: 'simulated: what is kept in another way than asked stays so',
    file: 'src/objects/recode.ts',
    find: 'if (wrong.length === 0) continue;',
    replace: 'if (wrong.length >= 0) continue;',
    ...simulated(1),
  },
  // Those of the buckets with rules: the first seed that has them, of one machine, and the next such for the last.
  {
    name: 'simulated: a lifecycle takes what governance locks',
    file: 'src/objects/lifecycle/act.ts',
    find: '      items,\n      ...leaving(rooms, bucket),',
    replace: '      items,\n      bypasses: true,\n      ...leaving(rooms, bucket),',
    ...simulated(9),
  },
  {
    name: 'simulated: a legal hold gives way to who bypasses governance',
    file: 'src/metadata/machine/locks.ts',
    find: 'if (lock.legalHold) throw locked();',
    replace: 'if (lock.legalHold && !bypasses) throw locked();',
    ...simulated(9),
  },
  {
    name: 'simulated: what a write adds is not held against its quota',
    file: 'src/metadata/machine/decide-quotas.ts',
    find: 'held[unit] + adds[unit] <= most) continue;',
    replace: 'held[unit] < most) continue;',
    ...simulated(9),
  },
  {
    name: 'simulated: a lifecycle takes keys behind the prefix of its rule',
    file: 'src/objects/lifecycle/compile.ts',
    find: '&& key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0;',
    replace: '&& key.compare(prefix, 0, prefix.length, 0, prefix.length) >= 0;',
    ...simulated(9),
  },
  {
    name: 'simulated: a lifecycle looks on the first day only',
    file: 'src/objects/lifecycle/pass.ts',
    find: 'const today = (): number => Math.floor(host.clock.now() / dayMs);',
    replace: 'const first = Math.floor(host.clock.now() / dayMs);\n  const today = (): number => first;',
    ...simulated(9),
  },
  {
    name: 'simulated: whoever writes only where there is nothing writes anyway',
    file: 'src/metadata/machine/guards.ts',
    find: '    if (current && namesEtag(guard.ifNoneMatch, ',
    replace: "    if (current && guard.ifNoneMatch !== '*' && namesEtag(guard.ifNoneMatch, ",
    ...simulated(9),
  },
  {
    name: 'simulated: parts count on when they have become an object',
    file: 'src/metadata/machine/usage.ts',
    find: 'const bytes = row ? decodeNumber(row) : 0;',
    replace: 'const bytes = row ? 0 : 0;',
    ...simulated(20),
  },
  // The 54th in which shards come while the cluster runs.
  {
    name: 'simulated: a read at strong waits for the new place of a key alone',
    file: 'src/daemon/cluster/gate.ts',
    find: 'reader.placesOf(bucket.id, key)',
    replace: 'reader.placesOf(bucket.id, key).slice(0, 1)',
    ...simulated(352),
  },
  // The 1st in which three nodes are put into other zones, and nothing is evened out.
  {
    name: 'simulated: new stripes go to groups that lie in one zone although there are several',
    file: 'src/durability/groups.ts',
    find: 'const even = leastBy(groups, inOneZone);',
    replace: 'const even = groups.filter((group) => inOneZone(group) > 0);',
    ...simulated(110),
  },
  {
    name: 'simulated: groups of a time with fewer zones are told to survive what new ones do',
    file: 'src/placement/layout.ts',
    find: 'zones: Math.min(survives.zones, lost.zones),',
    replace: 'zones: survives.zones,',
    ...simulated(125),
  },
];
