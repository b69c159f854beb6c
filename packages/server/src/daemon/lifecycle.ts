import { compiledLifecycle, type LifecycleLog, lifecycleProposer } from '../api/index.ts';
import { fileVolume, readFile, replaceFile, type Volume } from '../device/index.ts';
import { type JobProgress, repeat } from '../durability/index.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { openMetadataReader, versionScan } from '../metadata/index.ts';
import { eventBridgeTargets } from '../notifications/index.ts';
import {
  createLifecyclePass,
  type LifecycleCounts,
  type LifecyclePass,
  type PassReport,
  type PlaceMemory,
  parsePlaces,
  writePlaces,
} from '../objects/index.ts';
import type { StructuredLog } from '../telemetry/index.ts';
import { folders } from './directories.ts';
import { type LifecycleRun, LifecycleRuns } from './lifecycle-runs.ts';
import type { Owner } from './owner.ts';

/* Does what the lifecycles of buckets ask for. In a cluster each node does it for the shards that it owns. */

export interface LifecycleStatus {
  /** Of this node, since it started. */
  readonly totals: LifecycleCounts;
  readonly progress: JobProgress;
  readonly last: PassReport | undefined;
  readonly dayMs: number;
  /** Shards that this node walks now, and those that others own. */
  readonly shards: readonly number[];
  readonly elsewhere: readonly number[];
}

export interface LifecycleWork {
  status(): LifecycleStatus;
  readonly runs: LifecycleRuns;
  stop(): Promise<void>;
}

const fileName = 'lifecycle.json';

/** A small file, replaced as a whole. One that cannot be understood counts as absent. */
function filePlaceMemory(volume: Volume): PlaceMemory {
  return {
    async load() {
      const bytes = await readFile(volume, fileName, limits.lifecycleFileBytes).catch(() => undefined);
      return bytes && parsePlaces(bytes.toString());
    },
    save: (places) => replaceFile(volume, fileName, Buffer.from(writePlaces(places))),
  };
}

export type LifecycleOwner = Pick<Owner, 'kvs' | 'proposer' | 'cluster' | 'roles'> & {
  readonly thread: Pick<Owner['thread'], 'reader'>;
};

/** Whether this server decides for a shard, by its number. */
export const leadsOf =
  (cluster: LifecycleOwner['cluster']) =>
  (number: number): boolean =>
    !cluster || (number === 0 ? cluster.shard.leads : cluster.objectShards[number - 1]?.shard.leads === true);

function passOf(
  owner: LifecycleOwner,
  host: Host,
  dayMs: number,
  told: Pick<Parameters<typeof createLifecyclePass>[0], 'onDone' | 'onError'>,
): LifecyclePass {
  const { cluster } = owner;
  const { reader } = owner.thread;
  const leads = leadsOf(cluster);
  return createLifecyclePass({
    rooms: {
      reader,
      proposer: lifecycleProposer(owner.proposer, reader, () => eventBridgeTargets(reader.targets())),
      host,
    },
    shared: cluster !== undefined,
    get shards() {
      return owner.kvs.map(({ kv }, number) => ({
        number,
        scan: versionScan(kv),
        reader: openMetadataReader(kv),
        leads: () => leads(number),
      }));
    },
    compiled: (bucket, document) => compiledLifecycle(bucket.name, document),
    dayMs,
    memory: filePlaceMemory(fileVolume(folders.state(owner.roles.primary))),
    ...told,
  });
}

export function startLifecycle(
  owner: LifecycleOwner,
  host: Host,
  log: Pick<StructuredLog, 'info' | 'warn' | 'error'>,
  dayMs: number,
  accessLog: LifecycleLog,
): LifecycleWork {
  const { cluster } = owner;
  const pass = passOf(owner, host, dayMs, {
    onDone: (bucket, done) => accessLog.done(bucket, done),
    onError: (cause, what) =>
      log.warn('the lifecycle could not treat an object; the next pass tries again', { ...what, cause }),
  });
  let told: number | undefined;
  const job = repeat({
    host,
    everyMs: Math.min(limits.lifecycleCheckMs, dayMs / 4),
    async run(signal) {
      await pass.run(signal);
      const last = pass.last();
      if (last?.endedMs === undefined || last.endedMs === told) return;
      told = last.endedMs;
      log.info('a pass of the lifecycle ended', { ...last.counts, tookMs: last.endedMs - last.beganMs });
    },
    onError: (cause) => log.error('the pass of the lifecycle stopped; it goes on where it was', { cause }),
  });
  const runs = new LifecycleRuns(pass);
  return {
    status() {
      const leads = leadsOf(cluster);
      const all = [...owner.kvs.keys()];
      return {
        totals: pass.totals(),
        progress: pass.progress(),
        last: pass.last(),
        dayMs,
        shards: all.filter(leads),
        elsewhere: all.filter((number) => !leads(number)),
      };
    },
    runs,
    async stop() {
      runs.stop();
      await job.stop();
      await runs.ended();
      await accessLog.close();
    },
  };
}

/** What an operator asks. */
export const lifecycleAdmin = ({ status, runs }: Pick<LifecycleWork, 'status' | 'runs'>) => ({
  'lifecycle.status': () => ({ ...statusJson(status()), running: runs.running }),
  'lifecycle.start': (argument: unknown) => runs.begin(argument as LifecycleRun),
  'lifecycle.news': (id: unknown) => runs.news(id as number),
});

const statusJson = ({ last, ...status }: LifecycleStatus) => ({
  ...status,
  last: last
    ? {
        beganAt: new Date(last.beganMs).toISOString(),
        endedAt: last.endedMs === undefined ? null : new Date(last.endedMs).toISOString(),
        counts: last.counts,
      }
    : null,
});
