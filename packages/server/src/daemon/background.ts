import { fileVolume } from '../device/index.ts';
import type { DamageReport } from '../durability/index.ts';
import {
  type Collector,
  type CollectorReport,
  createCollector,
  createMender,
  createRepairer,
  createScrub,
  crossCheck,
  fileScrubMemory,
  type Mender,
  type RepairFragment,
  repeat,
  type Scrub,
  type ScrubReport,
} from '../durability/index.ts';
import { StoreError } from '../errors.ts';
import type { Clock, Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Position } from '../log/index.ts';
import type { StructuredLog } from '../telemetry/index.ts';
import { dropBallast, takeBallast } from './ballast.ts';
import { CheckRuns } from './checks.ts';
import type { Config } from './config.ts';
import type { Owner } from './owner.ts';
import type { Link } from './port.ts';

/** The work that goes on beside requests: collecting garbage, verifying bytes, and what an operator asks for. */
export interface Jobs {
  readonly collector: Collector;
  readonly scrub: Scrub;
  readonly mender: Mender;
  readonly repair: RepairFragment;
  scrubbing(): boolean;
  /** Calls of `/-/admin/`. @throws StoreError NotFound for a method that does not exist */
  admin(method: string, argument: unknown): Promise<unknown>;
  /** Cancels what runs and waits for its end. */
  stop(): Promise<void>;
}

export interface JobsInput {
  readonly owner: Owner;
  readonly config: Config;
  readonly host: Host;
  readonly log: StructuredLog;
  readonly onDamage: (report: DamageReport) => void;
  /** The workers: each may have reads open. */
  readonly links: () => readonly Link[];
}

/** Least of the positions at which any thread reads. */
async function oldestRead(owner: Owner, links: readonly Link[]): Promise<Position | undefined> {
  const positions = await Promise.all(links.map((link) => link.call<Position | undefined>('oldestRead', undefined)));
  const known = [...positions, owner.thread.objects.oldestRead()].filter((one) => one !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** Where logs and indexes are short of space, slabs give back what is free in them. An attempt may look through an index: most of the time is left to others. */
function givingBack(owner: Owner, clock: Clock): (signal: AbortSignal) => Promise<void> {
  let notBefore = Number.NEGATIVE_INFINITY;
  return async (signal) => {
    const began = clock.monotonic();
    if (began < notBefore) return;
    for (const [identity, fragments] of owner.fragments) {
      const device = owner.thread.devices.get(identity);
      if (!device || device.health() === 'stopped') continue;
      const { owed } = await device.capacity();
      const wanted = owner.log.roomy ? owed : Math.max(owed, 2 * limits.logSmallSegmentBytes);
      if (wanted > 0) await fragments.reclaim(wanted, signal);
    }
    const now = clock.monotonic();
    notBefore = now + 4 * (now - began);
  };
}

async function tendBallast({ directories, metadata }: Owner, log: StructuredLog): Promise<void> {
  // Something durable waits for space: that is what it is there for.
  const stuck = metadata.failure() !== undefined;
  for (const { path } of directories.all) {
    if (!stuck) await takeBallast(path);
    else if (dropBallast(path)) log.warn('the disk is full: the ballast was given up', { path });
  }
}

export async function startJobs(input: JobsInput): Promise<Jobs> {
  const { owner, config, host, log } = input;
  const { reader, access, stores, devices } = owner.thread;
  const healthy = (device: string) => devices.get(device)?.health() !== 'stopped';
  const collector = createCollector({
    reader,
    proposer: owner.metadata,
    access,
    stores,
    host,
    oldestRead: () => oldestRead(owner, input.links()),
    healthy,
  });
  const giveBack = givingBack(owner, host.clock);
  const collecting = repeat({
    host,
    everyMs: limits.collectMs,
    run: async (signal) => {
      await collector.run(signal);
      await giveBack(signal);
      await tendBallast(owner, log);
    },
    onError: (cause) => log.error('the collector failed; it tries again', { cause }),
  });

  const repairer = createRepairer({ access, owned: (stripe) => reader.stripeOwner(stripe) !== undefined });
  const mender = createMender({
    reader,
    groups: () => reader.groups(),
    access,
    host,
    repair: repairer.repair,
    healthy,
  });
  let mended = 0;
  const mending = repeat({
    host,
    everyMs: limits.collectMs,
    run: async (signal) => {
      await mender.run(signal);
      const totals = mender.totals();
      if (totals.mended > mended) log.info('missing copies were written', { ...totals, now: totals.mended - mended });
      mended = totals.mended;
    },
    onError: (cause) => log.error('missing copies could not be written; it tries again', { cause }),
  });
  const scrub = await createScrub({
    reader,
    groups: () => reader.groups(),
    stores,
    host,
    repair: repairer.repair,
    onDamage: input.onDamage,
    memory: fileScrubMemory(fileVolume(owner.directories.state)),
    periodMs: config.scrubDays * limits.dayMs,
    bytesPerSecond: config.scrubBytesPerSecond,
    healthy,
  });
  let running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  let lastReport: ScrubReport | undefined;
  const runScrub = (scheduled: boolean): void => {
    if (running) return;
    const stop = new AbortController();
    const ended = scrub.run({ signal: stop.signal, scheduled }).then(
      (report) => {
        lastReport = report;
        log.info('scrub ended', {
          fragments: report.fragments,
          bytes: report.bytes,
          damaged: report.damaged,
          missing: report.missing,
          repaired: report.repaired,
        });
      },
      (cause) => {
        if (!stop.signal.aborted) log.error('the scrub failed', { cause });
      },
    );
    running = { stop, ended };
    void ended.then(() => (running = undefined));
  };
  const cancelSchedule = host.timers.every(limits.scrubCheckMs, () => {
    if (scrub.due()) runScrub(true);
  });

  const checks = new CheckRuns(() => crossCheck({ reader, groups: () => reader.groups(), stores, host }));
  const scrubStatus = () => ({
    running: running !== undefined,
    progress: scrub.progress(),
    lastFullAt: isoOrNull(scrub.lastFullMs()),
    lastReport: lastReport ?? null,
  });
  const methods: Readonly<Record<string, (argument: unknown) => unknown>> = {
    status: async () => ({
      store: owner.directories.store,
      log: { position: owner.log.head, oldest: owner.log.tail, epoch: owner.log.epoch, bytes: owner.log.bytes },
      devices: await Promise.all(
        [...devices.values()].map(async (device) => ({
          identity: device.identity,
          class: device.class,
          health: device.health(),
          ...(await device.capacity()),
          rebuilt: owner.fragments.get(device.identity)?.recovery.rebuilt ?? null,
        })),
      ),
      missing: owner.missing,
      mend: { ...mender.totals(), progress: mender.progress() },
      garbage: { collected: collector.totals(), progress: collector.progress() },
      scrub: scrubStatus(),
    }),
    collect: (): Promise<CollectorReport> => collector.run(),
    'scrub.start': () => {
      runScrub(false);
      return scrubStatus();
    },
    'scrub.stop': async () => {
      running?.stop.abort();
      await running?.ended;
      return scrubStatus();
    },
    'scrub.status': scrubStatus,
    'fsck.start': () => checks.start(),
    'fsck.news': (id) => checks.news(id as number),
  };
  return {
    collector,
    scrub,
    mender,
    repair: repairer.repair,
    scrubbing: () => running !== undefined,
    async admin(method, argument) {
      const run = Object.hasOwn(methods, method) ? methods[method] : undefined;
      if (!run) throw new StoreError('NotFound', { message: `there is no admin method ${method}` });
      return run(argument);
    },
    async stop() {
      cancelSchedule();
      running?.stop.abort();
      await Promise.all([collecting.stop(), mending.stop(), running?.ended]);
      await repairer.idle();
    },
  };
}

const isoOrNull = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
