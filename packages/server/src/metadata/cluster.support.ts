import { manualHost, realHost } from '../host/index.ts';
import { type MemoryKv, memoryKv } from '../kv/index.ts';
import { type AppendFate, type SimulatedClient, type SimulatedLog, simulatedLog } from '../log/index.ts';
import type { NodeRecord } from './machine/records.ts';
import { openShardReplica, type ShardReplica, type Term } from './open.ts';
import { draftOf, inlinePiece } from './rig.support.ts';
import { restoreSnapshot } from './snapshot.ts';
import type { Command, Guard } from './types.ts';

/** Only to let what is ready run. */
const real = realHost();

/** One node of a cluster in one process: its client of the log, its KV, its replica, and the will to lead. */
export class Node {
  readonly cluster: Cluster;
  readonly name: string;
  kv: MemoryKv;
  log!: SimulatedClient;
  replica!: ShardReplica;
  term: Term | undefined;
  /** Grows with every life of the process. */
  life = 0;
  #stop = new AbortController();

  constructor(cluster: Cluster, name: string) {
    this.cluster = cluster;
    this.name = name;
    this.kv = memoryKv(cluster.host);
    this.open();
  }

  open(): void {
    const { host, log } = this.cluster;
    this.life++;
    this.log = log.open(this.name);
    this.replica = openShardReplica({ log: this.log, kv: this.kv, host, shard: 7 });
  }

  /** Leads whenever it can. */
  run(): void {
    this.#stop = new AbortController();
    void this.#run(this.#stop.signal).catch(() => {});
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.replica.failure() === undefined) {
      const owned = await this.log.own(signal);
      if (!owned) return;
      const term = await this.replica.lead(owned).catch(() => undefined);
      if (!term) continue;
      this.term = term;
      await term.ended;
      if (!signal.aborted) this.term = undefined;
    }
  }

  /** The process dies; the KV goes back to its checkpoint. It does not come back by itself. */
  crash(): void {
    this.#stop.abort();
    this.term = undefined;
    void this.log.close();
    const { replica } = this;
    this.kv = this.kv.crash();
    void replica.close().catch(() => {});
  }

  restart(): void {
    this.crash();
    this.open();
    this.run();
  }

  /** Another replica's snapshot takes the place of the state. */
  async install(from: Node): Promise<void> {
    const chunks = [...from.replica.snapshot()];
    this.crash();
    this.kv = memoryKv(this.cluster.host);
    await restoreSnapshot(this.kv, chunks);
    this.open();
    this.run();
  }

  /** Stops in order. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.replica.close();
    await this.log.close();
    this.term = undefined;
  }

  get record(): NodeRecord {
    const { name, life } = this;
    const texts = { id: name, address: `${name}:1`, apiAddress: `${name}:2`, zone: '', version: '1' };
    return { ...texts, roles: ['metadata'], state: 'active', features: [], incarnation: Buffer.alloc(8, life) };
  }

  put(bucket: number, key: string, content: string, guard?: Guard, request?: Buffer) {
    const piece = inlinePiece(content);
    const draft = draftOf(piece.size, piece.md5);
    const at = { bucket, key: Buffer.from(key), owner: 'o', guard, draft, pieces: [piece] };
    return this.propose({ type: 'object.put', ...at }, request);
  }

  propose(command: Command, request?: Buffer) {
    if (!this.term) throw new Error(`${this.name} does not lead`);
    return this.term.propose(command, request);
  }

  has(bucket: number, key: string): boolean {
    return this.replica.reader.version(bucket, Buffer.from(key), undefined)?.kind === 'object';
  }
}

export interface ClusterOptions {
  readonly nodes?: number;
  readonly seed?: number;
  readonly delay?: (node: string) => number;
}

export class Cluster {
  readonly host: ReturnType<typeof manualHost>;
  readonly log: SimulatedLog;
  readonly nodes: readonly Node[];
  /** What becomes of the next appends, in order; then all are heard. */
  readonly fates: AppendFate[] = [];

  constructor({ nodes = 3, seed = 1, delay = () => 0 }: ClusterOptions = {}) {
    this.host = manualHost(seed);
    const fate = () => this.fates.shift() ?? 'heard';
    this.log = simulatedLog({ host: this.host, replicas: nodes, leaseMs: 3000, delay, fate });
    this.nodes = Array.from({ length: nodes }, (_, index) => new Node(this, `n${index}`));
  }

  /** The node that owns the log and leads; others may not know yet that they do not. */
  get leader(): Node | undefined {
    return this.nodes.find(({ name, term }) => term !== undefined && name === this.log.owner);
  }

  /** Everything that needs no time to pass. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => real.timers.soon(resolve));
  }

  async advance(milliseconds: number, step = 100): Promise<void> {
    for (let left = milliseconds; left > 0; left -= step) {
      this.host.advance(Math.min(step, left));
      await this.settle();
    }
  }

  /** The first node leads; the others follow and want to. */
  async start(): Promise<Node> {
    for (const node of this.nodes) {
      node.run();
      await this.settle();
    }
    return this.nodes[0]!;
  }

  async bucket(node: Node, name = 'bucket'): Promise<number> {
    const about = { owner: 'o', region: 'r', wrappedKey: Buffer.from('wk') };
    const { reply } = await node.propose({ type: 'bucket.create', name, ...about });
    if (reply.type !== 'bucket') throw new Error('not a bucket');
    return reply.bucket.id;
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) await node.stop();
  }
}

export const dumpOf = (kv: MemoryKv): string[] =>
  Array.from(
    kv.range({ start: Buffer.from([0]), end: Buffer.from([0xff]) }),
    ({ key, value }) => `${key.toString('hex')} ${value.toString('hex')}`,
  );
