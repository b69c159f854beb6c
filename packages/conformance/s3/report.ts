/*
 * Makes docs/s3.md anew: node packages/conformance/s3/report.ts [RESULTS]
 * Starts a server of its own and a radosgw (radosgw.sh), runs the suite against both, one after the other, and writes the page from what they did.
 * RESULTS: a folder in which the results stay, as JSON; without it they go.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../src/server.ts';
import { cases } from './cases.ts';
import { startOwn } from './own.ts';
import { runCases } from './runner.ts';

const here = import.meta.dirname;
const page = path.resolve(here, '../../../docs/s3.md');
const lent = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), 'dsom-report-'));
const results = path.resolve(process.argv[2] ?? lent);
const node = (script: string, ...args: string[]) =>
  execFileSync(process.execPath, [path.join(here, script), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });

const script = (...args: string[]) => execFileSync(path.join(here, 'radosgw.sh'), args).toString().trim();

function versionOfRadosgw(): string {
  try {
    return script('version');
  } catch {
    console.error(
      'There is no radosgw here to compare with. Debian: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common',
    );
    process.exit(2);
  }
}

async function ours(file: string): Promise<void> {
  const own = await startOwn();
  try {
    const done = await runCases(cases, own.store, 8, () => undefined);
    writeFileSync(file, `${JSON.stringify(done, null, 1)}\n`);
  } finally {
    await own.stop();
  }
}

async function radosgws(file: string): Promise<void> {
  const folder = path.join(lent, 'ceph');
  try {
    const given = script('start', folder, String(await freePort()))
      .trim()
      .split(' ');
    // It ends with 1 as soon as anything differs.
    try {
      node('run.ts', ...given, '--json', file);
    } catch (cause) {
      if ((cause as { readonly status?: number }).status !== 1) throw cause;
    }
  } finally {
    script('stop', folder);
  }
}

const version = versionOfRadosgw();
mkdirSync(results, { recursive: true });
const [dsom, radosgw] = ['dsom.json', 'radosgw.json'].map((name) => path.join(results, name)) as [string, string];
try {
  console.error(`${cases.length} cases against a server of its own`);
  await ours(dsom);
  console.error(`and against a radosgw ${version}`);
  await radosgws(radosgw);
  writeFileSync(page, node('table.ts', `DSOM=${dsom}`, `radosgw ${version}=${radosgw}`));
  console.error(`${page} is made anew`);
} finally {
  rmSync(lent, { recursive: true, force: true });
}
// Connections are kept open for the next request; there is none.
process.exit();
