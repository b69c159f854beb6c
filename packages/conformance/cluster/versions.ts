/* Earlier versions of the program, as trees of their own that can be started. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');

/** Text that is exactly once in a file of the server, and what it was before. */
interface Change {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

function linkModules(folder: string): void {
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  const own = path.join(root, 'packages/server/node_modules');
  const link = path.join(folder, 'packages/server/node_modules');
  if (existsSync(own) && !existsSync(link)) symlinkSync(own, link);
}

const program = (folder: string): string => path.join(folder, 'packages/server/bin/dsom.mjs');

/**
 * The program as it was before its newest feature: it neither names it, nor knows the entries that came with it.
 * @returns the path of its `dsom`
 */
export function versionBefore(folder: string): string {
  const changes: readonly Change[] = [
    { file: 'package.json', find: '"version": "0.1.0"', replace: '"version": "0.0.9"' },
    { file: 'src/metadata/machine/features.ts', find: "  'authorities',\n", replace: '' },
    { file: 'src/metadata/machine/features.ts', find: "  'authority.write': () => 'authorities',\n", replace: '' },
    { file: 'src/metadata/machine/entry.ts', find: 'code: 42,', replace: 'code: 242,' },
    { file: 'src/metadata/machine/decide.ts', find: "  'authority.write': decideAuthority,\n", replace: '' },
  ];
  const target = path.join(folder, 'packages/server');
  mkdirSync(target, { recursive: true });
  for (const name of ['package.json', 'bin', 'src'])
    cpSync(path.join(root, 'packages/server', name), path.join(target, name), { recursive: true });
  for (const { file, find, replace } of changes) {
    const full = path.join(target, file);
    const text = readFileSync(full, 'utf8');
    if (text.split(find).length !== 2) throw new Error(`${file} has not exactly once: ${find}`);
    writeFileSync(
      full,
      text.replace(find, () => replace),
    );
  }
  linkModules(folder);
  return program(folder);
}

/** The first version that had clusters, and knew no features. */
const firstOfClusters = '19fa1d107a71443161f4ff9b0eea64dc49ce7a22';

/** Why that version cannot be had here: the history of a checkout may be cut off. */
export const historyMissing: string | false = (() => {
  try {
    execFileSync('git', ['cat-file', '-e', `${firstOfClusters}^{commit}`], { cwd: root, stdio: 'ignore' });
    return false;
  } catch {
    return 'the history of this checkout does not reach back to the first version of clusters';
  }
})();

/** @returns the path of its `dsom` */
export function firstVersion(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const archive = execFileSync(
    'git',
    ['archive', firstOfClusters, 'packages/server/src', 'packages/server/bin', 'packages/server/package.json'],
    {
      cwd: root,
      maxBuffer: 256 * 1024 * 1024,
    },
  );
  execFileSync('tar', ['-x', '-C', folder], { input: archive });
  linkModules(folder);
  return program(folder);
}
