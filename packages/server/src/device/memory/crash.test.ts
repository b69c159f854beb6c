import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Volume } from '../types.ts';
import { memoryVolume } from './volume.ts';

const seeds = Array.from({ length: 300 }, (_, seed) => seed);

async function text(volume: Volume, name: string): Promise<string> {
  const file = await volume.open(name, 'read');
  const bytes = Buffer.alloc(await file.size());
  await file.read(bytes, 0);
  return bytes.toString();
}

/** Every state that some seed gives, with how it reads. */
async function states(
  make: () => Promise<[ReturnType<typeof memoryVolume>, (after: Volume) => Promise<string>]>,
): Promise<Set<string>> {
  const found = new Set<string>();
  for (const seed of seeds) {
    const [volume, look] = await make();
    found.add(await look(volume.crash(seed)));
  }
  return found;
}

describe('memory volume: crash', () => {
  it('keeps what was synced, always', async () => {
    const found = await states(async () => {
      const volume = memoryVolume();
      const file = await volume.open('a', 'create');
      await file.write([Buffer.from('synced')], 0);
      await file.sync();
      await volume.syncDirectory();
      return [volume, (after) => text(after, 'a')];
    });
    assert.deepEqual([...found], ['synced']);
  });

  it('keeps any subset of unsynced writes, in any order', async () => {
    const found = await states(async () => {
      const volume = memoryVolume();
      const file = await volume.open('a', 'create');
      await volume.syncDirectory();
      await file.write([Buffer.from('--')], 0);
      await file.sync();
      await file.write([Buffer.from('1')], 0);
      await file.write([Buffer.from('2')], 1);
      await file.write([Buffer.from('3')], 0);
      return [volume, (after) => text(after, 'a')];
    });
    assert.deepEqual([...found].sort(), ['--', '-2', '1-', '12', '3-', '32']);
  });

  it('tears writes at sectors, and only there', async () => {
    const found = await states(async () => {
      const volume = memoryVolume();
      const file = await volume.open('a', 'create');
      await volume.syncDirectory();
      await file.write([Buffer.alloc(1536, 'o')], 0);
      await file.sync();
      await file.write([Buffer.alloc(1024, 'n')], 256);
      return [volume, async (after) => (await text(after, 'a')).replace(/o+|n+/g, (run) => `${run[0]}${run.length} `)];
    });
    const [a, b, c] = [256, 512, 256];
    assert.ok(found.has(`o1536 `) && found.has(`o256 n${a + b + c} o256 `));
    assert.ok(found.has(`o${256 + a} n${b} o${c + 256} `));
    assert.equal(found.size, 8);
  });

  it('keeps or forgets truncations', async () => {
    const found = await states(async () => {
      const volume = memoryVolume();
      const file = await volume.open('a', 'create');
      await volume.syncDirectory();
      await file.write([Buffer.from('abc')], 0);
      await file.sync();
      await file.truncate(1);
      return [volume, (after) => text(after, 'a')];
    });
    assert.deepEqual([...found].sort(), ['a', 'abc']);
  });

  it('keeps or forgets names until the directory is synced, and a rename as a whole', async () => {
    const found = await states(async () => {
      const volume = memoryVolume();
      for (const name of ['a', 'b']) {
        const file = await volume.open(name, 'create');
        await file.write([Buffer.from(name)], 0);
        await file.sync();
      }
      await volume.syncDirectory();
      await volume.rename('a', 'b');
      await volume.open('c', 'create');
      return [volume, async (after) => `${(await after.list()).join()} b=${await text(after, 'b')}`];
    });
    assert.deepEqual([...found].sort(), ['a,b b=b', 'a,b,c b=b', 'b b=a', 'b,c b=a']);
  });

  it('does not count a sync that had not resolved', async () => {
    const found = new Set<string>();
    for (const seed of seeds) {
      const volume = memoryVolume();
      const file = await volume.open('a', 'create');
      await volume.syncDirectory();
      await file.write([Buffer.from('x')], 0);
      file.sync().catch(() => undefined);
      found.add(await text(volume.crash(seed), 'a'));
    }
    assert.deepEqual([...found].sort(), ['', 'x']);
  });

  it('ends with the crash, and gives the same state for the same seed', async () => {
    const make = async () => {
      const volume = memoryVolume();
      const file = await volume.open('a', 'create');
      for (let i = 0; i < 50; i++) await file.write([Buffer.alloc(700, i)], i * 600);
      return { volume, file };
    };
    const one = await make();
    const after = one.volume.crash(5);
    await assert.rejects(one.file.read(Buffer.alloc(1), 0), /power lost/);
    await assert.rejects(one.volume.open('a', 'create'), /power lost/);
    const twin = (await make()).volume.crash(5);
    assert.deepEqual(await twin.list(), await after.list());
    if ((await after.list()).length > 0) assert.equal(await text(twin, 'a'), await text(after, 'a'));
  });

  it('runs out of space, and gets it back', async () => {
    const volume = memoryVolume({ capacity: 8192 });
    const file = await volume.open('a', 'create');
    await file.write([Buffer.alloc(8192)], 0);
    await assert.rejects(file.write([Buffer.alloc(1)], 8192), /ENOSPC/);
    await file.truncate(4096);
    await file.write([Buffer.alloc(1)], 1 << 30);
    await volume.remove('a');
    assert.equal((await volume.capacity()).free, 8192);
  });
});
