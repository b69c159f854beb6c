import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { memoryDevice, openDevice } from '../device/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { type MemoryKv, memoryKv } from '../kv/index.ts';
import { geometryOf } from './geometry.ts';
import { decodeHeader, encodeHeader, headerBytesAt, headerBytesFor } from './header.ts';
import { openFragmentOwner } from './owner.ts';
import { bitmapKey, decodeFragment, fragmentKey, slabKey } from './rows.ts';
import { openFragmentStore } from './store.ts';
import { auditOf, contentOf, idOf, newSystem, put, slabBytes, windowBytes } from './system.fixture.ts';
import type { FragmentRecord, FragmentStore } from './types.ts';

const geometry = geometryOf(slabBytes);
const table = 2 * geometry.tableBytes;

/** A copy with some bytes changed, cut or put in. */
const damageOf = (good: Buffer): fc.Arbitrary<Buffer> =>
  fc.oneof(
    fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)),
    fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] as number) ^ flip;
      return bad;
    }),
    fc.nat(good.length - 1).map((length) => good.subarray(0, length)),
    fc.uint8Array({ minLength: 1, maxLength: 9 }).map((more) => Buffer.concat([good, more])),
  );

const rowOf = (kv: MemoryKv, key: Buffer): Buffer => {
  const value = kv.get(key);
  assert.ok(value);
  return value;
};

describe('fragment index: damaged rows', () => {
  it('a row of a fragment is refused when read, and can be removed', async () => {
    const system = await newSystem();
    const store = system.stores[0] as FragmentStore;
    await put(store, idOf(1), 20_000);
    const key = fragmentKey(idOf(1));
    const good = rowOf(system.kv, key);
    await fc.assert(
      fc.asyncProperty(damageOf(good), async (bad) => {
        fc.pre(!bad.equals(good));
        system.kv.commit([[key, bad]]);
        await assert.rejects(store.read(idOf(1), 0, 10), CorruptionError);
        assert.throws(() => store.length(idOf(1)), CorruptionError);
        assert.equal(store.ids(Buffer.alloc(0), 10).length, 1);
        assert.equal(auditOf(system.kv, slabBytes).damaged.length, 1);
      }),
      { numRuns: 200 },
    );
    await store.remove([idOf(1)]);
    assert.equal(store.length(idOf(1)), undefined);
    assert.equal(system.owner.statistics().damagedRows, 1);
    assert.equal(
      auditOf(system.kv, slabBytes).leakedBytes,
      20_480,
      'the space stays in use, for nobody knows where it is',
    );
  });

  it("an index that is gone, or another device's, is found out", async () => {
    const system = await newSystem();
    const host = manualHost(6);
    await put(system.stores[0] as FragmentStore, idOf(1), 10);
    const { device } = system;
    await assert.rejects(openFragmentOwner({ device, kv: memoryKv(host), host, windowBytes }), /is gone/);
    const other = await memoryDevice(manualHost(123), { slabBytes });
    await assert.rejects(
      openFragmentOwner({ device: other.device, kv: system.kv, host, windowBytes }),
      /belongs to device/,
    );
    await assert.rejects(
      openFragmentOwner({ device: other.device, kv: system.kv, host, windowBytes }),
      CorruptionError,
    );
  });

  it('a row under the key of another fragment is refused', async () => {
    const system = await newSystem();
    const store = system.stores[0] as FragmentStore;
    await put(store, idOf(1), 10);
    system.kv.commit([[fragmentKey(idOf(2)), rowOf(system.kv, fragmentKey(idOf(1)))]]);
    await assert.rejects(store.read(idOf(2), 0, 10), CorruptionError);
  });

  it('a row of a slab is refused at the opening', async () => {
    const host = manualHost(2);
    const { device } = await memoryDevice(host, { slabBytes });
    const kv = memoryKv(host);
    const owner = await openFragmentOwner({ device, kv, host, windowBytes });
    const store = openFragmentStore({ device, owner, index: kv, host });
    await put(store, idOf(1), 20_000);
    await store.close();
    await owner.close();
    const key = slabKey(0);
    const good = rowOf(kv, key);
    await fc.assert(
      fc.asyncProperty(damageOf(good), async (bad) => {
        fc.pre(!bad.equals(good));
        kv.commit([[key, bad]]);
        await assert.rejects(openFragmentOwner({ device, kv, host, windowBytes }), CorruptionError);
        assert.ok(auditOf(kv, slabBytes).damagedRows.length > 0);
      }),
      { numRuns: 200 },
    );
  });

  it('a bitmap is refused, and its slab gets no window any more', async () => {
    const system = await newSystem();
    const store = system.stores[0] as FragmentStore;
    for (let i = 0; i < 5; i++) await put(store, idOf(i), 20_000);
    await store.close();
    await system.owner.close();
    const key = bitmapKey(0, 0);
    const good = rowOf(system.kv, key);
    await fc.assert(
      fc.asyncProperty(fc.option(damageOf(good), { nil: undefined }), async (bad) => {
        fc.pre(!bad?.equals(good));
        system.kv.commit([[key, bad]]);
        await system.kv.checkpoint();
        const host = manualHost(4);
        const { device, kv } = system;
        const owner = await openFragmentOwner({ device, kv, host, windowBytes });
        const again = openFragmentStore({ device, owner, index: kv, host });
        await put(again, idOf(100), 10);
        assert.equal(owner.statistics().slabs, 2, 'the other slab serves');
        assert.equal(owner.statistics().damagedRows, 1);
        await assert.rejects(again.remove([idOf(1)]), CorruptionError);
        assert.deepEqual(await again.read(idOf(1), 0, 20_000), contentOf(idOf(1), 20_000));
        await again.remove([idOf(100)]);
        await again.close();
        await owner.close();
        system.kv.commit([[slabKey(1), undefined]]);
      }),
      { numRuns: 40 },
    );
  });
});

describe('fragment headers: damage', () => {
  const record: FragmentRecord = {
    id: idOf(5),
    extent: { address: table, length: 12_288 },
    headerBytes: headerBytesFor(20_000, 4096),
    length: 12_000,
    checksumBytes: 4096,
    checksums: [1, 2, 0xffffffff],
  };
  const nonce = Buffer.from('nonce678');
  const header = Buffer.alloc(record.headerBytes);
  encodeHeader(header, nonce, record);

  it('what was written is read', () => {
    assert.equal(headerBytesAt(header, nonce), record.headerBytes);
    assert.deepEqual(decodeHeader(geometry, header, table), record);
  });

  it('every changed byte, and every other place, is refused', () => {
    for (let at = 0; at < header.length; at++) {
      const bad = Buffer.from(header);
      bad[at] = (bad[at] as number) ^ 0x10;
      const bytes = headerBytesAt(bad, nonce);
      if (bytes === undefined) continue;
      assert.equal(
        decodeHeader(geometry, bytes <= bad.length ? bad.subarray(0, bytes) : bad, table),
        undefined,
        `byte ${at}`,
      );
    }
    assert.equal(headerBytesAt(header, Buffer.from('another1')), undefined);
    assert.equal(decodeHeader(geometry, header, table + 4096), undefined);
  });

  it('random bytes are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 5000 }), (random) => {
        const bytes = Buffer.from(random);
        nonce.copy(bytes, 8);
        bytes.writeUInt32LE(0x52465344, 0);
        const length = headerBytesAt(bytes, nonce);
        if (length !== undefined && length <= bytes.length)
          assert.equal(decodeHeader(geometry, bytes.subarray(0, length), table), undefined);
      }),
    );
  });

  it('random bytes are no row', () => {
    const key = fragmentKey(idOf(1));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (random) => {
        assert.throws(() => decodeFragment(geometry, key, Buffer.from(random)), CorruptionError);
      }),
    );
  });
});

const isNotFound = (error: unknown) => error instanceof StoreError && error.code === 'NotFound';

describe('fragment store: damage', () => {
  const length = 20_000;

  async function damaged(at: number, checksumBytes: number): Promise<FragmentStore> {
    const system = await newSystem();
    const store = system.stores[0] as FragmentStore;
    await put(store, idOf(1), length, checksumBytes);
    const file = await system.volume.open('slab-000000', 'existing');
    const bytes = Buffer.alloc(1);
    const start = 2 * (slabBytes / 64) + 60 + 4 * Math.ceil(length / checksumBytes);
    await file.read(bytes, start + at);
    bytes[0] = (bytes[0] as number) ^ 0x08;
    await file.write([bytes], start + at);
    return store;
  }

  it('is found wherever a bit flips, and only the blocks it is in are lost', async () => {
    for (const at of [0, 1, 4095, 4096, 9999, length - 1]) {
      const store = await damaged(at, 4096);
      const block = Math.floor(at / 4096) * 4096;
      await assert.rejects(store.read(idOf(1), at, at + 1), CorruptionError);
      await assert.rejects(store.read(idOf(1), 0, length), CorruptionError);
      await assert.rejects(store.read(idOf(1), block, block + 1), CorruptionError);
      const expected = contentOf(idOf(1), length);
      if (block > 0) assert.deepEqual(await store.read(idOf(1), 0, block), expected.subarray(0, block));
      if (block + 4096 < length)
        assert.deepEqual(await store.read(idOf(1), block + 4096, length), expected.subarray(block + 4096));
    }
  });

  it('is found in every byte', async () => {
    for (let at = 0; at < length; at += 613)
      await assert.rejects((await damaged(at, 65_552)).read(idOf(1), 100, 101), CorruptionError);
  });

  it('is not cried when a fragment is removed and its space used while it is read', async () => {
    const host = manualHost(9);
    const { device, volume } = await memoryDevice(host, { slabBytes });
    const kv = memoryKv(host);
    const owner = await openFragmentOwner({ device, kv, host, windowBytes: 32 * 4096 });
    const writing = openFragmentStore({ device, owner, index: kv, host });
    await put(writing, idOf(1), 100_000);
    let during: (() => Promise<void>) | undefined;
    const slow = openDevice({ volume, identity: { device: device.identity, store: '', slabBytes, madeAt: 0 }, host });
    const reading = openFragmentStore({
      device: {
        ...device,
        identity: device.identity,
        slabBytes,
        health: () => 'good',
        async read(into, address) {
          await during?.();
          during = undefined;
          await slow.read(into, address);
        },
      },
      owner,
      index: kv,
      host,
    });
    const spoil = async (): Promise<void> => {
      const file = await volume.open('slab-000000', 'existing');
      await file.write([Buffer.alloc(200_000, 1)], 40_000);
    };
    during = async () => {
      await writing.remove([idOf(1)]);
      await spoil();
    };
    await assert.rejects(reading.read(idOf(1), 0, 100_000), isNotFound);
    await put(writing, idOf(2), 50_000);
    during = async () => {
      await put(writing, idOf(2), 50_000);
    };
    assert.deepEqual(await reading.read(idOf(2), 0, 50_000), contentOf(idOf(2), 50_000));
  });
});
