import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryDevice, openDevice } from '../device/index.ts';
import { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { type Kv, memoryKv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { openFragmentOwner } from './owner.ts';
import { openFragmentStore } from './store.ts';
import {
  auditOf,
  checkSpace,
  contentOf,
  crashSystem,
  idOf,
  newSystem,
  put,
  settle,
  slabBytes,
  windowBytes,
} from './system.fixture.ts';
import type { Extent, FragmentRecord, Window } from './types.ts';

const isCode = (code: string) => (error: unknown) => error instanceof StoreError && error.code === code;
const identity = (device: string) => ({ device, store: '', slabBytes, madeAt: 0 });

/** An owner whose index makes a checkpoint only when it is let, and fails when it is told. */
async function gated(capacity?: number) {
  const host = manualHost(3);
  const { device, volume } = await memoryDevice(host, { slabBytes, ...(capacity === undefined ? {} : { capacity }) });
  const inner = memoryKv(host);
  let gate: Promise<void> | undefined;
  let failing: 'commit' | 'checkpoint' | undefined;
  const control = {
    host,
    device,
    volume,
    inner,
    /** Holds the next checkpoints; call the result to let them go. */
    hold: (): (() => void) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
    fail: (what: 'commit' | 'checkpoint' | undefined): void => {
      failing = what;
    },
  };
  const kv: Kv = {
    changeCount: (first) => inner.changeCount(first),
    get: (key) => inner.get(key),
    range: (range) => inner.range(range),
    snapshot: () => inner.snapshot(),
    commit(changes) {
      if (failing === 'commit') throw new StoreError('StorageFull');
      inner.commit(changes);
    },
    async checkpoint() {
      await gate;
      if (failing === 'checkpoint') throw new Error('the disk of the index failed');
      await inner.checkpoint();
    },
    statistics: () => inner.statistics(),
    close: () => inner.close(),
  };
  const owner = await openFragmentOwner({ device, kv, host, windowBytes });
  const store = openFragmentStore({ device, owner, index: kv, host });
  return { ...control, kv, owner, store };
}

/** A record as a writer would make it; nothing is on the device. */
function recordAt(address: number, number: number, length = 100): FragmentRecord {
  return {
    id: idOf(number),
    extent: { address, length: 4096 },
    headerBytes: 64,
    length,
    checksumBytes: 4096,
    checksums: [number],
  };
}

describe('fragment owner: windows', () => {
  it('lists a window durably before its writer learns of it', async () => {
    const system = await newSystem();
    const window = await system.owner.openWindow(1);
    assert.equal(window.nonce.length, 8);
    for (let seed = 0; seed < 20; seed++) {
      const twin = await newSystem();
      await twin.owner.openWindow(1);
      assert.equal((await crashSystem(twin, seed)).owner.recovery.windows, 1);
    }
  });

  it('gives windows of different writers in different slabs, whole blocks that do not overlap', async () => {
    const { owner } = await newSystem();
    const windows = await Promise.all(Array.from({ length: 6 }, () => owner.openWindow(1)));
    const slabs = windows.map(({ runs }) => Math.floor((runs[0] as Extent).address / slabBytes));
    assert.deepEqual(new Set(slabs).size, 6);
    for (const { runs } of windows) {
      for (const run of runs)
        assert.ok(run.address % 4096 === 0 && run.length % 4096 === 0 && run.length <= windowBytes);
    }
  });

  it('takes back what a window did not use at once, and the rest when it is no longer listed', async () => {
    const { owner, kv } = await gated();
    const window = await owner.openWindow(1);
    const [run] = window.runs as [Extent];
    await owner.record([recordAt(run.address, 1)]);
    // Blocks 1 to 9 are neither recorded nor given back: a header may lie there.
    await owner.closeWindow(window.nonce, [{ address: run.address + 10 * 4096, length: run.length - 10 * 4096 }]);
    assert.equal(owner.statistics().leasedBytes, 9 * 4096);
    assert.equal(owner.statistics().windows, 0);
    await owner.checkpoint();
    assert.equal(owner.statistics().leasedBytes, 0);
    assert.equal(auditOf(kv, slabBytes).usedBytes, 4096);
    const next = await owner.openWindow(1);
    assert.equal((next.runs[0] as Extent).address, run.address + 4096, 'the lowest free block is used first');
  });

  it('keeps a window listed until a checkpoint covers what was recorded in it', async () => {
    for (let turns = 0; turns < 40; turns++) {
      const system = await newSystem();
      const [store] = system.stores;
      const bytes = await put(store as NonNullable<typeof store>, idOf(turns), 5000);
      await store?.close();
      void system.owner.checkpoint().catch(() => undefined);
      await settle(turns);
      const after = await crashSystem(system, turns);
      assert.deepEqual(await after.stores[0]?.read(idOf(turns), 0, 5000), bytes);
      checkSpace(after);
    }
  });

  it('never brings back what was removed for good, while the window leaves the list', async () => {
    for (let turns = 0; turns < 60; turns++) {
      const system = await newSystem();
      const [store] = system.stores;
      await put(store as NonNullable<typeof store>, idOf(turns), 5000);
      await store?.remove([idOf(turns)]);
      await store?.flush();
      await store?.close();
      void system.owner.checkpoint().catch(() => undefined);
      await settle(turns);
      assert.equal((await crashSystem(system, turns)).stores[0]?.length(idOf(turns)), undefined);
    }
  });

  it('refuses records outside of open windows, twice in one place, or of a wrong size', async () => {
    const { owner } = await gated();
    const window = await owner.openWindow(1);
    const [run] = window.runs as [Extent];
    const bad: FragmentRecord[] = [
      recordAt(0, 1),
      recordAt(run.address + run.length, 1),
      recordAt(run.address + 512, 1),
      recordAt(Number.NaN, 1),
      { ...recordAt(run.address, 1), length: 5000 },
    ];
    for (const record of bad)
      await assert.rejects(owner.record([record]), /a fragment (lies in space|has just the blocks)/);
    const outcomes = await Promise.allSettled([
      owner.record([recordAt(run.address, 2)]),
      owner.record([recordAt(run.address, 3)]),
    ]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    );
    await owner.closeWindow(window.nonce, []);
    await assert.rejects(owner.record([recordAt(run.address + 4096, 4)]), /leased to its writer/);
    await assert.rejects(owner.closeWindow(window.nonce, []), /closed once/);
    assert.equal(owner.statistics().fragments, 1);
  });

  it('bounds the number of open windows', async () => {
    const { owner } = await gated();
    const windows: Window[] = [];
    await assert.rejects(async () => {
      for (let i = 0; i <= limits.openWindows; i++) windows.push(await owner.openWindow(1));
    }, isCode('SlowDown'));
    for (const { nonce, runs } of windows) await owner.closeWindow(nonce, runs);
    await owner.checkpoint();
    await owner.openWindow(1);
  });
});

describe('fragment owner: space', () => {
  it('never leases the space of a removal that is not durable', async () => {
    const { owner, store, hold } = await gated(2 * slabBytes);
    const stored: number[] = [];
    await assert.rejects(async () => {
      for (let i = 0; ; i++) {
        await put(store, idOf(i), 60_000);
        stored.push(i);
      }
    }, isCode('StorageFull'));
    assert.ok(stored.length > 15, `${stored.length} fragments`);
    await store.remove(stored.slice(0, 8).map(idOf));
    await assert.rejects(owner.openWindow(60_000), isCode('StorageFull'));
    const go = hold();
    const flushed = owner.flush();
    await settle();
    await assert.rejects(owner.openWindow(60_000), isCode('StorageFull'));
    go();
    await flushed;
    await put(store, idOf(1000), 60_000);
  });

  it('goes on reading and removing when full, and writing when there is space again', async () => {
    const { store, owner, device } = await gated(2 * slabBytes);
    let count = 0;
    await assert.rejects(async () => {
      for (; ; count++) await put(store, idOf(count), 30_000);
    }, isCode('StorageFull'));
    for (let i = 0; i < count; i++) assert.equal((await store.read(idOf(i), 0, 30_000)).length, 30_000);
    await store.remove(Array.from({ length: count }, (_, i) => idOf(i)));
    await store.flush();
    assert.equal(owner.statistics().fragments, 0);
    for (let i = 0; i < count; i++) await put(store, idOf(count + i), 30_000);
    assert.notEqual(device.health(), 'stopped');
  });

  it('makes windows smaller when little space is left', async () => {
    const { owner } = await gated(slabBytes);
    const { runs } = await owner.openWindow(4096);
    const total = runs.reduce((sum, { length }) => sum + length, 0);
    assert.ok(total >= 4096 && total <= slabBytes / 16, `${total} bytes`);
  });

  it('finds the holes between fragments', async () => {
    const { owner, store } = await gated(2 * slabBytes);
    let count = 0;
    await assert.rejects(async () => {
      for (; ; count++) await put(store, idOf(count), 3000);
    }, isCode('StorageFull'));
    const odd = Array.from({ length: count }, (_, i) => i).filter((i) => i % 2 === 1);
    await store.remove(odd.map(idOf));
    await store.flush();
    for (const i of odd) await put(store, idOf(10_000 + i), 3000);
    assert.equal(owner.statistics().fragments, count);
    await assert.rejects(owner.openWindow(8192), isCode('StorageFull'));
  });

  it('replaces the row of an id, with its space', async () => {
    const { owner, store, kv } = await gated();
    await put(store, idOf(1), 20_000);
    await put(store, idOf(1), 10_000);
    assert.equal(store.length(idOf(1)), 10_000);
    assert.deepEqual(await store.read(idOf(1), 0, 10_000), contentOf(idOf(1), 10_000));
    await owner.flush();
    assert.equal(owner.statistics().pendingBytes, 0);
    assert.equal(auditOf(kv, slabBytes).leakedBytes, 0);
    assert.equal(owner.statistics().usedBytes, 12_288);
  });

  it('counts every byte of its slabs', async () => {
    const { owner, store } = await gated();
    for (let i = 0; i < 30; i++) await put(store, idOf(i), i * 777);
    await store.remove([idOf(3), idOf(4), idOf(999)]);
    const { usedBytes, leasedBytes, pendingBytes, freeBytes, slabs, fragments } = owner.statistics();
    assert.equal(fragments, 28);
    assert.equal(usedBytes + leasedBytes + pendingBytes + freeBytes, slabs * slabBytes - 2 * (slabBytes / 64));
    assert.equal(pendingBytes, 8192);
  });
});

describe('fragment owner: checkpoints', () => {
  it('come by themselves after some time', async () => {
    const { owner, store, host } = await gated();
    await put(store, idOf(1), 10);
    assert.equal(owner.statistics().checkpoints, 0);
    host.advance(limits.fragmentCheckpointMs);
    await settle();
    assert.equal(owner.statistics().checkpoints, 1);
    // Windows that are idle are given back, which is a change too.
    for (let i = 0; i < 10; i++) {
      host.advance(limits.idleWindowMs);
      await settle();
    }
    const { checkpoints } = owner.statistics();
    host.advance(10 * limits.fragmentCheckpointMs);
    await settle();
    assert.equal(owner.statistics().checkpoints, checkpoints, 'nothing changed since');
  });

  it('come by themselves after so many rows, or so many bytes', async () => {
    for (const length of [100, 16 << 20]) {
      const host = manualHost(5);
      const { device } = await memoryDevice(host, { slabBytes: 256 << 20 });
      const owner = await openFragmentOwner({ device, kv: memoryKv(host), host });
      let [bytes, rows] = [0, 0];
      while (bytes < limits.fragmentCheckpointBytes && rows < limits.fragmentCheckpointRows) {
        assert.equal(owner.statistics().checkpoints, 0);
        const records: FragmentRecord[] = [];
        for (const run of (await owner.openWindow(length + 64)).runs) {
          for (let at = 0; at + length + 64 <= run.length; ) {
            const record = { ...recordAt(run.address + at, rows++, length), checksumBytes: 1 << 20, checksums: [] };
            const extent = { address: run.address + at, length: Math.ceil((length + 64) / 4096) * 4096 };
            records.push({ ...record, extent });
            at += extent.length;
          }
        }
        await owner.record(records);
        bytes += records.reduce((sum, { extent }) => sum + extent.length, 0);
      }
      await settle();
      assert.equal(owner.statistics().checkpoints, 1);
    }
  });

  it('stop the owner when they fail', async () => {
    const { owner, store, fail } = await gated();
    await put(store, idOf(1), 10);
    fail('checkpoint');
    await assert.rejects(owner.flush(), /the disk of the index failed/);
    fail(undefined);
    for (const call of [
      () => owner.flush(),
      () => owner.openWindow(1),
      () => store.remove([idOf(1)]),
      () => owner.record([]),
    ]) {
      await assert.rejects(call, isCode('ServiceUnavailable'));
    }
    assert.equal((await store.read(idOf(1), 0, 10)).length, 10);
    await owner.close();
  });

  it('a commit that finds no space changes nothing', async () => {
    const { owner, store, fail, kv } = await gated();
    await put(store, idOf(1), 10);
    fail('commit');
    await assert.rejects(put(store, idOf(2), 10), isCode('StorageFull'));
    await assert.rejects(store.remove([idOf(1)]), isCode('StorageFull'));
    fail(undefined);
    assert.equal(store.length(idOf(1)), 10);
    assert.equal(store.length(idOf(2)), undefined);
    await put(store, idOf(2), 10);
    await store.remove([idOf(1)]);
    await store.close();
    await owner.checkpoint();
    assert.equal(owner.statistics().leasedBytes, 0);
    assert.equal(auditOf(kv, slabBytes).leakedBytes, 0);
  });

  it('is not used after its close', async () => {
    const { owner } = await gated();
    await owner.close();
    await owner.close();
    await assert.rejects(owner.openWindow(1), /not used after its close/);
  });
});

describe('fragment owner: opening', () => {
  it('is quick with many fragments, and reads bitmaps only when it needs them', async () => {
    const { volume, device, inner, store, owner, host } = await gated();
    for (let i = 0; i < 300; i++) await put(store, idOf(i), 3000);
    await store.close();
    await owner.close();
    let reads = 0;
    const counting: Kv = Object.assign(Object.create(inner), {
      get: (key: Buffer) => {
        reads++;
        return inner.get(key);
      },
      range: (range: Parameters<Kv['range']>[0]) => inner.range(range),
      commit: (changes: Parameters<Kv['commit']>[0]) => inner.commit(changes),
      checkpoint: () => inner.checkpoint(),
    });
    const again = await openFragmentOwner({
      device: openDevice({ volume, identity: identity(device.identity), host, reserveBytes: 0 }),
      kv: counting,
      host,
    });
    assert.equal(again.statistics().fragments, 300);
    assert.equal(reads, 2, 'the stamp and the mark alone');
  });
});
