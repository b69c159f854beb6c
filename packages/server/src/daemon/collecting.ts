import { type Collector, type CollectorReport, createCollector, type JobProgress } from '../durability/index.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Position } from '../log/index.ts';
import { localNumber, type MetadataReader, numberOf, type Proposer } from '../metadata/index.ts';
import { pack, unpack } from '../transport/index.ts';
import type { Network } from './cluster/network.ts';
import { callNames } from './cluster/serve.ts';
import type { ClusterShard } from './cluster/shard.ts';
import type { Link } from './port.ts';
import type { Thread } from './thread.ts';

/* The collectors of a server: one for each shard, because garbage is listed by the positions of its shard and waits for the reads of that shard. */

/** Least of the positions of a shard at which any thread of this server reads. */
export async function oldestReadHere(
  owner: { readonly thread: Pick<Thread, 'objects'> },
  links: readonly Link[],
  shard: number,
): Promise<Position | undefined> {
  const positions = await Promise.all(links.map((link) => link.call<Position | undefined>('oldestRead', shard)));
  const known = [...positions, owner.thread.objects.oldestRead(shard)].filter((one) => one !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/**
 * Least of the positions of a shard at which any node reads. A replica that is behind may still find a version that has gone, so its own position counts
 * as a read. A node that has been silent for long is passed over: it gets no wrong byte, only an error where the bytes have gone.
 */
async function oldestReadAnywhere(
  network: Network,
  shard: number,
  position: Position,
  here: Position | undefined,
): Promise<Position> {
  const asks = pack(shard === 0 ? null : { shard });
  const positions = await Promise.all(
    network.neighbours().map(async ({ peer, silentMs }) => {
      if (silentMs === undefined || silentMs > limits.nodeAwayMs) return position;
      const { head } = await peer.call(callNames.oldestRead, asks, { deadlineMs: limits.nodeStateDeadlineMs });
      return unpack<Position>(head);
    }),
  );
  return Math.min(position, here ?? position, ...positions);
}

export interface CollectingInput {
  readonly owner: {
    readonly metadata: Proposer;
    readonly thread: Pick<Thread, 'reader' | 'access' | 'stores' | 'network' | 'objects'>;
    readonly cluster?:
      | { readonly shard: ClusterShard; readonly objectShards: readonly { readonly shard: ClusterShard }[] }
      | undefined;
  };
  readonly host: Host;
  /** The workers: each may have reads open. */
  readonly links: () => readonly Link[];
  readonly healthy: (device: string) => boolean;
}

export interface Collecting {
  /** Over all shards. */
  readonly collector: Collector;
  /** What no version points to is the same for every node: the one that leads a shard frees it everywhere. */
  run(signal: AbortSignal): Promise<void>;
}

interface Part {
  readonly collector: Collector;
  leads(): boolean;
}

export function startCollecting(input: CollectingInput): Collecting {
  const { owner } = input;
  const { cluster, thread } = owner;
  const one = (shard: number, reader: MetadataReader, proposer: Proposer): Collector => {
    const { access, stores, network } = thread;
    const position = (): Position => numberOf(shard, reader.position());
    return createCollector({
      reader,
      proposer,
      access,
      stores,
      host: input.host,
      oldestRead: async () => {
        const here = await oldestReadHere(owner, input.links(), shard);
        const oldest = network ? await oldestReadAnywhere(network, shard, position(), here) : here;
        return oldest === undefined ? undefined : localNumber(oldest);
      },
      healthy: input.healthy,
      ...(network && { sweep: (device, prefix) => network.sweep(device, prefix, position()) }),
    });
  };
  if (!cluster) {
    const collector = one(0, thread.reader, owner.metadata);
    return { collector, run: async (signal) => void (await collector.run(signal)) };
  }
  const known: Part[] = [];
  /** As many as this node has shards open. */
  const parts = (): readonly Part[] => {
    for (const shard of [cluster.shard, ...cluster.objectShards.map((its) => its.shard)].slice(known.length))
      known.push({ collector: one(shard.number, shard.reader, shard), leads: () => shard.leads });
    return known;
  };
  return {
    collector: joined(() => parts().map(({ collector }) => collector)),
    async run(signal) {
      for (const { collector, leads } of parts()) if (leads()) await collector.run(signal);
    },
  };
}

function joined(all: () => readonly Collector[]): Collector {
  const totals = () => {
    const sum = { rows: 0, intents: 0, fragments: 0, bytes: 0 };
    for (const collector of all()) {
      const { rows, intents, fragments, bytes } = collector.totals();
      sum.rows += rows;
      sum.intents += intents;
      sum.fragments += fragments;
      sum.bytes += bytes;
    }
    return sum;
  };
  return {
    async run(signal): Promise<CollectorReport> {
      const before = totals();
      let waiting = false;
      for (const collector of all()) waiting = (await collector.run(signal)).waiting || waiting;
      const after = totals();
      return {
        rows: after.rows - before.rows,
        intents: after.intents - before.intents,
        fragments: after.fragments - before.fragments,
        bytes: after.bytes - before.bytes,
        waiting,
      };
    },
    /** Of the one that runs; else of the system shard's. */
    progress(): JobProgress {
      const each = all().map((collector) => collector.progress());
      return each.find(({ phase }) => phase !== each[0]?.phase) ?? (each[0] as JobProgress);
    },
    totals,
  };
}
