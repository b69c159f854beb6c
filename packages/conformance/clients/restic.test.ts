import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { digestTree, openRig, type Rig } from './rig.ts';
import { packagesTree, workspaceTree } from './trees.ts';

let rig: Rig;
before(async () => {
  rig = await openRig('restic');
});
after(() => rig.close());

test('restic backs up, checks every byte, restores and forgets', { timeout: 30 * 60_000 }, async () => {
  const repository = ['-r', `s3:${rig.server.endpoint}/backups/repo`];
  await rig.run('restic', [...repository, 'init']);
  const trees = [workspaceTree, packagesTree()];
  await rig.run('restic', [...repository, 'backup', '--quiet', ...trees]);
  assert.match(await rig.run('restic', [...repository, 'check', '--read-data']), /no errors were found/);
  const target = path.join(rig.scratch, 'restored');
  await rig.run('restic', [...repository, 'restore', 'latest', '--target', target]);
  let files = 0;
  for (const tree of trees) {
    const sent = await digestTree(tree, true);
    assert.deepEqual(await digestTree(path.join(target, tree), true), sent);
    files += sent.size;
  }
  assert.ok(files >= 20_000, `only ${files} files to try with`);
  await rig.run('restic', [...repository, 'backup', '--quiet', path.join(workspaceTree, 'typescript')]);
  await rig.run('restic', [...repository, 'forget', '--keep-last', '1', '--prune', '--group-by', '']);
  assert.match(await rig.run('restic', [...repository, 'check', '--read-data']), /no errors were found/);
});
