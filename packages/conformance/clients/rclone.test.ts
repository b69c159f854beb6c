import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { digestTree, openRig, type Rig } from './rig.ts';

/** Tens of thousands of real files of every size: what the installation itself brought. */
const tree = path.resolve(import.meta.dirname, '../../../node_modules');
let rig: Rig;
before(async () => {
  rig = await openRig('rclone');
});
after(() => rig.close());

test('rclone copies the installed packages in and out, and they are the same', { timeout: 30 * 60_000 }, async () => {
  const flags = ['--transfers', '16', '--checkers', '16', '--fast-list', '--quiet'];
  await rig.run('rclone', ['mkdir', 'dsom:packages']);
  await rig.run('rclone', ['copy', tree, 'dsom:packages/tree', '--skip-links', ...flags]);
  await rig.run('rclone', ['check', tree, 'dsom:packages/tree', '--skip-links', ...flags]);
  const back = path.join(rig.scratch, 'back');
  await rig.run('rclone', ['copy', 'dsom:packages/tree', back, ...flags]);
  const [sent, received] = [await digestTree(tree), await digestTree(back)];
  assert.ok(sent.size > 5000, `only ${sent.size} files to try with`);
  assert.deepEqual(received, sent);
});

test('rclone moves, renames and purges', async () => {
  await rig.run('rclone', ['copyto', path.join(tree, 'typescript/package.json'), 'dsom:packages/one.json']);
  await rig.run('rclone', ['moveto', 'dsom:packages/one.json', 'dsom:packages/dir with space/ünï#+.json']);
  assert.match(await rig.run('rclone', ['lsf', '-R', 'dsom:packages/dir with space']), /ünï#\+\.json/);
  await rig.run('rclone', ['purge', 'dsom:packages/dir with space']);
  assert.equal((await rig.run('rclone', ['lsf', 'dsom:packages'])).includes('dir with space'), false);
});
