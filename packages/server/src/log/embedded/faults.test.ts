import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type FaultPlan, faultyVolume, memoryVolume, type Volume, type VolumeCall } from '../../device/index.ts';
import { StoreError } from '../../errors.ts';
import { manualHost } from '../../host/index.ts';
import { entries, payload, suiteLimits } from '../suite.ts';
import type { Log, LogEntry } from '../types.ts';
import { openEmbeddedLog } from './open.ts';

const host = manualHost(5);
const open = (volume: Volume): Promise<Log> => openEmbeddedLog({ volume, host, limits: suiteLimits });
const isCode = (code: string) => (error: unknown) => error instanceof StoreError && error.code === code;
const turns = async (count = 300): Promise<void> => {
  for (let i = 0; i < count; i++) await Promise.resolve();
};

it('writes and syncs once for all appends that wait', async () => {
  const calls: VolumeCall[] = [];
  const volume = faultyVolume(memoryVolume(), (call) => void calls.push(call), host);
  const log = await openEmbeddedLog({ volume, host, limits: { ...suiteLimits, segmentBytes: 65_536 } });
  const groups = async (appends: number): Promise<string[]> => {
    calls.length = 0;
    await Promise.all(Array.from({ length: appends }, (_, i) => log.append(payload(i, 100))));
    return calls.filter(({ call }) => call === 'write' || call === 'sync').map(({ call }) => call);
  };
  assert.deepEqual(await groups(1), ['write', 'sync']);
  assert.deepEqual(await groups(32), ['write', 'sync']);
  calls.length = 0;
  const early = log.append(payload(1, 100));
  await turns(2);
  const late = Array.from({ length: 10 }, (_, i) => log.append(payload(i, 100)));
  await Promise.all([early, ...late]);
  assert.deepEqual(
    calls.filter(({ call }) => call === 'write').map(({ length }) => length),
    [164, 1640],
  );
  assert.equal(calls.filter(({ call }) => call === 'sync').length, 2);
  await log.close();
});

it('appends only within a file that has its full size, and syncs nothing twice', async () => {
  const inner = memoryVolume();
  const log = await open(inner);
  for (let i = 0; i < 100; i++) await log.append(payload(i, 1000));
  await log.close();
  for (const name of await inner.list()) {
    const file = await inner.open(name, 'read');
    assert.equal(await file.size(), suiteLimits.segmentBytes, name);
  }
});

it('uses trimmed segments again', async () => {
  const calls: VolumeCall[] = [];
  const inner = memoryVolume();
  const log = await open(faultyVolume(inner, (call) => void calls.push(call), host));
  for (let i = 0; i < 60; i++) await log.append(payload(i, 1000));
  await log.trim(log.head);
  await turns();
  calls.length = 0;
  for (let i = 0; i < 200; i++) {
    await log.append(payload(i, 1000));
    if (i % 5 === 0) await log.trim(log.head);
  }
  const written = calls.filter(({ call }) => call === 'write').reduce((sum, { length }) => sum + length, 0);
  assert.ok(written < 200 * 1064 + 20 * 4096, `${written} bytes: no file was filled anew`);
  assert.ok((await inner.list()).length <= 5);
  await log.close();
});

for (const call of ['write', 'sync'] as const) {
  it(`takes no append after a failed ${call}, and recovers at the next open`, async () => {
    let broken = false;
    const inner = memoryVolume();
    const volume = faultyVolume(
      inner,
      (c) => (broken && c.call === call ? { kind: 'error', code: 'EIO' } : undefined),
      host,
    );
    const log = await open(volume);
    await log.append(payload(1));
    const waiting = assert.rejects(log.reached(3), isCode('ServiceUnavailable'));
    broken = true;
    const failing = [log.append(payload(2)), log.append(payload(3))];
    await turns(2);
    const queued = log.append(payload(4));
    for (const append of [...failing, queued]) await assert.rejects(append, isCode('ServiceUnavailable'));
    await waiting;
    broken = false;
    await assert.rejects(log.append(payload(5)), isCode('ServiceUnavailable'));
    await assert.rejects(log.reached(2), isCode('ServiceUnavailable'));
    assert.equal(log.head, 1);
    assert.equal((await entries(log)).length, 1);
    await log.close();
    const again = await open(inner);
    assert.ok(again.head >= 1);
    assert.deepEqual((await entries(again))[0]?.payload, payload(1));
    await again.append(payload(9));
    await again.close();
  });
}

it('refuses appends while the disk is full and no segment is ready, and goes on when there is space', async () => {
  let full = false;
  const plan: FaultPlan = ({ call, name }) =>
    full && call === 'write' && name === 'draft' ? { kind: 'error', code: 'ENOSPC' } : undefined;
  const inner = memoryVolume();
  const log = await open(faultyVolume(inner, plan, host));
  for (let i = 1; i <= 5; i++) await log.append(payload(i, 1000));
  full = true;
  let refused: unknown;
  let count = 5;
  const roomy: boolean[] = [];
  while (!refused) {
    roomy.push(log.roomy);
    await log.append(payload(count + 1, 1000)).then(
      () => count++,
      (error) => {
        refused = error;
      },
    );
  }
  assert.ok(isCode('StorageFull')(refused));
  assert.equal(log.head, count);
  assert.ok(count >= 11, 'the segment is used to its end first');
  assert.deepEqual([roomy[0], roomy.at(-1), log.roomy], [true, false, false], 'it says so before it is at its end');
  await assert.rejects(log.append(payload(0, 1000)), isCode('StorageFull'));
  assert.equal((await log.append(payload(count + 1, 20))).position, count + 1, 'what still fits goes in');
  assert.equal((await inner.list()).includes('draft'), false);
  full = false;
  assert.equal(log.roomy, false);
  await turns();
  assert.equal(log.roomy, true, 'asking looks for space again');
  assert.equal((await log.append(payload(count + 2, 1000))).position, count + 2);
  const all = await entries(log);
  assert.equal(all.length, count + 2);
  await log.close();
  const again = await open(inner);
  assert.deepEqual(await entries(again), all);
  await again.close();
});

it('does not begin to fill a file for which there is no space', async () => {
  const calls: VolumeCall[] = [];
  const inner = memoryVolume({ capacity: 3 * suiteLimits.segmentBytes });
  const volume = faultyVolume(inner, (call) => void calls.push(call), host);
  const log = await open(volume);
  await assert.rejects(async () => {
    for (;;) await log.append(payload(1, 1000));
  }, isCode('StorageFull'));
  calls.length = 0;
  for (let i = 0; i < 20; i++) await assert.rejects(log.append(payload(1, 1000)), isCode('StorageFull'));
  assert.equal(calls.filter(({ call }) => call === 'write').length, 0);
  await log.trim(log.head);
  await log.append(payload(2, 1000));
  await log.close();
});

it('finishes a read of a segment that is trimmed and would be used again meanwhile', async () => {
  const large = { segmentBytes: 2 ** 21, tailBytes: 2 ** 22, entryBytes: 2 ** 18 };
  const log = await openEmbeddedLog({ volume: memoryVolume(), host, limits: large });
  const append = async (from: number, to: number): Promise<void> => {
    for (let i = from; i <= to; i++) await log.append(payload(i, 200_000));
  };
  await append(1, 40);
  const reading = log.read(1)[Symbol.asyncIterator]();
  const first = (await reading.next()).value as LogEntry;
  assert.equal(first.position, 1);
  await log.trim(40);
  await append(41, 80);
  await log.trim(80);
  await append(81, 120);
  for (let i = 2; i <= 10; i++) {
    assert.ok(((await reading.next()).value as LogEntry).payload.equals(payload(i, 200_000)), `entry ${i}`);
  }
  await assert.rejects(reading.next(), RangeError);
  await log.close();
});

it('fails every error of a volume cleanly, whichever call it is', async () => {
  for (let at = 0; at < 400; at += 3) {
    const inner = memoryVolume();
    const plan: FaultPlan = ({ count }) => (count === at ? { kind: 'error', code: 'EIO' } : undefined);
    const acknowledged: Buffer[] = [];
    try {
      const log = await open(faultyVolume(inner, plan, host));
      for (let i = 1; i <= 40; i++) {
        await log.append(payload(i, 1000));
        acknowledged.push(payload(i, 1000));
        if (i === 30) await log.trim(15);
      }
      await log.close();
    } catch {
      // Expected for some calls.
    }
    await turns();
    const log = await open(inner);
    const found = (await entries(log)).map((entry) => entry.payload);
    assert.ok(log.head >= acknowledged.length && log.tail <= 15, `call ${at}: head ${log.head}, tail ${log.tail}`);
    assert.deepEqual(found.slice(0, acknowledged.length - log.tail + 1), acknowledged.slice(log.tail - 1));
    await log.close();
  }
});

it('makes smaller segments when one of full size would take the last space', async () => {
  const MiB = 1024 * 1024;
  const limits = { segmentBytes: 16 * MiB, tailBytes: 64 * MiB, entryBytes: MiB };
  const inner = memoryVolume({ capacity: 60 * MiB });
  const log = await openEmbeddedLog({ volume: inner, host, limits });
  const entry = payload(1, MiB - 1000);
  // A small one first; then full ones as long as the reserve stays whole; then small ones, and at last the smallest.
  await assert.rejects(async () => {
    for (;;) await log.append(entry);
  }, isCode('StorageFull'));
  const sizes = await Promise.all(
    (await inner.list())
      .filter((name) => name.startsWith('segment-'))
      .map(async (name) => (await inner.open(name, 'read')).size()),
  );
  assert.deepEqual(sizes, [8 * MiB, 16 * MiB, 16 * MiB, 8 * MiB, 4.25 * MiB, 4.25 * MiB]);
  const { head } = log;
  await log.trim(head);
  await log.append(entry);
  await log.close();
  const again = await openEmbeddedLog({ volume: inner, host, limits });
  assert.equal(again.head, head + 1);
  await again.close();
});
