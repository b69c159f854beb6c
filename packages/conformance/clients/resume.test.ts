import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathOf, send } from '../src/request.ts';
import { startServer } from '../src/server.ts';
import { openRig, python, type Rig } from './rig.ts';

let rig: Rig;
before(async () => {
  rig = await openRig('resume');
});
after(() => rig.close());

test('a multipart upload of 208 MiB survives kill -9 of the server in the middle and is resumed', {
  timeout: 10 * 60_000,
}, async () => {
  const script = path.join(import.meta.dirname, 'boto3_resume.py');
  const upload = (phase: string) => rig.run(python().python, [script, rig.server.endpoint, phase]);
  const first = upload('start').then(
    () => 'finished',
    (failure: Error) => failure.message,
  );
  // Kill only once the server has acknowledged some parts and more are under way.
  let ended: string | undefined;
  void first.then((how) => (ended = how));
  for (let parts = 0; parts < 6; ) {
    await sleep(50);
    assert.equal(ended, undefined, 'the upload goes on');
    const uploads = await send(rig.server.endpoint, 'GET', '/resume', { query: { uploads: '' } });
    const id = uploads.element('UploadId');
    if (id === undefined) continue;
    parts = (await send(rig.server.endpoint, 'GET', pathOf('resume', 'large'), { query: { uploadId: id } })).elements(
      'PartNumber',
    ).length;
  }
  await rig.server.stop('SIGKILL');
  assert.notEqual(await first, 'finished', 'the upload was under way when the server died');
  rig.server = await startServer([rig.data], { port: rig.server.port });
  const report = await upload('resume');
  assert.match(report, /^kept [1-9]\d* parts/m, 'the parts acknowledged before are still there');
  assert.match(report, /^same bytes$/m);
});
