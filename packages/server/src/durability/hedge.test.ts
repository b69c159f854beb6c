import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { limits } from '../limits.ts';
import type { GroupRecord } from '../metadata/index.ts';
import { preferredCopy } from './address.ts';
import { unitBytes } from './coded/striping.ts';
import { Hedging } from './hedge.ts';
import {
  codedGroup,
  deviceName,
  drive,
  group,
  type ManualHost,
  MemoryFragments,
  sameBytes,
  seededHost,
} from './memory.fixture.ts';
import { setUp, write } from './stripes.fixture.ts';

const code = { data: 4, parity: 2 };
const groups: readonly GroupRecord[] = [codedGroup(1, code, 0, 1, 2, 3, 4, 5), group(2, 0, 1), group(3, 0, 1, 2)];

/** Stripes on six remote devices, any of which can be made slow. */
async function remote() {
  const setting = setUp(6, {}, groups);
  const slow = new Map<string, number>();
  for (const store of setting.stores.values()) {
    store.remote = true;
    for (const how of ['read', 'fetch'] as const) {
      const plain = store[how].bind(store);
      store[how] = async (id, start, end) => {
        const delay = slow.get(store.device) ?? 1;
        await setting.host.timers.sleep(delay);
        return plain(id, start, end);
      };
    }
  }
  const host: ManualHost = setting.host;
  const timed = async <Bytes>(
    read: Promise<Bytes>,
    step = 1,
  ): Promise<{ readonly bytes: Bytes; readonly took: number }> => {
    const began = host.clock.monotonic();
    const bytes = await drive(host, read, step);
    return { bytes, took: host.clock.monotonic() - began };
  };
  return { ...setting, slow, timed };
}

describe('a slow device of another node', () => {
  test('is not waited for by a reader of copies', async () => {
    const setting = await remote();
    const stripe = await write(setting, 1000, 2);
    const first = deviceName(preferredCopy(stripe.id, 2));
    setting.slow.set(first, 5000);
    const { bytes, took } = await setting.timed(setting.store.fetch(stripe, 0, 1000));
    sameBytes(bytes, stripe.bytes);
    assert.ok(took >= limits.hedgeFloorMs && took < 2 * limits.hedgeFloorMs + 5, `${took} ms`);
    assert.deepEqual(setting.reports, [], 'slow is not damaged');
  });

  test('is not waited for by a reader of coded stripes, though data and another source are slow', async () => {
    const setting = await remote();
    const stripe = await write(setting, 10 * unitBytes, code);
    setting.slow.set(deviceName(1), 5000);
    setting.slow.set(deviceName(2), 5000);
    const { bytes, took } = await setting.timed(setting.store.read(stripe, 0, 10 * unitBytes));
    sameBytes(bytes, stripe.bytes);
    assert.ok(took < 4 * limits.hedgeFloorMs, `${took} ms`);
  });

  test('is waited for when all others are lost', async () => {
    const setting = await remote();
    const stripe = await write(setting, 1000, 2);
    const first = preferredCopy(stripe.id, 2);
    setting.slow.set(deviceName(first), 300);
    setting.on(1 - first).rows.clear();
    const { bytes, took } = await setting.timed(setting.store.read(stripe, 0, 1000));
    sameBytes(bytes, stripe.bytes);
    assert.ok(took >= 300);
  });

  test('that answers in time is asked alone', async () => {
    const setting = await remote();
    const stripe = await write(setting, 10 * unitBytes, code);
    for (let i = 0; i < 50; i++) await setting.timed(setting.store.fetch(stripe, 0, unitBytes));
    assert.deepEqual(
      [...setting.stores.values()].map(({ reads }) => reads),
      [50, 0, 0, 0, 0, 0],
    );
  });
});

test('a copy of this machine is read, and one of another node only when it is bad', async () => {
  const setting = await remote();
  const near = setting.on(1);
  near.remote = false;
  for (let i = 0; i < 12; i++) {
    const stripe = await write(setting, 1000, 3);
    for (const how of ['read', 'fetch'] as const)
      sameBytes((await setting.timed(setting.store[how](stripe, 0, 1000))).bytes, stripe.bytes);
  }
  const reads = () => [...setting.stores.values()].map((store) => store.reads);
  assert.deepEqual(reads(), [0, 24, 0, 0, 0, 0]);
  const lost = await write(setting, 1000, 3);
  near.rows.clear();
  sameBytes((await setting.timed(setting.store.read(lost, 0, 1000))).bytes, lost.bytes);
  assert.ok((reads()[0] ?? 0) + (reads()[2] ?? 0) > 0, 'others were asked');
});

test('when everything is slow, hedges stay within their budget', async () => {
  const setting = await remote();
  const stripe = await write(setting, 1000, 2);
  for (const device of setting.stores.keys()) setting.slow.set(device, 5000);
  for (let i = 0; i < 200; i++) await setting.timed(setting.store.fetch(stripe, 0, 1000), 500);
  const reads = [...setting.stores.values()].reduce((sum, store) => sum + store.reads, 0);
  assert.ok(reads - 200 <= limits.hedgesSaved + 200 * 0.1 + 1, `${reads} reads for 200`);
});

test('the estimate settles where one read of twenty is slower, between floor and ceiling', async () => {
  const host = seededHost(9);
  const hedging = new Hedging(host);
  const device = new MemoryFragments(deviceName(0));
  device.remote = true;
  assert.equal(hedging.lateAfter(device.device), limits.hedgeFloorMs);
  let slower = 0;
  const rounds = 1000;
  for (let i = 0; i < rounds; i++) {
    // 20 to 120 ms, spread evenly.
    const took = 20 + ((i * 61) % 101);
    if (i > rounds / 2 && took > hedging.lateAfter(device.device)) slower += 1;
    await drive(host, hedging.watch(device, host.timers.sleep(took)), 4);
  }
  const share = slower / (rounds / 2);
  assert.ok(share > 0.02 && share < 0.1, `${share} of the reads were late`);
  for (let i = 0; i < 60; i++) await drive(host, hedging.watch(device, host.timers.sleep(20_000)), 5000);
  assert.equal(hedging.lateAfter(device.device), limits.hedgeCeilingMs);
});
