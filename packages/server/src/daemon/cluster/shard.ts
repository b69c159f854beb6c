import { StoreError } from '../../errors.ts';
import type { Cancel, Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { LogOwner, OwnedLog, SharedLog } from '../../log/index.ts';
import {
  type Command,
  type Metadata,
  type MetadataReader,
  type MetadataStatistics,
  type NearQuotas,
  type Reply,
  type ShardReplica,
  type ShortReply,
  shortReply,
  type Term,
  wholeReply,
} from '../../metadata/index.ts';
import { type Answer, type IncomingCall, type Peer, pack, unpack } from '../../transport/index.ts';
import { Obituary } from './obituary.ts';

/*
 * The shard as one node of a cluster has it: a replica that follows the log, and the owner while this node has won it. Proposals of this node
 * go to whoever owns the log. A proposal carries an id, under which the shard remembers its outcome: when the owner is lost with a proposal
 * under way, the next owner is asked with the same id, and it happens once.
 */

export interface ClusterShardOptions {
  /** Its number; 0, the system shard, when left out. */
  readonly number?: number;
  readonly log: SharedLog;
  readonly replica: ShardReplica;
  readonly host: Host;
  /** Id of this node. */
  readonly node: string;
  /** Name of this life of the node. */
  readonly incarnation: Buffer;
  /** Whether this node may own the shard: those without the role `metadata` only follow. */
  readonly campaigns: boolean;
  /** A way to another node's proposals: asked for when the owner changes, and closed when it does again. */
  readonly peer: (node: string, address: string) => Peer;
  /** Called when this node begins to lead and, with undefined, when it ceases. */
  readonly onLead: (term: Term | undefined) => void;
  /** Looks at the other shards before what comes near a quota is decided. Absent: there are none. */
  readonly nearQuotas?: NearQuotas;
  /** Whether another node that could own the shard should: asked now and then while this one does, and when nobody does. */
  readonly yields?: () => boolean;
  /** Something about ownership that an operator may want to know. */
  readonly onEvent: (text: string, fields: Readonly<Record<string, unknown>>) => void;
}

interface Outcome {
  readonly reply: Reply;
  readonly position: number;
}

/** The name of the call that carries a proposal to the owner's node. */
export const proposeCall = 'shard.propose';

/** A refusal that another try, maybe at another node, can turn into success. */
const isPassing = (error: unknown): boolean => error instanceof StoreError && error.code === 'ServiceUnavailable';

const notOwner = (): StoreError =>
  new StoreError('ServiceUnavailable', {
    message: 'This node does not own the shard. Ask another one.',
    retryAfter: 1,
  });

/** The change was made, and asking again with the same id tells the same. */
const notApplied = (position: number): StoreError =>
  new StoreError('ServiceUnavailable', {
    message: `The change was made at position ${position}, which this node has not applied yet: it is cut off from the log.`,
    retryAfter: 2,
  });

export class ClusterShard implements Metadata {
  readonly reader: MetadataReader;
  readonly #options: ClusterShardOptions;
  readonly #stop = new AbortController();
  readonly #campaign: Promise<void>;
  #leading: Term | undefined;
  /** The way to the node that owned the log last. */
  #owner: { readonly address: string; readonly peer: Peer } | undefined;
  #owned: OwnedLog | undefined;
  /** For how long an ownership is kept before it is given to another node; longer each time that nobody took it. */
  #patienceMs: number = limits.yieldMs;
  readonly #stopLooking: Cancel;
  readonly #obituary: Obituary;

  constructor(options: ClusterShardOptions) {
    this.#options = options;
    this.reader = options.replica.reader;
    this.#obituary = new Obituary(options.host.clock);
    this.#campaign = this.#run();
    this.#stopLooking = options.host.timers.every(limits.ownerLookMs, () => this.#leaveFormer());
  }

  get number(): number {
    return this.#options.number ?? 0;
  }

  /** Who reads of one shard only need not know that there are others. */
  get #named(): { readonly shard?: number } {
    return this.number === 0 ? {} : { shard: this.number };
  }

  /** Whether this node's proposals are decided here. */
  get leads(): boolean {
    return this.#leading !== undefined;
  }

  /** The log while this node owns it: how full the log engine is, only its owner looks. */
  get owned(): Pick<OwnedLog, 'bytes' | 'roomy'> | undefined {
    return this.#owned;
  }

  /** Wants the log, leads while it has it, and wants it again. */
  async #run(): Promise<void> {
    const { log, replica, host, onLead, onEvent, campaigns } = this.#options;
    const { signal } = this.#stop;
    while (campaigns && !signal.aborted && replica.failure() === undefined) {
      try {
        const owned = await log.own(signal, () => this.#turn());
        if (!owned) return;
        const term = await replica.lead(owned);
        this.#leading = term;
        this.#owned = owned;
        onEvent('this node owns the shard', { ...this.#named, epoch: owned.epoch, position: replica.applied() });
        onLead(term);
        const yielded = await this.#held(term);
        if (yielded) await term.close();
        this.#leading = undefined;
        this.#owned = undefined;
        onLead(undefined);
        if (!signal.aborted) onEvent('this node owns the shard no more', { ...this.#named, epoch: owned.epoch });
        if (yielded) await this.#leave(signal);
      } catch (cause) {
        onEvent('this node could not own the shard; it tries again', { ...this.#named, cause });
      }
      await host.timers.sleep(limits.campaignRetryMs, signal);
    }
  }

  /** Nobody owns the log: who should has the first try. */
  async #turn(): Promise<void> {
    const { host, yields } = this.#options;
    if (yields?.()) await host.timers.sleep(limits.ownerTurnMs, this.#stop.signal);
  }

  /** Lets others win the log for a while; one that nobody wants is kept longer the next time. */
  async #leave(signal: AbortSignal): Promise<void> {
    const { host, log, node } = this.#options;
    await host.timers.sleep(limits.yieldRestMs, signal);
    const taken = log.owner();
    const wasted = !taken || taken.node === node;
    this.#patienceMs = wasted ? Math.min(2 * this.#patienceMs, limits.yieldMostMs) : limits.yieldMs;
  }

  /** Resolves when this node owns the shard no more, or with true when it should leave it to another one. */
  async #held(term: Term): Promise<boolean> {
    const { host, yields } = this.#options;
    const stop = new AbortController();
    const over = Promise.race([term.ended, aborted(this.#stop.signal)]).then(() => stop.abort());
    const until = host.clock.monotonic() + this.#patienceMs;
    while (yields && !stop.signal.aborted) {
      await host.timers.sleep(limits.yieldLookMs, AbortSignal.any([stop.signal, this.#stop.signal]));
      if (!stop.signal.aborted && host.clock.monotonic() >= until && yields()) return true;
    }
    await over;
    return false;
  }

  /** @param id by which a second try of whoever asks is answered as the first; left out, each proposal has one of its own */
  async propose(proposed: Command, id?: Buffer): Promise<Outcome> {
    const { host, node, incarnation } = this.#options;
    const command: Command =
      proposed.type === 'intent.open' ? { ...proposed, opener: { node, incarnation } } : proposed;
    const request = id ?? host.entropy.bytes(requestBytes);
    const began = host.clock.monotonic();
    let wait: number = limits.proposeRetryMs;
    for (;;) {
      try {
        const outcome = await this.#once(command, request, limits.proposeMs - (host.clock.monotonic() - began));
        // What this node answers, it can also be asked about.
        await this.#applied(outcome.position, limits.proposeMs - (host.clock.monotonic() - began));
        return outcome;
      } catch (error) {
        if (!isPassing(error) || this.#stop.signal.aborted) throw error;
        if (host.clock.monotonic() - began + wait >= limits.proposeMs) throw unavailable(error);
      }
      await host.timers.sleep(wait, this.#stop.signal);
      wait = Math.min(2 * wait, limits.proposeRetryMaxMs);
    }
  }

  async #applied(position: number, deadlineMs: number): Promise<void> {
    const { replica, host } = this.#options;
    if (replica.applied() >= position) return;
    const over = new AbortController();
    const cancel = host.timers.after(Math.max(0, deadlineMs), () => over.abort());
    await replica.reached(position, AbortSignal.any([over.signal, this.#stop.signal])).finally(cancel);
    if (replica.applied() < position) throw notApplied(position);
  }

  async #once(command: Command, request: Buffer, deadlineMs: number): Promise<Outcome> {
    if (this.#leading) return this.#decide(this.#leading, command, request);
    const { log, node } = this.#options;
    const owner = log.owner();
    if (!owner || owner.node === node) throw notOwner();
    const call = this.#peerOf(owner).call(proposeCall, proposalHead(request, this.number), {
      body: [pack(command)],
      deadlineMs: Math.min(deadlineMs, limits.proposeTryMs),
    });
    const { body } = await call.catch((error: unknown) => {
      if (this.#options.campaigns && this.#obituary.refused(owner.epoch, error)) void this.#depose(owner);
      throw error;
    });
    const { reply, position } = unpack<{ reply: ShortReply; position: number }>(body);
    return { reply: wholeReply(command, reply), position };
  }

  #decide(leading: Term, command: Command, request?: Buffer): Promise<Outcome> {
    const { nearQuotas } = this.#options;
    const decide = () => leading.propose(command, request);
    return nearQuotas ? nearQuotas.decide(command, decide) : decide();
  }

  /** One link for all proposals, as long as the owner stays where it is. What is under way to the one before fails, and is asked again here. */
  #peerOf({ node, address }: { readonly node: string; readonly address: string }): Peer {
    const before = this.#owner;
    if (before?.peer.node === node && before.address === address) return before.peer;
    void before?.peer.close();
    const peer = this.#options.peer(node, address);
    this.#owner = { address, peer };
    return peer;
  }

  get campaigns(): boolean {
    return this.#options.campaigns;
  }

  get head(): number {
    return this.#options.log.head;
  }

  owner(): LogOwner | undefined {
    return this.#options.log.owner();
  }

  /** A majority hears nothing of the owner. */
  async endOwnership({ node, epoch }: LogOwner): Promise<void> {
    const { log, onEvent } = this.#options;
    await log.depose(epoch);
    onEvent('most nodes hear nothing of the owner of the shard: its ownership is ended', {
      ...this.#named,
      node,
      epoch,
    });
  }

  /** Nobody listens any more where the owner did: it has no need of its lease. */
  async #depose({ node, epoch }: LogOwner): Promise<void> {
    const { log, onEvent } = this.#options;
    onEvent('the owner of the shard refuses connections: its ownership is ended', { ...this.#named, node, epoch });
    // Out of reach while etcd elects a leader, for example: then the next refusal tries again.
    await log.depose(epoch).catch(() => this.#obituary.forget());
  }

  /** A machine that is lost answers nothing: what was asked there is asked of the next owner as soon as there is one, not when its time is over. */
  #leaveFormer(): void {
    const asked = this.#owner;
    const owner = this.#options.log.owner();
    if (!asked || !owner || (asked.peer.node === owner.node && asked.address === owner.address)) return;
    this.#owner = undefined;
    void asked.peer.close();
  }

  /**
   * Answers {@link proposeCall} of another node: the head is the id of the request, the body the command.
   * @throws StoreError ServiceUnavailable when this node does not own the log
   */
  async serve({ head, body }: Pick<IncomingCall, 'head' | 'body'>): Promise<Answer> {
    const leading = this.#leading;
    if (!leading) throw notOwner();
    // The id is kept for long, and the head may lie in memory with others.
    const command = unpack<Command>(body);
    const { reply, position } = await this.#decide(leading, command, Buffer.from(head.subarray(0, requestBytes)));
    return { head: nothing, body: [pack({ reply: shortReply(command, reply), position })] };
  }

  failure(): string | undefined {
    const { replica, log } = this.#options;
    const own = replica.failure() ?? this.#leading?.failure();
    if (own !== undefined) return own;
    if (!this.#leading && !log.owner())
      return 'no node owns the shard: the log engine has no quorum, or the election is under way';
    return undefined;
  }

  statistics(): MetadataStatistics {
    if (this.#leading) return this.#leading.statistics();
    const { position, checkpointPosition, checkpoints, followed } = this.#options.replica.statistics();
    const none = { replayed: 0, entryBytes: 0, proposals: 0, refused: 0, waiting: 0 };
    return { ...none, position, checkpointPosition, checkpoints, entries: followed };
  }

  digest(): Buffer {
    return this.#options.replica.digest();
  }

  feed(name: string, from: number) {
    return (this.#leading ?? this.#options.replica).feed(name, from);
  }

  snapshot(): Iterable<Buffer> {
    return this.#options.replica.snapshot();
  }

  checkpoint(): Promise<void> {
    return this.#options.replica.checkpoint();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#stopLooking();
    await this.#owner?.peer.close();
    await this.#options.replica.close();
    await this.#campaign;
  }
}

const requestBytes = 16;

/** Id of the request, then the number of the shard (u16 big-endian), unless that is 0. */
function proposalHead(request: Buffer, shard: number): Buffer {
  if (shard === 0) return request;
  const head = Buffer.alloc(requestBytes + 2);
  request.copy(head);
  head.writeUInt16BE(shard, requestBytes);
  return head;
}

/** The shard that a proposal of another node is for. */
export const shardOfProposal = (head: Buffer): number =>
  head.length >= requestBytes + 2 ? head.readUInt16BE(requestBytes) : 0;

const nothing = new Uint8Array(0);

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function unavailable(cause: unknown): StoreError {
  return new StoreError('ServiceUnavailable', {
    message: `No owner of the metadata answered within ${limits.proposeMs / 1000} seconds: whether the change was made is not known. Read it back, or ask again.`,
    retryAfter: 2,
    cause,
  });
}
