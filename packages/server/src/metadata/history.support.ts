import assert from 'node:assert/strict';
import fc from 'fast-check';
import { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { Cluster, type Node } from './cluster.support.ts';
import { etagText } from './machine/guards.ts';
import { inlinePiece } from './rig.support.ts';

/*
 * A random history of a cluster, and what must be true of it. Every put has contents of its own and the bucket keeps every version, so
 * that afterwards the versions tell which puts were made, how often, and in which order.
 */

const keyNames = ['a', 'b', 'c', 'd'];

export type Step =
  | { readonly do: 'put'; readonly node: number; readonly key: number; readonly absent: boolean }
  | { readonly do: 'again'; readonly node: number; readonly put: number }
  | { readonly do: 'read' | 'session' | 'intent'; readonly node: number }
  | {
      readonly do: 'cut' | 'heal' | 'pause' | 'resume' | 'crash' | 'start' | 'checkpoint' | 'install';
      readonly node: number;
    }
  | { readonly do: 'fate'; readonly fate: 'lost' | 'unheard' }
  | { readonly do: 'depose' }
  | { readonly do: 'advance'; readonly ms: number };

const node = fc.nat(2);

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('put'), node, key: fc.nat(3), absent: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('again'), node, put: fc.nat(1000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('read', 'session', 'intent'), node }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('cut', 'heal', 'pause', 'resume', 'crash', 'start', 'checkpoint', 'checkpoint', 'install'),
      node,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fate'), fate: fc.constantFrom('lost', 'unheard') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('depose') }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('advance'), ms: fc.constantFrom(0, 10, 100, 1000, 4000) }) },
) as fc.Arbitrary<Step>;

interface Put {
  readonly key: string;
  readonly contents: string;
  readonly etag: string;
  readonly absent: boolean;
  /** Every other put has an id and may be sent again. */
  readonly request: Buffer | undefined;
  /** Tries that are not answered. */
  waiting: number;
  /** `unknown`: some try may have made it. */
  outcome: 'refused' | 'unknown' | 'made';
  position: number;
  sequence: number;
}

interface Intent {
  readonly prefix: Buffer;
  readonly node: Node;
  readonly life: number;
}

export class History {
  readonly cluster: Cluster;
  readonly puts: Put[] = [];
  readonly #intents: Intent[] = [];
  readonly #digests = new Map<number, string>();
  readonly #down = new Set<Node>();
  readonly #pending: Promise<void>[] = [];
  readonly #wrong: unknown[] = [];
  #session = 0;
  bucket = 0;

  constructor(seed: number, slow: boolean) {
    const dice = manualHost(seed).entropy;
    const delay = () => (slow ? dice.bytes(1)[0]! % 40 : 0);
    this.cluster = new Cluster({ seed, delay });
  }

  async start(): Promise<void> {
    await this.cluster.start();
    await this.#until(() => this.cluster.leader !== undefined);
    const about = { owner: 'o', region: 'r', wrappedKey: Buffer.from('wk'), versioning: 'enabled' } as const;
    const made = this.cluster.leader!.propose({ type: 'bucket.create', name: 'bucket', ...about });
    const { reply } = await this.#ends(made);
    assert.ok(reply.type === 'bucket');
    this.bucket = reply.bucket.id;
  }

  /** Lets time pass until something is so. */
  async #until(holds: () => boolean): Promise<void> {
    for (let ms = 0; !holds(); ms += 100) {
      assert.ok(ms < 60_000, 'it ends well within a minute, once nothing is broken any more');
      await this.cluster.advance(100);
      await this.#rebuild();
    }
  }

  /** Lets time pass until a promise is settled. */
  async #ends<Value>(promise: Promise<Value>): Promise<Value> {
    let ended = false;
    void promise
      .catch(() => {})
      .finally(() => {
        ended = true;
      });
    await this.#until(() => ended);
    return promise;
  }

  /** What the daemon does about a replica that lacks entries. */
  async #rebuild(): Promise<void> {
    for (const node of this.cluster.nodes) {
      if (this.#down.has(node) || node.replica.failureKind() !== 'behind') continue;
      const from = this.cluster.nodes.find((other) => !this.#down.has(other) && other.replica.failure() === undefined);
      if (from) await node.install(from);
    }
  }

  async step(step: Step): Promise<void> {
    const { cluster } = this;
    const node = 'node' in step ? cluster.nodes[step.node]! : cluster.nodes[0]!;
    const up = !this.#down.has(node);
    switch (step.do) {
      case 'put':
        if (up && node.term) this.#put(node, keyNames[step.key]!, step.absent);
        break;
      case 'again': {
        const put = this.puts[step.put % Math.max(1, this.puts.length)];
        if (up && node.term && put?.request) this.#try(node, put);
        break;
      }
      case 'intent':
        if (up) this.#intent(node);
        break;
      case 'read':
        if (up) this.#watch(this.#read(node));
        break;
      case 'session':
        if (up) this.#watch(this.#follow(node));
        break;
      case 'crash':
        if (up) {
          node.crash();
          this.#down.add(node);
        }
        break;
      case 'start':
        if (!up) this.#open(node);
        break;
      case 'install': {
        const from = cluster.nodes.find((other) => other !== node && !this.#down.has(other));
        if (up && from) await node.install(from);
        break;
      }
      case 'checkpoint':
        if (up) void node.replica.checkpoint();
        break;
      case 'fate':
        cluster.fates.push(step.fate);
        break;
      case 'depose':
        cluster.log.depose();
        break;
      case 'advance':
        await cluster.advance(step.ms, Math.max(10, step.ms / 20));
        break;
      default:
        if (up) node.log[step.do]();
    }
    await cluster.settle();
    this.check();
    await this.#rebuild();
  }

  #open(node: Node): void {
    node.open();
    node.run();
    this.#down.delete(node);
    void this.#register(node)?.catch(() => {});
  }

  /** Tells whoever leads of this life of a node. */
  #register(node: Node): Promise<unknown> | undefined {
    return this.cluster.leader?.propose({ type: 'node.write', node: node.record });
  }

  #intent(node: Node): void {
    const opening = { prefix: Buffer.alloc(8, this.#intents.length + 1), node, life: node.life };
    const { id, incarnation } = node.record;
    const opener = { node: id, incarnation };
    this.cluster.leader?.propose({ type: 'intent.open', prefix: opening.prefix, opener }).then(
      () => this.#intents.push(opening),
      () => {},
    );
  }

  #watch(reading: Promise<void>): void {
    const watched = reading.catch((cause) => {
      // Out of reach, or the process ended.
      if (!(cause instanceof StoreError)) this.#wrong.push(cause);
    });
    this.#pending.push(watched);
  }

  #put(node: Node, key: string, absent: boolean): void {
    const number = this.puts.length + 1;
    const contents = `contents ${number}`;
    const etag = etagText(inlinePiece(contents).md5, 0);
    const request = number % 2 === 0 ? Buffer.alloc(16, number) : undefined;
    const begun = { waiting: 0, outcome: 'refused', position: 0, sequence: 0 } as const;
    const put: Put = { key, contents, etag, absent, request, ...begun };
    this.puts.push(put);
    this.#try(node, put);
  }

  #try(node: Node, put: Put): void {
    const guard = put.absent ? { ifNoneMatch: '*' } : undefined;
    put.waiting++;
    node.put(this.bucket, put.key, put.contents, guard, put.request).then(
      ({ reply, position }) => {
        put.waiting--;
        assert.ok(reply.type === 'version');
        const { sequence } = reply.version;
        if (put.outcome === 'made') {
          if (put.sequence !== sequence) this.#wrong.push(new Error(`${put.contents} was answered in two ways`));
          return;
        }
        Object.assign(put, { outcome: 'made', position, sequence });
      },
      (error: StoreError) => {
        put.waiting--;
        const decided = error.code !== 'ServiceUnavailable';
        if (put.outcome === 'made') {
          if (decided) this.#wrong.push(new Error(`${put.contents} was made, and then refused`));
        } else if (decided) put.outcome = 'refused';
        else if (!/was not made/.test(error.message)) put.outcome = 'unknown';
      },
    );
  }

  #etags(node: Node): { key: string; etag: string }[] {
    const [prefix, delimiter, start] = [Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(0)];
    const query = { bucket: this.bucket, prefix, delimiter, start, limit: 10_000, after: undefined };
    return node.replica.reader.listVersions(query).items.map((item) => {
      assert.ok('record' in item && item.record.kind === 'object');
      return { key: String(item.key), etag: etagText(item.record.etag, item.record.etagParts) };
    });
  }

  #sees(node: Node, puts: readonly Put[]): void {
    const there = new Set(this.#etags(node).map(({ etag }) => etag));
    for (const { etag } of puts) assert.ok(there.has(etag), 'a read sees what was acknowledged before it');
  }

  /** Strong: everything that was acknowledged before the read began. */
  async #read(node: Node): Promise<void> {
    const before = this.puts.filter(({ outcome }) => outcome === 'made');
    const { life } = node;
    await node.replica.reached(await node.log.barrier());
    if (node.life === life && !this.#down.has(node)) this.#sees(node, before);
  }

  /** Causal: everything up to the position that the session has seen, wherever it reads next. */
  async #follow(node: Node): Promise<void> {
    const token = this.#session;
    const before = this.puts.filter(({ outcome, position }) => outcome === 'made' && position <= token);
    const { life } = node;
    await node.replica.reached(token);
    if (node.life !== life || this.#down.has(node)) return;
    assert.ok(node.replica.reader.position() >= token, 'a session never goes back');
    this.#sees(node, before);
    this.#session = Math.max(this.#session, node.replica.reader.position());
  }

  /** What must be true at any moment. */
  check(): void {
    for (const node of this.cluster.nodes) {
      if (this.#down.has(node)) continue;
      const kind = node.replica.failureKind();
      assert.ok(kind === undefined || kind === 'behind', `${node.name} ${kind}: ${node.replica.failure()}`);
      const digest = node.replica.digest().toString('hex');
      const position = node.replica.applied();
      assert.equal(this.#digests.get(position) ?? digest, digest, `one state at position ${position}`);
      this.#digests.set(position, digest);
    }
    if (this.#wrong.length > 0) throw this.#wrong[0];
  }

  /** Everything is whole again: all end, and all is as it was answered. */
  async finish(): Promise<void> {
    const { cluster } = this;
    cluster.fates.length = 0;
    for (const node of this.#down) this.#open(node);
    for (const node of cluster.nodes) {
      node.log.heal();
      node.log.resume();
    }
    const caughtUp = () => cluster.nodes.every(({ replica }) => replica.applied() === cluster.log.head);
    await this.#until(() => cluster.leader !== undefined && caughtUp());
    // The first to try may hear only now that its term is over.
    for (let tries = 0; this.puts.at(-1)?.outcome !== 'made'; tries++) {
      assert.ok(tries < 3, 'a cluster that is whole takes writes');
      this.#put(cluster.leader!, 'last', false);
      await this.#until(() => this.puts.every(({ waiting }) => waiting === 0));
      await this.#until(() => cluster.leader !== undefined && caughtUp());
    }
    await this.#ends(Promise.all(this.#pending));
    for (const node of cluster.nodes) {
      const registered = async () => {
        while (!(await this.#register(node)?.catch(() => undefined))) await cluster.settle();
      };
      await this.#ends(registered());
    }
    await this.#until(caughtUp);
    this.check();
    for (const node of cluster.nodes) this.#compare(node);
    await this.#ends(cluster.stop());
  }

  #compare(node: Node): void {
    const versions = this.#etags(node);
    for (const put of this.puts) {
      const times = versions.filter(({ etag }) => etag === put.etag).length;
      if (put.outcome === 'made') assert.equal(times, 1, 'an acknowledged put is there, once');
      else if (put.outcome === 'refused') assert.equal(times, 0, 'a refused put is not there');
      else assert.ok(times <= 1, 'no put is made twice');
      if (put.outcome === 'made' && put.absent) {
        const oldest = versions.filter(({ key }) => key === put.key).at(-1);
        assert.equal(oldest?.etag, put.etag, 'a put that wants no object before it is the first of its key');
      }
    }
    const states = new Map(node.replica.reader.intents().map(({ prefix, state }) => [prefix[0], state]));
    for (const { prefix, node: opener, life } of this.#intents) {
      const state = opener.life === life ? 'open' : 'closed';
      assert.equal(states.get(prefix[0]), state, 'an intent is open just as long as the process that opened it lives');
    }
    const known = new Set(this.puts.map(({ etag }) => etag));
    for (const { etag } of versions) assert.ok(known.has(etag));
    // Newest first within a key: positions of acknowledged puts fall.
    for (const key of keyNames) {
      const positions = versions
        .filter((version) => version.key === key)
        .map(({ etag }) => this.puts.find((put) => put.etag === etag)!)
        // One that was sent again is answered with a later position.
        .filter(({ outcome, request }) => outcome === 'made' && !request)
        .map(({ position }) => position);
      assert.deepEqual(
        positions,
        positions.toSorted((a, b) => b - a),
      );
    }
  }
}
