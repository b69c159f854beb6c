import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { dsom, until } from '../cluster/cluster.support.ts';
import { Receiver } from '../events/receiver.ts';
import { openRig, python, type Rig } from './rig.ts';

let rig: Rig;
let receiver: Receiver;
before(async () => {
  receiver = await Receiver.start();
  rig = await openRig('events', async () => ['--access-log-seconds', '1']);
  await dsom(rig.server.endpoint, 'notify', 'target', 'add', 'hook', '--webhook', receiver.url);
});
after(async () => {
  await rig.close();
  receiver.close();
});

test('boto3 with notifications and access logs', { timeout: 10 * 60_000 }, async () => {
  await rig.run(python().python, [path.join(import.meta.dirname, 'events_suite.py'), rig.server.endpoint]);
  await until('every event came', 20_000, async () => receiver.records.length >= 3);
  assert.deepEqual(
    receiver.records.map(({ eventName, s3 }) => `${eventName} ${s3.object.key}`),
    ['ObjectCreated:Put images/a+b.jpg', 'ObjectTagging:Put images/a+b.jpg', 'ObjectRemoved:Delete images/a+b.jpg'],
  );
});
