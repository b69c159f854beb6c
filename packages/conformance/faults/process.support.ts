import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { bin, childEnvironment, credentials, patienceMs } from '../src/server.ts';

/** A folder of this test, removed after it. */
export function scratch(test: TestContext, name: string): string {
  const folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), `dsom-${name}-`));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs `dsom` to its end; one that is still running after {@link patienceMs} is killed and its code is null. */
export async function dsom(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [bin, ...args], {
    env: childEnvironment(environment),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += piece));
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  return { code, output };
}

/** `dsom fsck` against a running server: its summary, and what it found. */
export async function fsck(
  endpoint: string,
): Promise<{ readonly counts: Readonly<Record<string, number>>; readonly totals: Readonly<Record<string, number>> }> {
  const { output } = await dsom(['fsck', '--json'], {
    DSOM_ENDPOINT: endpoint,
    DSOM_ACCESS_KEY_ID: credentials.accessKeyId,
    DSOM_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  });
  for (const line of output.split('\n')) {
    if (!line.startsWith('{')) continue;
    const parsed = JSON.parse(line) as {
      type?: string;
      counts: Record<string, number>;
      totals: Record<string, number>;
    };
    if (parsed.type === 'summary') return parsed;
  }
  throw new Error(`fsck gave no summary:\n${output}`);
}

export const bearer = `Bearer ${credentials.accessKeyId}.${credentials.secretAccessKey}`;

/** Value of a metric, the sum over its series. */
export async function metric(endpoint: string, name: string): Promise<number> {
  const text = await (await fetch(`${endpoint}/-/metrics`)).text();
  const found = text.split('\n').filter((line) => new RegExp(`^${name}[{ ]`).test(line));
  return found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}
