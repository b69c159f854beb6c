import { statSync } from 'node:fs';
import { LifecycleLog } from '../api/index.ts';
import { fileVolume } from '../device/index.ts';
import type { DamageReport } from '../durability/index.ts';
import {
  type CheckedFiles,
  type CheckedStates,
  type Collector,
  type CollectorReport,
  createScrub,
  crossCheck,
  fileScrubMemory,
  type Holding,
  holdingsOf,
  type Mender,
  Pace,
  type RepairFragment,
  repeat,
  type Scrub,
} from '../durability/index.ts';
import { StoreError } from '../errors.ts';
import type { Clock, Host } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import type { StructuredLog } from '../telemetry/index.ts';
import { accessDeliveryOf } from './access-logs.ts';
import { type BadCopies, type BadCopy, lostCopiesText } from './bad-copies.ts';
import type { BadStates } from './bad-states.ts';
import { dropBallast, takeBallast, tending } from './ballast.ts';
import { CheckRuns } from './checks.ts';
import { clusterAdmin } from './cluster/admin.ts';
import { type RebalanceStatus, startRebalance } from './cluster/rebalance.ts';
import { startCollecting } from './collecting.ts';
import type { Config } from './config.ts';
import { dayMsOf } from './day.ts';
import { folders } from './directories.ts';
import { opensInline } from './inline.ts';
import { startInventory } from './inventory.ts';
import { type LifecycleWork, lifecycleAdmin, startLifecycle } from './lifecycle.ts';
import { type Mending, type NodeWork, startMending } from './mending.ts';
import { type Notifying, startNotifying } from './notifying.ts';
import type { Owner } from './owner.ts';
import { policyAdmin } from './policies.ts';
import type { Link } from './port.ts';
import { type Recoding, startRecoding } from './recoding.ts';
import { startRestoring } from './restoring.ts';
import { type Rotating, startRotating } from './rotating.ts';
import { startScrubbing } from './scrubbing.ts';
import { sourceMethods } from './sources.ts';

/** The work that goes on beside requests: collecting garbage, verifying bytes, and what an operator asks for. */
export interface Jobs {
  readonly collector: Collector;
  readonly scrub: Scrub;
  readonly mender: Mender;
  readonly repair: RepairFragment;
  readonly fragments: Pick<Mending, 'removing'>;
  readonly recoding: Pick<Recoding, 'status'>;
  readonly lifecycle: Pick<LifecycleWork, 'status'>;
  /** Of what lifecycles do. */
  readonly accessLog: Pick<LifecycleLog, 'totals'>;
  readonly notifying: Pick<Notifying, 'status'>;
  readonly rotating: Pick<Rotating, 'progress'>;
  work(): NodeWork;
  /** What this server's devices hold of each group. */
  holdings(): Promise<readonly Holding[]>;
  /** How far evening out is, as this node knows. */
  rebalance(): RebalanceStatus;
  scrubbing(): boolean;
  /** Copies that are known to be damaged, and could not be written again. */
  readonly badCopies: Pick<BadCopies, 'list'>;
  /** Folders of metadata, and of indexes, that are known to be damaged. */
  readonly badStates: Pick<BadStates, 'list' | 'indexes'>;
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
  /** What `onDamage` has told of and is bad still. */
  readonly badCopies: BadCopies;
  readonly badStates: BadStates;
  /** As {@link fewFilesText} says. */
  readonly fewFiles: string | undefined;
  /** Has the other threads read the keyring again, and seal anew what they keep in memory. */
  readonly rekey: () => Promise<void>;
  /** The workers: each may have reads open. */
  readonly links: () => readonly Link[];
  /** What lacks although writes are accepted. */
  readonly degraded: () => Promise<readonly string[]>;
}

/** Where logs and indexes are short of space, slabs give back what is free in them. An attempt may look through an index: most of the time is left to others. */
function givingBack(owner: Owner, clock: Clock): (signal: AbortSignal) => Promise<void> {
  let notBefore = Number.NEGATIVE_INFINITY;
  return async (signal) => {
    const began = clock.monotonic();
    if (began < notBefore) return;
    for (const [identity, fragments] of owner.fragments) {
      const device = owner.thread.devices.get(identity);
      if (!device || !owner.thread.conditions.of(identity).healthy) continue;
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
  const { reader, stores, devices, conditions } = owner.thread;
  const { network } = owner.thread;
  const { cluster } = owner;
  const healthy = (device: string) => network?.condition(device)?.healthy ?? conditions.health(device) !== 'stopped';
  const collecting = startCollecting({ owner, host, links: input.links, healthy });
  const { collector } = collecting;
  const giveBack = givingBack(owner, host.clock);
  const freeing = repeat({
    host,
    everyMs: limits.collectMs,
    run: tending(
      async (signal) => {
        await collecting.run(signal);
        await giveBack(signal);
      },
      () => tendBallast(owner, log),
      host.clock,
    ),
    onError: (cause) => log.error('the collector failed; it tries again', { cause }),
  });

  const fragments = startMending({ owner, host, log, healthy });
  const { mender, repair } = fragments;
  const recoding = startRecoding(owner, host, log);
  const accessLog = new LifecycleLog(accessDeliveryOf(owner.thread.objects, config, host, log));
  const lifecycle = startLifecycle(owner, host, log, dayMsOf(config), accessLog);
  const restoring = startRestoring(owner, host, log, dayMsOf(config));
  const notifying = startNotifying(owner, host, log);
  const inventory = startInventory(owner, host, log, dayMsOf(config));
  const rotating = startRotating(owner, host, log, input.rekey);
  const states: CheckedStates = {
    list: () => owner.kvs,
    found(directory, damage) {
      input.badStates.note(directory, damage);
      if (damage !== undefined) log.error('the metadata are damaged: run `dsom fsck`', { directory, damage });
    },
  };
  const files: CheckedFiles = {
    list: () => owner.files(),
    found(file, damage) {
      input.badStates.noteFile(file, damage);
      if (damage !== undefined)
        log.error('a database is damaged: run `dsom fsck`, which says what to do', {
          directory: file.directory,
          damage,
        });
    },
  };
  const scrub = await createScrub({
    reader,
    groups: () => reader.groups(),
    stores,
    host,
    repair,
    onDamage: input.onDamage,
    memory: fileScrubMemory(fileVolume(folders.state(owner.roles.primary))),
    periodMs: config.scrubDays * limits.dayMs,
    bytesPerSecond: config.scrubBytesPerSecond,
    healthy,
    states,
  });
  const scrubbing = startScrubbing({ scrub, owner, files, badCopies: input.badCopies, host, log });

  const work = (): NodeWork => {
    const scrubbedMs = scrub.lastFullMs();
    return { ...fragments.work(), ...(scrubbedMs !== undefined && { scrubbedMs }) };
  };
  const holdings = () => holdingsOf(reader, stores, new Pace(host, { signal: undefined }));
  const rebalance =
    cluster &&
    startRebalance({
      owner,
      cluster,
      host,
      work,
      holdings,
      onError: (cause) => log.warn('groups could not be evened out; it tries again', { cause }),
    });

  const checks = new CheckRuns(() =>
    crossCheck({
      reader,
      groups: () => reader.groups(),
      stores,
      host,
      damaged: damagedAt(input.badCopies.list()),
      files,
      states,
      opensInline: opensInline(owner.thread.objects),
      ...(cluster && {
        elsewhere: (device) => reader.devices().some((one) => one.identity === device && one.node !== cluster.node),
      }),
    }),
  );
  const methods: Readonly<Record<string, (argument: unknown) => unknown>> = {
    status: async () => ({
      store: owner.directories.store,
      log: { position: owner.log.head, oldest: owner.log.tail, epoch: owner.log.epoch, bytes: owner.log.bytes },
      devices: await Promise.all(
        [...devices.values()].map(async (device) => ({
          identity: device.identity,
          class: device.class,
          health: conditions.health(device.identity),
          ...(await device.capacity().catch(() => noCapacity)),
          fileSystem: fileSystemOf(owner.sites.find((site) => site.identity.device === device.identity)?.folder),
          rebuilt: owner.fragments.get(device.identity)?.recovery.rebuilt ?? null,
        })),
      ),
      missing: owner.missing,
      fewFiles: input.fewFiles ?? null,
      metadata: { ...owner.roles, mirror: owner.roles.mirror ?? null, ...mirrorStatus(owner) },
      mend: { ...mender.totals(), progress: mender.progress() },
      recode: recoding.status(),
      garbage: { collected: collector.totals(), progress: collector.progress() },
      scrub: scrubbing.status(),
    }),
    ...policyAdmin(owner),
    ...lifecycleAdmin(lifecycle),
    ...notifying.methods,
    ...sourceMethods(owner, host),
    ...inventory.methods,
    ...rotating.methods,
    // In a cluster there is more to tell, below.
    'cluster.repair': () => {
      const { waiting, complete, lost } = mender.totals();
      const recode = recoding.status();
      return {
        done: complete && waiting === 0 && recode.complete,
        groupsOnLeavingDevices: 0,
        lost,
        onlyLost: work().onlyLost === true && recode.complete,
        needs: lost > 0 ? lostCopiesText(lost) : null,
        nodes: [],
        recode,
      };
    },
    collect: (): Promise<CollectorReport> => collector.run(),
    'scrub.start': () => {
      scrubbing.start();
      return scrubbing.status();
    },
    'scrub.stop': async () => {
      await scrubbing.cancel();
      return scrubbing.status();
    },
    'scrub.status': () => scrubbing.status(),
    'fsck.start': () => checks.start(),
    'fsck.news': (id) => checks.news(id as number),
    ...(cluster &&
      rebalance &&
      clusterAdmin({
        owner,
        cluster,
        rebalance,
        usedGroups: () => fragments.usedGroups(),
        recode: () => recoding.status(),
        work,
        host,
        degraded: input.degraded,
      })),
  };
  return {
    collector,
    scrub,
    mender,
    repair,
    fragments,
    recoding,
    lifecycle,
    accessLog,
    notifying,
    rotating,
    work,
    holdings,
    rebalance() {
      invariant(rebalance, 'nodes of a cluster ask for it');
      return rebalance.status();
    },
    scrubbing: () => scrubbing.running(),
    badCopies: input.badCopies,
    badStates: input.badStates,
    async admin(method, argument) {
      const run = Object.hasOwn(methods, method) ? methods[method] : undefined;
      if (!run && (method.startsWith('cluster.') || method.startsWith('rebalance.')))
        throw new StoreError('InvalidRequest', {
          message: 'This server is not a node of a cluster. Start it with --cluster-name to make it the first one.',
        });
      if (!run) throw new StoreError('NotFound', { message: `there is no admin method ${method}` });
      return run(argument);
    },
    async stop() {
      await Promise.all([
        scrubbing.stop(),
        freeing.stop(),
        fragments.stop(),
        recoding.stop(),
        lifecycle.stop(),
        restoring.stop(),
        notifying.stop(),
        inventory.stop(),
        rotating.stop(),
        rebalance?.stop(),
      ]);
    },
  };
}

/** Devices by stripe. */
function damagedAt(copies: readonly BadCopy[]): (stripe: Buffer) => readonly string[] {
  const devices = new Map<string, string[]>();
  for (const { stripe, device } of copies) {
    const name = stripe.toString('latin1');
    devices.set(name, [...(devices.get(name) ?? []), device]);
  }
  return (stripe) => devices.get(stripe.toString('latin1')) ?? [];
}

function mirrorStatus(owner: Owner) {
  const { lost, whole, damaged } = owner.mirror();
  return { lost: lost ?? null, whole, damaged, rebuilt: owner.rebuilt ?? null };
}

/** Tells those apart that share their space; null where it cannot be told. */
function fileSystemOf(folder: string | undefined): string | null {
  try {
    return folder === undefined ? null : String(statSync(folder).dev);
  } catch {
    return null;
  }
}

/** Of a device that does not answer. */
const noCapacity = { total: 0, free: 0, owed: 0 };
