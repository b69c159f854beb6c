import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { send } from '../src/request.ts';
import { credentials } from '../src/server.ts';
import { digestTree, openRig, type Rig } from './rig.ts';

const tree = path.resolve(import.meta.dirname, '../../../node_modules/zod');
let rig: Rig;
let s3cmd: (...args: string[]) => Promise<string>;
before(async () => {
  rig = await openRig('s3cmd');
  const host = new URL(rig.server.endpoint).host;
  const config = path.join(rig.scratch, 's3cfg');
  writeFileSync(
    config,
    [
      '[default]',
      `access_key = ${credentials.accessKeyId}`,
      `secret_key = ${credentials.secretAccessKey}`,
      `host_base = ${host}`,
      `host_bucket = ${host}`,
      'use_https = False',
      'signature_v2 = False',
      '',
    ].join('\n'),
  );
  s3cmd = (...args) => rig.run('s3cmd', ['-c', config, ...args]);
});
after(() => rig.close());

test('s3cmd makes a bucket, syncs a tree both ways, and empties it', { timeout: 15 * 60_000 }, async () => {
  await s3cmd('mb', 's3://cmd');
  await s3cmd('sync', '--no-progress', `${tree}/`, 's3://cmd/tree/');
  const back = path.join(rig.scratch, 'back');
  await s3cmd('sync', '--no-progress', 's3://cmd/tree/', `${back}/`);
  assert.deepEqual(await digestTree(back), await digestTree(tree));
  assert.match(await s3cmd('info', 's3://cmd/tree/package.json'), /File size/);
  // A copy of s3cmd puts the access control list of its source, which a bucket takes only with lists on, here as at AWS.
  const body =
    '<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule></OwnershipControls>';
  const headers = { 'content-md5': createHash('md5').update(body).digest('base64') };
  const lists = await send(rig.server.endpoint, 'PUT', '/cmd', { query: { ownershipControls: '' }, body, headers });
  assert.equal(lists.status, 200, lists.text());
  await s3cmd('cp', 's3://cmd/tree/package.json', 's3://cmd/copy.json');
  await s3cmd('del', '--recursive', '--force', 's3://cmd/');
  await s3cmd('rb', 's3://cmd');
  assert.equal((await s3cmd('ls')).trim(), '');
});
