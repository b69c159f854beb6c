import path from 'node:path';
import { after, before, test } from 'node:test';
import { openRig, python, type Rig } from './rig.ts';

let rig: Rig;
before(async () => {
  rig = await openRig('python');
});
after(() => rig?.close());

test("MinIO's Python client and s3fs", { timeout: 10 * 60_000 }, async () => {
  const suite = path.join(import.meta.dirname, 'python_clients_suite.py');
  await rig.run(python('python-minio-s3fs-1').python, [suite, rig.server.endpoint]);
});
