/* Nodes of a cluster in one process: their shards over a simulated log, and links on which calls and answers get lost as a test says. */
import { StoreError } from '../../errors.ts';
import { manualHost, realHost } from '../../host/index.ts';
import { memoryKv } from '../../kv/index.ts';
import { type AppendFate, type SimulatedClient, simulatedLog } from '../../log/index.ts';
import { type Command, openShardReplica, type ShardReplica } from '../../metadata/index.ts';
import type { CallOptions, IncomingCall, Peer, Serve } from '../../transport/index.ts';
import { createGate, type GateCalls } from './gate.ts';
import { ClusterShard } from './shard.ts';

/** Only to let what is ready run. */
const real = realHost();

const away = (): StoreError => new StoreError('ServiceUnavailable', { message: 'The node cannot be reached.' });

/** What becomes of one call between two nodes. */
export type CallFate = 'heard' | 'lost' | 'unheard' | 'silent';

/** As a link fails whose other side's process is gone. */
const refused = (): StoreError =>
  new StoreError('ServiceUnavailable', {
    message: 'The node cannot be reached.',
    cause: Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
  });

/** @param fate asked once for each call */
export function fakePeer(
  from: string,
  to: string,
  serve: () => Serve | undefined,
  { timers }: Pick<ReturnType<typeof manualHost>, 'timers'>,
  fate: () => CallFate = () => 'heard',
): Peer {
  const closed = new AbortController();
  const ask = async (method: string, head: Uint8Array, options: CallOptions = {}) => {
    const becomes = fate();
    const run = serve();
    if (!run) throw refused();
    if (becomes === 'lost') throw away();
    const abort = new AbortController();
    const call: IncomingCall = {
      method,
      head: Buffer.from(head),
      body: Buffer.concat(options.body ?? []),
      node: from,
      signal: abort.signal,
    };
    const late = new Promise<never>((_, reject) => {
      if (options.deadlineMs !== undefined) timers.after(options.deadlineMs, () => reject(away()));
      closed.signal.addEventListener('abort', () => reject(away()));
    });
    const answer = await Promise.race([becomes === 'silent' ? late : run(call), late]);
    if (becomes === 'unheard') throw away();
    return answer;
  };
  return {
    node: to,
    reachable: true,
    async call(method, head, options) {
      const answer = await ask(method, head, options);
      return { head: Buffer.from(answer.head), body: Buffer.concat(answer.body ?? []) };
    },
    async *stream(method, head, options) {
      const answer = await ask(method, head, options);
      for (const piece of answer.body ?? []) yield Buffer.from(piece);
      for await (const piece of answer.stream ?? []) yield Buffer.from(piece);
    },
    close: async () => closed.abort(),
  };
}

export interface RigNode {
  readonly name: string;
  readonly log: SimulatedClient;
  readonly replica: ShardReplica;
  readonly shard: ClusterShard;
  readonly gate: GateCalls;
  readonly events: string[];
  /** Answers no calls, and is cut off from the log. */
  dead: boolean;
}

export class ClusterRig {
  readonly host: ReturnType<typeof manualHost>;
  /** What becomes of the next appends, in order; then all are heard. */
  readonly appends: AppendFate[] = [];
  /** What becomes of the next calls. */
  readonly calls: CallFate[] = [];
  /** Calls that were made, as `from>to`. */
  readonly made: string[] = [];
  readonly nodes: readonly RigNode[];
  /** The node that should own the shard; absent: whoever does. */
  preferred: string | undefined;
  readonly #campaigns: boolean;
  readonly #number: number;
  readonly #log: ReturnType<typeof simulatedLog>;
  readonly #hushed = new Set<string>();

  /**
   * @param campaigns whether the nodes want to own the shard
   * @param number of the shard, and the host that it shares with rigs of others
   * @param leaseMs for how long an owner that nothing is heard of keeps the log
   */
  constructor(count = 3, campaigns = true, number = 0, host = manualHost(3), leaseMs = 3000) {
    this.#campaigns = campaigns;
    this.#number = number;
    this.host = host;
    const fate = () => this.appends.shift() ?? 'heard';
    this.#log = simulatedLog({ host, replicas: 3, leaseMs, fate });
    this.nodes = Array.from({ length: count }, (_, index) => this.#open(`n${index}`));
  }

  #open(name: string): RigNode {
    const { host } = this;
    const log = this.#log.open(name);
    const replica = openShardReplica({ log, kv: memoryKv(host), host, shard: this.#number });
    const events: string[] = [];
    const peer = (id: string): Peer =>
      fakePeer(
        name,
        id,
        () => {
          this.made.push(`${name}>${id}`);
          const other = this.nodes.find((one) => one.name === id);
          return other?.dead === false ? (call) => other.shard.serve(call) : undefined;
        },
        host,
        () => this.fateOf(name, id),
      );
    const shard = new ClusterShard({
      number: this.#number,
      log,
      replica,
      host,
      node: name,
      incarnation: Buffer.alloc(8, name.charCodeAt(1)),
      campaigns: this.#campaigns,
      yields: () => this.preferred !== undefined && this.preferred !== name,
      peer,
      onLead: (term) => events.push(term ? 'leads' : 'leads no more'),
      onEvent: (text) => events.push(text),
    });
    return { name, log, replica, shard, gate: createGate(log, replica, host), events, dead: false };
  }

  /** A further client of the log. */
  join(name: string): SimulatedClient {
    return this.#log.open(name);
  }

  get owner(): RigNode | undefined {
    return this.nodes.find(({ name, shard }) => name === this.#log.owner && shard.leads);
  }

  get others(): RigNode[] {
    const { owner } = this;
    return this.nodes.filter((one) => one !== owner);
  }

  get head(): number {
    return this.#log.head;
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => real.timers.soon(resolve));
  }

  /** Time passes until `done`, or until `most` milliseconds of the rig's are over. */
  async until(done: () => boolean, most = 60_000): Promise<void> {
    for (let passed = 0; !done(); passed += 50) {
      if (passed > most) throw new Error(`it did not come about within ${most} ms`);
      this.host.advance(50);
      await this.settle();
    }
  }

  /** Time passes until the promise is settled. */
  async run<Result>(promise: Promise<Result>, most?: number): Promise<Result> {
    let over = false;
    const end = (): void => void (over = true);
    promise.then(end, end);
    await this.settle();
    await this.until(() => over, most);
    return promise;
  }

  async start(): Promise<void> {
    await this.until(() => this.owner !== undefined);
  }

  /** What becomes of a call between two nodes. */
  fateOf(from: string, to: string): CallFate {
    return this.#hushed.has(from) || this.#hushed.has(to) ? 'silent' : (this.calls.shift() ?? 'heard');
  }

  /** Its machine is lost without a word: nothing arrives there, or comes from there. */
  hush(node: RigNode): void {
    this.#hushed.add(node.name);
    node.log.cut();
  }

  kill(node: RigNode): void {
    node.dead = true;
    node.log.cut();
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) node.log.heal();
    await this.run(Promise.all(this.nodes.map(({ shard }) => shard.close())));
    await this.run(Promise.all(this.nodes.map(({ log }) => log.close())));
  }
}

export const bucketCommand = (name: string): Command => ({
  type: 'bucket.create',
  name,
  owner: 'o',
  region: 'r',
  wrappedKey: Buffer.from('k'),
});
