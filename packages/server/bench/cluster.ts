/*
 * A cluster of real nodes on loopback, each with its own member of etcd, all on this machine: what it does beside one server alone, beside the
 * least that its scheme asks for, and while a node dies.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, dsom } from '../../conformance/cluster/cluster.support.ts';
import { pathOf, send } from '../../conformance/src/request.ts';
import { credentials } from '../../conformance/src/server.ts';
import type { LoadPlan, LoadResult } from './load.ts';
import { cpuSeconds, load, MiB, scratch, startDsom, syncedWriteRate } from './rig.ts';

const root = { id: credentials.accessKeyId, secret: credentials.secretAccessKey };
const object = 8 * MiB;
type Work = Omit<LoadPlan, 'endpoint' | 'endpoints' | 'credentials'>;

/** What a load gave and took. */
export interface Measured extends LoadResult {
  /** Seconds of the nodes' processes, and of their members of etcd. */
  readonly cpu: number;
  readonly etcdCpu: number;
  /** Bytes that the nodes' processes wrote to devices, and what else they wrote: to sockets. */
  readonly written: number;
  readonly sent: number;
}

interface Use {
  readonly cpu: number;
  readonly written: number;
  readonly given: number;
}

function useOf(pids: readonly number[]): Use {
  const sum = { cpu: 0, written: 0, given: 0 };
  for (const pid of pids) {
    const io = readFileSync(`/proc/${pid}/io`, 'utf8');
    sum.cpu += cpuSeconds(pid);
    sum.written += Number(/^write_bytes: (\d+)/m.exec(io)?.[1]);
    sum.given += Number(/^wchar: (\d+)/m.exec(io)?.[1]);
  }
  return sum;
}

/** A cluster under load. */
class Loaded {
  readonly cluster: Cluster;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  static async start(name: string, nodes: number, flags: readonly string[] = []): Promise<Loaded> {
    const loaded = new Loaded(await Cluster.start(scratch(name), nodes, () => flags));
    // Before the folders with their pids are removed.
    process.prependOnceListener('exit', loaded.#killMembers);
    await loaded.run({ operation: 'bucket', count: 1, connections: 1 });
    return loaded;
  }

  readonly #killMembers = (): void => {
    // First the nodes: they would start their members again.
    for (const pid of [...this.cluster.nodes.map(({ server }) => server.pid), ...this.members()])
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
  };

  members(): number[] {
    return this.cluster.nodes.flatMap(({ folder }) => {
      try {
        return [Number(readFileSync(path.join(folder, 'cluster/etcd/pid'), 'utf8'))];
      } catch {
        return [];
      }
    });
  }

  /** @param over indexes of the nodes that are asked in turn; all when absent */
  run(work: Work, over?: readonly number[]): Promise<LoadResult> {
    const all = this.cluster.endpoints();
    const endpoints = over ? over.map((index) => all[index] as string) : all;
    const [endpoint] = endpoints as [string];
    return load({ endpoint }, { ...work, endpoints, credentials: root });
  }

  async measure(work: Work): Promise<Measured> {
    const servers = this.cluster.nodes.map(({ server }) => server.pid);
    const members = this.members();
    const [before, membersBefore] = [useOf(servers), useOf(members)];
    const result = await this.run(work);
    const [after, membersAfter] = [useOf(servers), useOf(members)];
    const written = after.written - before.written;
    return {
      ...result,
      cpu: after.cpu - before.cpu,
      etcdCpu: membersAfter.cpu - membersBefore.cpu,
      written,
      sent: Math.max(0, after.given - before.given - written),
    };
  }

  stop(): Promise<void> {
    process.removeListener('exit', this.#killMembers);
    return this.cluster.stop('SIGKILL');
  }
}

export interface InlineRates {
  readonly put: Measured;
  /** The same on one server alone, with its own log. */
  readonly alone: LoadResult & { readonly cpu: number };
  readonly strong: Measured;
  readonly eventual: Measured;
}

export interface LargeRates {
  /** Nodes that take part. */
  readonly nodes: number;
  /** Fragments' bytes for each byte of an object. */
  readonly stored: number;
  readonly put: Measured;
  readonly get: Measured;
  readonly objects: number;
}

export interface Rates {
  readonly inline: readonly InlineRates[];
  readonly copies: readonly LargeRates[];
  readonly coded: readonly LargeRates[];
}

/** Loads of three nodes: inline objects of 1 KiB, objects of 8 MiB as three copies and as a code of 2+1. */
export async function clusterRates(runs: number, port: number): Promise<Rates> {
  const three = await Loaded.start('cluster', 3);
  const alone = await startDsom(scratch('alone'), port);
  await load(alone, { operation: 'bucket', count: 1, connections: 1 });
  const [puts, gets] = [4000, 6000] as const;
  const small = { operation: 'put', size: 1024, count: puts, connections: 64 } as const;
  for (const prefix of ['warm/', 'warm2/']) {
    await three.run({ ...small, prefix });
    await load(alone, { ...small, prefix });
  }
  const read = { operation: 'get', count: gets, keys: puts, connections: 32 } as const;
  const at = (level: string) => ({ headers: { 'x-dsom-consistency': level } });
  for (const level of ['strong', 'eventual']) await three.run({ ...read, prefix: 'warm/', ...at(level) });
  const inline: InlineRates[] = [];
  for (let run = 0; run < runs; run++) {
    const prefix = `r${run}/`;
    const used = cpuSeconds(alone.pid);
    const single = await load(alone, { ...small, prefix });
    const cpu = cpuSeconds(alone.pid) - used;
    inline.push({
      alone: { ...single, cpu },
      put: await three.measure({ ...small, prefix }),
      strong: await three.measure({ ...read, prefix, ...at('strong') }),
      eventual: await three.measure({ ...read, prefix, ...at('eventual') }),
    });
  }
  await alone.stop();
  const copies = await largeRates(three, runs, '3', 3);
  const rates = { inline, copies, coded: await largeRates(three, runs, '2+1', 1.5) };
  await three.stop();
  return rates;
}

/** The same load on a cluster of each kind, in alternating rounds, by the number of object shards. */
export async function shardRates(runs: number, counts: readonly number[]): Promise<ReadonlyMap<number, Measured[]>> {
  const found = new Map<number, Measured[]>(counts.map((count) => [count, []]));
  const clusters = new Map<number, Loaded>();
  const put = { operation: 'put', size: 1024, connections: 64 } as const;
  for (const count of counts) {
    const three = await Loaded.start(`shards-${count}`, 3, ['--object-shards', String(count)]);
    clusters.set(count, three);
    for (const prefix of ['warm/', 'warm2/']) await three.run({ ...put, count: 4000, prefix });
  }
  for (let run = 0; run < runs; run++)
    for (const [count, three] of clusters)
      found.get(count)?.push(await three.measure({ ...put, count: 4000, prefix: `r${run}/` }));
  for (const three of clusters.values()) await three.stop();
  return found;
}

/** @param stored fragments' bytes for each byte of an object */
async function largeRates(
  loaded: Loaded,
  runs: number,
  redundancy: string,
  stored: number,
  connections = 8,
): Promise<LargeRates[]> {
  const objects = 24;
  const headers = { 'x-dsom-redundancy': redundancy };
  const work = { operation: 'put', size: object, connections, headers } as const;
  await loaded.run({ ...work, count: 8, prefix: `warm-${stored}/` });
  const found: LargeRates[] = [];
  for (let run = 0; run < runs; run++) {
    const prefix = `${stored}-${run}/`;
    found.push({
      nodes: loaded.cluster.nodes.length,
      stored,
      objects,
      put: await loaded.measure({ ...work, count: objects, prefix }),
      get: await loaded.measure({ operation: 'get', count: objects, connections, prefix }),
    });
  }
  return found;
}

/** Eleven nodes, each with a device, and objects of 8 MiB as a code of 8+3: a fragment of each stripe on every node. */
export async function wideRates(runs: number): Promise<LargeRates[]> {
  const eleven = await Loaded.start('wide', 11);
  // Two at a time: eleven processes share this machine, and a device that is late is passed over.
  const found = await largeRates(eleven, runs, '8+3', 11 / 8, 2);
  await eleven.stop();
  return found;
}

export interface Failover {
  /** Longest time between two writes that were taken, and between two reads at eventual, ms. */
  readonly writes: number;
  readonly reads: number;
  /** Reads at eventual that failed. */
  readonly failed: number;
}

/** Kills the node that owns the log, its process alone or with its member of etcd, under a writer and a reader of the others. */
export async function failover(runs: number, whole: boolean): Promise<Failover[]> {
  const three = await Loaded.start('failover', 3);
  const { cluster } = three;
  await three.run({ operation: 'put', size: 1024, count: 1, connections: 1, prefix: 'read/' });
  const found: Failover[] = [];
  for (let run = 0; run < runs; run++) {
    const dead = await cluster.leader();
    const [reads, writes] = [0, 1, 2].filter((i) => i !== dead).map((i) => cluster.endpoint(i)) as [string, string];
    let going = true;
    /** Calls again and again, and @returns the longest time between two successes, and how many failed. */
    const hand = async (call: (i: number) => Promise<{ readonly status: number }>) => {
      let [longest, failed, last] = [0, 0, performance.now()];
      for (let i = 0; going; i++) {
        const answer = await call(i).catch(() => ({ status: 0 }));
        const now = performance.now();
        if (answer.status === 200) {
          longest = Math.max(longest, now - last);
          last = now;
        } else failed++;
        await sleep(10);
      }
      return { longest, failed };
    };
    const writer = hand((i) => send(writes, 'PUT', pathOf('bench', `failover/${run}/${i}`), { body: 'x' }));
    const reader = hand(() =>
      send(reads, 'GET', pathOf('bench', 'read/00000000'), { headers: { 'x-dsom-consistency': 'eventual' } }),
    );
    await sleep(1000);
    if (whole) await cluster.end(dead);
    else await cluster.nodes[dead]?.server.stop('SIGKILL');
    await sleep(15_000);
    going = false;
    const [written, read] = await Promise.all([writer, reader]);
    found.push({ writes: written.longest, reads: read.longest, failed: read.failed });
    await cluster.restart(dead);
    await sleep(2000);
  }
  await three.stop();
  return found;
}

export interface Repaired {
  readonly seconds: number;
  /** Bytes that the other nodes wrote. */
  readonly bytes: number;
  /** MB/s of synced writes to the same disk. */
  readonly disk: number;
  /** Rates of a load of reads before and meanwhile. */
  readonly undisturbed: number;
  readonly meanwhile: number;
}

/** Takes one of four nodes away for good, and waits until all of its copies are on the others, under a load of strong reads of 4 KiB. */
export async function repair(objects: number): Promise<Repaired> {
  const four = await Loaded.start('repair', 4);
  const { cluster } = four;
  const lost = 3;
  const left = [0, 1, 2];
  const disk = syncedWriteRate(cluster.folder);
  await four.run({ operation: 'put', size: 4096, count: 500, connections: 16, prefix: 'small/' });
  await four.run({ operation: 'put', size: object, count: objects, connections: 4, prefix: 'large/' });
  const work = { operation: 'get', keys: 500, connections: 16, prefix: 'small/' } as const;
  await four.run({ ...work, count: 2000 }, left);
  const { perSecond: undisturbed } = await four.run({ ...work, count: 4000 }, left);
  const port = String(cluster.nodes[lost]?.port);
  const nodes = (await cluster.status(0))['nodes'] as { id: string; apiAddress: string }[];
  const id = nodes.find(({ apiAddress }) => apiAddress.endsWith(`:${port}`))?.id ?? '';
  await cluster.end(lost);
  const endpoint = cluster.endpoint(0);
  const whole = async (): Promise<boolean> => {
    for (let i = 0; i < objects; i++) {
      const answer = await send(endpoint, 'HEAD', pathOf('bench', `large/${String(i).padStart(8, '0')}`));
      if (answer.headers['x-dsom-redundancy'] !== 'copies=3') return false;
    }
    return true;
  };
  while (await whole()) await sleep(100);
  const pids = left.map((index) => cluster.nodes[index]?.server.pid as number);
  const before = useOf(pids).written;
  for (let tries = 0; ; tries++)
    try {
      await dsom(endpoint, 'node', 'remove', id);
      break;
    } catch (cause) {
      // It is believed to be alive until it did not answer for a while.
      if (tries === 20) throw cause;
      await sleep(500);
    }
  const began = performance.now();
  let done = false;
  const loads: number[] = [];
  const under = (async () => {
    while (!done) loads.push((await four.run({ ...work, count: 2000 }, left)).perSecond);
  })();
  while (!(await whole())) {
    if (performance.now() - began > 300_000)
      throw new Error('the copies of the lost node are not back within 5 minutes');
    await sleep(200);
  }
  const seconds = (performance.now() - began) / 1000;
  const bytes = useOf(pids).written - before;
  done = true;
  await under;
  await four.stop();
  return { seconds, bytes, disk, undisturbed, meanwhile: loads.reduce((sum, one) => sum + one, 0) / loads.length };
}
