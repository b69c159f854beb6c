/* What the benches share: the server under load, the bare servers that give the limits, and the load itself, each a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { benchKeys, type LoadPlan, type LoadResult } from './load.ts';

export const MiB = 1 << 20;
export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] as number;

export function scratch(name: string): string {
  const folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), `dsom-bench-${name}-`));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Target {
  readonly endpoint: string;
  readonly pid: number;
  readonly startMs: number;
  stop(): Promise<void>;
}

async function untilAnswers(port: number, where: string, child: ChildProcess, secure = false): Promise<void> {
  for (let i = 0; i < 3000; i++) {
    const up = await new Promise((resolve) => {
      (secure ? https : http)
        .get({ host: '127.0.0.1', port, path: where, agent: false, rejectUnauthorized: false }, (answer) =>
          resolve((answer.resume().statusCode ?? 500) < 300),
        )
        .on('error', () => resolve(false));
    });
    if (up) return;
    if (child.exitCode !== null) throw new Error(`the process ended with ${child.exitCode} before it answered`);
    await sleep(10);
  }
  throw new Error(`nothing answers on port ${port}`);
}

async function launch(
  args: readonly string[],
  port: number,
  where: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Target> {
  const begin = performance.now();
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DSOM_'))), ...env },
  });
  const kill = () => child.kill('SIGKILL');
  process.on('exit', kill);
  const secure = args.includes('--tls-certificate');
  await untilAnswers(port, where, child, secure);
  return {
    endpoint: `${secure ? 'https' : 'http'}://127.0.0.1:${port}`,
    pid: child.pid as number,
    startMs: performance.now() - begin,
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
      process.removeListener('exit', kill);
    },
  };
}

/** DSOM as a user starts it. */
export function startDsom(
  data: string,
  port: number,
  flags: readonly string[] = [],
  bin = path.resolve(import.meta.dirname, '../bin/dsom.mjs'),
): Promise<Target> {
  const env = { DSOM_ROOT_ACCESS_KEY_ID: benchKeys.id, DSOM_ROOT_SECRET_ACCESS_KEY: benchKeys.secret };
  return launch(
    [bin, 'server', '--data', data, '--address', `127.0.0.1:${port}`, ...flags],
    port,
    '/-/health/ready',
    env,
  );
}

/**
 * The least a node:http server can do, on one thread: GET gives `size` bytes (from memory, or from a file), PUT reads the body and drops it.
 * @param hash PUT also takes the MD5 of the body, as every S3 server must
 */
export function startBare(
  port: number,
  size: number,
  options: { readonly file?: boolean; readonly hash?: boolean } = {},
): Promise<Target> {
  const file = path.join(scratch('bare'), 'body');
  if (options.file) writeFileSync(file, randomBytes(size));
  const give = options.file
    ? `require('fs').createReadStream(${JSON.stringify(file)}, { highWaterMark: ${MiB} }).pipe(response)`
    : 'response.end(body)';
  const take = options.hash
    ? "const hash = require('crypto').createHash('md5'); request.on('data', (piece) => hash.update(piece)); request.on('end', () => hash.digest());"
    : 'request.resume();';
  const source = `const body = require('crypto').randomBytes(${options.file ? 1 : size});
    require('http').createServer((request, response) => { ${take} request.on('end', () => {
      const read = request.method === 'GET'; response.writeHead(200, { 'content-length': read ? ${size} : 0 });
      if (read) ${give}; else response.end(); }); }).listen(${port}, '127.0.0.1');`;
  return launch(['-e', source], port, '/');
}

/** @param mayFail whether answers other than 2xx are counted only */
export function load(
  target: Pick<Target, 'endpoint'>,
  plan: Omit<LoadPlan, 'endpoint'>,
  mayFail = false,
): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [path.join(import.meta.dirname, 'load.ts'), JSON.stringify({ endpoint: target.endpoint, ...plan })],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let out = '';
    child.stdout.on('data', (piece) => (out += piece));
    child.on('exit', (code) => {
      if (code !== 0) return reject(new Error(`the load ${JSON.stringify(plan)} ended with ${code}`));
      const result = JSON.parse(out) as LoadResult;
      if (result.failures && !mayFail)
        reject(new Error(`${result.failures} requests of ${JSON.stringify(plan)} failed`));
      else resolve(result);
    });
  });
}

/** MB/s of 8 MiB writes, each followed by fdatasync. */
export function syncedWriteRate(folder: string, writes = 32): number {
  const name = path.join(folder, 'probe');
  const fd = openSync(name, 'w');
  const block = randomBytes(8 * MiB);
  const begin = performance.now();
  for (let i = 0; i < writes; i++) {
    writeSync(fd, block);
    fdatasyncSync(fd);
  }
  const rate = (writes * block.length) / (performance.now() - begin) / 1000;
  closeSync(fd);
  rmSync(name);
  return rate;
}

/** Median milliseconds of one fdatasync after a 4 KiB overwrite. */
export function syncTime(folder: string, times = 200): number {
  const name = path.join(folder, 'probe');
  const fd = openSync(name, 'w');
  writeSync(fd, Buffer.alloc(4 * MiB));
  fdatasyncSync(fd);
  const block = randomBytes(4096);
  const taken = Array.from({ length: times }, (_, i) => {
    const begin = performance.now();
    writeSync(fd, block, 0, block.length, i * 4096);
    fdatasyncSync(fd);
    return performance.now() - begin;
  });
  closeSync(fd);
  rmSync(name);
  return median(taken);
}

/** Private (anonymous) resident MB; mapped files are the page cache's. */
export function privateMemory(pid: number): number {
  return Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

/** Seconds of CPU that a process has used so far, all its threads together. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Microseconds of CPU that the threads of a process have used so far: exact, for slices too short for the ticks of {@link cpuSeconds}. */
export function cpuMicroseconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => {
    const [ran] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    return sum + Number(ran) / 1000;
  }, 0);
}

/** Bytes that the files below the folder take on disk. */
export function diskUsage(folder: string, entries: readonly string[]): number {
  return entries.reduce((sum, name) => sum + statSync(path.join(folder, name)).blocks * 512, 0);
}
