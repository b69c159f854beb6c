import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { manualHost } from '../host/index.ts';
import { adoptDevice } from './adopt.ts';
import type { Processes, ProcessIdentity } from './file/processes.ts';
import { realProcesses } from './file/processes.ts';
import { memoryVolume } from './memory/volume.ts';
import { DeviceRefused, type Refusal } from './refused.ts';
import type { Volume } from './types.ts';

const host = manualHost();
const store = '00000000-0000-4000-8000-000000000001';
const otherStore = '00000000-0000-4000-8000-000000000002';

/** A machine with these processes alive. */
const machine = (pid: number, alive: readonly ProcessIdentity[] = []): Processes => ({
  self: { pid, started: '1', boot: 'b', space: 's' },
  alive: (other) => alive.some((one) => one.pid === other.pid && one.started === other.started),
});

const adopt = (volume: Volume, options: { store?: string; create?: boolean; processes?: Processes } = {}) =>
  adoptDevice(volume, { store, create: true, host, processes: machine(1), ...options });

const refused = (reason: Refusal, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof DeviceRefused, String(error));
  assert.equal(error.reason, reason);
  assert.match(error.message, message);
  return true;
};

async function put(volume: Volume, name: string, bytes: Buffer): Promise<void> {
  const file = await volume.open(name, 'create');
  await file.write([bytes], 0);
  await file.sync();
  await volume.syncDirectory();
}

async function get(volume: Volume, name: string): Promise<Buffer> {
  const file = await volume.open(name, 'read');
  const bytes = Buffer.alloc(await file.size());
  await file.read(bytes, 0);
  return bytes;
}

describe('device: adoption', () => {
  it('makes a device of an empty volume and knows it again', async () => {
    const volume = memoryVolume();
    const first = await adoptDevice(volume, { store, create: true, host, slabBytes: 1 << 20, processes: machine(1) });
    assert.equal(first.fresh, true);
    assert.match(first.identity.device, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    await first.release();
    const second = await adopt(volume, { create: false });
    assert.equal(second.fresh, false);
    assert.deepEqual(second.identity, first.identity);
    assert.equal(second.identity.slabBytes, 1 << 20);
  });

  it('keeps the identity through a crash at any moment, or starts over', async () => {
    for (let seed = 0; seed < 60; seed++) {
      const volume = memoryVolume();
      const adopting = adopt(volume).catch(() => undefined);
      for (let i = 0; i < seed; i++) await Promise.resolve();
      let done = false;
      void adopting.then(() => (done = true));
      await Promise.resolve();
      const known = done ? await adopting : undefined;
      const after = volume.crash(seed);
      await adopting;
      const again = await adopt(after);
      if (known) assert.deepEqual(again.identity, known.identity);
      await again.release();
    }
  });

  it('refuses an empty volume where a device is expected', async () => {
    const volume = memoryVolume();
    await assert.rejects(adopt(volume, { create: false }), refused('absent', /Mount the right disk/));
    assert.deepEqual(await volume.list(), []);
  });

  it('refuses the device of another store', async () => {
    const volume = memoryVolume();
    await (await adopt(volume)).release();
    await assert.rejects(
      adopt(volume, { store: otherStore }),
      refused('otherStore', new RegExp(`belongs to store ${store}`)),
    );
    assert.deepEqual(await volume.list(), ['identity']);
  });

  it('refuses a directory with files of somebody else', async () => {
    const volume = memoryVolume();
    await put(volume, 'holiday.jpg', Buffer.from('x'));
    await assert.rejects(adopt(volume), refused('foreign', /holiday\.jpg/));
    assert.deepEqual(await volume.list(), ['holiday.jpg']);
  });

  it('refuses slabs without an identity', async () => {
    const volume = memoryVolume();
    await put(volume, 'slab-000000', Buffer.from('x'));
    await assert.rejects(adopt(volume), refused('damaged', /no identity file/));
  });

  it('accepts a fresh file system and what a crash during adoption leaves', async () => {
    const volume = memoryVolume();
    for (const name of ['identity.new', 'lock.77']) await put(volume, name, Buffer.from('torn'));
    volume.list = async () => ['lost+found', ...(await Object.getPrototypeOf(volume).list.call(volume))];
    await adopt(volume);
    Reflect.deleteProperty(volume, 'list');
    assert.deepEqual(await volume.list(), ['identity', 'lock']);
  });

  it('refuses every damaged byte of an identity, and a format it does not know', async () => {
    const volume = memoryVolume();
    await (await adopt(volume)).release();
    const good = await get(volume, 'identity');
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] as number) ^ 0x40;
      const damaged = memoryVolume();
      await put(damaged, 'identity', bad);
      const format = at >= 8 && at < 12;
      await assert.rejects(
        adopt(damaged),
        refused(format ? 'unknownFormat' : 'damaged', format ? /Start the version/ : /Restore/),
      );
    }
    for (const length of [0, 5, 11, 63]) {
      const short = memoryVolume();
      await put(short, 'identity', good.subarray(0, length));
      await assert.rejects(adopt(short), refused('damaged', /damaged/));
    }
  });
});

describe('device: lock', () => {
  it('refuses a device that a live process has, and takes it over from a dead one', async () => {
    const volume = memoryVolume();
    const holder = machine(41);
    const { release } = await adopt(volume, { processes: holder });
    await assert.rejects(adopt(volume, { processes: machine(42, [holder.self]) }), refused('busy', /process 41/));
    // The same number at another start time is another process.
    const reused = { ...holder.self, started: '2' };
    const next = await adopt(volume, { processes: machine(42, [reused]) });
    await release(); // the old holder must not take away the lock of the new one
    await assert.rejects(adopt(volume, { processes: machine(43, [machine(42).self]) }), refused('busy', /process 42/));
    await next.release();
    await adopt(volume, { processes: machine(44, [machine(42).self]) });
  });

  it('refuses a second opening by the same process', async () => {
    const volume = memoryVolume();
    const { release } = await adopt(volume, { processes: realProcesses() });
    await assert.rejects(adopt(volume, { processes: realProcesses() }), refused('busy', /Stop that process/));
    await release();
    await adopt(volume, { processes: realProcesses() });
  });

  it('does not believe a torn lock, nor one of another boot or container', async () => {
    const { self } = realProcesses();
    const locks = [
      '',
      '{"pid":1',
      'null',
      '{"pid":"1"}',
      JSON.stringify({ ...self, nonce: 'x', boot: 'another' }),
      JSON.stringify({ ...self, nonce: 'x', space: 'pid:[1]' }),
      JSON.stringify({ ...self, nonce: 'x', started: '1' }),
    ];
    for (const lock of locks) {
      const volume = memoryVolume();
      await put(volume, 'lock', Buffer.from(lock));
      await adopt(volume, { processes: realProcesses() });
    }
  });
});
