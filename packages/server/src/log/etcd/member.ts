import { type ChildProcess, execFile, spawn } from 'node:child_process';
import * as fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { EtcdTls } from './calls.ts';
import { connectEtcd } from './client.ts';
import { endLeftovers } from './leftover.ts';
import type { Etcd } from './types.ts';
import { etcdReleases, versionFault } from './version.ts';

/** Files in PEM, for clients and peers alike; both sides of every connection show a certificate then. */
export interface MemberTls {
  readonly certificate: string;
  readonly privateKey: string;
  readonly authority: string;
}

export interface MemberOptions {
  readonly host: Host;
  readonly name: string;
  /** Belongs to this member alone: its data, and the id of its process. */
  readonly directory: string;
  /** Where clients and the other members reach it, `http://host:port` or `https://…`; it listens there and nowhere else. */
  readonly clientUrl: string;
  readonly peerUrl: string;
  /** The address that the name in both stands for: etcd listens on addresses only. Left out where they have an address. */
  readonly listenHost?: string;
  /** All members, as {@link addMember} gives them, when it joins a cluster; alone in a new one when left out. Once it has data, neither matters. */
  readonly initialCluster?: string;
  readonly tls?: MemberTls;
  readonly quotaBytes?: number;
  /** Told in words, to be logged: it ended and is started again, it has no space. */
  readonly report: (message: string) => void;
  /** How long it may take to become healthy: one that ran before may have to wait for others. `limits.etcdStartMs` when left out. */
  readonly patienceMs?: number;
  /** For tests: runs a version whose linearizable reads can be stale. */
  readonly allowOldEtcd?: boolean;
  /** For tests; `etcd` on the PATH otherwise. */
  readonly program?: string;
}

/** A member of etcd that runs beside this program, and is started again when it ends. */
export interface RunningMember {
  readonly endpoints: readonly string[];
  /** Of the process that runs now. */
  readonly pid: number | undefined;
  /** Starts it again with what its files hold now; resolves when it is healthy. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const etcdProgram = 'etcd';

const unavailable = (message: string, cause?: unknown): StoreError =>
  new StoreError('ServiceUnavailable', { message, cause });

/** @throws StoreError ServiceUnavailable, with what to do, when the program is missing, or of a version that must not be used */
export async function checkEtcdProgram(allowOld: boolean, program = etcdProgram): Promise<void> {
  const out = await promisify(execFile)(program, ['--version']).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw unavailable(
      `The program ${program} is not on the PATH. Install etcd (${etcdReleases}), or name a running cluster with --etcd.`,
    );
  });
  const version = /etcd Version: (\S+)/.exec(out.stdout)?.[1] ?? '';
  const fault = versionFault(version);
  if (fault !== undefined && !allowOld) throw unavailable(`The program ${program} is refused: ${fault}.`);
}

function argumentsOf(options: MemberOptions, data: string): string[] {
  const { name, clientUrl, peerUrl, initialCluster, tls } = options;
  const args = ['--name', name, '--data-dir', data, '--logger', 'zap', '--log-level', 'error'];
  const listen = (url: string): string => {
    if (options.listenHost === undefined) return url;
    const { protocol, port } = new URL(url);
    const { listenHost } = options;
    return `${protocol}//${listenHost.includes(':') ? `[${listenHost}]` : listenHost}:${port}`;
  };
  args.push('--listen-client-urls', listen(clientUrl), '--advertise-client-urls', clientUrl);
  args.push('--listen-peer-urls', listen(peerUrl), '--initial-advertise-peer-urls', peerUrl);
  args.push('--initial-cluster', initialCluster ?? `${name}=${peerUrl}`);
  args.push('--initial-cluster-state', initialCluster === undefined ? 'new' : 'existing');
  args.push('--max-request-bytes', String(limits.etcdRequestBytes));
  args.push('--quota-backend-bytes', String(options.quotaBytes ?? limits.etcdQuotaBytes));
  if (tls) {
    for (const side of ['', 'peer-']) {
      args.push(`--${side}cert-file`, tls.certificate, `--${side}key-file`, tls.privateKey);
      args.push(`--${side}trusted-ca-file`, tls.authority, `--${side}client-cert-auth`);
    }
  }
  return args;
}

async function readTls(tls: MemberTls): Promise<EtcdTls> {
  const [certificate, privateKey, authority] = await Promise.all(
    [tls.certificate, tls.privateKey, tls.authority].map((file) => fs.readFile(file, 'utf8')),
  );
  return { certificate, privateKey, authority } as EtcdTls;
}

/**
 * Starts a member and waits until it has a leader. When its process ends unasked, it is started again, after a pause that grows.
 * @throws StoreError ServiceUnavailable when the program is missing or too old, or the member does not become healthy; the message holds
 * what it said last
 */
export async function startMember(options: MemberOptions): Promise<RunningMember> {
  const { host, name, clientUrl } = options;
  const program = options.program ?? etcdProgram;
  await checkEtcdProgram(options.allowOldEtcd ?? false, program);
  const data = path.resolve(options.directory, 'data');
  const pidFile = path.join(options.directory, 'pid');
  await fs.mkdir(data, { recursive: true, mode: 0o700 });
  await endLeftovers(data, pidFile, host, options.report);

  const stopping = new AbortController();
  const said: string[] = [];
  let child: ChildProcess | undefined;
  let ended: Promise<unknown> = Promise.resolve();
  /** It ended by itself and without a failure, as etcd does only when its cluster tells it that it was removed. */
  let removed = false;
  /** It is to end, and to be started again at once. */
  let restarting = false;
  /** It has answered once. */
  let settled = false;
  const hopeless = Promise.withResolvers<never>();
  hopeless.promise.catch(() => {});

  const run = async (): Promise<void> => {
    const started = spawn(program, argumentsOf(options, data), { stdio: ['ignore', 'ignore', 'pipe'] });
    child = started;
    ended = new Promise((resolve) => {
      started.once('exit', (code) => {
        removed = code === 0 && !restarting && !stopping.signal.aborted;
        resolve(code);
      });
      started.once('error', resolve);
    });
    started.stderr?.on('data', (piece: Buffer) => {
      said.push(...piece.toString().split('\n').filter(Boolean));
      said.splice(0, said.length - limits.etcdSaidLines);
    });
    await fs.writeFile(pidFile, String(started.pid));
    await ended;
    child = undefined;
  };

  /** Resolves when the member was stopped. */
  const supervise = async (): Promise<void> => {
    for (let pause: number = limits.etcdRestartMs; !stopping.signal.aborted; ) {
      const began = host.clock.monotonic();
      await run();
      if (stopping.signal.aborted) return;
      if (restarting) {
        restarting = false;
        continue;
      }
      // What an earlier run of this program left behind was ended before: somebody else has the port, and goes on having it.
      if (!settled && isTaken(lastWord(said)))
        return hopeless.reject(unavailable(`The etcd member ${name} cannot listen: ${lastWord(said)}`));
      if (host.clock.monotonic() - began >= limits.etcdSettledMs) pause = limits.etcdRestartMs;
      const why = removed ? removedFrom(name) : `It said last: ${lastWord(said)}`;
      options.report(`etcd member ${name} ended; it is started again in ${pause} ms. ${why}`);
      await host.timers.sleep(pause, stopping.signal);
      pause = Math.min(pause * 2, limits.etcdRestartMostMs);
    }
  };

  const stop = async (): Promise<void> => {
    stopping.abort();
    const running = child;
    if (running) {
      running.kill('SIGTERM');
      const cancel = host.timers.after(limits.etcdStopMs, () => running.kill('SIGKILL'));
      await ended;
      cancel();
    }
    await supervised;
    await fs.rm(pidFile, { force: true });
  };

  const supervised = supervise();
  try {
    const given = () => removed || stopping.signal.aborted;
    await Promise.race([healthy(options, said, given, () => child !== undefined), hopeless.promise]);
    settled = true;
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    endpoints: [clientUrl],
    get pid() {
      return child?.pid;
    },
    async restart() {
      restarting = true;
      child?.kill('SIGTERM');
      await ended;
      await healthy(options, said, () => removed);
    },
    stop,
  };
}

/** What a member said of its end, which a stack may follow; of a line of its log what happened, without where in its code. */
export function lastWord(said: readonly string[]): string {
  const line = said.findLast((one) => /^panic: |"level":"(?:panic|fatal)"/.test(one)) ?? said.at(-1) ?? 'nothing';
  const field = (name: string) => new RegExp(`"${name}":"((?:[^"\\\\]|\\\\.)*)"`).exec(line)?.[1];
  const word = [field('msg'), field('error')].filter((one) => one !== undefined).join(': ') || line;
  return isTaken(word) ? `${word}. Free that port, or give a new node others by --etcd-ports.` : word;
}

const isTaken = (word: string): boolean => /address already in use/.test(word);

/** Waits until the member answers and knows a leader; says so when it has no space left. */
async function healthy(
  options: MemberOptions,
  said: readonly string[],
  removed: () => boolean,
  runs: () => boolean = () => false,
): Promise<void> {
  const { host, name, clientUrl, report } = options;
  const began = host.clock.monotonic();
  const end = began + (options.patienceMs ?? limits.etcdStartMs);
  let told = false;
  const shown = options.tls && (await readTls(options.tls));
  const tls = shown && { tls: () => shown };
  let why = '';
  while (host.clock.monotonic() < end) {
    let etcd: Etcd | undefined;
    try {
      etcd = await connectEtcd({ endpoints: [clientUrl], host, allowOldEtcd: true, ...tls });
      const [status] = await etcd.statuses();
      if (status && status.leader !== 0n) {
        if (status.errors.some((error) => /NOSPACE/.test(error))) report(noSpace(name));
        return;
      }
      why = alone;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      // It answers nobody before it has a leader, and says nothing meanwhile.
      why = runs() && said.length === 0 ? alone : error.message;
    } finally {
      await etcd?.close();
    }
    if (removed()) throw unavailable(removedFrom(name));
    if (!told && why === alone && host.clock.monotonic() - began >= limits.etcdLonelyMs) {
      told = true;
      report(`etcd member ${name} waits: ${why}. It is given ${Math.round((end - began) / 1000)} s`);
    }
    await host.timers.sleep(limits.etcdBackoffMs);
  }
  const last = said.length === 0 ? '' : ` It said last: ${lastWord(said)}`;
  throw unavailable(`The etcd member ${name} did not become healthy: ${why.replace(/\.$/, '')}.${last}`);
}

const alone =
  'it knows no leader: most of the other members do not run, or it cannot reach them. Start the other nodes that run one';

const removedFrom = (name: string): string =>
  `The etcd member ${name} was taken out of its cluster, as by dsom node remove. Start this machine with an empty --data and a new invitation (dsom cluster invite) to have it in again.`;

const noSpace = (name: string): string =>
  `etcd member ${name} has reached its quota (alarm NOSPACE): writes are refused. Raise --quota-backend-bytes or let the log be trimmed.`;
