import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openRecoding } from './recode.fixture.ts';

const MiB = 1024 * 1024;
const day = 24 * 3600 * 1000;
const [hot, cold] = [{ copies: 2 }, { data: 8, parity: 3 }];
const weekly = { hot, cold, afterIdleMs: 7 * day };

async function setUp() {
  const setting = await openRecoding(11);
  await setting.objects.createBucket({ name: 'bbb', owner: 'owner', region: 'r' });
  await setting.run(setting.objects.updateBucket('bbb', { redundancy: weekly }));
  const bytes = setting.host.entropy.bytes(MiB);
  const kept = () => setting.kept(setting.version('bbb', 'k'));
  const pass = async (ms: number): Promise<void> => {
    setting.host.advance(ms);
    // What is being read is noted within seconds.
    for (let i = 0; i < 50; i++) await Promise.resolve();
    await setting.walk();
  };
  const read = async (): Promise<void> => {
    assert.ok((await setting.get('bbb', 'k')).equals(bytes));
    await pass(10_000);
  };
  return { ...setting, bytes, keptNow: kept, pass, read };
}

describe('hot copies that become a cold code', () => {
  it('are written hot, and cold once they were idle for so long', async () => {
    const setting = await setUp();
    await setting.put('bbb', 'k', setting.bytes);
    await setting.pass(6 * day);
    assert.deepEqual(setting.keptNow(), [hot]);
    await setting.pass(day);
    assert.deepEqual(setting.keptNow(), [cold]);
    await setting.settle();
    assert.ok((await setting.get('bbb', 'k')).equals(setting.bytes));
  });

  it('stay hot as long as they are read, and writing counts too', async () => {
    const setting = await setUp();
    await setting.put('bbb', 'k', setting.bytes);
    for (let week = 0; week < 4; week++) {
      await setting.pass(5 * day);
      await setting.read();
      assert.deepEqual(setting.keptNow(), [hot]);
    }
    await setting.pass(6.9 * day);
    await setting.put('bbb', 'k', setting.bytes);
    await setting.pass(6.9 * day);
    assert.deepEqual(setting.keptNow(), [hot]);
  });

  it('come back when they are read again and again, not when they are read once', async () => {
    const setting = await setUp();
    await setting.put('bbb', 'k', setting.bytes);
    await setting.pass(8 * day);
    await setting.read();
    await setting.pass(day / 2);
    assert.deepEqual(setting.keptNow(), [cold], 'one read, of a backup for example, moves nothing');
    await setting.pass(day);
    await setting.read();
    assert.deepEqual(setting.keptNow(), [hot]);
    await setting.pass(8 * day);
    assert.deepEqual(setting.keptNow(), [cold]);
    await setting.settle();
  });

  it('of one object, or a storage class, do the same; and a read at the last moment wins', async () => {
    const setting = await setUp();
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: null }));
    await setting.put('bbb', 'k', setting.bytes, { redundancy: weekly });
    await setting.put('bbb', 'other', setting.bytes);
    setting.host.advance(8 * day);
    // It is read while the walk has already found it idle.
    const touch = { bucket: setting.reader.bucket('bbb')?.id ?? 0, key: Buffer.from('k'), idleMs: weekly.afterIdleMs };
    let touched: Promise<unknown> | undefined;
    const [store] = setting.stores.values();
    assert.ok(store);
    store.before = (step) => {
      if (step !== 'seal' || touched) return;
      const item = { ...touch, sequence: setting.version('bbb', 'k').sequence };
      touched = setting.metadata.propose({ type: 'object.touch', items: [item] });
    };
    await setting.walk();
    await touched;
    assert.ok(touched, 'its new stripes were written');
    assert.deepEqual(setting.keptNow(), [hot]);
    await setting.pass(8 * day);
    assert.deepEqual(setting.keptNow(), [cold]);
    assert.deepEqual(setting.kept(setting.version('bbb', 'other')), [{ copies: 2 }]);
    await setting.settle();
  });

  it('are noted as read once in an eighth of their idle time, and others never', async () => {
    const setting = await setUp();
    await setting.objects.createBucket({ name: 'ccc', owner: 'owner', region: 'r' });
    await setting.put('bbb', 'k', setting.bytes);
    await setting.put('ccc', 'k', setting.bytes);
    const before = setting.reader.position();
    for (let i = 0; i < 20; i++) await setting.get('bbb', 'k');
    await setting.pass(60_000);
    assert.equal(setting.reader.position(), before, 'just written');
    await setting.pass(day);
    const { position } = { position: setting.reader.position() };
    for (let i = 0; i < 20; i++) await setting.get('bbb', 'k');
    for (let i = 0; i < 20; i++) await setting.get('ccc', 'k');
    await setting.pass(60_000);
    assert.equal(setting.reader.position(), position + 1);
    assert.deepEqual(setting.version('bbb', 'k').use?.heat, 1);
  });
});
