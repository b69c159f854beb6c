import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ByteWriter, crc32c } from '../codec/index.ts';
import { type MemoryVolume, memoryDevice, openDevice } from '../device/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { type Kv, type MemoryKv, memoryKv } from '../kv/index.ts';
import { geometryOf } from './geometry.ts';
import { openFragmentOwner } from './owner.ts';
import type { RebuildOptions, RebuildProgress } from './rebuild.ts';
import { IndexDamaged } from './recovery.ts';
import { fragmentKey, slabKey, slabRows, stampKey } from './rows.ts';
import { openFragmentStore } from './store.ts';
import {
  auditOf,
  contentOf,
  idOf,
  newSystem,
  put,
  type System,
  settle,
  slabBytes,
  windowBytes,
} from './system.fixture.ts';
import type { FragmentStore } from './types.ts';

const { tableBytes } = geometryOf(slabBytes);
let hosts = 1000;

/** Opens what a volume holds with that index; `live` says which fragments are published, `underway` which may yet be. */
async function reopen(
  volume: MemoryVolume,
  identity: string,
  live: Iterable<number>,
  kv: Kv = memoryKv(manualHost(1)),
  onProgress?: (progress: RebuildProgress) => void,
  underway: Iterable<number> = [],
) {
  const host = manualHost(hosts++);
  const device = openDevice({
    volume,
    identity: { device: identity, store: '', slabBytes, madeAt: 0 },
    host,
    reserveBytes: 0,
  });
  const within = (numbers: Iterable<number>) => {
    const ids = new Set([...numbers].map((number) => idOf(number).toString('hex')));
    return (id: Buffer): boolean => ids.has(id.toString('hex'));
  };
  const owned = within(live);
  const mayBeOwned = within([...live, ...underway]);
  const rebuild: RebuildOptions = { owned, mayBeOwned, explained: mayBeOwned, ...(onProgress && { onProgress }) };
  const owner = await openFragmentOwner({ device, kv, host, windowBytes, rebuild });
  const store = openFragmentStore({ device, owner, index: kv, host });
  return { device, owner, store, kv, host };
}

const storeOf = (system: System): FragmentStore => system.stores[0] as FragmentStore;
const lengthOf = (number: number): number => 100 + ((number * 7919) % 60_000);

async function readsBack(store: FragmentStore, numbers: Iterable<number>): Promise<void> {
  for (const number of numbers)
    assert.deepEqual(
      await store.read(idOf(number), 0, lengthOf(number)),
      contentOf(idOf(number), lengthOf(number)),
      `${number}`,
    );
}

async function fill(store: FragmentStore, numbers: Iterable<number>): Promise<void> {
  for (const number of numbers) await put(store, idOf(number), lengthOf(number));
}

const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

/** Overwrites bytes of slab 0, as rot would. */
async function spoil(volume: MemoryVolume, at: number, bytes: Buffer): Promise<void> {
  const file = await volume.open('slab-000000', 'existing');
  await file.write([bytes], at);
  await file.sync();
}

describe('a lost index is made anew from the slabs', () => {
  it('every published fragment reads back, nothing else is there, and new ones overwrite none of them', async () => {
    const system = await newSystem();
    const store = storeOf(system);
    await fill(store, upTo(60));
    await store.remove(upTo(20).map(idOf));
    await store.flush();
    await fill(store, upTo(10, 100));
    const live = [...upTo(35, 20), ...upTo(5, 100)];
    const progress: RebuildProgress[] = [];
    const after = await reopen(system.volume, system.device.identity, live, undefined, (one) => progress.push(one));
    assert.equal(after.owner.recovery.rebuilt?.fragments, live.length);
    assert.deepEqual(
      { ...after.owner.recovery.rebuilt, readBytes: 0 },
      { fragments: live.length, damaged: 0, heldBytes: 0, readBytes: 0, unreadableBytes: 0 },
    );
    assert.equal(progress.length, (await after.device.slabs()).length);
    assert.equal(progress.at(-1)?.fragments, live.length);
    assert.deepEqual(auditOf(after.kv).problems, []);
    assert.equal(after.owner.statistics().fragments, live.length);
    await readsBack(after.store, live);
    for (const gone of [...upTo(20), ...upTo(5, 55), ...upTo(5, 105)])
      assert.equal(after.store.length(idOf(gone)), undefined);
    assert.ok(after.owner.statistics().reusableBytes > 20 * 4096, 'the space of the others is free');
    await fill(after.store, upTo(60, 200));
    await readsBack(after.store, [...live, ...upTo(60, 200)]);
    assert.deepEqual(auditOf(after.kv).problems, []);
    await after.owner.close();
    const again = await reopen(system.volume, system.device.identity, live, after.kv);
    assert.equal(again.owner.recovery.rebuilt, undefined, 'once is enough');
  });

  it('finds what every crash leaves, whatever was written and removed before', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('put', 'remove', 'again'), fc.nat(30)), { minLength: 5, maxLength: 60 }),
        fc.nat(1000),
        async (ops, seed) => {
          const system = await newSystem();
          const live = new Set<number>();
          for (const [op, number] of ops) {
            const store = system.stores[number % 2] as FragmentStore;
            if (op === 'remove') await store.remove([idOf(number)]);
            // As a repair does it: the row goes, the same bytes come elsewhere, and the old header stays where it was.
            else if (op === 'again' || !live.has(number)) await fill(store, [number]);
            if (op === 'remove') live.delete(number);
            else live.add(number);
          }
          const after = await reopen(system.volume.crash(seed), system.device.identity, live);
          await readsBack(after.store, live);
          assert.equal(after.owner.statistics().fragments, live.size);
          assert.deepEqual(auditOf(after.kv).problems, []);
          await fill(after.store, upTo(20, 500));
          await readsBack(after.store, [...live, ...upTo(20, 500)]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is the same when the process dies while it is made', async () => {
    const system = await newSystem();
    await fill(storeOf(system), upTo(50));
    const { identity } = system.device;
    let { volume } = system;
    for (let seed = 0; seed < 40; seed++) {
      let kv: MemoryKv = memoryKv(manualHost(seed));
      const dying: Kv = {
        ...pass(kv),
        commit(changes) {
          if (seed % 4 === 0) kv.commit([...changes].filter(([key]) => key[0] !== stampKey[0]));
          else kv.commit(changes);
        },
      };
      const opening = reopen(volume, identity, upTo(40), dying).catch(() => undefined);
      await settle(seed * 40);
      kv = kv.crash();
      await opening;
      volume = volume.crash(seed);
      const after = await reopen(volume, identity, upTo(40), kv);
      await readsBack(after.store, upTo(40));
      assert.equal(after.owner.statistics().fragments, 40);
      assert.deepEqual(auditOf(kv).problems, []);
    }
  });

  it('does not need the list of windows either', async () => {
    for (const harm of [Buffer.alloc(2 * tableBytes), Buffer.alloc(2 * tableBytes, 0x77)]) {
      const system = await newSystem();
      await fill(storeOf(system), upTo(30));
      await spoil(system.volume, 0, harm);
      const after = await reopen(system.volume, system.device.identity, upTo(30));
      await readsBack(after.store, upTo(30));
      assert.deepEqual(auditOf(after.kv).problems, []);
    }
  });

  it('with the list of windows lost and an index that missed the newest fragments, those are found', async () => {
    for (const harm of ['zeros', 'nonsense', 'no slab 0'] as const) {
      const system = await newSystem();
      await fill(storeOf(system), upTo(30));
      await system.owner.checkpoint();
      await fill(system.stores[1] as FragmentStore, upTo(30, 30));
      const [volume, kv] = [system.volume.crash(1), system.kv.crash()];
      if (harm === 'no slab 0') await volume.remove('slab-000000');
      else await spoil(volume, 0, Buffer.alloc(2 * tableBytes, harm === 'zeros' ? 0 : 0x77));
      const after = await reopen(volume, system.device.identity, upTo(60), kv);
      assert.ok((after.owner.recovery.rebuilt?.fragments ?? 0) > 0, harm);
      const inSlab0 = (number: number): Promise<boolean> =>
        after.store.read(idOf(number), 0, 1).then(
          () => false,
          () => true,
        );
      const lost = harm === 'no slab 0' ? await Promise.all(upTo(60).map(inSlab0)) : [];
      await readsBack(
        after.store,
        upTo(60).filter((number) => !lost[number]),
      );
      assert.ok(lost.filter(Boolean).length < 60);
      await fill(after.store, upTo(20, 500));
      await readsBack(after.store, [...upTo(60).filter((number) => !lost[number]), ...upTo(20, 500)]);
    }
  });

  it('takes a fragment with a damaged block, so that its other blocks can be read', async () => {
    const system = await newSystem();
    const store = storeOf(system);
    const content = await put(store, idOf(1), 50_000);
    await fill(store, [2]);
    await spoil(system.volume, 2 * tableBytes + 30_000, Buffer.from('rot'));
    const after = await reopen(system.volume, system.device.identity, [1, 2]);
    assert.deepEqual([after.owner.recovery.rebuilt?.fragments, after.owner.recovery.rebuilt?.damaged], [2, 1]);
    assert.deepEqual(await after.store.read(idOf(1), 0, 8192), content.subarray(0, 8192));
    await assert.rejects(after.store.read(idOf(1), 0, 50_000), CorruptionError);
    await readsBack(after.store, [2]);
    assert.deepEqual(auditOf(after.kv).problems, []);
  });

  // Seed 1067: another node had written it here, and published it while the index was made anew.
  it('takes a fragment that may yet be published, if it is whole', async () => {
    const system = await newSystem();
    const store = storeOf(system);
    await put(store, idOf(0), 50_000);
    await fill(store, [1, 2]);
    await spoil(system.volume, 2 * tableBytes + 30_000, Buffer.from('rot'));
    const { store: rebuilt, owner } = await reopen(
      system.volume,
      system.device.identity,
      [2],
      undefined,
      undefined,
      [0, 1],
    );
    assert.deepEqual([owner.recovery.rebuilt?.fragments, owner.recovery.rebuilt?.damaged], [2, 0]);
    await readsBack(rebuilt, [1, 2]);
    await assert.rejects(rebuilt.read(idOf(0), 0, 50_000), StoreError);
  });

  it('a damaged leftover of a fragment neither stands in for the whole one nor takes the place of others', async () => {
    const system = await newSystem();
    const store = storeOf(system);
    await put(store, idOf(1), 100_000);
    await fill(system.stores[1] as FragmentStore, [1]);
    // The old extent is free; something small is written into it, and all around it the old bytes stay.
    await system.owner.checkpoint();
    await spoil(system.volume, 2 * tableBytes + 40_000, Buffer.from('reused'));
    const after = await reopen(system.volume, system.device.identity, [1]);
    assert.deepEqual([after.owner.recovery.rebuilt?.fragments, after.owner.recovery.rebuilt?.damaged], [1, 0]);
    await readsBack(after.store, [1]);
  });

  it('an index from a backup is older than the slabs, and is refused before it calls live fragments free', async () => {
    const system = await newSystem();
    const store = storeOf(system);
    await fill(store, upTo(10));
    await system.owner.checkpoint();
    // What a backup keeps: the rows of this moment.
    const all = { start: Buffer.from([1]), end: Buffer.from([9]) };
    const backup = [...system.kv.range(all)].map(({ key, value }) => [Buffer.from(key), Buffer.from(value)] as const);
    await fill(store, upTo(30, 10));
    await store.close();
    await system.owner.close();
    const old = memoryKv(manualHost(1));
    old.commit(backup);
    await assert.rejects(reopen(system.volume, system.device.identity, upTo(40), old), (error) => {
      return error instanceof IndexDamaged && /older than its slabs/.test(error.message);
    });
    const anew = await reopen(system.volume, system.device.identity, upTo(40));
    await readsBack(anew.store, upTo(40));
    await fill(anew.store, upTo(10, 100));
    await anew.store.close();
    await anew.owner.close();
    const again = await reopen(system.volume, system.device.identity, [], anew.kv);
    assert.equal(again.owner.recovery.rebuilt, undefined);
    await readsBack(again.store, [...upTo(40), ...upTo(10, 100)]);
  });

  it('a list of windows without a mark, as older versions wrote it, goes with any index', async () => {
    const system = await newSystem();
    await fill(storeOf(system), upTo(5));
    for (const at of [0, tableBytes]) {
      const file = await system.volume.open('slab-000000', 'existing');
      const slot = Buffer.alloc(4096);
      await file.read(slot, at);
      if (slot.readUInt32LE(0) === 0) continue;
      const bytes = slot.readUInt32LE(16) - 1;
      slot.writeUInt32LE(bytes, 16);
      slot.writeUInt32LE(crc32c(slot.subarray(0, 20 + bytes)), 20 + bytes);
      await file.write([slot], at);
      await file.sync();
    }
    const after = await reopen(system.volume, system.device.identity, upTo(5), system.kv);
    assert.equal(after.owner.recovery.rebuilt, undefined);
    await readsBack(after.store, upTo(5));
  });

  it('a new device is no lost index', async () => {
    const host = manualHost(5);
    const { device, volume } = await memoryDevice(host, { slabBytes });
    const progress: RebuildProgress[] = [];
    const after = await reopen(volume, device.identity, [], undefined, (one) => progress.push(one));
    assert.deepEqual([after.owner.recovery.rebuilt, progress], [undefined, []]);
    await after.owner.close();
    const again = await reopen(volume, device.identity, [], after.kv);
    assert.equal(again.owner.recovery.rebuilt, undefined);
  });

  it('which damage is one of the index is told apart from a row of another version', async () => {
    const system = await newSystem();
    await fill(storeOf(system), [1]);
    const { kv, device } = system;
    const host = manualHost(7);
    const [{ key, value }] = [...kv.range(slabRows)] as [{ key: Buffer; value: Buffer }];
    const open = () => openFragmentOwner({ device, kv, host, windowBytes });
    kv.commit([[key, value.subarray(1)]]);
    await assert.rejects(open(), IndexDamaged);
    const body = Buffer.concat([Buffer.from([2]), value.subarray(1, -4)]);
    kv.commit([
      [
        key,
        new ByteWriter(99)
          .raw(body)
          .u32(crc32c(body, crc32c(key)))
          .finish(),
      ],
    ]);
    await assert.rejects(
      open(),
      (error) => error instanceof CorruptionError && !(error instanceof IndexDamaged) && /format 2/.test(error.message),
    );
    kv.commit([
      [key, value],
      [stampKey, Buffer.from('nonsense')],
    ]);
    await assert.rejects(open(), IndexDamaged);
    kv.commit([[stampKey, undefined]]);
    await assert.rejects(open(), IndexDamaged);
    assert.ok(kv.get(fragmentKey(idOf(1))) && kv.get(slabKey(0)));
  });
});

function pass(kv: Kv): Kv {
  return {
    changeCount: (first) => kv.changeCount(first),
    get: (key) => kv.get(key),
    range: (range) => kv.range(range),
    snapshot: () => kv.snapshot(),
    commit: (changes) => kv.commit(changes),
    statistics: () => kv.statistics(),
    checkpoint: () => kv.checkpoint(),
    close: () => kv.close(),
  };
}
