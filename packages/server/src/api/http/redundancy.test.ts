import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../../errors.ts';
import type { Redundancy } from '../../metadata/index.ts';
import { parseRedundancy, storedText } from './redundancy.ts';

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
    assert.deepEqual(parseRedundancy(text), redundancy, text);
    const answer = storedText({ redundancy, missing: 0 });
    assert.equal(answer, 'copies' in redundancy ? 'copies=3' : '8+3');
    assert.deepEqual(parseRedundancy(answer), redundancy);
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
  ])
    assert.throws(
      () => parseRedundancy(text),
      (error: StoreError) => error instanceof StoreError && error.code === 'InvalidArgument',
      text,
    );
  assert.throws(() => parseRedundancy('{"hot":{"copies":2},"cold":{"data":8,"parity":3}}'), {
    code: 'UnsupportedRedundancy',
  });
});
