import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { digestTree, openRig, type Rig } from './rig.ts';

const tree = path.resolve(import.meta.dirname, '../../../node_modules');
let rig: Rig;
before(async () => {
  rig = await openRig('restic');
});
after(() => rig.close());

test('restic backs up, checks every byte, restores and forgets', { timeout: 30 * 60_000 }, async () => {
  const repository = ['-r', `s3:${rig.server.endpoint}/backups/repo`];
  await rig.run('restic', [...repository, 'init']);
  await rig.run('restic', [...repository, 'backup', '--quiet', tree]);
  assert.match(await rig.run('restic', [...repository, 'check', '--read-data']), /no errors were found/);
  const target = path.join(rig.scratch, 'restored');
  await rig.run('restic', [...repository, 'restore', 'latest', '--target', target]);
  assert.deepEqual(await digestTree(path.join(target, tree), true), await digestTree(tree, true));
  await rig.run('restic', [...repository, 'backup', '--quiet', path.join(tree, 'typescript')]);
  await rig.run('restic', [...repository, 'forget', '--keep-last', '1', '--prune', '--group-by', '']);
  assert.match(await rig.run('restic', [...repository, 'check', '--read-data']), /no errors were found/);
});
