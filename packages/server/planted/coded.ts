import type { Plant } from './plant.ts';

/* Bugs in coded stripes and hedged reads. */

const stripes = ['src/durability/coded/coded.test.ts'];
const jobs = ['src/durability/coded/jobs.test.ts'];
const hedges = ['src/durability/hedge.test.ts'];

export const codedPlants: readonly Plant[] = [
  {
    name: 'coded: parity is computed over what an earlier round left behind',
    file: 'src/durability/coded/writer.ts',
    find: 'if (index < data) bytes.fill(0, lengths[index]);',
    replace: 'if (index < 0) bytes.fill(0, lengths[index]);',
    tests: [...stripes, ...jobs],
    pattern: 'whatever is written, deleted, damaged and',
  },
  {
    name: 'coded: the last round is as long as a full one',
    file: 'src/durability/coded/striping.ts',
    find: 'Math.max(0, stored - rows * row - before)',
    replace: 'Math.max(0, stored - rows * row)',
    tests: ['src/durability/coded/striping.test.ts'],
  },
  {
    name: 'coded: a trailer says how long the last round was',
    file: 'src/durability/coded/writer.ts',
    find: 'const stored = this.#before + this.#filled;',
    replace: 'const stored = this.#filled;',
    tests: [...stripes, ...jobs],
    pattern: 'whatever is lost or flipped within the parity',
  },
  {
    name: 'coded: a trailer of any stripe will do',
    file: 'src/durability/coded/trailer.ts',
    find: 'crc32c(stripe.subarray(0, stripeIdBytes - 1))',
    replace: 'crc32c(stripe.subarray(0, 0), stripeIdBytes)',
    tests: ['src/durability/coded/striping.test.ts'],
  },
  {
    name: 'coded: a rebuilt range is made of unverified fragments',
    file: 'src/durability/coded/sources.ts',
    find: 'const word = from.read(fragmentId(id, index), start, there)',
    replace: 'const word = from.fetch(fragmentId(id, index), start, there)',
    tests: [...stripes, ...jobs],
  },
  {
    name: 'coded: a fragment that failed is not replaced by another',
    file: 'src/durability/coded/sources.ts',
    find: '            begin();\n            settle();',
    replace: '            settle();',
    tests: stripes,
  },
  {
    name: 'coded: a stripe may lose a fragment at its writing though the code bears one loss only',
    file: 'src/durability/scheme.ts',
    find: 'return count - neededCount(redundancy) >= 2',
    replace: "return ('data' in redundancy ? 2 : count - neededCount(redundancy)) >= 2",
    tests: stripes,
  },
  {
    name: 'coded: a repair takes a fragment of a wrong length for a source',
    file: 'src/durability/coded/repair.ts',
    find: 'lengths[at] === fragmentBytes(code, stored, at) + trailerBytes',
    replace: "typeof lengths[at] === 'number' && stored > 0",
    tests: jobs,
  },
  {
    name: 'coded: a distrusted fragment is rewritten from others that disagree',
    file: 'src/durability/coded/repair.ts',
    find: 'if (isChecked && !agrees(',
    replace: 'if (!isChecked && !agrees(',
    tests: stripes,
  },
  {
    name: 'coded: a device that cannot be reached holds damaged fragments',
    file: 'src/durability/findings.ts',
    find: 'if (error instanceof DeviceUnreachable) this.away.add(device);',
    replace: 'if (error instanceof TypeError) this.away.add(device);',
    tests: stripes,
  },
  {
    name: 'coded: the cross-check is content with one fragment',
    file: 'src/durability/check/reach.ts',
    find: 'if (reachable >= (code?.data ?? 1) ||',
    replace: 'if (reachable >= 1 ||',
    tests: jobs,
  },
  {
    name: 'coded: stripes of every size are coded',
    file: 'src/durability/scheme.ts',
    find: "'data' in redundancy && maximum <= unit ?",
    replace: "'data' in redundancy && maximum < 0 && unit ?",
    tests: stripes,
  },
  {
    name: 'hedging: the budget is not paid from',
    file: 'src/durability/hedge.ts',
    find: 'this.#budget -= 1;',
    replace: 'this.#budget -= 0;',
    tests: hedges,
  },
  {
    name: 'hedging: a failed second read ends the first one too',
    file: 'src/durability/hedge.ts',
    find: 'second.then(resolve, () => undefined);',
    replace: 'second.then(resolve, reject);',
    tests: hedges,
  },
];
