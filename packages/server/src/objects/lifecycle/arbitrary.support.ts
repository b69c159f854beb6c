import fc from 'fast-check';
import type { Lifecycle, LifecycleRule, RuleFilter, When } from './rules.ts';

/* Random rules and histories over few keys, tags, classes and days, so that rules meet each other. */

export const dayMs = 1000;
export const classes = [
  'STANDARD',
  'STANDARD_IA',
  'REDUCED_REDUNDANCY',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'COLD',
  'FROZEN',
];
const named = [...classes.slice(1, 2), ...classes.slice(3), 'ONEZONE_IA', 'GLACIER_IR'];
const sizes = [0, 1, 100, 131_071, 131_072, 1_000_000];

export const tagsArbitrary = fc.subarray([
  ['a', '1'],
  ['b', '2'],
  ['c', ''],
] as [string, string][]);

const filter: fc.Arbitrary<RuleFilter> = fc.record({
  prefix: fc.constantFrom('', 'a', 'ab', 'abc', 'b', 'abd', 'a/').map((text) => Buffer.from(text)),
  tags: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: tagsArbitrary }),
  sizeAbove: fc.option(fc.constantFrom(0, 99, 131_071), { nil: undefined, freq: 1 }),
  sizeBelow: fc.option(fc.constantFrom(1, 131_072, 2_000_000), { nil: undefined, freq: 1 }),
});
const days = fc.integer({ min: 0, max: 6 });
const when: fc.Arbitrary<When> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ days }) },
  { weight: 1, arbitrary: fc.record({ dateMs: fc.integer({ min: 0, max: 10 }).map((day) => day * dayMs) }) },
);
const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined });
const newer = fc.integer({ min: 0, max: 3 });

/** A rule names a class once for each kind of transition. */
const selector = ({ storageClass }: { readonly storageClass: string }): string => storageClass;

const rule: fc.Arbitrary<LifecycleRule> = fc.record({
  id: fc.uuid(),
  enabled: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  filter: fc.oneof(
    { weight: 1, arbitrary: filter },
    { weight: 1, arbitrary: filter.map((one) => ({ ...one, tags: [], sizeAbove: undefined, sizeBelow: undefined })) },
  ),
  expiration: maybe(
    fc.oneof(
      { weight: 3, arbitrary: when },
      { weight: 1, arbitrary: fc.constantFrom('marker' as const, 'none' as const) },
    ),
  ),
  transitions: fc.uniqueArray(fc.record({ when, storageClass: fc.constantFrom(...named) }), { maxLength: 3, selector }),
  noncurrentExpiration: maybe(fc.record({ days, newer })),
  noncurrentTransitions: fc.uniqueArray(fc.record({ days, newer, storageClass: fc.constantFrom(...named) }), {
    maxLength: 2,
    selector,
  }),
  abortDays: maybe(days),
});

export const lifecycleArbitrary: fc.Arbitrary<Lifecycle> = fc.record({
  minimum: fc.constantFrom('all_storage_classes_128K', 'varies_by_storage_class'),
  rules: fc.array(rule, { minLength: 1, maxLength: 5 }),
});

export const versionArbitrary = fc.record({
  isMarker: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  isNull: fc.boolean(),
  modifiedMs: fc.integer({ min: 0, max: 9000 }),
  size: fc.constantFrom(...sizes),
  storageClass: fc.constantFrom(...classes),
  tags: tagsArbitrary,
});

/** A rule that asks for nothing but what is said. */
export const ruleOf = (more: Partial<LifecycleRule>): LifecycleRule => ({
  id: 'r',
  enabled: true,
  filter: { prefix: Buffer.alloc(0), tags: [], sizeAbove: undefined, sizeBelow: undefined },
  expiration: undefined,
  transitions: [],
  noncurrentExpiration: undefined,
  noncurrentTransitions: [],
  abortDays: undefined,
  ...more,
});
