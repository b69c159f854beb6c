import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createServer, type Server as Listener } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CertificateFiles } from './certificates.ts';
import { atEnd } from './ending.ts';

export const credentials = { accessKeyId: 'CONFORMANCEKEY', secretAccessKey: 'conformance-secret-key' } as const;

/** How long a server may take for anything: a machine that runs other tests too may stand still for tens of seconds. */
export const patienceMs = 180_000;

/** The program under test. */
export const bin = path.resolve(import.meta.dirname, '../../server/bin/dsom.mjs');

/** A running server, as an operator would have started it. */
export interface Server {
  readonly endpoint: string;
  readonly port: number;
  readonly pid: number;
  /** Milliseconds from the command to the first ready answer. */
  readonly startMs: number;
  /** Everything printed so far (the last 64 KiB). */
  output(): string;
  /** Waits until it has printed it: what it says at its start may come later than its first answer. */
  says(pattern: RegExp): Promise<void>;
  /** Sends the signal and waits for the end; resolves to the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

function listens(port: number, host: string): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const listener = createServer();
    listener.once('error', reject);
    listener.listen({ port, host, exclusive: true }, () => resolve(listener));
  });
}

/** Where no server listens: all of 127.0.0.0/8 is loopback on Linux. */
const beside = '127.0.0.2';

/** The one port of those that tests take which `fetch` asks nobody at: a server there would never be ready. */
const unasked = 10_080;

/**
 * Takes a port for as long as this process lives, also while the server that has it is down: another suite that looks for a port at the same time, on the
 * same machine, takes another one. Who has it listens there at another address of loopback.
 * @returns false when somebody has it
 */
export async function takePort(port: number): Promise<boolean> {
  if (port === unasked) return false;
  let hold: Listener | undefined;
  try {
    hold = await listens(port, beside).catch((cause: NodeJS.ErrnoException) => {
      // Elsewhere there is no such address, and nothing is held.
      if (cause.code === 'EADDRNOTAVAIL') return undefined;
      throw cause;
    });
    hold?.unref();
    const probe = await listens(port, '127.0.0.1');
    await new Promise((resolve) => probe.close(resolve));
    return true;
  } catch {
    hold?.close();
    return false;
  }
}

/** A port of this process, below those that the system gives to outgoing connections: none of these can take it before it is used. */
export async function freePort(): Promise<number> {
  const port = randomInt(10_000, 32_000);
  return (await takePort(port)) ? port : freePort();
}

/** The environment of a child: nothing that steers the tests, which a server would refuse, and the root key. */
export function childEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('DSOM_') && name !== 'NODE_TEST_CONTEXT',
  );
  return {
    ...Object.fromEntries(inherited),
    DSOM_ROOT_ACCESS_KEY_ID: credentials.accessKeyId,
    DSOM_ROOT_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    ...extra,
  };
}

async function answers(endpoint: string, health: 'live' | 'ready'): Promise<boolean> {
  try {
    const answer = await fetch(`${endpoint}/-/health/${health}`, { signal: AbortSignal.timeout(10_000) });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}

/**
 * Starts `dsom server` on loopback and waits until it is up.
 * @param data data directories
 * @throws Error with the server's own output when it ends or is not ready within `patienceMs`
 */
export async function startServer(
  data: readonly string[],
  options: {
    readonly port?: number;
    readonly flags?: readonly string[];
    /** Speaks HTTPS with this certificate, which this process trusts. */
    readonly tls?: CertificateFiles | undefined;
    readonly env?: Readonly<Record<string, string>>;
    /** What to wait for, `ready` when left out: a server whose disk is full lives and is not ready. */
    readonly until?: 'live' | 'ready';
    /** Address to listen at, 127.0.0.1 when left out. */
    readonly host?: string;
    /** What runs the command and becomes it: `ip netns exec N`. */
    readonly launch?: readonly string[];
    /** Another version's, {@link bin} when left out. */
    readonly program?: string | undefined;
  } = {},
): Promise<Server> {
  const port = options.port ?? (await freePort());
  const host = options.host ?? '127.0.0.1';
  const endpoint = `${options.tls ? 'https' : 'http'}://${host}:${port}`;
  const started = performance.now();
  const [command, ...args] = [
    ...(options.launch ?? []),
    process.execPath,
    options.program ?? bin,
    'server',
    ...data.flatMap((one) => ['--data', one]),
    '--address',
    `${host}:${port}`,
    ...(options.tls ? ['--tls-certificate', options.tls.certificate, '--tls-key', options.tls.key] : []),
    ...(options.flags ?? []),
  ] as [string, ...string[]];
  const child: ChildProcess = spawn(command, args, {
    env: childEnvironment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => (output = (output + chunk).slice(-65_536)));
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  let dead = false;
  const hasEnded = atEnd(() => child.kill('SIGKILL'));
  void ended.then(() => {
    dead = true;
    hasEnded();
  });

  const until = options.until ?? 'ready';
  while (!(await answers(endpoint, until))) {
    if (dead) throw new Error(`the server ended at start:\n${output}`);
    if (performance.now() - started > patienceMs) {
      child.kill('SIGKILL');
      throw new Error(`the server was not ${until} within ${patienceMs / 1000} s:\n${output}`);
    }
    // What is asked takes some of the time that it waits for.
    await sleep(50);
  }
  return {
    endpoint,
    port,
    pid: child.pid as number,
    startMs: performance.now() - started,
    output: () => output,
    async says(pattern) {
      for (const end = performance.now() + patienceMs; !pattern.test(output); await sleep(20))
        if (performance.now() > end) throw new Error(`the server does not say ${pattern}:\n${output}`);
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const code = await Promise.race([ended, sleep(patienceMs, 'late' as const, { ref: false })]);
      if (code !== 'late') return code;
      child.kill('SIGKILL');
      throw new Error(`the server did not end within ${patienceMs / 1000} s of ${signal}:\n${output}`);
    },
  };
}
