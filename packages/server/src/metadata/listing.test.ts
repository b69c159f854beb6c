import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KvRange, KvReader } from '../kv/index.ts';
import { listObjects } from './listing.ts';
import { inlinePiece, Rig } from './rig.support.ts';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

async function holding(keys: readonly string[], versioning: 'off' | 'enabled' = 'off') {
  const rig = await Rig.open();
  const bucket = await rig.bucket('bucket', versioning);
  await Promise.all(keys.map((key) => rig.put(bucket, latin1(key), inlinePiece('x'))));
  const list = (prefix: string, delimiter: string, start = '', limit = 1000) => {
    const query = { bucket, prefix: latin1(prefix), delimiter: latin1(delimiter), start: latin1(start), limit };
    const page = rig.reader.list(query);
    const items = page.items.map((item) =>
      'key' in item ? item.key.toString('latin1') : `<${item.prefix.toString('latin1')}>`,
    );
    return { items, truncated: page.truncated };
  };
  return { rig, bucket, list };
}

/** Counts the rows that a reader gives. */
function counting(kv: KvReader): KvReader & { rows: number } {
  return {
    rows: 0,
    get: (key) => kv.get(key),
    *range(range: KvRange) {
      for (const row of kv.range(range)) {
        this.rows++;
        yield row;
      }
    },
  };
}

describe('listing', () => {
  it('keeps the order of bytes, to the longest keys and the oddest bytes', async () => {
    const keys = [
      '\x00',
      '\x00\x00',
      'a',
      'a\x00',
      'a\x00b',
      'a/',
      'ab',
      '\xfe',
      '\xff',
      '\xff\x00',
      '\xff'.repeat(1024),
    ];
    const { list } = await holding([...keys].reverse());
    assert.deepEqual(list('', '').items, keys);
    assert.deepEqual(list('\xff', '').items, keys.slice(-3));
    assert.deepEqual(list('', '', 'a\x00', 3), { items: ['a\x00', 'a\x00b', 'a/'], truncated: true });
  });

  it('knows exactly whether more follows', async () => {
    const { list } = await holding(['a', 'b/1', 'b/2', 'c']);
    assert.deepEqual(list('', '/', '', 3), { items: ['a', '<b/>', 'c'], truncated: false });
    assert.deepEqual(list('', '/', '', 2), { items: ['a', '<b/>'], truncated: true });
    assert.deepEqual(list('b', '/', '', 1), { items: ['<b/>'], truncated: false });
    assert.deepEqual(list('', '', '', 4).truncated, false);
  });

  it('folds by delimiters of several bytes, behind the prefix only', async () => {
    const { list } = await holding(['a--b--c', 'a--b', 'a-b', '--x']);
    assert.deepEqual(list('', '--').items, ['<-->', '<a-->', 'a-b']);
    assert.deepEqual(list('a--', '--').items, ['a--b', '<a--b-->']);
    assert.deepEqual(
      list('a-', '--').items,
      ['a--b', '<a--b-->', 'a-b'],
      'a delimiter that begins in the prefix does not count',
    );
  });

  it('folds what ends in 0xff, where no prefix follows', async () => {
    const many = Array.from({ length: 40 }, (_, n) => `\xff${String.fromCharCode(n)}`);
    const { list } = await holding(['a', ...many]);
    assert.deepEqual(list('', '\xff'), { items: ['a', '<\xff>'], truncated: false });
    assert.deepEqual(list('\xff', '').items.length, 40);
  });

  it('shows no marker, nor a prefix under which there are only markers', async () => {
    const { rig, bucket, list } = await holding(['a/1', 'a/2', 'b/1', 'c'], 'enabled');
    for (const key of ['a/1', 'b/1']) await rig.remove(bucket, key);
    assert.deepEqual(list('', '/').items, ['<a/>', 'c']);
    assert.deepEqual(list('', '').items, ['a/2', 'c']);
    assert.deepEqual(list('', '/', '', 1), { items: ['<a/>'], truncated: true });
    await rig.remove(bucket, 'c');
    assert.deepEqual(list('', '/', '', 1), { items: ['<a/>'], truncated: false });
  });

  it('stops at the bucket and begins at the prefix, whatever the start', async () => {
    const { rig, list } = await holding(['m']);
    const other = await rig.bucket('second');
    await rig.put(other, 'a', inlinePiece('x'));
    assert.deepEqual(list('', '').items, ['m']);
    assert.deepEqual(list('m', '', 'a').items, ['m']);
    assert.deepEqual(list('m', '', 'n').items, []);
    assert.deepEqual(list('z', '').items, []);
  });

  it('costs by what it gives, not by what it folds away', async () => {
    const keys = Array.from({ length: 3000 }, (_, n) => `dir${n % 3}/${n}`);
    const { rig, bucket } = await holding(keys);
    const kv = counting(rig.kv);
    const page = listObjects(kv, {
      bucket,
      prefix: latin1(''),
      delimiter: latin1('/'),
      start: latin1(''),
      limit: 1000,
    });
    assert.equal(page.items.length, 3);
    assert.ok(kv.rows < 30, `${kv.rows} rows were read`);
  });

  it('shows what a listing shows', async () => {
    const { rig, bucket } = await holding([]);
    const piece = inlinePiece('hello');
    const { version } = await rig.put(bucket, 'k', piece);
    const page = rig.reader.list({ bucket, prefix: latin1(''), delimiter: latin1(''), start: latin1(''), limit: 1 });
    const { size, etag, etagParts, modifiedMs, storageClass, owner, checksum } = version;
    assert.deepEqual(page.items, [
      { key: latin1('k'), size, etag, etagParts, modifiedMs, storageClass, owner, checksum },
    ]);
  });
});
