import type { Plant } from './plant.ts';

/*
 * Bugs between rooms and between nodes, which show only where a whole store runs: the simulator finds them. The seed that does stands with
 * each; the comment says how many seeds of a cluster came before it, of 200 operations each, counted from seed 1.
 */

const simulated = (seed: number) => ({
  tests: ['simulator/seeds.test.ts'],
  env: { DSOM_SIMULATE_SEEDS: `${seed}-${seed}`, DSOM_SIMULATE_OPERATIONS: '200' },
});

export const simulatedPlants: readonly Plant[] = [
  // The 5th.
  {
    name: 'cluster: a strong read skips the barrier',
    file: 'simulator/cluster/cluster.ts',
    find: 'barrier: () => member.barrier(),',
    replace: 'barrier: async () => {},',
    ...simulated(13),
  },
  // The 1st.
  {
    name: 'cluster: a proposal that is sent again has another id',
    file: 'simulator/cluster/proposer.ts',
    find: 'const outcome = await once(command, request);',
    replace: 'const outcome = await once(command, life.host.entropy.bytes(request.length));',
    ...simulated(2),
  },
  // The 1st whose nodes have two devices.
  {
    name: 'cluster: two fragments of a stripe lie on one node',
    file: 'simulator/cluster/member.ts',
    find: 'healthy: true, node }',
    replace: 'healthy: true }',
    ...simulated(2),
  },
  // The 7th.
  {
    name: 'metadata: a change whose append was not heard of counts as refused',
    file: 'src/metadata/owner.ts',
    find: "if (term) throw new TermOver('the append failed', true, error);",
    replace: "if (term) throw new NotLogged(new StoreError('SlowDown'));",
    ...simulated(24),
  },
  // Seed 62 is the first of all.
  {
    name: 'cluster: what recovery found of a dead writer of another node stays',
    file: 'simulator/cluster/member.ts',
    find: 'if (strays.length > 0) await store.remove(strays);',
    replace: '',
    ...simulated(62),
  },
  // The 1st.
  {
    name: 'metadata: a replica goes on following while it leads',
    file: 'src/metadata/open.ts',
    find: '    await this.#following.stop();\n    const before',
    replace: '    const before',
    ...simulated(2),
  },
];
