import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../../errors.ts';
import type { Redundancy } from '../../metadata/index.ts';
import { parseRedundancy, pushRedundancy } from './redundancy.ts';

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
    const headers: string[] = [];
    pushRedundancy(headers, redundancy);
    assert.deepEqual(headers, ['x-dsom-redundancy', 'copies' in redundancy ? 'copies=3' : '8+3']);
    assert.deepEqual(parseRedundancy(headers[1] as string), redundancy);
  }
  const none: string[] = [];
  pushRedundancy(none, undefined);
  assert.deepEqual(none, []);
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
