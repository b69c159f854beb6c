import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMissing } from './names.ts';
import type { Volume, VolumeFile } from './types.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

async function all(file: VolumeFile): Promise<string> {
  const into = Buffer.alloc(await file.size());
  assert.equal(await file.read(into, 0), into.length);
  return into.toString();
}

/** What every volume does. @param make gives an empty one; it is called once for each case */
export function describeVolume(product: string, make: () => Volume | Promise<Volume>): void {
  describe(`volume: ${product}`, () => {
    it('gives back what was written, in pieces and in place', async () => {
      const volume = await make();
      const file = await volume.open('a', 'create');
      await file.write([bytes('hello '), bytes(''), bytes('world')], 0);
      await file.write([bytes('W')], 6);
      await file.sync();
      assert.equal(await all(file), 'hello World');
      const again = await volume.open('a', 'read');
      assert.equal(await all(again), 'hello World');
      await file.close();
      await again.close();
    });

    it('carries large writes of many pieces', async () => {
      const volume = await make();
      const file = await volume.open('a', 'create');
      const pieces = Array.from({ length: 3000 }, (_, i) => Buffer.alloc(i % 400, i));
      await file.write(pieces, 5);
      const expected = Buffer.concat([Buffer.alloc(5), ...pieces]);
      const into = Buffer.alloc(expected.length + 100);
      assert.equal(await file.read(into, 0), expected.length);
      assert.deepEqual(into.subarray(0, expected.length), expected);
      await file.close();
    });

    it('reads short at the end, and nothing beyond', async () => {
      const volume = await make();
      const file = await volume.open('a', 'create');
      await file.write([bytes('abc')], 0);
      const into = Buffer.alloc(8, 'x');
      assert.equal(await file.read(into, 1), 2);
      assert.equal(into.toString(), 'bcxxxxxx');
      assert.equal(await file.read(into, 3), 0);
      assert.equal(await file.read(into, 1000), 0);
      await file.close();
    });

    it('fills holes and truncated tails with zeros', async () => {
      const volume = await make();
      const file = await volume.open('a', 'create');
      await file.write([bytes('abcdef')], 10_000);
      await file.truncate(10_003);
      assert.equal(await file.size(), 10_003);
      await file.truncate(10_005);
      await file.write([bytes('!')], 10_005);
      assert.equal((await all(file)).slice(9_999), '\0abc\0\0!');
      await file.close();
    });

    it('lists, renames over, and removes', async () => {
      const volume = await make();
      for (const name of ['b', 'a', 'c']) await (await volume.open(name, 'create')).write([bytes(name)], 0);
      assert.deepEqual(await volume.list(), ['a', 'b', 'c']);
      await volume.rename('c', 'a');
      assert.deepEqual(await volume.list(), ['a', 'b']);
      assert.equal(await all(await volume.open('a', 'read')), 'c');
      await volume.remove('b');
      await volume.syncDirectory();
      assert.deepEqual(await volume.list(), ['a']);
    });

    it('keeps an open file whose name went away', async () => {
      const volume = await make();
      const file = await volume.open('a', 'create');
      await file.write([bytes('kept')], 0);
      await volume.remove('a');
      assert.equal(await all(file), 'kept');
      await file.close();
    });

    it('says when a name is missing', async () => {
      const volume = await make();
      for (const mode of ['existing', 'read'] as const) await assert.rejects(volume.open('none', mode), isMissing);
      await assert.rejects(volume.rename('none', 'other'), isMissing);
      await assert.rejects(volume.remove('none'), isMissing);
    });

    it('refuses names that are not plain', async () => {
      const volume = await make();
      for (const name of [
        '',
        '.',
        '..',
        '../a',
        'a/b',
        '/etc/passwd',
        'a\\b',
        'a\0b',
        '.hidden',
        'ü',
        'x'.repeat(200),
      ]) {
        await assert.rejects(
          async () => volume.open(name, 'create'),
          /a file of a volume is called by/,
          JSON.stringify(name),
        );
      }
    });

    it('refuses a file after its close, and writes to a file opened for reading', async () => {
      const volume = await make();
      const file = await volume.open('a', 'create');
      await file.write([bytes('abc')], 0);
      const reader = await volume.open('a', 'read');
      await assert.rejects(reader.write([bytes('x')], 0));
      await file.close();
      await file.close();
      await assert.rejects(file.write([bytes('x')], 0));
      await assert.rejects(file.read(Buffer.alloc(1), 0));
      await assert.rejects(file.sync());
      await reader.close();
    });

    it('knows its capacity', async () => {
      const { total, free } = await (await make()).capacity();
      assert.ok(total > 0 && free >= 0 && free <= total);
    });
  });
}
