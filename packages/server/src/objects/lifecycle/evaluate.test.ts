import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { classes, dayMs, lifecycleArbitrary, ruleOf, versionArbitrary } from './arbitrary.support.ts';
import { compileLifecycle } from './compile.ts';
import { abortionOf, type Candidate, dueAfter, evaluate, expirationOf, type Moment } from './evaluate.ts';
import { type NaiveVersion, naively } from './naive.support.ts';
import type { LifecycleRule } from './rules.ts';

const day = 86_400_000;
const isClass = (name: string) => classes.includes(name);

/** All versions of a key as the pass would meet them. */
function candidates(key: string, versions: readonly NaiveVersion[]): Candidate[] {
  let newer = 0;
  return versions.map((version, index) => {
    const place: Candidate['standing'] =
      index === 0
        ? { place: 'current', alone: versions.length === 1 }
        : { place: 'noncurrent', sinceMs: versions[index - 1]!.modifiedMs, newer };
    if (index > 0 && !version.isMarker) newer += 1;
    return { ...version, key: Buffer.from(key), standing: place };
  });
}

const version: NaiveVersion = {
  isMarker: false,
  isNull: false,
  modifiedMs: Date.UTC(2014, 0, 15, 10, 30),
  size: 200_000,
  storageClass: 'STANDARD',
  tags: [],
};
const moment = (nowMs: number, versioning: Moment['versioning'] = 'enabled'): Moment => ({
  nowMs,
  dayMs: day,
  versioning,
  isClass,
});
const compiled = (...rules: LifecycleRule[]) => compileLifecycle({ minimum: 'all_storage_classes_128K', rules });
const text = (action: ReturnType<typeof evaluate>) =>
  action === undefined ? 'none' : action.type === 'transition' ? `→${action.storageClass}` : action.type;

describe('the evaluator of lifecycles', () => {
  it('says of every version of random histories what the naive one says', () => {
    fc.assert(
      fc.property(
        lifecycleArbitrary,
        fc.constantFrom('off', 'enabled', 'suspended'),
        fc.constantFrom('a', 'ab', 'abc', 'abcd', 'b', 'abd/x', 'a/b', 'c', ''),
        fc.array(versionArbitrary, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 0, max: 12_000 }),
        (lifecycle, versioning, key, some, laterMs) => {
          const versions = [...some].sort((a, b) => b.modifiedMs - a.modifiedMs);
          const nowMs = versions[0]!.modifiedMs + laterMs;
          const rules = compileLifecycle(lifecycle);
          const seen = candidates(key, versions).map((one) =>
            text(evaluate(rules, one, { nowMs, dayMs, versioning, isClass })),
          );
          assert.deepEqual(seen, naively({ lifecycle, versioning, key, versions, nowMs, dayMs, classes }));
        },
      ),
      { numRuns: 10_000 },
    );
  });

  it('finds the rules of a key among a thousand prefixes as one look at each does', () => {
    const prefix = fc.string({ unit: fc.constantFrom('a', 'b', '\xff'), maxLength: 6 });
    fc.assert(
      fc.property(fc.array(prefix, { maxLength: 60 }), fc.array(prefix, { maxLength: 20 }), (prefixes, keys) => {
        const rules = prefixes.map((one, at) =>
          ruleOf({ id: String(at), filter: { ...ruleOf({}).filter, prefix: Buffer.from(one, 'latin1') } }),
        );
        const set = compiled(...rules);
        for (const key of keys) {
          const found = set.at(Buffer.from(key, 'latin1'))?.rules ?? [];
          const wanted = rules.filter((_, at) => key.startsWith(prefixes[at]!));
          assert.deepEqual(new Set(found.map(({ id }) => id)), new Set(wanted.map(({ id }) => id)));
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('rounds days up to the next midnight, as in the documented example', () => {
    assert.equal(dueAfter(Date.UTC(2014, 0, 15, 10, 30), 3, day), Date.UTC(2014, 0, 19));
    assert.equal(dueAfter(Date.UTC(2014, 0, 15), 3, day), Date.UTC(2014, 0, 18));
    assert.equal(
      dueAfter(0, 2 ** 31 - 1, day),
      Date.UTC(9999, 11, 31),
      'what is never due has a date that can be told',
    );
    const [one] = candidates('k', [version]);
    const rules = compiled(ruleOf({ expiration: { days: 3 } }));
    assert.equal(evaluate(rules, one!, moment(Date.UTC(2014, 0, 19) - 1)), undefined);
    assert.equal(evaluate(rules, one!, moment(Date.UTC(2014, 0, 19)))?.type, 'expire');
  });

  it('takes the earliest of several expirations, for the answer header too', () => {
    const rules = compiled(
      ruleOf({ id: 'long', expiration: { days: 300 } }),
      ruleOf({ id: 'short', expiration: { days: 3 } }),
      ruleOf({ id: 'tagged', expiration: { days: 1 }, filter: { ...ruleOf({}).filter, tags: [['a', 'b']] } }),
    );
    const due = expirationOf(rules.at(Buffer.from('k'))!, version, day);
    assert.deepEqual([due?.rule.id, due?.dueMs], ['short', Date.UTC(2014, 0, 19)]);
    const tagged = expirationOf(rules.at(Buffer.from('k'))!, { ...version, tags: [['a', 'b']] }, day);
    assert.equal(tagged?.rule.id, 'tagged');
  });

  it('removes for good before it moves, and moves before it marks', () => {
    const rules = compiled(
      ruleOf({ expiration: { days: 1 }, transitions: [{ when: { days: 0 }, storageClass: 'STANDARD_IA' }] }),
    );
    const [one] = candidates('k', [version]);
    const late = version.modifiedMs + 10 * day;
    assert.equal(text(evaluate(rules, one!, moment(late, 'off'))), 'expire');
    assert.equal(text(evaluate(rules, one!, moment(late, 'enabled'))), '→STANDARD_IA');
    const [moved] = candidates('k', [{ ...version, storageClass: 'STANDARD_IA' }]);
    assert.equal(text(evaluate(rules, moved!, moment(late, 'enabled'))), 'expire');
  });

  it('aborts uploads by the prefix alone', () => {
    const rules = compiled(
      ruleOf({ abortDays: 7 }),
      ruleOf({ abortDays: 2 }),
      ruleOf({ enabled: false, abortDays: 1 }),
    );
    const due = abortionOf(rules.at(Buffer.from('k'))!, version.modifiedMs, day);
    assert.equal(due?.dueMs, Date.UTC(2014, 0, 18));
    assert.equal(rules.ofUploads, true);
    assert.equal(rules.ofVersions, false);
  });
});
