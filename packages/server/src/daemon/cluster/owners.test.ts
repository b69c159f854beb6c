import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limits } from '../../limits.ts';
import { preferredOwner } from './owners.ts';

const node = (id: string, more: object = {}) =>
  ({ id, state: 'active', roles: ['metadata'] as const, ...more }) as const;
const nodes = [node('c'), node('a'), node('b')];
const seen = (id: string, ...shards: readonly number[]) => ({ id, state: { shards } });

describe('the node that should own a shard', () => {
  it('is another one for the next shard, and the same whoever asks', () => {
    const all = [seen('a', 9, 9, 9, 9), seen('b', 9, 9, 9, 9), seen('c', 9, 9, 9, 9)];
    for (const me of ['a', 'b', 'c']) {
      const others = all.filter(({ id }) => id !== me);
      assert.deepEqual(
        [1, 2, 3, 4].map((shard) => preferredOwner(shard, me, nodes, others, 9)),
        ['b', 'c', 'a', 'b'],
      );
    }
  });

  it('is none that does not answer, is far behind, has not got the shard, or may not', () => {
    const behind = limits.yieldEntries + 10;
    for (const others of [[{ id: 'b', state: undefined }], [seen('b', 5)], [{ id: 'b', state: {} }]])
      assert.equal(preferredOwner(1, 'a', [node('a'), node('b')], others, behind), 'a');
    assert.equal(preferredOwner(1, 'a', [node('a'), node('b', { roles: ['storage'] })], [seen('b', 9)], 9), 'a');
    assert.equal(preferredOwner(1, 'a', [node('a'), node('b', { state: 'removed' })], [seen('b', 9)], 9), 'a');
    assert.equal(preferredOwner(1, 'a', [node('a'), node('b')], [seen('b', 9)], 9), 'b');
  });
});
