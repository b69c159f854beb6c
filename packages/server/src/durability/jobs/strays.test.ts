import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fragmentId, stripeOf } from '../address.ts';
import { deviceName, MemoryFragments } from '../memory.fixture.ts';
import { removeStrays } from './strays.ts';

const id = (prefix: number, n: number) =>
  fragmentId(Buffer.concat([Buffer.alloc(8, prefix), Buffer.alloc(7, n), Buffer.alloc(1)]), 0);

it('what no stripe owns and no intent explains goes, and nothing else', async () => {
  const store = new MemoryFragments(deviceName(0));
  const owned = id(1, 1);
  for (const one of [owned, id(1, 2), id(2, 1), id(3, 1)]) {
    const writer = await store.create(one, 8, 8);
    await writer.append([Buffer.alloc(8)]);
    await writer.seal();
  }
  const intent = (prefix: number, state: 'open' | 'closed') =>
    ({ prefix: Buffer.alloc(8, prefix), state, openedAt: 1, opener: undefined }) as const;
  const reader = {
    stripeOwner: (stripe: Buffer) =>
      stripe.equals(stripeOf(owned))
        ? { manifest: Buffer.alloc(1), bucket: 1, key: Buffer.alloc(1), group: 1 }
        : undefined,
    intent: (prefix: Buffer) => [intent(2, 'open'), intent(3, 'closed')].find((one) => one.prefix.equals(prefix)),
  };
  assert.equal(await removeStrays(reader, store), 1);
  assert.deepEqual(
    [owned, id(1, 2), id(2, 1), id(3, 1)].map((one) => store.bytesOf(one) !== undefined),
    [true, false, true, true],
  );
  assert.equal(await removeStrays(reader, store), 0);
});
