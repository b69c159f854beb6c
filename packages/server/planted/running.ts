import type { Plant } from './plant.ts';

/* Bugs in what a running server says of itself, and in how it ends. */

export const daemonPlants: readonly Plant[] = [
  {
    name: 'daemon: what lacks is said to be nothing when it is not known',
    file: 'src/daemon/readiness.ts',
    find: "degraded: ['what lacks is not known: the owner of the log did not answer'],",
    replace: 'degraded: [],',
    tests: ['src/daemon/readiness.test.ts'],
  },
  {
    name: 'durability: a copy that its device does not have counts as there',
    file: 'src/durability/store.ts',
    find: "typeof lengthOf(store, fragmentId(id, copy)) === 'number'",
    replace: 'fragmentId(id, copy).length > 0',
    tests: ['src/durability/store.test.ts'],
  },
  {
    name: 'objects: the best stripe speaks for the object',
    file: 'src/objects/stored.ts',
    find: 'copies - missing < worst.copies - (worst.missing ?? 0)',
    replace: 'copies - missing > worst.copies - (worst.missing ?? 0)',
    tests: ['src/objects/service.test.ts'],
  },
];
