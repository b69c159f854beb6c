import type { Host } from '../../host/index.ts';
import type { SharedKv } from '../../kv/index.ts';
import { type Etcd, openEtcdLog, type SharedLog } from '../../log/index.ts';
import {
  joinGrowing,
  type Metadata,
  type MetadataReader,
  type NodeRecord,
  objectShardsName,
  openShardReplica,
  type ShardReplica,
  type Term,
} from '../../metadata/index.ts';
import type { StructuredLog } from '../../telemetry/index.ts';
import type { Transport } from '../../transport/index.ts';
import { closeAll, writing } from '../closing.ts';
import { folders } from '../directories.ts';
import { pendingBytesOf } from '../space.ts';
import { type Duty, objectDutiesOf } from './duties.ts';
import { createGate, type GateCalls, joinGates } from './gate.ts';
import { catchUp, type InstallOptions, type MadeAnew, madeAnewText, openReplicaKv } from './install.ts';
import type { KnownShards } from './known.ts';
import { patiently } from './patience.ts';
import { ClusterShard } from './shard.ts';
import { objectShardsOf } from './sharding.ts';

/*
 * The object shards of a node: each has a log, a replica, and an owner among the nodes, as the system shard has. How many there are is a setting of the
 * cluster (sharding.ts), written when it begins, and raised when it gets more (further.ts).
 */

/** An object shard as this node has it open. */
export interface ObjectShard {
  readonly number: number;
  /** Folder of its KV. */
  readonly directory: string;
  readonly kv: SharedKv;
  readonly log: SharedLog;
  readonly replica: ShardReplica;
  readonly shard: ClusterShard;
  readonly gate: GateCalls;
  /** That its state was made anew although this node had one, and from what; undefined where it was here. */
  readonly rebuilt: string | undefined;
}

export interface ObjectShardsInput {
  /** The system shard of this node, with all that its log had, and its gate. */
  readonly shard: ClusterShard;
  readonly gate: GateCalls;
  /** What this node has said of itself. */
  readonly record: NodeRecord;
  readonly etcd: Etcd;
  readonly host: Host;
  readonly log: StructuredLog;
  readonly onMetadata: InstallOptions['onMetadata'];
  /** Name of the cluster. */
  readonly cluster: string;
  readonly transport: Transport;
  readonly campaigns: boolean;
  /** Directory that holds the metadata. */
  readonly primary: string;
  /** Whether another node should own a shard. */
  readonly yields: (shard: number) => boolean;
  /** Shards by number, from the moment on that each may be asked for its state, or own its log. Each is added here. */
  readonly answering: Map<number, ClusterShard>;
  /** What each knows of the others. Each is added here. */
  readonly known: KnownShards;
  /** Where what closes them goes, as soon as each is open. */
  readonly closers: (() => Promise<unknown>)[];
}

/** All shards of a node. */
export interface OpenShards {
  /** By number, from 1 on. It gets longer by {@link openNext}, and so do the others. */
  readonly objectShards: readonly ObjectShard[];
  /** The system shard and the others as one. */
  readonly metadata: Metadata;
  readonly gates: GateCalls;
  /**
   * Opens the next one.
   * @param share has every other thread of this server read it; where that fails, or anything before, nothing stays open
   */
  openNext(share: (shard: ObjectShard) => Promise<void>): Promise<void>;
}

/** Whether a cluster is just being begun by this node, maybe for the second time: it died before it had said all of it. */
export function isNewCluster(reader: MetadataReader, node: string): boolean {
  const nodes = reader.nodes();
  if (nodes.length === 0) return true;
  const alone = nodes.length === 1 && nodes[0]?.id === node;
  return alone && objectShardsOf(reader) === undefined && reader.buckets('', 1).items.length === 0;
}

/** Says how many object shards a new cluster has. Only its first node may, before there is any other. */
export async function foundObjectShards(shard: ClusterShard, count: number): Promise<void> {
  for (const feature of ['settings', 'objectShards'])
    if (!shard.reader.features().includes(feature)) await shard.propose({ type: 'feature.enable', feature });
  await shard.propose({ type: 'setting.write', name: objectShardsName, value: String(count) });
}

/** Says that a node is here. What an operator has said of it since the record was read stays: a node that is to be drained is so when it comes back. */
export function announce(metadata: Pick<Metadata, 'propose'>, record: NodeRecord): Promise<unknown> {
  return metadata.propose({ type: 'node.write', node: record, keeps: 'state' });
}

/** Opens them side by side, each with all that its log had, and says there that this node is here. */
export async function openObjectShards(input: ObjectShardsInput): Promise<OpenShards> {
  const { shard, gate, record, host, log } = input;
  const numbers = Array.from({ length: objectShardsOf(shard.reader) ?? 0 }, (_, at) => at + 1);
  let all: Metadata | undefined;
  const opened = await Promise.allSettled(numbers.map((number) => openOne(input, number, () => all)));
  const objectShards = opened.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
  const metadata = joinGrowing([shard, ...objectShards.map((one) => one.shard)]);
  all = metadata;
  if (objectShards.length > 0)
    await patiently(host, log, 'saying to the shards that this node is here', () => announce(metadata, record));
  const each = [gate, ...objectShards.map((one) => one.gate)];
  const gates = joinGates(each, metadata.reader);
  input.known.opened(gates, each.length);
  return {
    objectShards,
    metadata,
    gates,
    async openNext(share) {
      const number = objectShards.length + 1;
      const closers: (() => Promise<unknown>)[] = [];
      const close = () => closeAll(closers);
      try {
        const one = await openOne({ ...input, closers }, number, () => all);
        await share(one);
        objectShards.push(one);
        each.push(one.gate);
        metadata.add(one.shard);
        input.closers.push(close);
      } catch (cause) {
        input.known.leaveOut(number);
        await close().catch(() => {});
        throw cause;
      }
    },
  };
}

/** @param all shards as one, once they are open */
async function openOne(
  input: ObjectShardsInput,
  number: number,
  all: () => Metadata | undefined,
): Promise<ObjectShard> {
  const { etcd, host, log: told, cluster, transport, closers } = input;
  const { id: node, address, incarnation } = input.record;
  const directory = `${folders.kv(input.primary)}-${number}`;
  const opening = { etcd, host, cluster, shard: String(number), node, address };
  const log: SharedLog = await patiently(host, told, 'opening the log of a shard', () => openEtcdLog(opening));
  closers.push(() => log.close());
  const made: MadeAnew = {};
  const { onMetadata } = input;
  const kv = await openReplicaKv({
    directory,
    host,
    shared: log,
    transport,
    node,
    log: told,
    shard: number,
    made,
    onMetadata,
  });
  closers.push(writing(`a checkpoint of the metadata of shard ${number}`, () => kv.close()));
  const others = input.known.others(number);
  const replica = openShardReplica({ log, kv, host, shard: number, others, pendingBytes: pendingBytesOf(directory) });
  let duties: readonly Duty[] = [];
  const shard = new ClusterShard({
    number,
    log,
    replica,
    host,
    node,
    incarnation,
    campaigns: input.campaigns,
    peer: (id, at) => transport.peer(id, at),
    nearQuotas: input.known.nearQuotas(number, replica.reader),
    yields: () => input.yields(number),
    onLead(term: Term | undefined) {
      for (const duty of duties) void duty.stop();
      duties = term
        ? objectDutiesOf(term, {
            host,
            number,
            reader: replica.reader,
            system: input.shard.reader,
            all,
            onRenames: (left) => told.info('renames between shards were left half way', { shard: number, ...left }),
            onError: (what, cause) => told.warn(what, { shard: number, cause }),
          })
        : [];
    },
    onEvent: (text, fields) => told.info(text, fields),
  });
  closers.push(() => shard.close());
  input.answering.set(number, shard);
  const end = await patiently(host, told, 'asking for the end of the log of a shard', () => log.barrier());
  await catchUp(replica, end, directory);
  // Not before: what it held when this node was last here says nothing about how near a quota is.
  input.known.add(number, replica.reader);
  // A node says in each shard that it has it, once it has.
  const before = replica.reader.nodes().some((one) => one.id === node);
  const rebuilt = madeAnewText(made, before, told);
  return { number, directory, kv, log, replica, shard, gate: createGate(log, replica, host), rebuilt };
}
