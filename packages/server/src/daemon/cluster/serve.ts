import { type FragmentServer, type Holding, serveFragments } from '../../durability/index.ts';
import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { Position } from '../../log/index.ts';
import { shardNotOpen } from '../../metadata/index.ts';
import { type Answer, type IncomingCall, pack, unpack } from '../../transport/index.ts';
import type { MasterKeyProgress } from '../master-key.ts';
import type { NodeWork } from '../mending.ts';
import type { RecodeStatus } from '../recoding.ts';
import type { Thread } from '../thread.ts';
import type { AuthorityProgress } from './authority.ts';
import { keyringCall } from './keyrings.ts';
import { type NodeState, stateCall } from './network.ts';
import type { RebalanceStatus } from './rebalance.ts';
import { type ClusterShard, proposeCall, shardOfProposal } from './shard.ts';

/** Names of the other calls between nodes. */
export const callNames = {
  /** Oldest log position at which this node still reads. */
  oldestRead: 'node.oldestRead',
  /** The whole state as a stream of chunks, for a node that comes too late for the log. */
  snapshot: 'shard.snapshot',
  /** Makes room for one more member of etcd; answers what its start needs, or null when there are enough. */
  planMember: 'etcd.planMember',
  /** What its devices hold of each group. */
  holdings: 'node.holdings',
} as const;

/** What a member of etcd is started with. */
export interface MemberPlan {
  /** `name=url,…` of all members, the new one included. */
  readonly initialCluster: string;
}

export interface NodeServerOptions {
  /** The system shard. */
  readonly shard: ClusterShard;
  /** The others, by number from 1 on: there may be more of them later. */
  readonly objectShards?: readonly { readonly shard: ClusterShard }[];
  readonly thread: Pick<Thread, 'devices' | 'stores' | 'conditions' | 'reader' | 'network'>;
  /** How far this node is with fragments that are missing or have moved. */
  readonly work: () => NodeWork;
  /** How far evening out is, where this node leads. */
  readonly rebalance: () => RebalanceStatus;
  /** How far keeping versions in another way is, where this node leads. */
  readonly recode: () => RecodeStatus;
  readonly holdings: () => Promise<readonly Holding[]>;
  /** Slots of limits of rates that are asked for on this node. */
  readonly limited: () => readonly number[];
  /** Whether a fragment is just being removed from a device of this node. */
  readonly removing: (device: string, id: Buffer) => boolean;
  readonly host: Host;
  /** Resolves when this node has applied the position. */
  readonly reached: (position: Position) => Promise<void>;
  /** Over all threads of this node. */
  readonly oldestRead: (shard: number) => Promise<Position | undefined>;
  /** Makes room for a node's member of etcd; undefined when there are enough. */
  readonly planMember: (node: string, peerUrl: string) => Promise<MemberPlan | undefined>;
  /** Whether the member of etcd of this node leads; absent: it does not. */
  readonly leadsEtcd?: () => boolean;
  /** Ids of nodes that this one hears nothing of. Absent: it does not say. */
  readonly silent?: () => readonly string[];
  /** How far this node is with a change of the authority. */
  readonly authority: () => AuthorityProgress | undefined;
  /** How far it is with a rotation of the master key. */
  readonly masterKey: () => MasterKeyProgress | undefined;
  /** Bytes of its keyring file: every node has the master key, and gives it to the others. */
  readonly keyring: () => Buffer;
}

/** Serves the calls of the other nodes of the cluster. */
export function serveNode(options: NodeServerOptions): {
  serve(call: IncomingCall): Promise<Answer>;
  close(): Promise<void>;
} {
  const { shard, thread, host, objectShards = [] } = options;
  const fragments: FragmentServer = serveFragments({
    stores: thread.stores,
    reader: thread.reader,
    reached: (position) => options.reached(position),
    removing: (device, id) => options.removing(device, id),
    host,
  });

  // The links of a node that is removed may stand for long, and the rows of nodes are too many to be read for each call.
  let removed: ReadonlySet<string> = new Set();
  const look = (): void => {
    const gone = thread.reader.nodes().filter((one) => one.state === 'removed');
    removed = new Set(gone.map(({ id }) => id));
  };
  look();
  const cancel = host.timers.every(limits.nodeStateMs, look);

  const state = (): NodeState => {
    const authority = options.authority();
    const masterKey = options.masterKey();
    const silent = options.silent?.() ?? [];
    const limited = options.limited();
    return {
      devices: [...thread.devices.keys()].map((identity) => ({ identity, ...thread.conditions.of(identity) })),
      applied: thread.reader.position(),
      ...(objectShards.length > 0 && { shards: objectShards.map((one) => one.shard.reader.position()) }),
      work: options.work(),
      ...(limited.length > 0 && { limited }),
      ...(shard.leads && { rebalance: options.rebalance(), recode: options.recode() }),
      ...(authority && { authority }),
      ...(masterKey && { masterKey }),
      ...(options.leadsEtcd?.() && { leadsEtcd: true }),
      ...(silent.length > 0 && { silent }),
    };
  };
  const calls: Calls = {
    ...shardCalls((number) => (number === 0 ? shard : objectShards[number - 1]?.shard)),
    [stateCall]: () => ({ head: pack(state()) }),
    [callNames.oldestRead]: async ({ head }) => {
      const number = numberIn(head);
      const oldest = (await options.oldestRead(number)) ?? Number.MAX_SAFE_INTEGER;
      return { head: pack(Math.min(thread.reader.position(number), oldest)) };
    },
    [callNames.holdings]: async () => ({ head: new Uint8Array(0), body: [pack(await options.holdings())] }),
    [keyringCall]: () => ({ head: pack(options.keyring()) }),
    ...memberCalls(options.planMember),
  };
  return {
    async serve(call) {
      if (removed.has(call.node))
        throw new StoreError('AccessDenied', { message: `Node ${call.node} was removed from the cluster.` });
      const served = fragments.serve(call);
      if (served) return served;
      const run = Object.hasOwn(calls, call.method) ? calls[call.method] : undefined;
      if (!run)
        throw new StoreError('NotImplemented', {
          message: `This node does not know the call ${call.method}: it runs an older version.`,
        });
      return run(call);
    },
    close() {
      cancel();
      return fragments.close();
    },
  };
}

/** By their names. */
export type Calls = Readonly<Record<string, (call: IncomingCall) => Promise<Answer> | Answer>>;

/** The shard that a call is about. */
export const numberIn = (head: Buffer): number => unpack<{ shard?: number } | null>(head)?.shard ?? 0;

/** What a node answers for each of its shards from the moment on that it has it open. */
export function shardCalls(find: (number: number) => ClusterShard | undefined): Calls {
  const numbered = (number: number): ClusterShard => {
    const found = find(number);
    if (found) return found;
    throw shardNotOpen(number);
  };
  return {
    [proposeCall]: (call) => numbered(shardOfProposal(call.head)).serve(call),
    [callNames.snapshot]: ({ head }) => ({
      head: new Uint8Array(0),
      stream: chunks(numbered(numberIn(head)).snapshot()),
    }),
  };
}

/** What a node answers to one that is to run a member of etcd. */
export const memberCalls = (plan: NodeServerOptions['planMember']): Calls => ({
  [callNames.planMember]: async ({ head, node }) => {
    const { peerUrl } = unpack<{ peerUrl: string }>(head);
    return { head: pack((await plan(node, peerUrl)) ?? null) };
  },
});

/** A synchronous source as a stream. */
async function* chunks(source: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* source;
}
