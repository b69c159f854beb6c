import { execFile, execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { atEnd } from '../src/ending.ts';
import { send } from '../src/request.ts';
import { bin, childEnvironment, credentials, patienceMs, type Server, startServer, takePort } from '../src/server.ts';

const run = promisify(execFile);

/** Whether a cluster can be started here: nodes run members of etcd from the PATH. */
export const etcdMissing: string | false = (() => {
  try {
    execFileSync('etcd', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'etcd is not on the PATH (Debian: apt-get install etcd-server)';
  }
})();

/** Debian's etcd is older than what DSOM asks for. */
const anyVersion = '--etcd-any-version';

/** Where a node runs, when it is not simply a process on loopback. */
export interface Place {
  /** Its own address, 127.0.0.1 when left out. */
  readonly host?: string;
  /** What its command is run by, and becomes: `ip netns exec N`. */
  readonly launch?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Its data directory, where that is not one below the cluster's folder. */
  readonly folder?: string;
  /** The `dsom` that it runs; the one under test when left out. */
  readonly program?: string | undefined;
}

/** One node as an operator would have started it. */
export interface Node {
  readonly place: Place;
  readonly folder: string;
  readonly port: number;
  /** Throws while the node is down. */
  readonly server: Server;
  /** Extra flags of every start. */
  readonly flags: readonly string[];
}

const addressOf = ({ place, port }: Node): string => `${place.host ?? '127.0.0.1'}:${port}`;

/** What `dsom … --json` prints, line by line. */
export async function dsom(
  endpoint: string,
  ...command: readonly string[]
): Promise<readonly Record<string, unknown>[]> {
  const { stdout } = await run(process.execPath, [bin, ...command, '--json'], {
    env: childEnvironment({
      DSOM_ENDPOINT: endpoint,
      DSOM_ACCESS_KEY_ID: credentials.accessKeyId,
      DSOM_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    }),
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/**
 * What a node tells an operator of the cluster, as `cluster status`, `repair status`, `rebalance status` and `cluster authority` print it with `--json`, and tried as often as
 * these do: what is asked again and again until it has come takes no process for each time.
 */
export async function told(
  endpoint: string,
  part: '' | '/repair' | '/rebalance' | '/authority' = '',
): Promise<Readonly<Record<string, unknown>>> {
  const authorization = `Bearer ${credentials.accessKeyId}.${credentials.secretAccessKey}`;
  for (let tries = 1; ; tries++) {
    const answer = await send(endpoint, 'GET', `/-/admin/v1/cluster${part}`, {
      anonymous: true,
      headers: { authorization },
      timeoutMs: 60_000,
    }).catch((cause: Error) => cause);
    if (!(answer instanceof Error) && answer.status === 200)
      return JSON.parse(answer.text()) as Record<string, unknown>;
    if (tries < 5) await sleep(100 * 2 ** tries);
    else if (answer instanceof Error) throw answer;
    else throw new Error(`${endpoint} tells nothing of the cluster${part}: ${answer.status} ${answer.text()}`);
  }
}

/** Four ports in a row, of this process: HTTP, other nodes, and the two of etcd. Below those that the system gives to outgoing connections. */
export async function portRow(): Promise<number> {
  for (;;) {
    const first = 10_000 + Math.floor(Math.random() * 2000) * 10;
    const taken = await Promise.all([0, 1, 2, 3].map((offset) => takePort(first + offset)));
    if (taken.every(Boolean)) return first;
  }
}

/** Signals the member of etcd that a node has. A process that was killed leaves its member running, and one that has ended its number to whoever comes next. */
export function signalMember(folder: string, signal: NodeJS.Signals): void {
  try {
    const id = Number(readFileSync(path.join(folder, 'cluster/etcd/pid'), 'utf8'));
    if (readFileSync(`/proc/${id}/cmdline`, 'utf8').includes(folder)) process.kill(id, signal);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ESRCH') throw cause;
  }
}

/** Real server processes that form one cluster on loopback, each with a member of etcd of its own. */
export class Cluster {
  readonly folder: string;
  readonly nodes: Node[] = [];
  readonly #placeOf: (index: number) => Place;

  constructor(folder: string, placeOf: (index: number) => Place = () => ({})) {
    this.folder = folder;
    this.#placeOf = placeOf;
  }

  /** Starts the first node, and `count - 1` others that join it one after the other. */
  static async start(
    folder: string,
    count: number,
    flagsOf: (index: number) => readonly string[] = () => [],
    placeOf?: (index: number) => Place,
  ): Promise<Cluster> {
    const cluster = new Cluster(folder, placeOf);
    try {
      for (let i = 0; i < count; i++) await cluster.add(flagsOf(i));
    } catch (cause) {
      await cluster.stop('SIGKILL');
      throw cause;
    }
    return cluster;
  }

  /** A further node. @returns its index */
  async add(flags: readonly string[] = []): Promise<number> {
    if (this.nodes.length === 0) return this.#enter(['--cluster-name', 'conformance'], flags);
    return this.join(await this.invite(), flags);
  }

  /** A line for a further node, that this one makes. */
  async invite(index = 0): Promise<string> {
    return String((await dsom(this.endpoint(index), 'cluster', 'invite'))[0]?.['line']);
  }

  /** A further node, by a line that was made before. @returns its index */
  join(line: string, flags: readonly string[] = []): Promise<number> {
    return this.#enter(['--join', line], flags);
  }

  async #enter(how: readonly string[], flags: readonly string[]): Promise<number> {
    const index = this.nodes.length;
    const place = this.#placeOf(index);
    const folder = place.folder ?? path.join(this.folder, `node-${index}`);
    const port = await portRow();
    const all = [anyVersion, ...flags];
    // The end of this process ends the nodes, but not their members of etcd.
    atEnd(() => signalMember(folder, 'SIGKILL'));
    const server = await startServer([folder], { ...place, port, flags: [...all, ...how] });
    this.nodes.push({ place, folder, port, server, flags: all });
    return index;
  }

  /** Endpoint of a node that runs. */
  endpoint(index = this.nodes.findIndex(({ server }) => server !== undefined)): string {
    const node = this.nodes[index];
    if (!node) throw new Error('no node runs');
    return `http://${addressOf(node)}`;
  }

  endpoints(): string[] {
    return this.nodes.map((_, index) => this.endpoint(index));
  }

  /** Ends a node, with its member of etcd, as when its machine goes down; its data stays. */
  async end(index: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const node = this.nodes[index] as Node;
    if (signal === 'SIGKILL') signalMember(node.folder, signal);
    await node.server.stop(signal);
  }

  /** Starts a node that was ended, with nothing but its data directory. */
  async restart(index: number, until: 'live' | 'ready' = 'ready'): Promise<void> {
    const node = this.nodes[index] as Node;
    const server = await startServer([node.folder], { ...node.place, port: node.port, flags: node.flags, until });
    this.nodes[index] = { ...node, server };
  }

  /** The next start is of another program: of that under test when left out. */
  install(index: number, program?: string): void {
    const node = this.nodes[index] as Node;
    this.nodes[index] = { ...node, place: { ...node.place, program } };
  }

  /** The node that came last was removed from the cluster and ended: nothing is left of it. */
  forget(index: number): void {
    if (index !== this.nodes.length - 1) throw new Error('only the node that came last can be forgotten');
    rmSync((this.nodes.pop() as Node).folder, { recursive: true, force: true });
  }

  /** Starts nodes that were ended, all at once. @throws what the first of them failed with, when all have come or failed */
  async restartAll(indexes: readonly number[], until: 'live' | 'ready' = 'ready'): Promise<void> {
    const failed = (await Promise.allSettled(indexes.map((index) => this.restart(index, until)))).find(
      (one) => one.status === 'rejected',
    );
    if (failed) throw failed.reason;
  }

  async status(index?: number): Promise<Readonly<Record<string, unknown>>> {
    return told(this.endpoint(index));
  }

  /** Index of the node that owns a shard, as node `from` sees it; -1 when nobody does. Shard 0 is the system shard; a new cluster has its objects in shard 1. */
  async leader(from?: number, shard = 0): Promise<number> {
    const { shards, nodes } = (await this.status(from)) as {
      shards: { shard: number; owner: string | null }[];
      nodes: { id: string; apiAddress: string }[];
    };
    const owner = shards.find((one) => one.shard === shard)?.owner;
    const address = nodes.find(({ id }) => id === owner)?.apiAddress;
    return this.nodes.findIndex((node) => addressOf(node) === address);
  }

  /** As {@link leader}, as soon as there is one. */
  async owner(shard = 0): Promise<number> {
    let found = -1;
    await until(`shard ${shard} has an owner`, 60_000, async () => (found = await this.leader(undefined, shard)) >= 0);
    return found;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await Promise.all(this.nodes.map((_, index) => this.end(index, signal).catch(() => null)));
  }
}

/** @param least how long it may take on a quiet machine, ms: no less than {@link patienceMs} is waited. @returns ms that it took */
export async function until(what: string, least: number, done: () => Promise<boolean>): Promise<number> {
  const began = performance.now();
  const milliseconds = Math.max(least, patienceMs);
  let refusal: unknown;
  const isDone = () =>
    done().catch((cause: unknown) => {
      refusal = cause;
      return false;
    });
  while (!(await isDone())) {
    if (performance.now() - began > milliseconds)
      throw new Error(`${what}: not within ${milliseconds} ms`, { cause: refusal });
    await sleep(50);
  }
  return performance.now() - began;
}
