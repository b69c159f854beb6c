import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import {
  checkSpace,
  contentOf,
  crashSystem,
  idOf,
  newSystem,
  put,
  type System,
  settle,
  slabBytes,
} from './system.fixture.ts';
import type { FragmentStore } from './types.ts';

const large = 100_000;
const extent = 102_400;
const storeOf = (system: System, index = 0): FragmentStore => system.stores[index] as FragmentStore;
const freeOf = async (system: System): Promise<number> => (await system.volume.capacity()).free;

/** Fragments 0 to count - 1, one behind the other, in closed windows. */
async function filled(count: number, capacity?: number): Promise<System> {
  const system = await newSystem(capacity);
  for (let i = 0; i < count; i++) await put(storeOf(system), idOf(i), large);
  system.host.advance(2 * limits.idleWindowMs);
  await settle();
  await system.owner.checkpoint();
  return system;
}

async function remove(system: System, ...numbers: number[]): Promise<void> {
  await storeOf(system).remove(numbers.map(idOf));
  await storeOf(system).flush();
}

async function verify(system: System, ...numbers: number[]): Promise<void> {
  checkSpace(system);
  for (const store of system.stores) {
    assert.equal(store.ids(Buffer.alloc(0), 1000).length, numbers.length);
    for (const number of numbers)
      assert.ok(
        (await store.read(idOf(number), 0, large)).equals(contentOf(idOf(number), large)),
        `fragment ${number}`,
      );
  }
}

describe('giving space back', () => {
  it('does nothing when nothing is free', async () => {
    const system = await filled(5);
    assert.equal(await system.owner.reclaim(10 * extent), 0);
    await verify(system, 0, 1, 2, 3, 4);
  });

  it('cuts the free end off a slab, which then takes new space of the volume', async () => {
    const system = await filled(6);
    await remove(system, 3, 4, 5);
    const before = await freeOf(system);
    const given = await system.owner.reclaim(1);
    assert.ok(given >= 3 * extent, String(given));
    assert.equal((await freeOf(system)) - before, given);
    assert.equal(system.owner.statistics().reusableBytes, 0);
    await verify(system, 0, 1, 2);
    await put(storeOf(system, 1), idOf(3), large);
    await verify(system, 0, 1, 2, 3);
    await verify(await crashSystem(system, 1), 0, 1, 2, 3);
  });

  it('remembers the cut over a restart', async () => {
    const system = await filled(6);
    await remove(system, 3, 4, 5);
    await system.owner.reclaim(1);
    for (const store of system.stores) await store.close();
    await system.owner.close();
    assert.equal((await crashSystem(system, 0)).owner.statistics().reusableBytes, 0);
  });

  it('moves fragments away from an end that is in use, and readers find them', async () => {
    const system = await filled(8);
    await remove(system, 0, 1, 2);
    const before = await freeOf(system);
    const reading = storeOf(system, 1).read(idOf(7), 0, large);
    const given = await system.owner.reclaim(3 * extent);
    assert.ok(given >= 2 * extent, String(given));
    assert.equal((await freeOf(system)) - before, given);
    assert.ok((await reading).equals(contentOf(idOf(7), large)));
    await verify(system, 3, 4, 5, 6, 7);
    for (let seed = 0; seed < 5; seed++) {
      const crashed = await crashSystem(system, seed).catch(() => undefined);
      if (crashed) await verify(crashed, 3, 4, 5, 6, 7);
    }
  });

  it('keeps everything wherever a crash meets a move', async () => {
    for (let turns = 0; turns < 400; turns += 5) {
      const system = await filled(6);
      await remove(system, 0, 1);
      const moving = system.owner.reclaim(2 * extent).catch(() => 0);
      await settle(turns);
      const after = await crashSystem(system, turns);
      await moving;
      await verify(after, 2, 3, 4, 5);
    }
  });

  it('does not bring back what is removed while it is moved', async () => {
    for (let turns = 0; turns < 300; turns += 7) {
      const system = await filled(6);
      await remove(system, 0, 1);
      const moving = system.owner.reclaim(2 * extent);
      await settle(turns);
      await remove(system, 5);
      await moving;
      await verify(system, 2, 3, 4);
      await verify(await crashSystem(system, turns), 2, 3, 4);
    }
  });

  it('leaves what does not read well to a scrub, and says what it could not get', async () => {
    const system = await filled(4);
    await remove(system, 0);
    // The last fragment of the first slab, in which the free space is, loses a bit.
    const file = await system.volume.open('slab-000000', 'existing');
    const at = (await file.size()) - 8192;
    const bytes = Buffer.alloc(1);
    await file.read(bytes, at);
    await file.write([Buffer.from([(bytes[0] as number) ^ 1])], at);
    assert.equal(await system.owner.reclaim(extent), 0);
    await assert.rejects(storeOf(system).read(idOf(1), 0, large), /damaged/);
    assert.ok((await storeOf(system).read(idOf(2), 0, large)).equals(contentOf(idOf(2), large)));
    checkSpace(system);
  });

  it('waits for nobody who has a window open, and goes around it', async () => {
    const system = await filled(6);
    await remove(system, 0, 1, 2);
    const writer = await storeOf(system).create(idOf(9), large, 4096);
    const given = await system.owner.reclaim(slabBytes);
    assert.ok(given >= 0);
    await writer.append([contentOf(idOf(9), large)]);
    await writer.seal();
    await verify(system, 3, 4, 5, 9);
  });

  it('stops when it is told to', async () => {
    const system = await filled(6);
    await remove(system, 0, 1);
    await assert.rejects(system.owner.reclaim(extent, AbortSignal.abort(new Error('shutdown'))), /shutdown/);
    await verify(system, 2, 3, 4, 5);
  });

  it('gives space back on a full volume, for others to use', async () => {
    const system = await newSystem(3 << 20);
    let count = 0;
    for (; ; count++) {
      const stored = await put(storeOf(system), idOf(count), large).catch((error: unknown) => error);
      if (stored instanceof StoreError) break;
    }
    assert.ok(count > 10);
    const others = await system.volume.open('others', 'create');
    for (let at = 0; (await freeOf(system)) > 0; at += 4096) await others.write([Buffer.alloc(4096)], at);
    await remove(system, 0, 2, 4, 6);
    system.host.advance(2 * limits.idleWindowMs);
    await settle();
    const given = await system.owner.reclaim(3 * extent);
    assert.ok(given >= 2 * extent, String(given));
    assert.equal(await freeOf(system), given);
    const left = Array.from({ length: count }, (_, i) => i).filter((i) => ![0, 2, 4, 6].includes(i));
    await verify(system, ...left);
  });
});

describe('windows that were not used up', () => {
  it('give back space that was in use before as such: a full volume has no other', async () => {
    const system = await newSystem(3 << 20);
    let count = 0;
    while (!((await put(storeOf(system), idOf(count), large).catch((error: unknown) => error)) instanceof StoreError))
      count++;
    system.host.advance(2 * limits.idleWindowMs);
    await settle();
    await remove(system, count - 3, count - 2, count - 1);
    const { reusableBytes } = system.owner.statistics();
    assert.ok(reusableBytes >= 3 * extent);
    const { nonce, runs } = await system.owner.openWindow(extent);
    await system.owner.closeWindow(nonce, runs);
    assert.equal(system.owner.statistics().reusableBytes, reusableBytes);
    for (const number of [count - 3, count - 2]) await put(storeOf(system), idOf(number), large);
    checkSpace(system);
  });

  it('are closed after some time, the next one too', async () => {
    const system = await newSystem();
    await put(storeOf(system), idOf(0), 100);
    await put(storeOf(system), idOf(1), large);
    assert.ok(system.owner.statistics().windows > 0);
    system.host.advance(2 * limits.idleWindowMs);
    await settle();
    assert.equal(system.owner.statistics().windows, 0);
    await put(storeOf(system), idOf(2), 100);
    checkSpace(system);
  });
});
