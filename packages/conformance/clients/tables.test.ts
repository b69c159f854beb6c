import path from 'node:path';
import { after, before, test } from 'node:test';
import { openRig, python, type Rig } from './rig.ts';

let rig: Rig;
before(async () => {
  rig = await openRig('tables');
});
after(() => rig?.close());

test('Delta Lake and object_store, which commit by conditional puts', { timeout: 10 * 60_000 }, async () => {
  await rig.run(python().aws, ['--endpoint-url', rig.server.endpoint, 's3', 'mb', 's3://tables']);
  const suite = path.join(import.meta.dirname, 'tables_suite.py');
  await rig.run(python('python-tables-1').python, [suite, rig.server.endpoint]);
});
