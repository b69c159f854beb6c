import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limits } from '../../limits.ts';
import { preferredOwner } from './owners.ts';

const node = (id: string, more: object = {}) =>
  ({ id, state: 'active', roles: ['metadata'] as const, ...more }) as const;
const nodes = [node('c'), node('a'), node('b')];
const seen = (id: string, shards: readonly number[], leadsEtcd = false) => ({ id, state: { shards, leadsEtcd } });
const me = (id: string, applied = 9, leadsEtcd = false) => ({ id, applied, leadsEtcd });
const all = [9, 9, 9, 9];

/** As each node sees it. */
const seenByEach = (shard: number, leader?: string) =>
  ['a', 'b', 'c'].map((id) => {
    const others = ['a', 'b', 'c'].filter((one) => one !== id).map((one) => seen(one, all, one === leader));
    return preferredOwner(shard, me(id, 9, id === leader), nodes, others);
  });

describe('the node that should own a shard', () => {
  it('is another one for the next shard, and the same whoever asks', () => {
    for (const [shard, owner] of [
      [1, 'b'],
      [2, 'c'],
      [3, 'a'],
      [4, 'b'],
    ] as const)
      assert.deepEqual(seenByEach(shard), [owner, owner, owner]);
  });

  it('is not the one whose member leads etcd, as long as there is another', () => {
    for (const [shard, owner] of [
      [1, 'c'],
      [2, 'a'],
      [3, 'c'],
      [4, 'a'],
    ] as const)
      assert.deepEqual(seenByEach(shard, 'b'), [owner, owner, owner]);
    assert.equal(preferredOwner(1, me('a', 9, true), [node('a')], []), 'a');
  });

  it('is none that does not answer, is far behind, has not got the shard, or may not', () => {
    const two = [node('a'), node('b')];
    const behind = limits.yieldEntries + 10;
    for (const others of [[{ id: 'b', state: undefined }], [seen('b', [5])], [{ id: 'b', state: {} }]])
      assert.equal(preferredOwner(1, me('a', behind), two, others), 'a');
    const answering = [seen('b', [9])];
    assert.equal(preferredOwner(1, me('a'), [node('a'), node('b', { roles: ['storage'] })], answering), 'a');
    assert.equal(preferredOwner(1, me('a'), [node('a'), node('b', { state: 'removed' })], answering), 'a');
    assert.equal(preferredOwner(1, me('a'), two, answering), 'b');
  });
});
