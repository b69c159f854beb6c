import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { digestTree, openRig, type Rig } from './rig.ts';
import { packagesTree, workspaceTree } from './trees.ts';

let rig: Rig;
before(async () => {
  rig = await openRig('rclone');
});
after(() => rig.close());

test('rclone copies tens of thousands of real files in and out, and they are the same', {
  timeout: 30 * 60_000,
}, async () => {
  const flags = ['--transfers', '16', '--checkers', '16', '--fast-list', '--quiet'];
  await rig.run('rclone', ['mkdir', 'dsom:packages']);
  let files = 0;
  for (const [name, tree] of Object.entries({ workspace: workspaceTree, more: packagesTree() })) {
    const there = `dsom:packages/${name}`;
    await rig.run('rclone', ['copy', tree, there, '--skip-links', ...flags]);
    await rig.run('rclone', ['check', tree, there, '--skip-links', ...flags]);
    // Nothing left to do: every object is there, with its size and time.
    const again = ['copy', tree, there, '--skip-links', '--dry-run', '--stats-one-line', ...flags];
    assert.equal(await rig.run('rclone', again), '');
    const back = path.join(rig.scratch, 'back');
    await rig.run('rclone', ['copy', there, back, ...flags]);
    const [sent, received] = [await digestTree(tree), await digestTree(back)];
    assert.deepEqual(received, sent);
    files += sent.size;
    rmSync(back, { recursive: true });
  }
  await rig.run('rclone', ['purge', 'dsom:packages/workspace', ...flags]);
  assert.equal(await rig.run('rclone', ['lsf', 'dsom:packages']), 'more/\n');
  assert.ok(files >= 20_000, `only ${files} files to try with`);
});

test('rclone moves, renames and purges', async () => {
  await rig.run('rclone', ['copyto', path.join(workspaceTree, 'typescript/package.json'), 'dsom:packages/one.json']);
  await rig.run('rclone', ['moveto', 'dsom:packages/one.json', 'dsom:packages/dir with space/ünï#+.json']);
  assert.match(await rig.run('rclone', ['lsf', '-R', 'dsom:packages/dir with space']), /ünï#\+\.json/);
  await rig.run('rclone', ['purge', 'dsom:packages/dir with space']);
  assert.equal((await rig.run('rclone', ['lsf', 'dsom:packages'])).includes('dir with space'), false);
});
