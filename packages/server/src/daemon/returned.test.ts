import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fragmentId, stripeOf } from '../durability/address.ts';
import { deviceName, MemoryFragments } from '../durability/memory.fixture.ts';
import type { Command } from '../metadata/index.ts';
import { sweepReturned } from './returned.ts';

it('a device that is back is looked through once, and no other one', async () => {
  const stripe = (n: number) => fragmentId(Buffer.concat([Buffer.alloc(8, 1), Buffer.alloc(7, n), Buffer.alloc(1)]), 0);
  const [owned, stray] = [stripe(1), stripe(2)];
  const stores = new Map([0, 1].map((n) => [deviceName(n), new MemoryFragments(deviceName(n))]));
  for (const store of stores.values())
    for (const one of [owned, stray]) {
      const writer = await store.create(one, 8, 8);
      await writer.append([Buffer.alloc(8)]);
      await writer.seal();
    }
  const settings = new Map<string, string>();
  const metadata = {
    reader: {
      setting: (name: string) => settings.get(name),
      stripeOwner: (id: Buffer) =>
        id.equals(stripeOf(owned))
          ? { manifest: Buffer.alloc(1), bucket: 1, key: Buffer.alloc(1), group: 1 }
          : undefined,
      intent: () => undefined,
    },
    async propose(command: Command) {
      assert.equal(command.type, 'setting.write');
      if (command.type === 'setting.write') settings.set(command.name, command.value);
      return { type: 'done' } as never;
    },
  };
  const [first, second] = [...stores.keys()] as [string, string];
  const held = () => [...stores.values()].map((store) => store.ids(Buffer.alloc(0), 9).length);
  const startWith = (...here: readonly string[]) =>
    sweepReturned(
      metadata,
      new Map([...stores].filter(([device]) => here.includes(device))),
      [first, second].filter((device) => !here.includes(device)),
    );

  assert.equal(await startWith(first, second), 0);
  assert.equal(settings.size, 0, 'nothing is away: nothing is written');
  assert.equal(await startWith(first), 0);
  assert.equal(await startWith(first), 0, 'it is still away');
  assert.deepEqual(held(), [2, 2]);
  assert.equal(await startWith(first, second), 1);
  assert.deepEqual(held(), [2, 1]);
  assert.equal(await startWith(second), 0, 'what was looked through is not again');
  assert.equal(await startWith(first, second), 1);
  assert.deepEqual(held(), [1, 1]);
});
