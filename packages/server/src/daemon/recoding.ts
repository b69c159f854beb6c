import { type JobProgress, repeat } from '../durability/index.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { createRecoder, type RecodeTotals } from '../objects/index.ts';
import type { StructuredLog } from '../telemetry/index.ts';
import { readRebalance } from './cluster/settings.ts';
import type { Owner } from './owner.ts';

/* Has versions kept as their bucket, storage class or own policy says. In a cluster the node that leads does it, for it decides what takes whose place. */

/** How far that is; plain data. */
export interface RecodeStatus extends RecodeTotals {
  /** Versions looked at, and bytes written by this walk. */
  readonly progress: JobProgress;
  /** Most bytes written in a second. */
  readonly bytesPerSecond: number;
}

export interface Recoding {
  /** Of this node since it started; it does nothing while another one leads. */
  status(): RecodeStatus;
  stop(): Promise<void>;
}

/** What it needs of the owner's thread; `cluster` undefined: this server is alone. */
export type RecodingOwner = Pick<Owner, 'thread' | 'metadata'> & {
  readonly cluster: { readonly shard: { readonly leads: boolean } } | undefined;
};

export function startRecoding(
  owner: RecodingOwner,
  host: Host,
  log: Pick<StructuredLog, 'info' | 'warn' | 'error'>,
): Recoding {
  const { reader, stripes, horizon } = owner.thread;
  const { cluster } = owner;
  const bytesPerSecond = (): number => readRebalance(reader).bytesPerSecond;
  const recoder = createRecoder({
    rooms: { reader, proposer: owner.metadata, stripes, host },
    horizon,
    bytesPerSecond,
    ...(cluster && { leads: () => cluster.shard.leads }),
    onError: (cause, version) =>
      log.warn('a version could not be kept in another way; it is tried again', { ...version, cause }),
  });
  let told = 0;
  const job = repeat({
    host,
    everyMs: limits.collectMs,
    async run(signal) {
      // Before every node knows the feature, what was written anew could not take its place.
      if (cluster && !(cluster.shard.leads && reader.features().includes('policies'))) return;
      await recoder.run(signal);
      const totals = recoder.totals();
      if (totals.stripes > told)
        log.info('versions are kept in another way', { ...totals, now: totals.stripes - told });
      told = totals.stripes;
    },
    onError: (cause) => log.error('versions could not be kept in another way; it tries again', { cause }),
  });
  return {
    status: () => ({ ...recoder.totals(), progress: recoder.progress(), bytesPerSecond: bytesPerSecond() }),
    stop: () => job.stop(),
  };
}
