import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fragmentId } from '../address.ts';
import { type CheckReport, crossCheck } from '../index.ts';
import { deviceName, drive, group } from '../memory.fixture.ts';
import { setUp, write } from '../stripes.fixture.ts';

/** A node that has the first of three devices; the others are of other nodes, but for the third when `known` is false. */
async function check(epoch: number, known: boolean, lost: boolean): Promise<CheckReport> {
  const setting = setUp(3, {}, [{ ...group(1, 0, 1, 2), epoch }]);
  const { host, replica, stores } = setting;
  const { id, length, frames } = await write(setting, 5000, 3);
  replica.put('key', [replica.piece([{ id, group: 1, length, frames }])]);
  if (lost) setting.on(0).rows.delete(fragmentId(id, 0).toString('hex'));
  for (const index of [1, 2]) stores.delete(deviceName(index));
  const elsewhere = (device: string): boolean => device === deviceName(1) || (known && device === deviceName(2));
  return drive(
    host,
    crossCheck({ reader: replica.reader, groups: () => replica.groups, stores, host, elsewhere }).report,
  );
}

test('the devices of other nodes are checked there, and are not absent', async () => {
  assert.deepEqual((await check(1, true, false)).findings, []);
});

test('a device that no node has is absent', async () => {
  const { findings } = await check(1, false, false);
  assert.deepEqual(
    findings.map(({ kind, where }) => [kind, where]),
    [['device-absent', `device ${deviceName(2)}`]],
  );
});

test('a fragment that is not here is missing, before and after its group was moved', async () => {
  for (const epoch of [1, 2]) assert.deepEqual((await check(epoch, true, true)).counts, { 'fragment-missing': 1 });
});

test('the only copy of a stripe that was moved here is missing, and may be where it was', async () => {
  for (const [epoch, kind] of [
    [1, 'stripe-lost'],
    [2, 'fragment-missing'],
  ] as const) {
    const setting = setUp(1, {}, [{ ...group(1, 0), epoch }]);
    const { host, replica, stores } = setting;
    const { id, length, frames } = await write(setting, 5000, 1);
    replica.put('key', [replica.piece([{ id, group: 1, length, frames }])]);
    setting.on(0).rows.clear();
    const { report } = crossCheck({
      reader: replica.reader,
      groups: () => replica.groups,
      stores,
      host,
      elsewhere: () => false,
    });
    assert.deepEqual((await drive(host, report)).counts, { [kind]: 1 });
  }
});
