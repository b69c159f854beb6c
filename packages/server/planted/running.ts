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
    find: 'options.has?.(device, fragmentId(id, index)) !== false',
    replace: 'fragmentId(id, index).length > 0',
    tests: ['src/durability/store.test.ts'],
  },
  {
    name: 'objects: the best stripe speaks for the object',
    file: 'src/objects/stored.ts',
    find: 'spare(one) <= spare(worst)',
    replace: 'spare(one) >= spare(worst)',
    tests: ['src/objects/service.test.ts'],
  },
  {
    name: 'objects: the place of a body is not given to the next',
    file: 'src/objects/memory.ts',
    find: 'first.admit(this.#take(next));',
    replace: '',
    tests: ['src/objects/memory.test.ts'],
    pattern: 'whoever comes and goes',
  },
  {
    name: 'objects: many bodies gather as much each as a few',
    file: 'src/objects/memory.ts',
    find: 'floorBytes + spare) / 4',
    replace: 'this.#bytes + 0 * spare) / 4',
    tests: ['src/objects/memory.test.ts'],
  },
  {
    name: 'api: time in which the server stood still counts as waiting for the client',
    file: 'src/api/http/body.ts',
    find: 'Math.min(stepMs, now - this.#waitStart)',
    replace: 'now - this.#waitStart',
    tests: ['src/api/s3/stalls.test.ts'],
    pattern: 'stood still',
  },
  {
    name: 'daemon: what adds may take the last segment of the log',
    file: 'src/daemon/space.ts',
    find: 'this.#log.provided === false ? limits.logLeastSegmentBytes : 0',
    replace: '0',
    tests: ['src/daemon/space.test.ts'],
  },
  {
    name: 'log: no segment is made in the last space of a disk',
    file: 'src/log/embedded/store.ts',
    find: '? this.#smallBytes : this.#leastBytes;',
    replace: '? this.#smallBytes : this.#smallBytes;',
    tests: ['src/log/embedded/faults.test.ts'],
    pattern: 'makes smaller segments when one of full size',
  },
  {
    name: 'objects: memory of plain bytes is given back before they are written',
    file: 'src/objects/intake.ts',
    find: 'this.#rooms.plain ? Math.min(used, this.#sink.plainWritten) : used',
    replace: 'used',
    tests: ['src/objects/intake.test.ts'],
    pattern: 'chunks go back to their maker once, when',
  },
  {
    name: 'metadata: a change of tags of a bucket takes the place of all of them',
    file: 'src/metadata/machine/decide-buckets.ts',
    find: 'changed(command.tags ?? before.tags, command.tagChange)',
    replace: 'changed(command.tags ?? (command.tagChange ? [] : before.tags), command.tagChange)',
    tests: ['src/metadata/bucket-tags.test.ts'],
  },
  {
    name: 'fragments: what cannot be read while an index is made anew is free space',
    file: 'src/fragments/rebuild.ts',
    find: 'heldBytes: hold(kv, space, unreadable)',
    replace: 'heldBytes: unreadable.length * 200_000',
    tests: ['src/fragments/held.test.ts'],
  },
];
