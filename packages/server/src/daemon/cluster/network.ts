import {
  type DeviceCondition,
  DeviceUnreachable,
  type FragmentAccess,
  type Removed,
  remoteFragments,
  sweepRemote,
} from '../../durability/index.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { Position } from '../../log/index.ts';
import type { MetadataReader } from '../../metadata/index.ts';
import { type Peer, pack, type Transport, unpack } from '../../transport/index.ts';
import type { MasterKeyProgress } from '../master-key.ts';
import type { NodeWork } from '../mending.ts';
import type { RecodeStatus } from '../recoding.ts';
import type { AuthorityProgress } from './authority.ts';
import type { RebalanceStatus } from './rebalance.ts';

/** What a node says of one of its devices. */
export interface DeviceState {
  readonly identity: string;
  readonly free: number;
  readonly healthy: boolean;
}

/** The name of the call by which nodes ask each other how they are. */
export const stateCall = 'node.state';

export interface NodeState {
  readonly devices: readonly DeviceState[];
  /** Log position that the node has applied, of the system shard. */
  readonly applied: number;
  /** The same of its object shards, by number from 1 on; absent: it has none. */
  readonly shards?: readonly number[];
  /** Its member of etcd leads. */
  readonly leadsEtcd?: boolean;
  /** Ids of nodes that did not answer it for so long that their ownerships may be ended (detector.ts); absent: there are none. */
  readonly silent?: readonly string[];
  /** How far it is with fragments that are missing or have moved; absent: it is just starting. */
  readonly work?: NodeWork;
  /** How far keeping versions in another way is, from the node that leads. */
  readonly recode?: RecodeStatus;
  /** How far evening out is, from the node that leads. */
  readonly rebalance?: RebalanceStatus;
  /** Slots of limits of rates that are asked for on it; absent: none is. */
  readonly limited?: readonly number[];
  /** What of the newest change of the authority it has done. */
  readonly authority?: AuthorityProgress;
  /** What of the newest rotation of the master key it has done. */
  readonly masterKey?: MasterKeyProgress;
}

interface Neighbour {
  readonly peer: Peer;
  readonly address: string;
  state: NodeState | undefined;
  /** When it last answered, monotonic ms; undefined: never. */
  heardAt: number | undefined;
  asking: Promise<void> | undefined;
}

export interface NetworkOptions {
  /** Id of this node. */
  readonly node: string;
  readonly transport: Transport;
  readonly reader: Pick<MetadataReader, 'nodes' | 'devices' | 'position' | 'shardOfIntent'>;
  readonly host: Host;
}

/**
 * The other nodes as one thread of this node sees them: who they are (from the replica), whether they answer, how their devices are. The
 * list follows the replica; the states are asked for every `limits.nodeStateMs`.
 */
export class Network {
  readonly #options: NetworkOptions;
  readonly #neighbours = new Map<string, Neighbour>();
  readonly #remote = new Map<string, { readonly node: string; readonly access: FragmentAccess }>();
  readonly #conditions = new Map<string, DeviceCondition>();
  readonly #stores: Map<string, FragmentAccess>;
  readonly #cancel: () => void;

  /** @param stores this thread's way to every device by identity: those of other nodes are added and taken away as the cluster changes */
  constructor(options: NetworkOptions, stores: Map<string, FragmentAccess>) {
    this.#options = options;
    this.#stores = stores;
    this.refresh();
    this.#cancel = options.host.timers.every(limits.nodeStateMs, () => this.refresh());
  }

  /** Takes over what the replica says of nodes and devices, and asks every node how it is. */
  refresh(): void {
    const { reader, node, transport } = this.#options;
    // A node that was removed is gone for good, and its devices with it: nobody waits for them.
    const nodes = new Map(reader.nodes().flatMap((one) => (one.state === 'removed' ? [] : [[one.id, one] as const])));
    for (const [id, neighbour] of this.#neighbours) {
      if (nodes.get(id)?.address === neighbour.address) continue;
      this.#neighbours.delete(id);
      this.#forget(id);
      void neighbour.peer.close();
    }
    for (const { id, address } of nodes.values()) {
      if (id === node || this.#neighbours.has(id)) continue;
      const peer = transport.peer(id, address);
      this.#neighbours.set(id, { peer, address, state: undefined, heardAt: undefined, asking: undefined });
    }
    const known = new Set<string>();
    for (const { identity, node: of } of reader.devices()) {
      const neighbour = this.#neighbours.get(of);
      if (!neighbour) continue;
      known.add(identity);
      if (this.#remote.get(identity)?.node === of) continue;
      const access = remoteFragments(neighbour.peer, identity, (id) => reader.position(reader.shardOfIntent(id)));
      this.#remote.set(identity, { node: of, access });
      this.#stores.set(identity, access);
    }
    for (const identity of this.#remote.keys()) if (!known.has(identity)) this.#drop(identity);
    for (const neighbour of this.#neighbours.values()) void this.#ask(neighbour);
  }

  #forget(node: string): void {
    for (const [identity, remote] of this.#remote) if (remote.node === node) this.#drop(identity);
  }

  #drop(identity: string): void {
    if (this.#stores.get(identity) === this.#remote.get(identity)?.access) this.#stores.delete(identity);
    this.#remote.delete(identity);
    this.#conditions.delete(identity);
  }

  #ask(neighbour: Neighbour): Promise<void> {
    neighbour.asking ??= this.#state(neighbour).finally(() => {
      neighbour.asking = undefined;
    });
    return neighbour.asking;
  }

  async #state(neighbour: Neighbour): Promise<void> {
    try {
      const { head } = await neighbour.peer.call(stateCall, pack(null), { deadlineMs: limits.nodeStateDeadlineMs });
      const state = unpack<NodeState>(head);
      neighbour.state = state;
      neighbour.heardAt = this.#options.host.clock.monotonic();
      for (const { identity, free, healthy } of state.devices)
        this.#conditions.set(identity, { healthy, free: free || 1 });
    } catch {
      neighbour.state = undefined;
      for (const [identity, remote] of this.#remote)
        if (remote.node === neighbour.peer.node) this.#conditions.set(identity, away);
    }
  }

  /** How a device of another node is; undefined for devices that are not another node's. */
  condition(device: string): DeviceCondition | undefined {
    return this.#remote.has(device) ? (this.#conditions.get(device) ?? away) : undefined;
  }

  /** Like `condition`, but its node is asked now: what was heard last may be from before it had the device. */
  async ask(device: string): Promise<DeviceCondition | undefined> {
    this.refresh();
    const neighbour = this.#neighbours.get(this.#remote.get(device)?.node ?? '');
    if (!neighbour) return undefined;
    await neighbour.asking;
    await this.#ask(neighbour);
    // One that was started a moment ago may not have been dialled again yet.
    const { clock, timers } = this.#options.host;
    const until = clock.monotonic() + limits.nodeStateDeadlineMs;
    while (neighbour.state === undefined && clock.monotonic() < until) {
      await timers.sleep(limits.nodeStateMs);
      await this.#ask(neighbour);
    }
    return this.condition(device);
  }

  /** The nodes besides this one, and milliseconds since each last answered (undefined: never). */
  neighbours(): readonly {
    readonly id: string;
    readonly peer: Peer;
    readonly state: NodeState | undefined;
    readonly silentMs: number | undefined;
  }[] {
    const now = this.#options.host.clock.monotonic();
    return Array.from(this.#neighbours, ([id, { peer, state, heardAt }]) => ({
      id,
      peer,
      state,
      silentMs: heardAt === undefined ? undefined : now - heardAt,
    }));
  }

  /** Has a device of another node swept, once that node has reached the position. @throws StoreError ServiceUnavailable when its node is not known any more */
  async sweep(device: string, prefix: Buffer, position: Position): Promise<Removed> {
    const peer = this.#neighbours.get(this.#remote.get(device)?.node ?? '')?.peer;
    if (!peer) throw new DeviceUnreachable(device);
    return sweepRemote(peer, device, prefix, position);
  }

  async close(): Promise<void> {
    this.#cancel();
    await Promise.all(Array.from(this.#neighbours.values(), ({ peer }) => peer.close()));
  }
}

/** A node that does not answer cannot be written to, and is read from last. */
const away: DeviceCondition = { healthy: false, free: 1 };
