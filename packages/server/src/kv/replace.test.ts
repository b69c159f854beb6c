import assert from 'node:assert/strict';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { realHost } from '../host/index.ts';
import { openKv } from './owner.ts';
import { replaceKv } from './replace.ts';

const root = await fs.mkdtemp(join(tmpdir(), 'dsom-kv-replace-'));
after(() => fs.rm(root, { recursive: true, force: true }));
const host = realHost();
const key = Buffer.from('k');
let count = 0;

async function made(content: string): Promise<string> {
  const directory = join(root, `kv${count++}`);
  await filled(directory, content);
  return directory;
}

async function filled(directory: string, content: string): Promise<void> {
  const kv = await openKv({ directory, host });
  kv.commit([[key, Buffer.from(content)]]);
  await kv.close();
}

async function contentOf(directory: string): Promise<string | undefined> {
  const kv = await openKv({ directory, host });
  const content = kv.get(key)?.toString();
  await kv.close();
  const names = (await fs.readdir(root)).filter((name) => name.startsWith(`${directory.slice(root.length + 1)}.`));
  assert.deepEqual(names, []);
  return content;
}

describe('a KV that is replaced', () => {
  it('is the new one, and empty but for what it was filled with', async () => {
    const directory = await made('old');
    await replaceKv({ directory, host }, async (kv) => {
      assert.equal(kv.get(key), undefined);
      kv.commit([[key, Buffer.from('new')]]);
    });
    assert.equal(await contentOf(directory), 'new');
    const fresh = join(root, 'fresh');
    await replaceKv({ directory: fresh, host }, async (kv) => kv.commit([[key, Buffer.from('first')]]));
    assert.equal(await contentOf(fresh), 'first');
  });

  it('may be in use until the new one is whole', async () => {
    const directory = await made('old');
    const old = await openKv({ directory, host });
    const replaced = replaceKv(
      { directory, host },
      async (kv) => {
        kv.commit([[key, Buffer.from('new')]]);
        assert.equal(old.get(key)?.toString(), 'old');
      },
      () => old.close(),
    );
    await replaced;
    assert.equal(await contentOf(directory), 'new');
  });

  it('is still the old one when filling fails', async () => {
    const directory = await made('old');
    const failing = replaceKv({ directory, host }, async (kv) => {
      kv.commit([[key, Buffer.from('half')]]);
      throw new Error('the stream broke');
    });
    await assert.rejects(failing, /the stream broke/);
    assert.equal(await contentOf(directory), 'old');
  });

  it('is the old one or the new one, wherever a crash falls', async () => {
    const before = await made('old');
    await filled(`${before}.next`, 'half');
    assert.equal(await contentOf(before), 'old');

    const between = await made('old');
    await filled(`${between}.next`, 'new');
    await fs.rename(between, `${between}.previous`);
    assert.equal(await contentOf(between), 'new');

    const behind = await made('new');
    await filled(`${behind}.previous`, 'old');
    assert.equal(await contentOf(behind), 'new');
  });
});
