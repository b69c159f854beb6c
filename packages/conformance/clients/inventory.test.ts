import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { dsom } from '../cluster/cluster.support.ts';
import { openRig, python, type Rig } from './rig.ts';

let rig: Rig;
before(async () => {
  rig = await openRig('inventory', async () => ['--lifecycle-day-seconds', '2']);
});
after(() => rig.close());

test('boto3 with inventories, and one on demand', { timeout: 10 * 60_000 }, async () => {
  const { endpoint } = rig.server;
  await rig.run(python().python, [path.join(import.meta.dirname, 'inventory_suite.py'), endpoint]);
  const [summary] = await dsom(endpoint, 'inventory', 'run', 's3://listed', 'asked');
  assert.deepEqual([summary?.['type'], summary?.['rows'], summary?.['files']], ['summary', 3, 1]);
  assert.match(String(summary?.['manifest']), /^lists\/listed\/asked\/.*\/manifest\.json$/);
  await assert.rejects(dsom(endpoint, 'inventory', 'run', 's3://listed', 'nothing'), /configuration/);
});

test('boto3 with an archive', { timeout: 10 * 60_000 }, async () => {
  const { endpoint } = rig.server;
  await dsom(endpoint, 'policy', 'set', 'GLACIER', '1', '--archive', '0s');
  await rig.run(python().python, [path.join(import.meta.dirname, 'archive_suite.py'), endpoint]);
});
