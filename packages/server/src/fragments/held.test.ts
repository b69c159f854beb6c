import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openDevice } from '../device/index.ts';
import { manualHost } from '../host/index.ts';
import { type Kv, memoryKv } from '../kv/index.ts';
import { geometryOf } from './geometry.ts';
import { heldExtents } from './held.ts';
import { openFragmentOwner } from './owner.ts';
import { decodeFragment, fragmentKey } from './rows.ts';
import { openFragmentStore } from './store.ts';
import { auditOf, contentOf, idOf, newSystem, put, slabBytes, windowBytes } from './system.fixture.ts';
import type { FragmentStore } from './types.ts';

let hosts = 1;
const lengthOf = (number: number): number => 100 + ((number * 7919) % 60_000);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Where a fragment lies. */
function addressOf(kv: Kv, number: number): number {
  const key = fragmentKey(idOf(number));
  return decodeFragment(geometryOf(slabBytes), key, kv.get(key) as Buffer).address;
}

async function readBack(store: FragmentStore, numbers: Iterable<number>): Promise<void> {
  for (const number of numbers) {
    const bytes = await store.read(idOf(number), 0, lengthOf(number));
    assert.deepEqual(bytes, contentOf(idOf(number), lengthOf(number)), `${number}`);
  }
}

it('what begins where nothing can be read is neither found nor overwritten, and is found once it can be read', async () => {
  const system = await newSystem();
  const [store] = system.stores as [FragmentStore];
  for (const number of upTo(40)) await put(store, idOf(number), lengthOf(number));
  const hurt = [3, 17, 18];
  const rows = hurt.map((number) => addressOf(system.kv, number));
  let broken = true;
  const open = async (kv: Kv) => {
    const host = manualHost(hosts++);
    const inner = openDevice({
      volume: system.volume,
      identity: { device: system.device.identity, store: '', slabBytes, madeAt: 0 },
      host,
      reserveBytes: 0,
    });
    const device = Object.assign(Object.create(inner) as typeof inner, {
      identity: inner.identity,
      slabBytes,
      health: () => 'good' as const,
      capacity: () => inner.capacity(),
      discard: (address: number, length: number) => inner.discard(address, length),
      slabs: () => inner.slabs(),
      write: (pieces: readonly Uint8Array[], address: number) => inner.write(pieces, address),
      sync: (address: number) => inner.sync(address),
      close: () => inner.close(),
      async read(into: Uint8Array, address: number) {
        if (broken && rows.some((row) => address <= row && address + into.length > row))
          throw Object.assign(new Error('EIO'), { code: 'EIO' });
        return inner.read(into, address);
      },
    });
    const owned = (id: Buffer) => upTo(40).some((number) => idOf(number).equals(id));
    const owner = await openFragmentOwner({
      device,
      kv,
      host,
      windowBytes,
      rebuild: { owned, mayBeOwned: owned, explained: owned },
    });
    return { owner, store: openFragmentStore({ device, owner, index: kv, host }) };
  };
  const kv = memoryKv(manualHost(1));
  const first = await open(kv);
  const { rebuilt } = first.owner.recovery;
  assert.deepEqual([rebuilt?.fragments, rebuilt?.unreadableBytes], [40 - hurt.length, hurt.length * 4096]);
  assert.ok((rebuilt?.heldBytes ?? 0) >= hurt.reduce((sum, number) => sum + lengthOf(number), 0));
  assert.deepEqual(auditOf(kv).problems, [], 'held space is no leak');
  // All other space is used up.
  const later: number[] = [];
  for (let number = 1000; number < 1400; number++) {
    const done = await put(first.store, idOf(number), lengthOf(number)).then(
      () => true,
      () => false,
    );
    if (!done) break;
    later.push(number);
  }
  for (const number of hurt) assert.equal(first.store.length(idOf(number)), undefined);
  await first.store.close();
  await first.owner.close();
  const still = await open(kv);
  assert.equal(still.owner.recovery.rebuilt, undefined);
  for (const number of hurt) assert.equal(still.store.length(idOf(number)), undefined, 'still unreadable');
  assert.deepEqual(auditOf(kv).problems, []);
  await still.store.close();
  await still.owner.close();
  broken = false;
  const whole = await open(kv);
  await readBack(whole.store, upTo(40));
  await readBack(whole.store, later);
  assert.deepEqual(auditOf(kv).problems, []);
  assert.equal(heldExtents(kv, geometryOf(slabBytes)).length, 0);
});
