/* What is looked at before anything walks through a database, and what comes of that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../../errors.ts';
import { manualHost } from '../../host/index.ts';
import { memoryKv } from '../../kv/index.ts';
import { deviceName } from '../memory.fixture.ts';
import { check, put, setUp, tornFile } from './check.fixture.ts';
import type { CheckedFiles } from './files.ts';

test('nothing walks through metadata whose file contradicts itself', async () => {
  const setting = setUp();
  await put(setting, 'a', 2);
  const heard: unknown[] = [];
  const files: CheckedFiles = {
    list: () => tornFile('d/metadata/kv')?.list() ?? [],
    found: ({ directory }, damage) => void heard.push([directory, damage]),
  };
  const reader = new Proxy(setting.replica.reader, {
    get: (_, name) => assert.fail(`the metadata were asked for ${String(name)}`),
  });
  const replica = Object.assign(Object.create(setting.replica) as typeof setting.replica, { reader });
  const report = await check({ ...setting, replica, files });
  assert.deepEqual(report.counts, { 'metadata-structure': 1 });
  assert.match(report.findings[0]?.what ?? '', /page 7 is damaged/);
  assert.match(report.findings[0]?.remedy ?? '', /restart the server/);
  assert.match(report.unchecked.join(), /^objects and fragments:/);
  assert.deepEqual(heard, [['d/metadata/kv', 'page 7 is damaged']]);
});

test('a damaged index is not walked through, and what the others have is checked', async () => {
  const setting = setUp();
  for (let n = 0; n < 9; n++) await put(setting, `k${n}`);
  const torn = setting.on(0);
  for (const name of ['ids', 'length', 'audit'] as const) torn[name] = () => assert.fail(`its ${name}`);
  const on = setting.on(1);
  const [lost] = on.rows.keys();
  on.rows.delete(lost as string);
  const report = await check({ ...setting, files: tornFile('d/device/index', deviceName(0)) });
  assert.deepEqual(report.counts, { 'index-structure': 1, 'fragment-missing': 1 });
  assert.deepEqual(report.unchecked, [`fragments of device ${deviceName(0)}: their index is damaged`]);
});

test('a file that cannot be read in time is said to be unchecked', async () => {
  const setting = setUp();
  await put(setting, 'a');
  const slow = { directory: 'd', check: () => Promise.reject(new StoreError('ServiceUnavailable')) };
  const report = await check({ ...setting, files: { list: () => [slow] } });
  assert.deepEqual(report.counts, {});
  assert.match(report.unchecked.join(), /structure of d/);
  assert.equal(report.totals.versions, 1);
});

test('a state that cannot be looked through in time is said to be unchecked', async () => {
  const setting = setUp();
  const kv = memoryKv(manualHost());
  kv.snapshot = () => {
    throw new StoreError('ServiceUnavailable');
  };
  const report = await check({ ...setting, states: { list: () => [{ kv, directory: 'd' }] } });
  assert.deepEqual(report.counts, {});
  assert.match(report.unchecked.join(), /rows of the metadata in d/);
});
