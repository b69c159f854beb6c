import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { digestTree, openRig, python, type Rig } from './rig.ts';

const tree = path.resolve(import.meta.dirname, '../../../node_modules/typescript');
let rig: Rig;
let aws: (...args: string[]) => Promise<string>;
before(async () => {
  rig = await openRig('aws');
  const program = python().aws;
  aws = (...args) => rig.run(program, ['--endpoint-url', rig.server.endpoint, ...args]);
  await aws('s3', 'mb', 's3://clients');
});
after(() => rig.close());

test('aws s3 sync in and out', { timeout: 15 * 60_000 }, async () => {
  await aws('s3', 'sync', tree, 's3://clients/tree', '--only-show-errors');
  const back = path.join(rig.scratch, 'back');
  await aws('s3', 'sync', 's3://clients/tree', back, '--only-show-errors');
  assert.deepEqual(await digestTree(back), await digestTree(tree));
  assert.equal(
    (await aws('s3', 'sync', tree, 's3://clients/tree', '--dryrun')).trim(),
    '',
    'a second sync has nothing to do',
  );
  writeFileSync(path.join(back, 'added'), 'new');
  rmSync(path.join(back, 'package.json'));
  await aws('s3', 'sync', back, 's3://clients/tree', '--delete', '--only-show-errors');
  const listed = JSON.parse(await aws('s3api', 'list-objects-v2', '--bucket', 'clients', '--prefix', 'tree/')) as {
    Contents: { Key: string }[];
  };
  assert.deepEqual(
    listed.Contents.map((one) => one.Key).sort(),
    [...(await digestTree(back)).keys()].map((name) => `tree/${name}`).sort(),
  );
});

test('aws s3 cp of a large file goes by parts, and ranges come back', async () => {
  const file = path.join(rig.scratch, 'large');
  const bytes = randomBytes(40 << 20);
  writeFileSync(file, bytes);
  await aws('s3', 'cp', file, 's3://clients/large', '--only-show-errors', '--metadata', 'colour=blue');
  const head = JSON.parse(await aws('s3api', 'head-object', '--bucket', 'clients', '--key', 'large')) as {
    ContentLength: number;
    ETag: string;
    Metadata: Record<string, string>;
  };
  assert.equal(head.ContentLength, bytes.length);
  assert.match(head.ETag, /-5"$/);
  assert.deepEqual(head.Metadata, { colour: 'blue' });
  await aws('s3', 'cp', 's3://clients/large', `${file}.back`, '--only-show-errors');
  assert.deepEqual(
    await digestTree(rig.scratch).then((all) => all.get('large.back')),
    await digestTree(rig.scratch).then((all) => all.get('large')),
  );
  await aws('s3', 'mv', 's3://clients/large', 's3://clients/moved', '--only-show-errors');
  await assert.rejects(aws('s3api', 'head-object', '--bucket', 'clients', '--key', 'large'), /404|Not Found/);
});

test('versions, tags and presigned addresses', async () => {
  await aws('s3api', 'put-bucket-versioning', '--bucket', 'clients', '--versioning-configuration', 'Status=Enabled');
  const folder = path.join(rig.scratch, 'v');
  mkdirSync(folder);
  for (const text of ['one', 'two']) {
    writeFileSync(path.join(folder, 'f'), text);
    await aws('s3', 'cp', path.join(folder, 'f'), 's3://clients/versioned', '--only-show-errors');
  }
  const { Versions } = JSON.parse(
    await aws('s3api', 'list-object-versions', '--bucket', 'clients', '--prefix', 'versioned'),
  ) as { Versions: { VersionId: string; IsLatest: boolean }[] };
  assert.deepEqual(
    Versions.map((one) => one.IsLatest),
    [true, false],
  );
  await aws(
    's3api',
    'get-object',
    '--bucket',
    'clients',
    '--key',
    'versioned',
    '--version-id',
    Versions[1]!.VersionId,
    path.join(folder, 'old'),
  );
  await aws(
    's3api',
    'put-object-tagging',
    '--bucket',
    'clients',
    '--key',
    'versioned',
    '--tagging',
    'TagSet=[{Key=a,Value=b}]',
  );
  assert.deepEqual(
    JSON.parse(await aws('s3api', 'get-object-tagging', '--bucket', 'clients', '--key', 'versioned')).TagSet,
    [{ Key: 'a', Value: 'b' }],
  );
  const url = (await aws('s3', 'presign', 's3://clients/versioned')).trim();
  assert.equal(await (await fetch(url)).text(), 'two');
});
