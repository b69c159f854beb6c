/* A store in memory behind a real HTTP port, and the real command as a process of its own. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { MemoryStore } from '@dsom/sdk/testing';
import { runCli } from './index.ts';
import { inherited } from './server.fixture.ts';
import { keepingTerminal } from './terminal.fixture.ts';

const bin = fileURLToPath(new URL('../../bin/dsom.mjs', import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as JSON lines. */
  readonly rows: readonly Record<string, unknown>[];
}

export interface RunOptions {
  readonly environment?: Record<string, string>;
  readonly input?: string;
  /** Gets the means to end the process; for `spawn` only. */
  readonly onStart?: (kill: (signal: NodeJS.Signals) => void) => void;
  /** Nobody reads its output; for `spawn` only. */
  readonly hangsUp?: boolean;
}

export interface Stub {
  readonly store: MemoryStore;
  readonly endpoint: string;
  /** A folder of this test. */
  readonly folder: string;
  run(parameters: readonly string[], options?: RunOptions): Promise<Ran>;
  spawn(parameters: readonly string[], options?: RunOptions): Promise<Ran>;
  close(): Promise<void>;
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return new Uint8Array(Buffer.concat(chunks));
}

/** Runs the command as a process of its own. */
function spawnCommand(
  parameters: readonly string[],
  environment: Record<string, string>,
  options: RunOptions = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const env = { ...inherited, ...environment, ...options.environment };
    const child = spawn(process.execPath, [bin, ...parameters], { env });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr, rows: rowsOf(stdout) }));
    child.stdin.end(options.input ?? '');
    options.onStart?.((signal) => child.kill(signal));
    if (options.hangsUp) child.stdout.destroy();
  });
}

const rowsOf = (stdout: string) =>
  stdout.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []));

/** Runs the command in this process, which is ten times quicker. */
export async function runHere(
  parameters: readonly string[],
  environment: Record<string, string>,
  options: RunOptions = {},
): Promise<Ran> {
  const { said, terminal } = keepingTerminal({ ...environment, ...options.environment }, options.input ?? '');
  const settings = async () => [['scrubDays', 'days of a pass']] as const;
  const services = { serve: async () => 0, isUsageError: () => false, settings };
  const code = await runCli(parameters, services, terminal);
  return { code, ...said, rows: rowsOf(said.stdout) };
}

/** Starts the store with an empty bucket `b`. */
export async function startStub(): Promise<Stub> {
  const store = new MemoryStore({
    md5: (bytes) => createHash('md5').update(bytes).digest('hex'),
    now: () => Date.now(),
  });
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    try {
      const body = await bodyOf(request);
      const bare = request.method === 'GET' || request.method === 'HEAD';
      const given = await store.fetch(`http://${request.headers.host}${request.url}`, {
        method: request.method ?? 'GET',
        headers: request.headers as Record<string, string>,
        ...(!bare && { body }),
      });
      response.writeHead(given.status, [...given.headers].flat());
      response.end(Buffer.from(await given.arrayBuffer()));
    } catch {
      response.destroy();
    }
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const folder = await mkdtemp(path.join(tmpdir(), 'dsom-cli-'));
  const environment = {
    HOME: path.join(folder, 'home'),
    XDG_CACHE_HOME: path.join(tmpdir(), 'dsom-cli-test-cache'),
    TZ: 'UTC',
    DSOM_ENDPOINT: endpoint,
    DSOM_ACCESS_KEY_ID: 'test',
    DSOM_SECRET_ACCESS_KEY: 'secret-secret',
  };
  store.buckets.set('b', { name: 'b', createdAt: new Date(0), settings: {}, objects: new Map() });
  return {
    store,
    endpoint,
    folder,
    run: (parameters, options) => runHere(parameters, environment, options),
    spawn: (parameters, options) => spawnCommand(parameters, environment, options),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
