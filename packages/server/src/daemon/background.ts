import { fileVolume } from '../device/index.ts';
import type { DamageReport } from '../durability/index.ts';
import {
  type Collector,
  type CollectorReport,
  createCollector,
  createRepairer,
  createScrub,
  crossCheck,
  fileScrubMemory,
  type RepairCopy,
  repeat,
  type Scrub,
  type ScrubReport,
} from '../durability/index.ts';
import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Position } from '../log/index.ts';
import type { StructuredLog } from '../telemetry/index.ts';
import { CheckRuns } from './checks.ts';
import type { Config } from './config.ts';
import type { Owner } from './owner.ts';
import type { Link } from './port.ts';

/** The work that goes on beside requests: collecting garbage, verifying bytes, and what an operator asks for. */
export interface Jobs {
  readonly collector: Collector;
  readonly scrub: Scrub;
  readonly repair: RepairCopy;
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

export async function startJobs(input: JobsInput): Promise<Jobs> {
  const { owner, config, host, log } = input;
  const { reader, stores, devices } = owner.thread;
  const healthy = (device: string) => devices.get(device)?.health() !== 'stopped';
  const collector = createCollector({
    reader,
    proposer: owner.metadata,
    stores,
    host,
    oldestRead: () => oldestRead(owner, input.links()),
    healthy,
  });
  const collecting = repeat({
    host,
    everyMs: limits.collectMs,
    run: (signal) => collector.run(signal),
    onError: (cause) => log.error('the collector failed; it tries again', { cause }),
  });

  const repairer = createRepairer({ stores, owned: (stripe) => reader.stripeOwner(stripe) !== undefined });
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
        })),
      ),
      missing: owner.missing,
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
      await Promise.all([collecting.stop(), running?.ended]);
      await repairer.idle();
    },
  };
}

const isoOrNull = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
