import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { openRig, type Rig } from './rig.ts';

let rig: Rig;
before(async () => {
  rig = await openRig('minio');
});
after(() => rig?.close());

test("MinIO's client for JavaScript, from the first bucket to the last version", { timeout: 5 * 60_000 }, async () => {
  const home = path.join(rig.scratch, 'minio');
  mkdirSync(home);
  writeFileSync(path.join(home, 'package.json'), JSON.stringify({ private: true, dependencies: { minio: '8.0.7' } }));
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error'];
  execFileSync('npm', ['install', ...flags], { cwd: home, stdio: 'inherit' });
  const suite = path.join(import.meta.dirname, 'minio_suite.mjs');
  await rig.run(process.execPath, [suite, path.join(home, 'node_modules'), rig.server.endpoint]);
});
