import type { Plant } from './plant.ts';

/* Bugs by which a quota is passed, refuses too much, or counts what is not there. */

const tests = ['src/metadata/quotas.test.ts'];
const near = ['src/metadata/near-quotas.test.ts'];
const decide = 'src/metadata/machine/decide-quotas.ts';
const usage = 'src/metadata/machine/usage.ts';

export const quotaPlants: readonly Plant[] = [
  {
    name: 'quotas: a byte more than is allowed',
    file: decide,
    find: 'held[unit] + adds[unit] <= most) continue;',
    replace: 'held[unit] + adds[unit] <= most + 1) continue;',
    tests,
    pattern: 'same moment together',
  },
  {
    name: 'quotas: what is replaced counts on',
    file: decide,
    find: '      gone(effect, effect.replaces);',
    replace: '',
    tests,
    pattern: 'same moment together',
  },
  {
    name: 'quotas: what adds nothing is refused, too',
    file: decide,
    find: 'adds[unit] <= 0 || ',
    replace: '',
    tests,
    pattern: 'adds nothing',
  },
  {
    name: 'quotas: a part counts twice when it becomes an object',
    file: usage,
    find: 'const bytes = row ? decodeNumber(row) : 0;',
    replace: 'const bytes = row ? 0 : 0;',
    tests,
    pattern: 'counts parts',
  },
  {
    name: 'quotas: what other shards hold does not count',
    file: decide,
    find: 'const [own, elsewhere] = [here.usage(subject), others?.usage(subject)];',
    replace: 'const [own, elsewhere] = [here.usage(subject), undefined as Usage | undefined];',
    tests,
    pattern: 'over several shards',
  },
  {
    name: 'quotas: what was there before a tenant had a quota does not count',
    file: 'src/metadata/machine/quota-view.ts',
    find: '      sum.bytes += bytes;',
    replace: '      sum.bytes += 0 * bytes;',
    tests,
    pattern: 'of a tenant',
  },
  {
    name: 'quotas: what somebody else replaces is counted on for its user',
    file: usage,
    find: '  charge(app, user, by, by * row.size);',
    replace: '  charge(app, user, Math.max(0, by), Math.max(0, by) * row.size);',
    tests,
    pattern: 'of a user counts',
  },
  {
    name: "quotas: a renamed object is nobody's",
    file: decide,
    find: 'return source && quotas.writerOf(source.sequence);',
    replace: 'return source && undefined;',
    tests,
    pattern: 'of a user counts',
  },
  {
    name: 'check: what is charged to users is not held against what they have',
    file: 'src/durability/check/usage.ts',
    find: '(written.get(name) ?? nothing)',
    replace: '(written.size < 0 ? nothing : now)',
    tests: ['src/durability/check/usage.test.ts'],
    pattern: 'counted to have',
  },
  {
    name: 'quotas: near one, all writes of a shard are decided together',
    file: 'src/metadata/near-quotas.ts',
    find: '      await Promise.all(before);\n',
    replace: '',
    tests: near,
    pattern: 'n - 1 writes',
  },
  {
    name: 'quotas: near one, the other shards are not looked at',
    file: 'src/metadata/near-quotas.ts',
    find: '      await this.#options.latest();\n',
    replace: '',
    tests: near,
    pattern: 'n - 1 writes',
  },
  {
    name: 'quotas: what is under way does not count for what is near',
    file: 'src/metadata/near-quotas.ts',
    find: 'limits.quotaNearWrites + this.#underWay * this.#options.shards()',
    replace: 'limits.quotaNearWrites + 0 * this.#underWay',
    tests: near,
    pattern: 'under way counts',
  },
];
