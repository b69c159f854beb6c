import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { memoryDevice } from '../device/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { memoryKv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { openFragmentOwner } from './owner.ts';
import { openFragmentStore } from './store.ts';
import { contentOf, idOf, newSystem, put, windowBytes } from './system.fixture.ts';
import type { FragmentStore } from './types.ts';

async function one(): Promise<{ system: Awaited<ReturnType<typeof newSystem>>; store: FragmentStore }> {
  const system = await newSystem();
  return { system, store: system.stores[0] as FragmentStore };
}

const isNotFound = (error: unknown) => error instanceof StoreError && error.code === 'NotFound';

describe('fragment store: writing and reading', () => {
  it('gives back any bytes, however they come and are asked for', async () => {
    const property = fc.asyncProperty(
      fc.array(fc.oneof(fc.nat(300), fc.nat(9000)), { maxLength: 12 }),
      fc.constantFrom(0, 1, 5000),
      fc.constantFrom(512, 1000, 4096, 65_552),
      fc.array(fc.tuple(fc.nat(70_000), fc.nat(70_000)), { maxLength: 5 }),
      fc.integer({ min: 1, max: 3 }),
      async (parts, spare, checksumBytes, ranges, together) => {
        const { store } = await one();
        const length = parts.reduce((sum, part) => sum + part, 0);
        const bytes = contentOf(idOf(1), length);
        const writer = await store.create(idOf(1), length + spare, checksumBytes);
        let at = 0;
        for (let i = 0; i < parts.length; i += together) {
          // The caller's buffers are its own again when the append is over.
          const pieces = parts.slice(i, i + together).map((part) => Buffer.from(bytes.subarray(at, (at += part))));
          await writer.append(pieces);
          for (const piece of pieces) piece.fill(0xee);
        }
        await writer.seal();
        assert.equal(store.length(idOf(1)), length);
        assert.deepEqual(await store.read(idOf(1), 0, length), bytes);
        assert.deepEqual(await store.fetch(idOf(1), 0, length), bytes);
        for (const [a, b] of ranges) {
          const [start, end] = [Math.min(a, b) % (length + 1), Math.max(a, b) % (length + 1)].toSorted(
            (x, y) => x - y,
          ) as [number, number];
          assert.deepEqual(await store.read(idOf(1), start, end), bytes.subarray(start, end));
          assert.deepEqual(await store.fetch(idOf(1), start, end), bytes.subarray(start, end));
        }
      },
    );
    await fc.assert(property, { numRuns: 150 });
  });

  it('lets many fragments be written at once, interleaved', async () => {
    const { system } = await one();
    await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const store = system.stores[i % system.stores.length] as FragmentStore;
        const bytes = contentOf(idOf(i), 1000 + i * 500);
        const writer = await store.create(idOf(i), bytes.length, 4096);
        for (let at = 0; at < bytes.length; at += 3000) await writer.append([bytes.subarray(at, at + 3000)]);
        await writer.seal();
      }),
    );
    for (let i = 0; i < 60; i++) {
      // Every thread sees what any thread sealed.
      for (const store of system.stores)
        assert.deepEqual(await store.read(idOf(i), 0, 1000 + i * 500), contentOf(idOf(i), 1000 + i * 500));
    }
  });

  it('uses the space that a fragment announced and did not need', async () => {
    const { system, store } = await one();
    for (let i = 0; i < 40; i++) {
      const writer = await store.create(idOf(i), 100_000, 65_552);
      await writer.append([contentOf(idOf(i), 10)]);
      await writer.seal();
    }
    assert.equal(system.owner.statistics().usedBytes, 40 * 4096);
    const { windows, leasedBytes } = system.owner.statistics();
    assert.ok(windows <= 2 && leasedBytes <= 2 * windowBytes, 'forty small fragments need no new window');
  });

  it('gives back the space of what was given up, header or not', async () => {
    const { system, store } = await one();
    for (const written of [0, 50_000, 100_000]) {
      for (let i = 0; i < 20; i++) {
        const writer = await store.create(idOf(i), 100_000, 65_552);
        await writer.append([contentOf(idOf(i), written)]);
        await writer.abort();
        await writer.abort();
        await assert.rejects(writer.append([Buffer.from('x')]), /before the seal/);
        await assert.rejects(writer.seal(), /sealed once/);
      }
    }
    assert.equal(system.owner.statistics().fragments, 0);
    assert.ok(system.owner.statistics().windows <= 2);
    await store.close();
    await system.owner.checkpoint();
    assert.equal(system.owner.statistics().leasedBytes, 0);
  });

  it('keeps large fragments apart from small ones', async () => {
    const host = manualHost(1);
    const { device } = await memoryDevice(host, { slabBytes: 256 << 20 });
    const kv = memoryKv(host);
    const owner = await openFragmentOwner({ device, kv, host });
    const store = openFragmentStore({ device, owner, index: kv, host });
    await put(store, idOf(1), 1000);
    await put(store, idOf(2), 2 << 20, 65_552);
    assert.equal(owner.statistics().windows, 2);
    assert.equal(owner.statistics().slabs, 2);
    assert.deepEqual(
      await store.read(idOf(2), 1 << 20, (1 << 20) + 70_000),
      contentOf(idOf(2), 2 << 20).subarray(1 << 20, (1 << 20) + 70_000),
    );
  });

  it('refuses what makes no sense', async () => {
    const { store } = await one();
    await assert.rejects(store.create(Buffer.alloc(15), 10, 4096), /16 bytes/);
    await assert.rejects(store.create(idOf(1), limits.fragmentBytes + 1, 4096), /limits.fragmentBytes/);
    await assert.rejects(store.create(idOf(1), -1, 4096), /limits.fragmentBytes/);
    await assert.rejects(store.create(idOf(1), 10, 100), /512/);
    const writer = await store.create(idOf(1), 10, 4096);
    await assert.rejects(writer.append([Buffer.alloc(11)]), /announced/);
    await put(store, idOf(2), 10);
    await assert.rejects(store.read(idOf(2), 5, 4), /does not end/);
    await assert.rejects(store.read(idOf(2), 0, 11), CorruptionError);
    await assert.rejects(store.read(idOf(3), 0, 1), isNotFound);
    assert.equal(store.length(idOf(3)), undefined);
    await store.close();
    await store.close();
    await assert.rejects(store.create(idOf(4), 10, 4096), /after its close|not used/);
  });

  it('lists ids in order', async () => {
    const { store } = await one();
    const ids = Array.from({ length: 20 }, (_, i) => idOf(i));
    for (const id of ids) await put(store, id, 1);
    const sorted = ids.toSorted((a, b) => a.compare(b));
    assert.deepEqual(store.ids(Buffer.alloc(0), 100), sorted);
    assert.deepEqual(store.ids(sorted[5] as Buffer, 3), sorted.slice(5, 8));
    assert.deepEqual(store.ids(Buffer.alloc(16, 0xff), 3), []);
    await store.remove([sorted[6] as Buffer]);
    assert.deepEqual(store.ids(sorted[5] as Buffer, 2), [sorted[5], sorted[7]]);
  });

  it('keeps no row that has changed: not of a fragment that was removed, nor of one that was written anew elsewhere', async () => {
    const { system } = await one();
    const [writing, reading] = system.stores as [FragmentStore, FragmentStore];
    await put(writing, idOf(1), 5000);
    await put(writing, idOf(2), 5000);
    for (let i = 0; i < 2; i++)
      assert.deepEqual(await reading.fetch(idOf(1), 0, 5000), contentOf(idOf(1), 5000), 'its row is kept from here on');
    await writing.remove([idOf(1)]);
    await assert.rejects(reading.fetch(idOf(1), 0, 5000), isNotFound);
    assert.equal(reading.length(idOf(1)), undefined);
    await put(writing, idOf(1), 70_000);
    assert.equal(reading.length(idOf(1)), 70_000);
    assert.deepEqual(await reading.fetch(idOf(1), 0, 70_000), contentOf(idOf(1), 70_000));
    assert.deepEqual(await reading.fetch(idOf(2), 0, 5000), contentOf(idOf(2), 5000));
  });

  it('takes an id again after its row was removed, while the new bytes were on their way', async () => {
    const { system, store } = await one();
    await put(store, idOf(1), 5000);
    const writer = await store.create(idOf(1), 5000, 4096);
    await writer.append([contentOf(idOf(1), 5000)]);
    await store.remove([idOf(1)]);
    assert.equal(store.length(idOf(1)), undefined);
    await writer.seal();
    assert.deepEqual(await store.read(idOf(1), 0, 5000), contentOf(idOf(1), 5000));
    assert.equal(system.owner.statistics().fragments, 1);
  });
});
