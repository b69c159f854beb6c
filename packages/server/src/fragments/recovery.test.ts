import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Device, memoryDevice } from '../device/index.ts';
import { manualHost } from '../host/index.ts';
import { memoryKv } from '../kv/index.ts';
import { geometryOf } from './geometry.ts';
import { encodeHeader } from './header.ts';
import { openFragmentOwner } from './owner.ts';
import { openFragmentStore } from './store.ts';
import {
  checkSpace,
  contentOf,
  crashSystem,
  idOf,
  isClearError,
  newSystem,
  openSystem,
  put,
  settle,
  slabBytes,
  windowBytes,
} from './system.fixture.ts';
import { decodeTable, WindowTable } from './table.ts';
import type { FragmentStore, Window } from './types.ts';

const geometry = geometryOf(slabBytes);

/** The device as a process sees it that is killed while it syncs. */
const unsynced = (device: Device): Device =>
  new Proxy(device, {
    get(target, name) {
      if (name === 'sync') return () => new Promise(() => {});
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

const table = 2 * geometry.tableBytes;

describe('window table', () => {
  const windowsOf = (count: number, salt: number): Window[] =>
    Array.from({ length: count }, (_, i) => ({
      nonce: Buffer.from(`${salt}-${i}`.padEnd(8).slice(0, 8)),
      runs: Array.from({ length: 5 }, (_unused, run) => ({ address: slabBytes * (i + 1) + run * 8192, length: 4096 })),
    }));

  it('is the one before or the one after, wherever a crash tears it', async () => {
    for (let seed = 0; seed < 200; seed++) {
      const host = manualHost(seed);
      const { device, volume } = await memoryDevice(host, { slabBytes });
      let windows = windowsOf(100, 1);
      const { table: kept } = await WindowTable.open(device, geometry, () => windows);
      await kept.save();
      for (let round = 2; round < 2 + (seed % 3); round++) {
        windows = windowsOf(100, round);
        await kept.save();
      }
      const before = windows;
      windows = windowsOf(100, 9);
      const saving = kept.save().then(
        () => 'saved',
        () => 'failed',
      );
      for (let turn = 0; turn < seed % 20; turn++) await Promise.resolve();
      const after = volume.crash(seed);
      const saved = (await saving) === 'saved';
      const file = await after.open('slab-000000', 'read');
      const bytes = Buffer.alloc(table);
      await file.read(bytes, 0);
      const found = [bytes.subarray(0, geometry.tableBytes), bytes.subarray(geometry.tableBytes)]
        .map((slot) => decodeTable(geometry, slot))
        .filter((one) => one !== undefined)
        .toSorted((a, b) => b.sequence - a.sequence)[0];
      assert.ok(found);
      const nonce = (found.windows[0] as Window).nonce;
      assert.ok(nonce.equals((windows[0] as Window).nonce) || (!saved && nonce.equals((before[0] as Window).nonce)));
      assert.deepEqual(found.windows, nonce.equals((windows[0] as Window).nonce) ? windows : before);
    }
  });

  it('is refused with any changed byte, or the other copy is taken', async () => {
    const system = await newSystem();
    const store = system.stores[0] as FragmentStore;
    await put(store, idOf(1), 10);
    const file = await system.volume.open('slab-000000', 'existing');
    const slot = Buffer.alloc(4096);
    await file.read(slot, geometry.tableBytes);
    const length = 20 + slot.readUInt32LE(16) + 4;
    for (let at = 0; at < length; at++) {
      const byte = Buffer.alloc(1);
      for (const slot of [0, geometry.tableBytes]) {
        await file.read(byte, slot + at);
        byte[0] = (byte[0] as number) ^ 1;
        await file.write([byte], slot + at);
      }
      try {
        const twin = await openFragmentOwner({
          device: system.device,
          kv: memoryKv(manualHost(1)),
          host: manualHost(1),
          windowBytes,
        });
        assert.equal(twin.recovery.windows, 0);
      } catch (error) {
        assert.ok(isClearError(error), String((error as Error).stack));
      }
      for (const slot of [0, geometry.tableBytes]) {
        await file.read(byte, slot + at);
        byte[0] = (byte[0] as number) ^ 1;
        await file.write([byte], slot + at);
      }
    }
  });
});

describe('fragment recovery', () => {
  it('finds what was sealed and not in the index, says what was torn, and leaves nothing listed', async () => {
    const system = await newSystem();
    const [a, b] = system.stores as [FragmentStore, FragmentStore];
    for (let i = 0; i < 10; i++) await put(i % 2 ? a : b, idOf(i), 100 + i * 3000);
    const open = await a.create(idOf(50), 100_000, 4096);
    await open.append([contentOf(idOf(50), 90_000)]);
    const after = await crashSystem(system, 3);
    assert.equal(after.owner.recovery.recovered, 10);
    assert.ok(after.owner.recovery.windows >= 2);
    for (let i = 0; i < 10; i++)
      assert.deepEqual(await after.stores[0]?.read(idOf(i), 0, 100 + i * 3000), contentOf(idOf(i), 100 + i * 3000));
    assert.equal(after.stores[0]?.length(idOf(50)), undefined);
    assert.equal((await crashSystem(after, 4)).owner.recovery.windows, 0);
  });

  for (const lost of ['nothing', 'the index'] as const)
    it(`keeps what it takes up of a process that was killed before its sync, with ${lost} lost`, async () => {
      for (let seed = 0; seed < 20; seed++) {
        const system = await newSystem();
        // Slab 0 has the list of windows too, which is synced: it must lie in another one.
        for (let i = 10; i < 24; i++) await put(system.stores[0] as FragmentStore, idOf(i), 90_000);
        const hanging = unsynced(system.device);
        const { owner, kv, host } = system;
        const killed = openFragmentStore({ device: hanging, owner, index: kv, host });
        void put(killed, idOf(1), 90_000);
        await settle();
        const everything = { owned: () => true, mayBeOwned: () => true, explained: () => true };
        const kept = lost === 'nothing' ? kv : memoryKv(host);
        const taken = await openSystem(system.volume, kept, system.device.identity, everything);
        assert.deepEqual(await taken.stores[0]?.read(idOf(1), 0, 90_000), contentOf(idOf(1), 90_000));
        const after = await crashSystem(taken, seed, everything);
        assert.deepEqual(await after.stores[0]?.read(idOf(1), 0, 90_000), contentOf(idOf(1), 90_000));
        checkSpace(after);
      }
    });

  it('does not take a fragment whose data is not whole', async () => {
    const system = await newSystem();
    const store = system.stores[0] as FragmentStore;
    await put(store, idOf(1), 50_000);
    await put(store, idOf(2), 50_000);
    const file = await system.volume.open('slab-000000', 'existing');
    await file.write([Buffer.from('x')], table + 30_000);
    await file.sync();
    const after = await crashSystem(system, 1);
    assert.deepEqual(
      { ...after.owner.recovery, windows: 0 },
      { windows: 0, recovered: 1, torn: 1, unreadableBytes: 0 },
    );
    assert.equal(after.stores[0]?.length(idOf(1)), undefined);
  });

  it('does not find what was given up, though its header was there', async () => {
    const system = await newSystem();
    const store = system.stores[0] as FragmentStore;
    const writer = await store.create(idOf(1), 20_000, 4096);
    await writer.append([contentOf(idOf(1), 20_000)]);
    // Its seal makes the other one's bytes durable too.
    await put(store, idOf(2), 100);
    await writer.abort();
    const after = await crashSystem(system, 1);
    assert.equal(after.stores[0]?.length(idOf(1)), undefined);
    assert.equal(after.stores[0]?.length(idOf(2)), 100);
  });

  it('does not bring back what was removed for good, but may what was not', async () => {
    const system = await newSystem();
    const store = system.stores[0] as FragmentStore;
    for (const i of [1, 2]) await put(store, idOf(i), 5000);
    await store.remove([idOf(1)]);
    await store.flush();
    await store.remove([idOf(2)]);
    const after = await crashSystem(system, 1);
    assert.equal(after.stores[0]?.length(idOf(1)), undefined);
    assert.equal(after.stores[0]?.length(idOf(2)), 5000);
  });

  it('takes from an old list, where the writing of newer ones was lost, only what something explains', async () => {
    const system = await newSystem();
    const file = await system.volume.open('slab-000000', 'existing');
    const [first] = system.stores as [FragmentStore];
    for (const number of [1, 2, 3]) await put(first, idOf(number), 5000);
    const old = Buffer.alloc(table);
    await file.read(old, 0);
    const next = await crashSystem(system, 1);
    assert.equal(next.owner.recovery.recovered, 3);
    const [store] = next.stores as [FragmentStore];
    await store.remove([idOf(1), idOf(2)]);
    await store.flush();
    const lying = await next.volume.open('slab-000000', 'existing');
    await lying.write([old], 0);
    await lying.sync();
    const published = (id: Uint8Array): boolean => idOf(3).equals(id);
    const after = await crashSystem(next, 2, {
      owned: published,
      mayBeOwned: published,
      explained: (id) => published(id) || idOf(2).equals(id),
    });
    assert.ok(after.owner.recovery.windows > 0);
    assert.deepEqual(
      [1, 2, 3].map((number) => after.stores[0]?.length(idOf(number))),
      [undefined, 5000, 5000],
    );
    checkSpace(after);
  });

  it('is not fooled by data that looks like a header', async () => {
    const system = await newSystem();
    const window = await system.owner.openWindow(60_000);
    const [run] = window.runs;
    assert.ok(run);
    // A header of a window that is not open, and one with the right nonce for another place.
    const forged = (nonce: Buffer, address: number): Buffer => {
      const record = {
        id: idOf(9),
        extent: { address, length: 4096 },
        headerBytes: 64,
        length: 0,
        checksumBytes: 4096,
        checksums: [],
      };
      const bytes = Buffer.alloc(4096);
      encodeHeader(bytes, nonce, record);
      return bytes;
    };
    await system.device.write([forged(Buffer.alloc(8, 1), run.address)], run.address);
    await system.device.write([forged(window.nonce, run.address)], run.address + 4096);
    await system.device.sync(run.address);
    assert.equal((await crashSystem(system, 2)).owner.recovery.recovered, 0);
  });
});
