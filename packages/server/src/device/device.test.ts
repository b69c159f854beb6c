import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { StoreError } from '../errors.ts';
import { realHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { describeDevice } from './device.suite.ts';
import { openDevice } from './device.ts';
import { type FaultPlan, faultyVolume } from './faulty/volume.ts';
import { diskClass } from './file/class.ts';
import { fileVolume } from './file/volume.ts';
import { memoryDevice } from './memory/device.ts';
import { memoryVolume } from './memory/volume.ts';
import { slabName } from './slabs.ts';
import type { Device, DeviceIdentity, Volume, VolumeFile } from './types.ts';

const host = realHost();
const scratch = mkdtempSync(join(tmpdir(), 'dsom-device-'));
after(() => rmSync(scratch, { recursive: true }));
let count = 0;

const identity: DeviceIdentity = {
  device: '6f1c5f0e-2a0b-4c58-9f2f-1d1c2b3a4f5e',
  store: '00000000-0000-4000-8000-000000000001',
  slabBytes: 65536,
  madeAt: 0,
};
const over = (volume: Volume): Device => openDevice({ volume, identity, host, reserveBytes: 0 });

/** A volume whose files are changed as they are opened. */
function withFiles(inner: Volume, change: (name: string, file: VolumeFile) => VolumeFile): Volume {
  return {
    list: () => inner.list(),
    rename: (from, to) => inner.rename(from, to),
    remove: (name) => inner.remove(name),
    syncDirectory: () => inner.syncDirectory(),
    capacity: () => inner.capacity(),
    open: async (name, mode) => change(name, await inner.open(name, mode)),
  };
}

describeDevice('file', async () => over(fileVolume(join(scratch, `d${count++}`))));
describeDevice('memory', async () => (await memoryDevice(host, { slabBytes: 65536 })).device);
describeDevice('faulty without faults', async () => over(faultyVolume(memoryVolume(), () => undefined, host)));

const block = Buffer.alloc(4096, 'b');
const isCode = (code: string) => (error: unknown) => error instanceof StoreError && error.code === code;

describe('device: slabs that exist', () => {
  it('are listed in order, whatever else lies there', async () => {
    const volume = memoryVolume();
    const device = over(volume);
    assert.deepEqual(await device.slabs(), []);
    for (const slab of [12, 0, 3]) await device.write([block], slab * identity.slabBytes);
    for (const name of ['slab-1', 'slab-000004x', 'slab-0131072', 'slab-9999999999999999', 'identity.new'])
      await (await volume.open(name, 'create')).close();
    await (await volume.open('slab-0100000', 'create')).close();
    assert.deepEqual(await device.slabs(), [0, 3, 12, 100_000]);
  });

  it('cannot be listed when the volume fails', async () => {
    const volume: Volume = {
      ...memoryVolume(),
      list: () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' })),
    };
    await assert.rejects(over(volume).slabs(), isCode('ServiceUnavailable'));
  });
});

describe('device: faults', () => {
  it('stops for ever after a failed sync, and names itself', async () => {
    let failing = true;
    const plan: FaultPlan = ({ call }) => (call === 'sync' && failing ? { kind: 'error', code: 'EIO' } : undefined);
    const device = over(faultyVolume(memoryVolume(), plan, host));
    await device.write([block], 0);
    const outcomes = await Promise.allSettled([device.sync(0), device.sync(0), device.sync(0)]);
    for (const outcome of outcomes)
      assert.ok(outcome.status === 'rejected' && isCode('ServiceUnavailable')(outcome.reason));
    failing = false;
    assert.equal(device.health(), 'stopped');
    const calls = [
      () => device.sync(0),
      () => device.read(Buffer.alloc(1), 0),
      () => device.write([block], 0),
      () => device.capacity(),
    ];
    for (const call of calls) {
      await assert.rejects(call, (error: unknown) => {
        assert.ok(isCode('ServiceUnavailable')(error));
        assert.match((error as Error).message, new RegExp(identity.device));
        return true;
      });
    }
  });

  it('stops when the name of a slab cannot be made durable', async () => {
    const device = over(
      faultyVolume(
        memoryVolume(),
        ({ call }) => (call === 'syncDirectory' ? { kind: 'error', code: 'EIO' } : undefined),
        host,
      ),
    );
    await device.write([block], 0);
    await assert.rejects(device.sync(0), isCode('ServiceUnavailable'));
    assert.equal(device.health(), 'stopped');
  });

  it('fails one read or write alone', async () => {
    let broken: string | undefined;
    const plan: FaultPlan = ({ call }) => (call === broken ? { kind: 'error', code: 'EIO' } : undefined);
    const device = over(faultyVolume(memoryVolume(), plan, host));
    await device.write([block], 0);
    for (const call of ['read', 'write']) {
      broken = call;
      const use = call === 'read' ? device.read(Buffer.alloc(8), 0) : device.write([block], 4096);
      await assert.rejects(use, isCode('ServiceUnavailable'));
      broken = undefined;
      await device.read(Buffer.alloc(8), 0);
    }
    assert.equal(device.health(), 'good');
  });

  it('is full until space comes back, and still reads', async () => {
    const volume = memoryVolume({ capacity: 3 * 4096 });
    const device = over(volume);
    const ballast = await volume.open('ballast', 'create');
    await ballast.write([block], 0);
    await device.write([block, block], 0);
    await assert.rejects(device.write([block], 8192), isCode('StorageFull'));
    assert.equal(device.health(), 'full');
    await device.read(Buffer.alloc(8192), 0);
    await device.write([block], 4096); // a place that already has its space
    assert.equal((await device.capacity()).free, 0);
    assert.equal(device.health(), 'full');
    await volume.remove('ballast');
    assert.equal((await device.capacity()).free, 4096);
    assert.equal(device.health(), 'good');
    await device.write([block], 8192);
  });

  it('keeps a reserve out of its capacity', async () => {
    const total = limits.diskBytesMin;
    const volume = memoryVolume({ capacity: total });
    const device = openDevice({ volume, identity, host, reserveBytes: 4096 });
    assert.deepEqual(await device.capacity(), { total, free: total - 4096, owed: 0 });
    const other = openDevice({ volume, identity, host });
    const free = total - limits.deviceReserveLeastBytes;
    assert.equal((await other.capacity()).free, free);
    const file = await volume.open('foreign', 'create');
    await file.write([Buffer.alloc(free + 8192)], 0);
    assert.deepEqual(await other.capacity(), { total, free: 0, owed: 8192 });
  });
});

/** Lets everything that is ready run. */
async function turns(): Promise<void> {
  for (let i = 0; i < 100; i++) await Promise.resolve();
}

describe('device: sync', () => {
  it('shares one fdatasync among those that wait, and never counts a write that came during it', async () => {
    let syncs = 0;
    const volume = memoryVolume();
    const device = over(faultyVolume(volume, ({ call }) => void (call === 'sync' && syncs++), host));
    await device.write([block], 0);
    const first = device.sync(0);
    const shared = [device.sync(0), device.sync(0)];
    await Promise.all([first, ...shared]);
    assert.equal(syncs, 1);
    await Promise.all(Array.from({ length: 20 }, () => device.write([block], 0).then(() => device.sync(0))));
    assert.ok(syncs <= 3, `${syncs} syncs`);
  });

  it('does not let a call share a sync that began before it', async () => {
    const gates: (() => void)[] = [];
    const inner = memoryVolume();
    const gated: Volume = {
      ...inner,
      syncDirectory: () => inner.syncDirectory(),
      async open(name, mode) {
        const file = await inner.open(name, mode);
        return { ...file, sync: () => new Promise<void>((resolve) => gates.push(() => resolve(file.sync()))) };
      },
    };
    const device = over(gated);
    await device.write([block], 0);
    const first = device.sync(0);
    await turns();
    assert.equal(gates.length, 1);
    await device.write([block], 4096);
    let ended = false;
    const second = device.sync(0).then(() => {
      ended = true;
    });
    gates[0]?.();
    await first;
    await turns();
    assert.equal(gates.length, 2);
    assert.equal(ended, false);
    gates[1]?.();
    await second;
  });

  it('covers every write that resolved before it, also in a slab just made, whatever a crash takes', async () => {
    for (let seed = 0; seed < 100; seed++) {
      const volume = memoryVolume();
      const device = over(volume);
      await device.write([block], 65536);
      const during = device.sync(65536).then(() => 'synced');
      void device.write([block], 65536 + 4096).catch(() => undefined);
      const state = seed % 2 === 0 ? await during : 'unknown';
      const after = over(volume.crash(seed));
      const into = Buffer.alloc(4096);
      if (state === 'synced') {
        await after.read(into, 65536);
        assert.deepEqual(into, block);
      }
      await during.catch(() => undefined);
    }
  });
});

describe('device: slabs', () => {
  it('keeps few descriptors open', async () => {
    let open = 0;
    let most = 0;
    const counting = withFiles(memoryVolume(), (_name, file) => {
      most = Math.max(most, ++open);
      const close = () => {
        open--;
        return file.close();
      };
      return { ...file, close };
    });
    const device = over(counting);
    for (let slab = 0; slab < 600; slab++) {
      await device.write([Buffer.from(slabName(slab))], slab * 65536);
      await device.sync(slab * 65536);
    }
    assert.ok(most < 300, `${most} open at once`);
    const into = Buffer.alloc(11);
    await device.read(into, 3 * 65536);
    assert.equal(into.toString(), 'slab-000003');
    await device.close();
    assert.equal(open, 0);
  });

  it('keeps a slab open whose newest write no sync covers, whatever was synced while it was on its way', async () => {
    const synced: string[] = [];
    let release: (() => void) | undefined;
    let held = false;
    const gated = withFiles(memoryVolume(), (name, file) => ({
      ...file,
      sync() {
        synced.push(name);
        return file.sync();
      },
      async write(pieces, position) {
        if (held && name === slabName(0)) await new Promise<void>((resolve) => (release = resolve));
        return file.write(pieces, position);
      },
    }));
    const device = over(gated);
    await device.write([block], 0);
    held = true;
    const late = device.write([block], 4096);
    await device.sync(0);
    release?.();
    await late;
    for (let slab = 1; slab < 400; slab++) {
      await device.write([block], slab * 65536);
      await device.sync(slab * 65536);
    }
    synced.length = 0;
    await device.sync(4096);
    assert.deepEqual(synced, [slabName(0)]);
    await device.close();
  });

  it('knows the class of a disk, or says that it does not', async () => {
    assert.ok(['ssd', 'hdd', 'unknown'].includes(await diskClass(scratch)));
    assert.equal(await diskClass('/proc'), 'unknown');
    assert.equal(await diskClass(join(scratch, 'none')), 'unknown');
  });
});

describe('device: its directory is removed, or its disk taken out, while it runs', () => {
  it('stops it: its files can be written still, and nobody would find them again', async () => {
    const directory = join(scratch, `gone${count++}`);
    const device = over(fileVolume(directory));
    await device.write([block], 0);
    await device.sync(0);
    rmSync(directory, { recursive: true });
    await assert.rejects(device.capacity(), /its directory is gone.*put it back/);
    assert.equal(device.health(), 'stopped');
    await assert.rejects(device.write([block], 4096), isCode('ServiceUnavailable'));
  });
});
