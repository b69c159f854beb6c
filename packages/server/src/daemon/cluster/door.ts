import { StoreError } from '../../errors.ts';
import { numberOf } from '../../metadata/index.ts';
import { type IncomingCall, type ListenOptions, pack, type Serve, type Transport } from '../../transport/index.ts';
import { type NodeState, stateCall } from './network.ts';
import { type Calls, callNames, memberCalls, type NodeServerOptions, numberIn, shardCalls } from './serve.ts';
import type { ClusterShard } from './shard.ts';

/*
 * Where the other nodes reach this one. It listens from the moment on that this node has the state of the system shard, for from then on it may own shards: an owner
 * that nobody reaches would keep the cluster waiting while it waits itself, for the state of another shard, which may be with a node that waits for
 * this one. What is open answers, and that the node is there: who does not say so is taken for lost (detector.ts). Its devices
 * are away. All else is refused as not ready, until the node is whole.
 */

export interface DoorOptions {
  readonly transport: Pick<Transport, 'listen'>;
  readonly address: string;
  readonly join: NonNullable<ListenOptions['join']>;
  /** Whether a node was removed from the cluster. */
  readonly removed: (node: string) => boolean;
  /** The shards that are open, by number. */
  readonly shards: ReadonlyMap<number, ClusterShard>;
  readonly planMember: NodeServerOptions['planMember'];
  /** Identities of the devices of this node, as the others know them. */
  readonly devices: () => readonly string[];
  /** Whether the member of etcd of this node leads. */
  readonly leadsEtcd: () => boolean;
}

export interface Door {
  /** This node is whole: all calls are answered so from now on. */
  open(serve: Serve): void;
  close(): Promise<void>;
}

const starting = (): StoreError =>
  new StoreError('ServiceUnavailable', {
    message: 'This node is starting and cannot answer this yet: ask again in a few seconds, or ask another node.',
    retryAfter: 5,
  });

/** Listens for the other nodes. @throws what listening throws, as when the address is in use */
export async function openDoor(options: DoorOptions): Promise<Door> {
  const { transport, address, join, removed, shards } = options;
  const state = (): NodeState => ({
    devices: options.devices().map((identity) => ({ identity, free: 0, healthy: false })),
    applied: shards.get(0)?.reader.position() ?? 0,
    ...(options.leadsEtcd() && { leadsEtcd: true }),
  });
  const early: Calls = {
    ...shardCalls((number) => shards.get(number)),
    ...memberCalls(options.planMember),
    [stateCall]: () => ({ head: pack(state()) }),
    // Nobody reads here yet; what it has not applied, it may still look for.
    [callNames.oldestRead]({ head }) {
      const number = numberIn(head);
      const shard = shards.get(number);
      if (!shard) throw starting();
      return { head: pack(numberOf(number, shard.reader.position())) };
    },
  };
  let serve: Serve = async (call: IncomingCall) => {
    if (removed(call.node))
      throw new StoreError('AccessDenied', { message: `Node ${call.node} was removed from the cluster.` });
    const run = Object.hasOwn(early, call.method) ? early[call.method] : undefined;
    if (!run) throw starting();
    return run(call);
  };
  const listener = await transport.listen(address, (call) => serve(call), { join, admits: (id) => !removed(id) });
  let closing: Promise<void> | undefined;
  return {
    open(whole) {
      serve = whole;
    },
    close: () => (closing ??= listener.close()),
  };
}
