import path from 'node:path';
import { after, before, test } from 'node:test';
import { openRig, type Rig } from './rig.ts';
import { packagesTree } from './trees.ts';

let rig: Rig;
before(async () => {
  rig = await openRig('aws-sdk');
});
after(() => rig?.close());

test("AWS's SDK for JavaScript with its defaults", { timeout: 10 * 60_000 }, async () => {
  const suite = path.join(import.meta.dirname, 'aws_sdk_suite.mjs');
  await rig.run(process.execPath, [suite, packagesTree(), rig.server.endpoint]);
});
