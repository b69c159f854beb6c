import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { StoreError } from '../errors.ts';
import type { GroupRecord } from '../metadata/index.ts';
import { fragmentId } from './address.ts';
import { deviceName, group } from './memory.fixture.ts';
import { openWriters, placed, setUp, write } from './stripes.fixture.ts';

describe('writing', () => {
  test('two copies on two devices by default, one on one', async () => {
    const two = setUp(2);
    const stripe = await write(two, 300_000);
    assert.deepEqual(placed(two, stripe.id), [0, 1]);
    const { devices } = two.replica.groups.find(({ id }) => id === stripe.group) as GroupRecord;
    for (const [copy, device] of devices.entries()) {
      const stored = await two.stores.get(device)?.read(fragmentId(stripe.id, copy), 0, 300_000);
      assert.deepEqual(stored, stripe.bytes);
    }
    const one = setUp(1);
    assert.deepEqual(placed(one, (await write(one, 10)).id), [0]);
    const three = setUp(3);
    assert.equal(placed(three, (await write(three, 10)).id).length, 2);
    assert.equal(placed(three, (await write(three, 10, 3)).id).length, 3);
    const asked = setUp(3, { defaultCopies: () => 1 });
    assert.equal(placed(asked, (await write(asked, 10)).id).length, 1);
  });

  test('more copies than devices are refused, with the number of devices', async () => {
    const { store } = setUp(2);
    await assert.rejects(store.create({ copies: 3 }, 10), (error: StoreError) => {
      assert.equal(error.code, 'UnsupportedRedundancy');
      assert.match(error.message, /3 copies need 3 storage devices, and this server has 2 storage devices/);
      return true;
    });
    await assert.rejects(setUp(1).store.create({ copies: 2 }, 10), /this server has one storage device/);
    await assert.rejects(store.create({ copies: 0 }, 10), { code: 'UnsupportedRedundancy' });
    await assert.rejects(store.create({ copies: 1.5 }, 10), { code: 'UnsupportedRedundancy' });
  });

  test('a usual number of copies that there are no groups for yet is to be asked for again, and is no mistake of the client', async () => {
    const { store } = setUp(2, { defaultCopies: () => 3 });
    await assert.rejects(store.create(undefined, 10), { code: 'ServiceUnavailable' });
  });

  test('stripes spread over the groups in proportion to free space', async () => {
    const setting = setUp(2, {
      condition: (device) => ({ healthy: true, free: device === deviceName(0) ? 300 : 100 }),
    });
    for (let i = 0; i < 100; i++) await write(setting, 1, 1);
    assert.ok(Math.abs(setting.on(0).rows.size - 75) <= 3, String(setting.on(0).rows.size));
  });

  test('a device that fails at create moves the stripe to another group', async () => {
    const setting = setUp(3);
    setting.on(1).failing.set('create', new Error('EIO'));
    for (let i = 0; i < 5; i++) assert.deepEqual(placed(setting, (await write(setting, 10, 2)).id), [0, 2]);
    assert.equal(openWriters(setting), 0);
  });

  test('an unhealthy device is not written to', async () => {
    const setting = setUp(3, { condition: (device) => ({ healthy: device !== deviceName(2), free: 1 }) });
    for (let i = 0; i < 5; i++) assert.deepEqual(placed(setting, (await write(setting, 10, 2)).id), [0, 1]);
  });

  test('two copies need both devices', async () => {
    const setting = setUp(2);
    setting.on(0).failing.set('create', new Error('EIO'));
    await assert.rejects(setting.store.create({ copies: 2 }, 10), { code: 'ServiceUnavailable' });
    assert.equal(openWriters(setting), 0);
    assert.deepEqual(placed(setting, (await write(setting, 10, 1)).id), [1]);
  });

  test('full devices answer StorageFull, and a full one among others is gone around', async () => {
    const setting = setUp(2);
    setting.on(0).failing.set('create', new StoreError('StorageFull'));
    assert.deepEqual(placed(setting, (await write(setting, 10, 1)).id), [1]);
    await assert.rejects(setting.store.create({ copies: 2 }, 10), { code: 'StorageFull' });
    setting.on(1).failing.set('create', new StoreError('StorageFull'));
    await assert.rejects(setting.store.create({ copies: 1 }, 10), { code: 'StorageFull' });
    const known = setUp(2, { condition: () => ({ healthy: true, free: 0 }) });
    await assert.rejects(known.store.create(undefined, 10), { code: 'StorageFull' });
  });

  test('a device that fails mid-stripe fails the stripe and leaves nothing', async () => {
    for (const step of ['append', 'seal'] as const) {
      for (const error of [new StoreError('StorageFull'), new Error('EIO')]) {
        const setting = setUp(2);
        const writer = await setting.store.create({ copies: 2 }, 20);
        await writer.append([Buffer.alloc(10)]);
        setting.on(1).failing.set(step, error);
        const code = error instanceof StoreError ? 'StorageFull' : 'ServiceUnavailable';
        const failing = step === 'append' ? writer.append([Buffer.alloc(10)]) : writer.seal();
        await assert.rejects(failing, (e: StoreError) => e instanceof StoreError && e.code === code);
        assert.deepEqual(placed(setting, writer.id), []);
        assert.equal(openWriters(setting), 0);
        assert.equal(setting.store.counts().failed, 1);
        await writer.abort();
      }
    }
  });

  test('three copies are durable on two, and the missing one is told', async () => {
    for (const step of ['create', 'append', 'seal'] as const) {
      const setting = setUp(3);
      setting.on(0).failing.set(step, new Error('EIO'));
      const stripe = await write(setting, 200_000, 3);
      assert.deepEqual(placed(setting, stripe.id), [1, 2]);
      assert.equal(openWriters(setting), 0);
      const { devices } = setting.replica.groups.find((one) => one.id === stripe.group) as GroupRecord;
      const copy = devices.indexOf(deviceName(0));
      assert.deepEqual(setting.missed, [{ stripe: stripe.id, group: stripe.group, copy }]);
      assert.equal(setting.store.lacking(stripe), 1, 'and said, though every device is there');
      assert.equal(setting.store.counts().degraded, 1);
      setting.on(1).failing.set(step, new Error('EIO'));
      await assert.rejects(write(setting, 10, 3), { code: 'ServiceUnavailable' });
      assert.equal(openWriters(setting), 0);
    }
  });

  test('while a device is away the usual number of copies may lack it, and one that was asked for may not', async () => {
    for (const away of ['absent', 'stopped'] as const) {
      const stopped = new Set<string>();
      const setting = setUp(2, { condition: (device) => ({ healthy: !stopped.has(device), free: 1 }) });
      if (away === 'absent') setting.stores.delete(deviceName(1));
      else stopped.add(deviceName(1));
      const stripe = await write(setting, 200_000);
      assert.deepEqual(placed(setting, stripe.id), [0]);
      const { devices } = setting.replica.groups.find((one) => one.id === stripe.group) as GroupRecord;
      assert.equal(devices.length, 2, 'its group has a place for the copy that lacks');
      const copy = devices.indexOf(deviceName(1));
      assert.deepEqual(setting.missed, [{ stripe: stripe.id, group: stripe.group, copy }]);
      assert.equal(setting.store.lacking(stripe), 1);
      assert.deepEqual(await setting.store.read(stripe, 0, 200_000), stripe.bytes);
      await assert.rejects(setting.store.create({ copies: 2 }, 10), { code: 'ServiceUnavailable' });
      await assert.rejects(setting.store.create({ copies: 3 }, 10), { code: 'UnsupportedRedundancy' });
      assert.equal(placed(setting, (await write(setting, 10, 1)).id).length, 1);
      assert.equal(openWriters(setting), 0);
    }
  });

  test('a device that is away does not matter while others give the usual copies', async () => {
    const setting = setUp(3);
    setting.stores.delete(deviceName(1));
    for (let i = 0; i < 20; i++) assert.deepEqual(placed(setting, (await write(setting, 10)).id), [0, 1]);
    assert.deepEqual(setting.missed, []);
  });

  test('a device that is full or busy is no reason to keep less than usual', async () => {
    for (const code of ['StorageFull', 'SlowDown'] as const) {
      const setting = setUp(2);
      setting.on(1).failing.set('create', new StoreError(code));
      await assert.rejects(write(setting, 10), StoreError);
      assert.deepEqual(setting.missed, []);
      assert.equal(openWriters(setting), 0);
    }
  });

  test('a server without groups for that many copies says so', async () => {
    const setting = setUp(2, {}, [group(1, 0), group(2, 1)]);
    await assert.rejects(setting.store.create({ copies: 2 }, 1), /No placement group gives/);
    setting.replica.groups = [...setting.replica.groups, group(3, 0, 1)];
    assert.equal(placed(setting, (await write(setting, 1, 2)).id).length, 2);
  });
});

describe('intents', () => {
  test('ids are unique, lie under an open intent and end in zero', async () => {
    const setting = setUp(2);
    const ids = await Promise.all(Array.from({ length: 50 }, async () => (await write(setting, 1)).id));
    assert.equal(new Set(ids.map((id) => id.toString('hex'))).size, 50);
    for (const id of ids) {
      assert.equal(id[15], 0);
      assert.equal(setting.replica.intents.get(id.toString('hex', 0, 8))?.state, 'open');
    }
    assert.deepEqual(setting.replica.log, ['intent.open']);
  });

  test('closing closes the intent once everything is settled, and refuses new stripes', async () => {
    const settled = setUp(1);
    const a = await write(settled, 1);
    const b = await settled.store.create(undefined, 1);
    settled.store.settle([a.id]);
    settled.store.settle([a.id]);
    await b.abort();
    await settled.store.close();
    assert.deepEqual(settled.replica.log, ['intent.open', 'intent.close']);
    await assert.rejects(settled.store.create(undefined, 1), { code: 'ServiceUnavailable' });

    const waiting = setUp(1);
    await write(waiting, 1);
    await waiting.store.close();
    assert.deepEqual(waiting.replica.log, ['intent.open']);
  });

  test('a failed write settles its stripe, and removing settles too', async () => {
    const setting = setUp(1);
    const kept = await write(setting, 1);
    setting.on(0).failing.set('create', new Error('EIO'));
    await assert.rejects(setting.store.create(undefined, 1));
    setting.on(0).failing.delete('create');
    await setting.store.remove([kept.id]);
    assert.equal(setting.on(0).rows.size, 0);
    await setting.store.close();
    assert.equal(setting.replica.log.at(-1), 'intent.close');
  });

  test('an owner that refuses the intent refuses the stripe, and the next one tries again', async () => {
    const setting = setUp(1);
    setting.replica.refuse = new StoreError('SlowDown');
    await assert.rejects(setting.store.create(undefined, 1), { code: 'SlowDown' });
    setting.replica.refuse = undefined;
    await write(setting, 1);
  });
});
