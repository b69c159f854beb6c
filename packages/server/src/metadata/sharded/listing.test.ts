import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inlinePiece, startUpload } from '../rig.support.ts';
import { type Ask, mergePages } from './listing.ts';
import { ShardedRig } from './rig.support.ts';

/*
 * Pages for which one shard gives far more than its share, so that it is asked again in the middle of a page: at a key, between the versions of a key,
 * between its uploads, and behind a common prefix.
 */

const none = Buffer.alloc(0);

async function skewed() {
  const rig = await ShardedRig.start(4);
  const bucket = await rig.bucket('skewed', 'enabled');
  const names = Array.from({ length: 600 }, (_, i) => `${['', 'p/', `q${i % 40}/`][i % 3]}k${i}`);
  const first = (name: string): boolean => rig.reader.shardOf(bucket, Buffer.from(name)) === 1;
  const keys = [...names.filter(first), ...names.filter((name) => !first(name)).slice(0, 12)].sort();
  const versions: string[] = [];
  for (const key of keys) {
    const mine: string[] = [];
    for (let i = 0; i < 3; i++)
      mine.unshift(`${key} ${(await rig.put(bucket, key, inlinePiece(`${i}`))).version.sequence}`);
    versions.push(...mine);
  }
  assert.ok(keys.filter(first).length > 100);
  const query = { bucket, prefix: none, delimiter: none, start: none };
  return { rig, bucket, keys, versions, query };
}

describe('a page that one shard fills', () => {
  it('has every key, once and in order', async () => {
    const { rig, keys, query } = await skewed();
    for (const limit of [90, 100, 101, 1000]) {
      const page = rig.reader.list({ ...query, limit });
      const found = page.items.map((item) => ('key' in item ? item.key.toString() : ''));
      assert.deepEqual(found, keys.slice(0, limit));
      assert.equal(page.truncated, keys.length > limit);
    }
  });

  it('has every common prefix, once and in order', async () => {
    const { rig, keys, query } = await skewed();
    const folded = [...new Set(keys.map((key) => key.replace(/\/.*/, '/')))].sort();
    for (const limit of [20, 60, 1000]) {
      const page = rig.reader.list({ ...query, delimiter: Buffer.from('/'), limit });
      const found = page.items.map((item) => ('key' in item ? item.key : item.prefix).toString());
      assert.deepEqual(found, folded.slice(0, limit));
      assert.equal(page.truncated, folded.length > limit);
    }
  });

  it('has every version, newest first', async () => {
    const { rig, versions, query } = await skewed();
    for (const limit of [100, 301, 1000]) {
      const page = rig.reader.listVersions({ ...query, limit, after: undefined });
      const found = page.items.map((item) => ('key' in item ? `${item.key} ${item.record.sequence}` : ''));
      assert.deepEqual(found, versions.slice(0, limit));
      assert.equal(page.truncated, versions.length > limit);
    }
  });

  it('has every upload of every key', async () => {
    const { rig, bucket, keys, query } = await skewed();
    const expected: string[] = [];
    for (const key of keys)
      for (let i = 0; i < 2; i++)
        expected.push(`${key} ${(await startUpload(rig, bucket, Buffer.from(key))).toString('hex')}`);
    for (const limit of [100, 201, 1000]) {
      const page = rig.reader.listUploads({ ...query, limit, after: undefined });
      const found = page.items.map((item) => ('key' in item ? `${item.key} ${item.id.toString('hex')}` : ''));
      assert.deepEqual(found, expected.slice(0, limit));
      assert.equal(page.truncated, expected.length > limit);
    }
  });
});

describe('a key that two shards are seen to have', () => {
  const pageOf =
    (items: readonly { key: Buffer; of: string }[]): Ask<{ key: Buffer; of: string }> =>
    (after, limit) => {
      const from = after && 'key' in after ? after.key : none;
      const left = items.filter(
        ({ key, of }) => Buffer.compare(key, from) > 0 || (after && 'of' in after && of > after.of && key.equals(from)),
      );
      return { items: left.slice(0, limit), truncated: left.length > limit };
    };
  const item = (key: string, of: string) => ({ key: Buffer.from(key), of });

  it('is given once, as the first of them has it, with all that this one has of it', () => {
    const later = pageOf([item('a', 'later'), item('c', 'later 1'), item('c', 'later 2'), item('d', 'later')]);
    const earlier = pageOf([item('b', 'earlier'), item('c', 'earlier'), item('d', 'earlier'), item('e', 'earlier')]);
    const page = mergePages([later, earlier], 10, ({ key }) => key);
    const found = page.items.map((one) => ('key' in one ? `${one.key.toString()} ${one.of}` : ''));
    assert.deepEqual(found, ['a later', 'b earlier', 'c later 1', 'c later 2', 'd later', 'e earlier']);
    assert.equal(page.truncated, false);
    assert.equal(mergePages([later, earlier], 6, ({ key }) => key).truncated, false);
    assert.equal(mergePages([later, earlier], 5, ({ key }) => key).truncated, true);
  });
});
