/*
 * Real files for the clients to carry: what the installation of this workspace brought, and a set of large packages as npm unpacks them, together
 * more than twenty thousand files of every size, name and depth.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const dependencies = {
  'date-fns': '4.4.0',
  'core-js': '3.51.0',
  rxjs: '7.8.2',
  'lodash-es': '4.18.1',
  '@aws-sdk/client-s3': '3.1175.0',
  '@aws-sdk/lib-storage': '3.1175.0',
  '@aws-sdk/s3-request-presigner': '3.1169.0',
};

/** The packages installed in this workspace. */
export const workspaceTree = path.resolve(import.meta.dirname, '../../../node_modules');

/** The folder of further packages, outside the checkout; made once, which takes half a minute. */
export function packagesTree(): string {
  const home = path.join(tmpdir(), 'dsom-clients-packages-1');
  if (!existsSync(home)) {
    const made = `${home}.${process.pid}`;
    mkdirSync(made);
    writeFileSync(path.join(made, 'package.json'), JSON.stringify({ private: true, dependencies }));
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error'];
    execFileSync('npm', ['install', ...flags], { cwd: made, stdio: 'inherit' });
    try {
      renameSync(made, home);
    } catch (cause) {
      // Another run was quicker.
      if (!existsSync(home)) throw cause;
      rmSync(made, { recursive: true, force: true });
    }
  }
  return path.join(home, 'node_modules');
}
