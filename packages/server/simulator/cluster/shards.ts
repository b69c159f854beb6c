import { type Duty, objectDutiesOf } from '../../src/daemon/cluster/duties.ts';
import { createGate, type GateCalls, joinGates } from '../../src/daemon/cluster/gate.ts';
import type { KnownShards } from '../../src/daemon/cluster/known.ts';
import type { RenamesLeft } from '../../src/daemon/cluster/renames.ts';
import { ClusterShard } from '../../src/daemon/cluster/shard.ts';
import { objectShardsOf } from '../../src/daemon/cluster/sharding.ts';
import { invariant } from '../../src/invariant.ts';
import type { Kv } from '../../src/kv/index.ts';
import type { SharedLog } from '../../src/log/index.ts';
import {
  joinGrowing,
  joinShards,
  type Metadata,
  openShardReplica,
  type ShardReplica,
  type Term,
} from '../../src/metadata/index.ts';
import type { Peer } from '../../src/transport/index.ts';
import type { Life } from '../world/life.ts';

/* The object shards of a node, put together as daemon/cluster/objectshards.ts does it: each has a log, a replica and an owner of its own. */

/** What a process finds of a shard when it opens it. */
export interface ShardSite {
  readonly number: number;
  /** Opens it, each time anew. */
  log(): SharedLog;
  /** Makes the KV one that the log goes on from, and opens it. */
  open(log: SharedLog): Promise<Kv>;
}

/** A shard as a node has it open. */
export interface OpenShard {
  readonly number: number;
  readonly log: SharedLog;
  readonly kv: Kv;
  readonly replica: ShardReplica;
  readonly shard: ClusterShard;
  readonly gate: GateCalls;
}

/** Part of the state of the node is not that of the others. */
export class Diverged extends Error {
  /** Number of the shard. */
  readonly shard: number;

  constructor(shard: number, cause: unknown) {
    super(String(cause), { cause });
    this.shard = shard;
  }
}

/** Resolves when the replica has all that its log had. @throws Diverged */
export async function caughtUp({ number, log, replica }: Pick<OpenShard, 'number' | 'log' | 'replica'>): Promise<void> {
  await replica.reached(await log.barrier()).catch((cause: unknown) => {
    throw replica.failureKind() === 'diverged' ? new Diverged(number, cause) : cause;
  });
}

export interface ObjectShardsInput {
  /** Of all that the cluster may ever have, by number. */
  readonly sites: readonly ShardSite[];
  /** Opens those that the cluster is given while it runs. */
  readonly grows: boolean;
  readonly life: Life;
  readonly node: string;
  readonly incarnation: Buffer;
  /** The system shard, with all that its log had. */
  readonly system: OpenShard;
  readonly peer: (node: string, address: string) => Peer;
  /** Shards by number, from the moment on that each may be asked for its state, or own its log. Each is added here. */
  readonly answering: Map<number, ClusterShard>;
  /** What each knows of the others where a quota counts. */
  readonly known: KnownShards;
  /** Whether another node should own a shard. */
  readonly yields: (shard: number) => boolean;
  readonly onLead: (shard: number, leads: boolean) => void;
  /** Renames that were left half way were finished, or given up. */
  readonly onRenames: (left: RenamesLeft) => void;
  /** This node leaves a shard to another one. */
  readonly onLeft: () => void;
}

/** All shards of a node. */
export interface OpenShards {
  /** By number, from 1 on. It gets longer by {@link openNext}, and so do the others. */
  readonly objectShards: readonly OpenShard[];
  readonly metadata: Metadata;
  readonly gates: GateCalls;
  /** Opens the next one, as daemon/cluster/objectshards.ts does. @param share has the thread of this node read it */
  openNext(share: (shard: OpenShard) => void): Promise<void>;
}

/** The object shards that the cluster has, and all shards as one. */
export async function openObjectShards(input: ObjectShardsInput): Promise<OpenShards> {
  const { system, sites, grows, known } = input;
  const count = objectShardsOf(system.shard.reader) ?? 0;
  invariant(
    grows ? count <= sites.length : count === sites.length,
    'a cluster has as many object shards as it was given',
  );
  let all: Metadata | undefined;
  const begins = sites.slice(0, count);
  const opened = await Promise.allSettled(begins.map((site) => openOne(input, site, () => all, [])));
  const objectShards = opened.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
  const shards = [system.shard, ...objectShards.map(({ shard }) => shard)];
  const growing = grows ? joinGrowing(shards) : undefined;
  const metadata = growing ?? joinShards(shards);
  all = metadata;
  const each = [system.gate, ...objectShards.map(({ gate }) => gate)];
  const gates = joinGates(each, metadata.reader);
  known.opened(gates, 1 + count);
  return {
    objectShards,
    metadata,
    gates,
    async openNext(share) {
      const number = objectShards.length + 1;
      const site = sites[number - 1];
      invariant(growing && site, 'the cluster is given no more object shards than its scenario says');
      const closers: (() => Promise<unknown>)[] = [];
      try {
        const one = await openOne(input, site, () => all, closers);
        share(one);
        objectShards.push(one);
        each.push(one.gate);
        growing.add(one.shard);
      } catch (cause) {
        known.leaveOut(number);
        for (let step = closers.pop(); step; step = closers.pop()) await step();
        throw cause;
      }
    },
  };
}

/** @param closers what closes it again goes there, as soon as it is open */
async function openOne(
  input: ObjectShardsInput,
  { number, log: openLog, open }: ShardSite,
  all: () => Metadata | undefined,
  closers: (() => Promise<unknown>)[],
): Promise<OpenShard> {
  const { life, node, incarnation, peer, system, known } = input;
  const { host } = life;
  const log = openLog();
  closers.push(() => log.close());
  const kv = await open(log);
  const replica = openShardReplica({ log, kv, host, shard: number, others: known.others(number) });
  let duties: readonly Duty[] = [];
  const shard = new ClusterShard({
    number,
    log,
    replica,
    host,
    node,
    incarnation,
    campaigns: true,
    peer,
    nearQuotas: known.nearQuotas(number, replica.reader),
    yields: () => {
      const others = input.yields(number);
      if (others && shard.leads) input.onLeft();
      return others;
    },
    onLead(term: Term | undefined) {
      input.onLead(number, term !== undefined);
      for (const duty of duties) void duty.stop();
      duties = term
        ? objectDutiesOf(term, {
            host,
            number,
            reader: replica.reader,
            system: system.shard.reader,
            all,
            onRenames: input.onRenames,
            onError: () => {},
          })
        : [];
    },
    onEvent: () => {},
  });
  closers.push(() => shard.close());
  input.answering.set(number, shard);
  await caughtUp({ number, log, replica });
  known.add(number, replica.reader);
  return { number, log, kv, replica, shard, gate: createGate(log, replica, host) };
}
