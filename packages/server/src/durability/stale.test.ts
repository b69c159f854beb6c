import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../errors.ts';
import type { FragmentId } from '../fragments/index.ts';
import { limits } from '../limits.ts';
import type { GroupRecord } from '../metadata/index.ts';
import type { PlacedBy } from './access.ts';
import { indexOf } from './address.ts';
import { openStripeStore } from './index.ts';
import { deviceName, drive, group, memoryStores, seededHost } from './memory.fixture.ts';
import { Replica } from './replica.fixture.ts';

/** Nodes that know `theirs`, and a writer that goes by what its replica says; both can be changed. */
function setUp(known: readonly GroupRecord[], options: { readonly own?: boolean } = {}) {
  const host = seededHost(3);
  const replica = new Replica(known);
  const stores = memoryStores(4);
  const nodes = { theirs: known };
  let refused = 0;
  for (const [device, store] of stores) {
    const create = store.create.bind(store);
    store.remote = true;
    store.create = (id: FragmentId, maximum: number, checksumBytes: number, by?: PlacedBy) => {
      assert.ok(by, 'a stripe is written by some map');
      const now = nodes.theirs.find((one) => one.id === by.group);
      if (!now || now.epoch <= by.epoch || now.devices[indexOf(id)] === device)
        return create(id, maximum, checksumBytes);
      refused += 1;
      const detail = { Group: String(now.id), Epoch: String(now.epoch) };
      return Promise.reject(new StoreError('StalePlacement', { detail }));
    };
  }
  const store = openStripeStore({
    groups: () => replica.groups,
    ...(options.own && { group: (id: number) => replica.groups.find((one) => one.id === id) }),
    access: stores,
    host,
    owned: () => true,
    proposer: replica.proposer,
    onDamage: () => assert.fail('nothing is damaged'),
  });
  const write = async (): Promise<string[]> => {
    const writer = await store.create({ copies: 2 }, 100);
    await writer.append([Buffer.alloc(100, 1)]);
    await writer.seal();
    return [...stores.values()].filter(({ rows }) => rows.size > 0).map(({ device }) => device);
  };
  const open = (): number => [...stores.values()].reduce((sum, one) => sum + one.open, 0);
  return { host, replica, nodes, write: () => drive(host, write(), 10), refused: () => refused, open };
}

const before = [group(1, 0, 1)];
const after = [{ ...group(1, 2, 1), epoch: 2 }];

test('a writer whose map is old learns the new one and writes to the right devices', async () => {
  const setting = setUp(before);
  setting.nodes.theirs = after;
  const learns = setting.host.timers.after(250, () => (setting.replica.groups = after));
  assert.deepEqual(await setting.write(), [deviceName(1), deviceName(2)]);
  assert.equal(setting.refused(), 1);
  assert.equal(setting.open(), 0);
  learns();
});

test('a group that the writer does not come to know is left out', async () => {
  const setting = setUp([...before, group(2, 3, 1)]);
  setting.nodes.theirs = [...after, group(2, 3, 1)];
  // Both groups are tried first by some stripe.
  for (let i = 0; i < 4; i++) await setting.write();
  assert.ok(setting.refused() > 0);
  assert.equal(setting.open(), 0);
  assert.deepEqual(await setting.write(), [deviceName(1), deviceName(3)]);
});

test('a map that changes each time is given up, and nothing is left open', async () => {
  const setting = setUp(before);
  let epoch = 1;
  setting.nodes.theirs = after;
  setting.host.timers.every(50, () => {
    epoch += 1;
    setting.replica.groups = [{ ...(before[0] as GroupRecord), epoch }];
    setting.nodes.theirs = [{ ...group(1, 2, 3), epoch: epoch + 1 }];
  });
  await assert.rejects(setting.write(), { code: 'ServiceUnavailable' });
  const refused = setting.refused();
  assert.ok(refused >= limits.staleMapTries && refused <= 2 * limits.staleMapTries, `${refused} refusals`);
  assert.equal(setting.open(), 0);
});

test('what this node knows already needs no refusal', async () => {
  const setting = setUp(before, { own: true });
  await setting.write();
  setting.nodes.theirs = after;
  setting.replica.groups = after;
  await setting.write();
  assert.equal(setting.refused(), 0);
});
