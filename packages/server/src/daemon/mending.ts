import {
  createLeftovers,
  createMender,
  createRepairer,
  createUsedGroups,
  createWhereabouts,
  idlePhase,
  type JobProgress,
  type LeftoverTotals,
  type Mender,
  type RepairFragment,
  repeat,
  writingPhase,
} from '../durability/index.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Position } from '../log/index.ts';
import type { MetadataReader } from '../metadata/index.ts';
import type { StructuredLog } from '../telemetry/index.ts';
import type { GateCalls } from './cluster/gate.ts';
import { readRebalance } from './cluster/settings.ts';
import type { Thread } from './thread.ts';

/* What a server does so that every stripe has its fragments, and they are where they should be: missing ones are written, those that have moved are removed. */

/** What a node says of this work; plain data. */
export interface NodeWork {
  /** Log position up to which its devices are known to lack nothing; absent: they may. */
  readonly completeAt?: Position;
  /** Fragments written since the start, those known to be missing, and how far a look through the stripes is. */
  readonly mended: number;
  readonly waiting: number;
  /** Those of them that nothing is left to be written from; absent: none. */
  readonly lost?: number;
  /** All that is missing is lost, by a look at every stripe that has ended; absent: not so. */
  readonly onlyLost?: true;
  readonly writing: JobProgress;
  readonly leftovers: LeftoverTotals;
  /** Bytes that its devices took in a second when it last wrote many. */
  readonly measuredBytesPerSecond?: number;
  /** End of the last full scrub, ms since 1970. */
  readonly scrubbedMs?: number;
}

export interface Mending {
  readonly mender: Mender;
  readonly repair: RepairFragment;
  /** Groups that hold stripes, as of now; undefined while that is not known (durability/jobs/used-groups.ts). */
  usedGroups(): Promise<ReadonlySet<number> | undefined>;
  /** Whether a fragment is just being removed. */
  removing(device: string, id: Buffer): boolean;
  work(): Omit<NodeWork, 'scrubbedMs'>;
  stop(): Promise<void>;
}

export interface MendingInput {
  readonly owner: {
    readonly thread: Pick<Thread, 'reader' | 'access' | 'stores' | 'devices' | 'network'>;
    /** Absent where this server is alone. */
    readonly cluster?: { readonly gate: Pick<GateCalls, 'latest'> } | undefined;
  };
  readonly host: Host;
  readonly log: Pick<StructuredLog, 'info' | 'warn' | 'error'>;
  readonly healthy: (device: string) => boolean;
}

/** Tells, once for each change, whether groups have changed: any, and those with a device of this machine. */
function watchGroups(reader: Pick<MetadataReader, 'groups'>, mine: (device: string) => boolean) {
  const read = () => {
    const groups = reader.groups();
    const names = (some: typeof groups): string => some.map(({ id, epoch }) => `${id}.${epoch}`).join();
    return { any: names(groups), mine: names(groups.filter(({ devices }) => devices.some(mine))) };
  };
  let seen = read();
  return (): { readonly any: boolean; readonly mine: boolean } => {
    const before = seen;
    seen = read();
    return { any: before.any !== seen.any, mine: before.mine !== seen.mine };
  };
}

export function startMending({ owner, host, log, healthy }: MendingInput): Mending {
  const { reader, access, stores, devices, network } = owner.thread;
  const { cluster } = owner;
  const groups = () => reader.groups();
  const bytesPerSecond = () => readRebalance(reader).bytesPerSecond;
  const where = createWhereabouts(access, healthy);
  where.observe(groups());
  const repairer = createRepairer({
    access,
    where,
    owned: (stripe) => reader.stripeOwner(stripe) !== undefined,
    ...(cluster && { latest: () => cluster.gate.latest() }),
  });
  const mender = createMender({
    reader,
    groups,
    access,
    host,
    repair: repairer.repair,
    where,
    healthy,
    mine: (device) => devices.has(device),
    ...(cluster && { bytesPerSecond }),
  });
  const isComplete = (): boolean => {
    const { complete, waiting } = mender.totals();
    return complete && waiting === 0;
  };
  const neighbourOf = (device: string) => {
    const node = reader.devices().find(({ identity }) => identity === device)?.node;
    return network?.neighbours().find(({ id }) => id === node);
  };
  const leftovers = createLeftovers({
    reader,
    groups,
    stores,
    access,
    host,
    repair: repairer.repair,
    healthy,
    settled: (position) =>
      (network?.neighbours() ?? []).every(
        ({ state, silentMs }) =>
          silentMs === undefined || silentMs > limits.nodeAwayMs || (state?.applied ?? 0) >= position,
      ),
    isComplete: (device) =>
      devices.has(device) ? isComplete() : neighbourOf(device)?.state?.work?.completeAt !== undefined,
    bytesPerSecond,
    onError: (cause) => log.warn('a fragment could not be handed over', { cause }),
  });

  const used = createUsedGroups({
    reader,
    host,
    onError: (cause) => log.error('the stripes could not be looked through', { cause }),
  });

  const regrouped = watchGroups(reader, (device) => devices.has(device));
  let completeAt: Position | undefined;
  let measured: number | undefined;
  let mended = 0;
  const mending = repeat({
    host,
    everyMs: limits.collectMs,
    async run(signal) {
      const at = reader.position();
      const changed = regrouped();
      if (changed.any) where.observe(groups());
      if (changed.mine && cluster) mender.look();
      if (changed.any && cluster) leftovers.look();
      if (changed.mine) completeAt = undefined;
      await mender.run(signal);
      completeAt = isComplete() ? at : undefined;
      const totals = mender.totals();
      if (totals.mended > mended) log.info('missing copies were written', { ...totals, now: totals.mended - mended });
      mended = totals.mended;
    },
    onError: (cause) => log.error('missing copies could not be written; it tries again', { cause }),
  });
  let removed = 0;
  const handing = cluster
    ? repeat({
        host,
        everyMs: limits.collectMs,
        async run(signal) {
          await leftovers.run(signal);
          const totals = leftovers.totals();
          if (totals.removed > removed) log.info('fragments that have moved were removed', { ...totals });
          removed = totals.removed;
        },
        onError: (cause) => log.error('fragments that have moved could not be removed; it tries again', { cause }),
      })
    : undefined;
  return {
    mender,
    repair: repairer.repair,
    usedGroups: () => used.now(),
    removing: (device, id) => leftovers.removing(device, id),
    work() {
      const { mended: written, waiting, lost } = mender.totals();
      // Something may have come since the last run: then it is not complete, whatever that run said.
      const at = isComplete() ? completeAt : undefined;
      const writing = mender.progress();
      if (writing.phase === writingPhase && writing.done > 0) measured = (writing.rate * writing.bytes) / writing.done;
      return {
        ...(measured !== undefined && { measuredBytesPerSecond: measured }),
        ...(at !== undefined && { completeAt: at }),
        mended: written,
        waiting,
        ...(lost > 0 && { lost }),
        // A look counts them anew as it goes.
        ...(lost > 0 && waiting === lost && writing.phase === idlePhase && { onlyLost: true as const }),
        writing,
        leftovers: leftovers.totals(),
      };
    },
    async stop() {
      await Promise.all([mending.stop(), handing?.stop(), used.stop()]);
      await repairer.idle();
    },
  };
}

/** Fragments that a node has still to write, and what that takes. Bytes and time are estimates, null until something was written. */
export interface Remaining {
  readonly fragments: number;
  readonly bytes: number | null;
  readonly fragmentsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly seconds: number | null;
}

export function remainingOf({ waiting, writing }: NodeWork): Remaining {
  const isWriting = writing.phase === writingPhase;
  const fragments = waiting + (isWriting ? writing.total - writing.done : 0);
  const rate = isWriting ? writing.rate : 0;
  const each = isWriting && writing.done > 0 ? writing.bytes / writing.done : null;
  return {
    fragments,
    bytes: fragments === 0 ? 0 : each === null ? null : Math.round(fragments * each),
    fragmentsPerSecond: rate,
    bytesPerSecond: each === null ? 0 : Math.round(rate * each),
    seconds: fragments === 0 ? 0 : rate > 0 ? Math.round(fragments / rate) : null,
  };
}
