import type { Host } from '../host/index.ts';
import type { Keyring } from '../keys/index.ts';
import type { SharedKv } from '../kv/index.ts';
import type { Log, LogOwner } from '../log/index.ts';
import type { Metadata } from '../metadata/index.ts';
import type { Transport } from '../transport/index.ts';
import type { EngineMember } from './cluster/engine.ts';
import type { GateCalls, Heard } from './cluster/gate.ts';
import type { ClusterMembers } from './cluster/members.ts';
import type { ObjectShard } from './cluster/objectshards.ts';
import type { NodeServerOptions } from './cluster/serve.ts';
import type { ClusterShard } from './cluster/shard.ts';
import type { ClusterThreads } from './cluster/threads.ts';
import type { DataDirectories, Roles } from './directories.ts';
import type { MetadataEvent, MirrorState } from './owner.ts';
import type { DeviceSite } from './sites.ts';
import type { StateSnapshots } from './snapshots.ts';
import type { Stage } from './starting.ts';
import type { OpenState } from './state.ts';

/** What the metadata of this server are opened with. */
export interface ShardParts {
  readonly directories: DataDirectories;
  readonly keyring: Keyring;
  readonly host: Host;
  readonly onMetadata: (event: MetadataEvent) => void;
  readonly onSnapshotFailure: (cause: unknown) => void;
  /** What the start does from now on. */
  readonly onStage: (stage: Stage) => void;
}

/** What is told of a log. */
export type LogState = Pick<Log, 'head' | 'tail' | 'epoch' | 'bytes' | 'roomy'>;

/** What binds a node to the others of its cluster. */
export interface ClusterLink {
  /** Name of the cluster. */
  readonly name: string;
  /** Id of this node. */
  readonly node: string;
  /** Where the other nodes reach this one. */
  readonly between: string;
  readonly transport: Transport;
  /** The system shard. */
  readonly shard: ClusterShard;
  /** The others, by number from 1 on. It gets longer by {@link openFurther}. */
  readonly objectShards: readonly ObjectShard[];
  readonly gate: GateCalls;
  readonly heard: Heard;
  /** What the other threads need to reach the other nodes. */
  readonly forThreads: ClusterThreads;
  /** Who owns the shard, as far as this node knows. */
  owner(): LogOwner | undefined;
  /** Resolves when this node's state turns out not to be that of the others: it must be started again to get theirs. */
  readonly failed: Promise<Error>;
  /** Milliseconds since the log engine was last heard from. */
  ageMs(): number;
  /** Nothing waits any more for a node that was removed: neither the log, which is trimmed without it, nor etcd for its member. */
  forget(node: string): Promise<void>;
  /** Members of the etcd that carries the log; undefined while it does not answer. */
  engine(): Promise<readonly EngineMember[] | undefined>;
  /** Who becomes a member, and by whose word. */
  readonly members: ClusterMembers;
  /**
   * Answers the calls of the other nodes from here on, until it is closed: before the devices are, for what a closed store refuses looks like
   * damage to who asks.
   */
  listen(
    calls: Omit<
      NodeServerOptions,
      'shard' | 'objectShards' | 'host' | 'reached' | 'planMember' | 'authority' | 'keyring' | 'leadsEtcd'
    >,
  ): Promise<{ close(): Promise<void> }>;
  /**
   * Opens the object shards that the cluster is given further, from here on, until it is stopped.
   * @param share has every thread of this server read a shard, the next one by number; awaited before this node says that it has it
   */
  openFurther(share: (shard: Pick<ObjectShard, 'kv' | 'directory'>) => Promise<void>): { stop(): Promise<void> };
  /** Tells the cluster of this node's devices. @returns those it had before and that are not here now */
  registerDevices(sites: readonly DeviceSite[]): Promise<string[]>;
}

/** The metadata of this server, alone or as one of several replicas. */
export interface OpenShard {
  /** What the replica of the system shard is kept in; closed with the rest. */
  readonly kv: SharedKv;
  /** What the replicas of all shards are kept in, by number, each in its folder. A node of a cluster may get more. */
  readonly kvs: readonly { readonly kv: SharedKv; readonly directory: string }[];
  readonly log: LogState;
  readonly metadata: Metadata;
  readonly cluster: ClusterLink | undefined;
  /** Directories that hold the metadata. */
  readonly roles: Roles;
  /** How their second copy is. */
  readonly mirror: () => MirrorState;
  /** Snapshots of the state on this server; a cluster has whole replicas instead. */
  readonly snapshots: StateSnapshots | undefined;
  /** The state was made anew by this start. */
  readonly rebuilt: OpenState['rebuilt'];
  /** Begins with what goes on beside the proposals. */
  start(): void;
  close(): Promise<void>;
}
