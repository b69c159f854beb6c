import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoreError } from '../errors.ts';
import type { Guard, ObjectVersion } from '../metadata/index.ts';
import { checkRead, checkSource, readOutcome } from './conditions.ts';

const second = 1_700_000_000_000;
const version = {
  etag: Buffer.from('00112233445566778899aabbccddeeff', 'hex'),
  etagParts: 0,
  modifiedMs: second + 400,
};
const good = '"00112233445566778899aabbccddeeff"';
const other = '"ffffffffffffffffffffffffffffffff"';

test('every pair of conditions, in the order of RFC 9110', () => {
  const cases: [Guard, ReturnType<typeof readOutcome>][] = [
    [{}, 'read'],
    [{ ifMatch: good }, 'read'],
    [{ ifMatch: other }, 'failed'],
    [{ ifNoneMatch: good }, 'not modified'],
    [{ ifNoneMatch: other }, 'read'],
    [{ ifModifiedSinceMs: second }, 'not modified'],
    [{ ifModifiedSinceMs: second - 1000 }, 'read'],
    [{ ifUnmodifiedSinceMs: second }, 'read'],
    [{ ifUnmodifiedSinceMs: second - 1000 }, 'failed'],
    // If-Match that holds hides If-Unmodified-Since; one that fails is not saved by it.
    [{ ifMatch: good, ifUnmodifiedSinceMs: second - 1000 }, 'read'],
    [{ ifMatch: other, ifUnmodifiedSinceMs: second }, 'failed'],
    // If-None-Match hides If-Modified-Since, whichever way it goes.
    [{ ifNoneMatch: good, ifModifiedSinceMs: second - 1000 }, 'not modified'],
    [{ ifNoneMatch: other, ifModifiedSinceMs: second }, 'read'],
    // The first pair is decided first.
    [{ ifMatch: other, ifNoneMatch: good }, 'failed'],
    [{ ifMatch: good, ifNoneMatch: good }, 'not modified'],
    [{ ifUnmodifiedSinceMs: second - 1000, ifModifiedSinceMs: second }, 'failed'],
  ];
  for (const [guard, outcome] of cases) assert.equal(readOutcome(guard, version), outcome, JSON.stringify(guard));
});

test('a read that is not modified and one that failed are different errors, on a copy source both are one', () => {
  const whole = version as ObjectVersion;
  const code = (run: () => void): string | undefined => {
    try {
      run();
      return undefined;
    } catch (error) {
      return (error as StoreError).code;
    }
  };
  assert.equal(
    code(() => checkRead({ ifNoneMatch: good }, whole)),
    'NotModified',
  );
  assert.equal(
    code(() => checkRead({ ifMatch: other }, whole)),
    'PreconditionFailed',
  );
  assert.equal(
    code(() => checkRead(undefined, whole)),
    undefined,
  );
  assert.equal(
    code(() => checkSource({ ifNoneMatch: good }, whole)),
    'PreconditionFailed',
  );
  assert.equal(
    code(() => checkSource({ ifModifiedSinceMs: second }, whole)),
    'PreconditionFailed',
  );
  assert.equal(
    code(() => checkSource({ ifMatch: good }, whole)),
    undefined,
  );
});

test('lists, bare ones and any; weak ones only where nothing is written', () => {
  for (const list of [good, `${other}, ${good}`, good.slice(1, -1), '*', ` ${good} `]) {
    assert.equal(readOutcome({ ifMatch: list }, version), 'read', list);
    assert.equal(readOutcome({ ifNoneMatch: list }, version), 'not modified', list);
  }
  for (const list of [other, '', '""', `${other},${other}`]) {
    assert.equal(readOutcome({ ifMatch: list }, version), 'failed', list);
    assert.equal(readOutcome({ ifNoneMatch: list }, version), 'read', list);
  }
  assert.equal(readOutcome({ ifMatch: `W/${good}` }, version), 'failed');
  assert.equal(readOutcome({ ifNoneMatch: `W/${good}` }, version), 'not modified');
  assert.equal(readOutcome({ ifMatch: `${good.slice(0, -1)}-2"` }, { ...version, etagParts: 2 }), 'read');
});
