import path from 'node:path';
import { after, before, test } from 'node:test';
import { openRig, python, type Rig } from './rig.ts';

let rig: Rig;
before(async () => {
  rig = await openRig('boto3');
});
after(() => rig.close());

test('boto3 with its default checksums', { timeout: 10 * 60_000 }, async () => {
  await rig.run(python().python, [path.join(import.meta.dirname, 'boto3_suite.py'), rig.server.endpoint]);
});

test('boto3 whose answers to completions are lost', { timeout: 10 * 60_000 }, async () => {
  await rig.run(python().python, [path.join(import.meta.dirname, 'boto3_lost_answers.py'), rig.server.endpoint]);
});
