import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { send } from '../src/request.ts';
import { credentials, type Server } from '../src/server.ts';

const bin = path.resolve(import.meta.dirname, '../../server/bin/dsom.mjs');

/** A folder of this test, removed after it. */
export function scratch(test: TestContext, name: string): string {
  const folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), `dsom-${name}-`));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The environment of a child: nothing that steers the tests, which a server would refuse. */
function childEnvironment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('DSOM_') && name !== 'NODE_TEST_CONTEXT',
  );
  return { ...Object.fromEntries(inherited), ...extra };
}

const rootKey = {
  DSOM_ROOT_ACCESS_KEY_ID: credentials.accessKeyId,
  DSOM_ROOT_SECRET_ACCESS_KEY: credentials.secretAccessKey,
};

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs `dsom` to its end; one that is still running after half a minute is killed and its code is null. */
export async function dsom(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [bin, ...args], {
    env: childEnvironment({ ...rootKey, ...environment }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += piece));
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  return { code, output };
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Like `startServer`, but content with a server that lives: one whose disk is full is not ready. */
export async function startLiving(data: readonly string[]): Promise<Omit<Server, 'startMs'>> {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const child = spawn(
    process.execPath,
    [bin, 'server', ...data.flatMap((one) => ['--data', one]), '--address', `127.0.0.1:${port}`],
    { env: childEnvironment(rootKey), stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (piece) => (output = (output + piece).slice(-65_536)));
  let dead = false;
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  void ended.then(() => (dead = true));
  const killLeftover = () => child.kill('SIGKILL');
  process.once('exit', killLeftover);
  const deadline = performance.now() + 60_000;
  while (
    !(await send(endpoint, 'GET', '/-/health/live', { anonymous: true }).then(
      (a) => a.status === 200,
      () => false,
    ))
  ) {
    if (dead || performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`the server ${dead ? 'ended at start' : 'does not answer'}:\n${output}`);
    }
    await sleep(20);
  }
  return {
    endpoint,
    port,
    pid: child.pid as number,
    output: () => output,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const code = await Promise.race([ended, sleep(20_000, 'late' as const, { ref: false })]);
      process.removeListener('exit', killLeftover);
      if (code !== 'late') return code;
      child.kill('SIGKILL');
      throw new Error(`the server did not end within 20 s of ${signal}:\n${output}`);
    },
  };
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
