import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { etagListed, judge, rangeStillHolds, readConditions } from './conditions.ts';

const etag = '0123456789abcdef0123456789abcdef';
const modified = Date.UTC(2024, 0, 2, 3, 4, 5, 678);
const second = Date.UTC(2024, 0, 2, 3, 4, 5);

describe('conditions', () => {
  it('are absent when no header is there, and dates that do not parse count as absent', () => {
    assert.equal(readConditions({ host: 'x' }), undefined);
    assert.deepEqual(readConditions({ 'if-modified-since': 'yesterday' }), {});
    assert.deepEqual(readConditions({ 'if-match': 'a', 'if-modified-since': 'Tue, 02 Jan 2024 03:04:05 GMT' }), {
      ifMatch: 'a',
      ifModifiedSinceMs: second,
    });
  });

  it('name ETags with or without quotes, in lists, weak ones and all', () => {
    for (const list of ['*', etag, `"${etag}"`, `"x", "${etag}"`, `W/"${etag}"`, `x,${etag}`])
      assert.equal(etagListed(list, etag), true, list);
    for (const list of ['', '""', `"${etag}`, `${etag}0`, `"${etag}-2"`, '**'])
      assert.equal(etagListed(list, etag), false, list);
  });

  const good = `"${etag}"`;
  const rows: readonly [Parameters<typeof judge>[0], ReturnType<typeof judge>][] = [
    [{}, 'proceed'],
    [{ ifMatch: good }, 'proceed'],
    [{ ifMatch: '"no"' }, 'If-Match'],
    [{ ifNoneMatch: good }, 'not-modified'],
    [{ ifNoneMatch: '*' }, 'not-modified'],
    [{ ifNoneMatch: '"no"' }, 'proceed'],
    [{ ifModifiedSinceMs: second }, 'not-modified'],
    [{ ifModifiedSinceMs: second - 1000 }, 'proceed'],
    [{ ifUnmodifiedSinceMs: second }, 'proceed'],
    [{ ifUnmodifiedSinceMs: second - 1000 }, 'If-Unmodified-Since'],
    // An ETag decides, and the date beside it is not looked at.
    [{ ifMatch: good, ifUnmodifiedSinceMs: 0 }, 'proceed'],
    [{ ifNoneMatch: '"no"', ifModifiedSinceMs: second }, 'proceed'],
    [{ ifMatch: '"no"', ifNoneMatch: good }, 'If-Match'],
    [{ ifMatch: good, ifNoneMatch: good }, 'not-modified'],
  ];
  for (const [conditions, expected] of rows) {
    it(`${JSON.stringify(conditions)} → ${expected}`, () => assert.equal(judge(conditions, etag, modified), expected));
  }

  it('If-Range holds for the very same representation only', () => {
    assert.equal(rangeStillHolds(good, etag, modified), true);
    assert.equal(rangeStillHolds(`W/${good}`, etag, modified), false);
    assert.equal(rangeStillHolds('"no"', etag, modified), false);
    assert.equal(rangeStillHolds('Tue, 02 Jan 2024 03:04:05 GMT', etag, modified), true);
    assert.equal(rangeStillHolds('Tue, 02 Jan 2024 03:04:06 GMT', etag, modified), false);
  });
});
