import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limits } from '../../limits.ts';
import type { Command, MetadataReader, NodeRecord } from '../../metadata/index.ts';
import { announce, isNewCluster } from './objectshards.ts';
import { objectShardsOf } from './sharding.ts';

const reader = (nodes: readonly string[], setting?: string, buckets = 0) =>
  ({
    nodes: () => nodes.map((id) => ({ id })),
    setting: () => setting,
    buckets: () => ({ items: Array.from({ length: buckets }), truncated: false }),
  }) as unknown as MetadataReader;

describe('the object shards of a cluster', () => {
  it('are as many as it was begun with, and none where nobody said so', () => {
    assert.equal(objectShardsOf(reader([])), undefined);
    assert.equal(objectShardsOf(reader([], '4')), 4);
    assert.equal(objectShardsOf(reader([], '0')), 0);
    assert.equal(objectShardsOf(reader([], '9999')), limits.objectShards);
    assert.equal(objectShardsOf(reader([], 'many')), 0);
  });

  it('are said by the first node, also when it died before it had said them, and never to a cluster that is in use', () => {
    assert.equal(isNewCluster(reader([]), 'a'), true);
    assert.equal(isNewCluster(reader(['a']), 'a'), true);
    assert.equal(isNewCluster(reader(['a'], '4'), 'a'), false);
    assert.equal(isNewCluster(reader(['a'], undefined, 1), 'a'), false);
    assert.equal(isNewCluster(reader(['a', 'b']), 'a'), false);
    assert.equal(isNewCluster(reader(['b']), 'a'), false);
  });

  it('are told that a node is here, and nothing of what shall become of it: an operator may have said that meanwhile', async () => {
    const said: Command[] = [];
    const node = { id: 'a', state: 'active' } as NodeRecord;
    const propose = async (command: Command) => {
      said.push(command);
      return { reply: { type: 'done' as const }, position: 1 };
    };
    await announce({ propose }, node);
    assert.deepEqual(said, [{ type: 'node.write', node, keeps: 'state' }]);
  });
});
