import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { History } from './history.ts';
import { never, type Write } from './seen.ts';

const write = (number: number, start: number, end: number, what: string): Write => ({
  kind: 'write',
  start,
  end,
  value: end === never ? undefined : `w${number}/238`,
  order: undefined,
  what,
  write: number,
  removes: false,
  refused: false,
});

const line = (end: number) => ({
  etag: 'e',
  size: 238,
  read: { kind: 'read', start: end - 1, end, order: undefined, what: 'list' } as const,
});

describe('what a list saw', () => {
  it('is the value with that ETag and size', () => {
    const history = new History();
    const key = history.of('plain', 'k');
    key.writes.push(write(1, 1, 2, 'put 1'));
    history.learnEtag(key.name, 'e', 'w1/238');
    history.learnEtag(key.name, 'e', 'w1/500');
    history.sawListed(key.name, line(4));
    history.settleLists();
    assert.deepEqual(
      key.reads.map(({ value, end }) => [value, end]),
      [['w1/238', 4]],
    );
  });

  // Seed 175 of 200 operations: the list ended before the second copy did, whose ETag was learned only then.
  it('is not decided where another copy of the same bytes is learned later', () => {
    const history = new History();
    const key = history.of('plain', 'k');
    key.writes.push(write(1, 1, 2, 'copy 1'), write(2, 3, 6, 'copy 2'));
    history.learnEtag(key.name, 'e', 'w1/238');
    history.sawListed(key.name, line(5));
    history.learnEtag(key.name, 'e', 'w2/238');
    history.settleLists();
    assert.deepEqual(key.reads, []);
  });

  it('is not decided after the beginning of a copy whose outcome its client never learned', () => {
    const history = new History();
    const key = history.of('plain', 'k');
    key.writes.push(write(1, 1, 2, 'put 1'), write(2, 5, never, 'c1 +0 copy 2 plain/k from=plain/l'));
    history.learnEtag(key.name, 'e', 'w1/238');
    for (const end of [4, 7]) history.sawListed(key.name, line(end));
    history.settleLists();
    assert.deepEqual(
      key.reads.map(({ end }) => end),
      [4],
    );
  });

  it('is not decided where the value was made of one that nobody learned of', () => {
    const history = new History();
    const key = history.of('plain', 'k');
    key.writes.push(write(1, 1, never, 'c1 +0 put 1 plain/k'), write(2, 6, 7, 'c1 +0 patch 2 plain/k'));
    history.learnEtag(key.name, 'e', 'w2/238');
    history.sawListed(key.name, line(5));
    history.settleLists();
    assert.deepEqual(key.reads, []);
  });
});
