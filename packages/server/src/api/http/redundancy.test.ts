import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../../errors.ts';
import type { Policy, Redundancy } from '../../metadata/index.ts';
import { parsePolicy, policyJson, policyOf, storedText } from './redundancy.ts';

const forms: readonly (readonly [string, Redundancy])[] = [
  ['copies=3', { copies: 3 }],
  [' copies = 3 ', { copies: 3 }],
  ['3', { copies: 3 }],
  ['{"copies":3}', { copies: 3 }],
  ['8+3', { data: 8, parity: 3 }],
  [' 8 + 3', { data: 8, parity: 3 }],
  ['{ "parity": 3, "data": 8 }', { data: 8, parity: 3 }],
];

test('every form of a redundancy is read, and answered in one', () => {
  for (const [text, redundancy] of forms) {
    assert.deepEqual(parsePolicy(text), redundancy, text);
    const answer = storedText({ redundancy, missing: 0 });
    assert.equal(answer, 'copies' in redundancy ? 'copies=3' : '8+3');
    assert.deepEqual(parsePolicy(answer), redundancy);
  }
  assert.equal(storedText({ redundancy: { copies: 2 }, missing: 1 }), 'copies=2; missing=1');
  assert.equal(storedText({ redundancy: { data: 8, parity: 3 }, missing: undefined }), '8+3; missing=unknown');
});

test('anything else is refused', () => {
  for (const text of [
    '',
    'lots',
    '8+',
    '+3',
    '8+3+1',
    '-1',
    '1.5',
    '1000',
    '{"copies":1.5}',
    '{"copies":"3"}',
    '[3]',
    'null',
    '{"data":8}',
    '{"data":8,"parity":3,"copies":1}',
    '8+3\n4+2',
    'copies=2/8+3',
    'copies=2/8+3/7',
    'copies=2/8+3/7d/1',
    'copies=2/8+3/7y',
    '{"hot":{"copies":2},"cold":{"data":8,"parity":3}}',
    '{"hot":{"copies":2},"cold":{"data":8,"parity":3},"afterIdle":7}',
    '{"hot":{"copies":2},"cold":{"data":8,"parity":3},"afterIdle":"7d","x":1}',
  ])
    assert.throws(
      () => parsePolicy(text),
      (error: StoreError) => error instanceof StoreError && error.code === 'InvalidArgument',
      text,
    );
});

test('hot copies that become a cold code are read in both forms, and told in one', () => {
  const week: Policy = { hot: { copies: 2 }, cold: { data: 8, parity: 3 }, afterIdleMs: 7 * 86_400_000 };
  const json = { hot: { copies: 2 }, cold: { data: 8, parity: 3 }, afterIdle: '1w' };
  assert.deepEqual(parsePolicy('copies=2/8+3/7d'), week);
  assert.deepEqual(parsePolicy(' 2 / 8 + 3 / 168h '), week);
  assert.deepEqual(parsePolicy('{"hot":{"copies":2},"cold":{"data":8,"parity":3},"afterIdle":"7d"}'), week);
  assert.deepEqual(policyJson(week), json);
  assert.deepEqual(policyOf(json), week);
  for (const afterIdleMs of [1, 1500, 90_000, 5_400_000]) {
    const policy: Policy = { ...week, afterIdleMs };
    assert.deepEqual(policyOf(policyJson(policy)), policy);
  }
  assert.deepEqual(policyJson({ copies: 3 }), { copies: 3 });
  assert.throws(() => policyOf({ ...json, afterIdle: 'soon' }), { code: 'InvalidArgument' });
});
