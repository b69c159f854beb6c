import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root } from './source.ts';

/** Tracked files and new ones that git does not ignore; a tree without git has nothing to check here. */
function tracked(): string[] {
  if (!existsSync(path.join(root, '.git'))) return [];
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  return listed.split('\n').filter((name) => name !== '' && existsSync(path.join(root, name)));
}

test('links between documents lead somewhere', () => {
  for (const name of tracked().filter((n) => n.endsWith('.md'))) {
    const text = readFileSync(path.join(root, name), 'utf8').replace(/```[\s\S]*?```/g, '');
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (!target || /^[a-z]+:|^#/.test(target)) continue;
      const file = path.join(root, path.dirname(name), decodeURI(target.split('#')[0] as string));
      assert.ok(existsSync(file), `${name} links to ${target}, which does not exist`);
    }
  }
});

test('the documents that a newcomer looks for exist', () => {
  for (const name of [
    'README.md',
    'ARCHITECTURE.md',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'LICENSE',
    'NOTICE',
    'docs/formats/README.md',
    'docs/decisions/README.md',
  ])
    assert.ok(existsSync(path.join(root, name)), `${name} is missing`);
});

test('package versions are exact', () => {
  for (const name of tracked().filter((n) => path.basename(n) === 'package.json')) {
    const json = JSON.parse(readFileSync(path.join(root, name), 'utf8')) as Record<
      string,
      Record<string, string> | undefined
    >;
    for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies'])
      for (const [dependency, version] of Object.entries(json[kind] ?? {}))
        assert.match(version, /^\d+\.\d+\.\d+(-[\w.]+)?$/, `${name}: ${dependency} ${version}`);
  }
});

test('npm start hands signals to its server', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  assert.match(
    scripts.start,
    /^exec /,
    'npm passes a signal on to the shell of its script alone: without exec the shell ends, and the server goes on with nobody to stop it. Begin the script with exec.',
  );
});
