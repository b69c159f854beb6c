import { newStoppedDevices, type StoppedDevices } from '../../src/daemon/conditions.ts';
import { Layout } from '../../src/daemon/layout.ts';
import { startRecoding } from '../../src/daemon/recoding.ts';
import { assembleThread, type Thread } from '../../src/daemon/thread.ts';
import type { Device, Volume } from '../../src/device/index.ts';
import {
  type Collector,
  createCollector,
  createMender,
  createRepairer,
  createScrub,
  type DamageReport,
  fileScrubMemory,
  type Mender,
  type RepairFragment,
  repeat,
  type Scrub,
} from '../../src/durability/index.ts';
import { StoreError } from '../../src/errors.ts';
import { type FragmentStore, type OpenFragmentOwner, openFragmentStore } from '../../src/fragments/index.ts';
import { type KeyService, openKeyring } from '../../src/keys/index.ts';
import type { Kv } from '../../src/kv/index.ts';
import { limits } from '../../src/limits.ts';
import { type Log, openEmbeddedLog } from '../../src/log/index.ts';
import { type Metadata, openMetadata, type Proposer } from '../../src/metadata/index.ts';
import type { Sometimes } from '../coverage.ts';
import { type DeviceSite, deviceOf, type OpenFragments, openFragments } from './fragments.ts';
import type { Life } from './life.ts';
import { startLifecycles } from './lifecycle.ts';

/** What a process finds on its machine when it starts. */
export interface Site {
  readonly life: Life;
  readonly log: Volume;
  readonly system: Volume;
  readonly kv: Kv;
  readonly devices: readonly DeviceSite[];
  readonly slabBytes: number;
  readonly threads: number;
  readonly cacheBytes: number;
  readonly plain: boolean;
  /** It runs the lifecycles of buckets. */
  readonly ruled: boolean;
  readonly onEvent: (what: Sometimes) => void;
}

/** Told of nothing: what happens is seen from outside. */
export const quiet = { info() {}, warn() {}, error() {} };

type Repairer = ReturnType<typeof createRepairer>;

/** A running server of one machine, put together as daemon/ does it. */
export interface Node {
  readonly life: Life;
  readonly log: Log;
  readonly metadata: Metadata;
  readonly threads: readonly Thread[];
  readonly stores: ReadonlyMap<string, FragmentStore>;
  readonly fragments: ReadonlyMap<string, OpenFragmentOwner>;
  readonly collector: Collector;
  readonly mender: Mender;
  readonly scrub: Scrub;
  /** Stripes that it has kept in another way. */
  recoded(): number;
  /** A request has begun; what it gives ends it. */
  serve(): () => void;
  /** Why it must be started anew; undefined while all is well. */
  failure(): string | undefined;
  /**
   * Waits for the requests that are being served, and ends in order. The caller sends no more of them.
   * @returns false when they did not end within their time: then the process is killed
   */
  close(): Promise<boolean>;
}

const segmentBytes = 256 * 1024;
const logLimits = { segmentBytes, tailBytes: 2 * segmentBytes, entryBytes: 128 * 1024 };

/** Pause between two looks whether a scrub is due, and time in which one must have ended: short, so that a run sees several. */
const scrubLookMs = 2000;
const scrubPeriodMs = 20_000;

/** @throws whatever keeps the server from starting */
export async function openNode(site: Site): Promise<Node> {
  const { life, onEvent } = site;
  const { host } = life;
  const keyring = await openKeyring({ volume: site.system, host, create: true });
  const log = await openEmbeddedLog({ volume: site.log, host, limits: logLimits });
  const metadata = await openMetadata({ log, kv: site.kv, host, shard: 0 });
  if (metadata.statistics().replayed > 0) onEvent('entries were replayed at a start');
  const fragments = new Map<string, OpenFragments>();
  for (const one of site.devices) fragments.set(one.identity, await openFragments(site, one, metadata.reader, true));
  const weighed = site.devices.map(({ identity }) => ({ identity, weight: 1, healthy: true }));
  const layout = new Layout(metadata, async () => weighed);
  await layout.start();

  let serving = 0;
  let mender: Mender | undefined;
  const threads: Thread[] = [];
  let repairer: Repairer | undefined;
  const stopped = newStoppedDevices(site.devices.length);
  const parts = { site, metadata, fragments, keyService: keyring, layout, stopped };
  const repairByOwner: RepairFragment = async (stripe, group, copy, cause) => {
    await life.wait(0.1, 'port');
    return repairer ? repairer.repair(stripe, group, copy, cause) : false;
  };
  const onMissed = (stripe: Buffer, group: number, copy: number): void => {
    onEvent('a stripe was written with a copy missing');
    mender?.missed(stripe, group, copy);
  };
  // The first thread is the owner's: it alone runs the jobs, and rewrites copies for the others.
  const first = await openThread(parts, onMissed, undefined);
  const { stores, access } = first;
  const healthy = (device: string): boolean => first.conditions.health(device) !== 'stopped';
  const owned = (stripe: Buffer): boolean => metadata.reader.stripeOwner(stripe) !== undefined;
  const repairs = createRepairer({ access, owned });
  repairer = repairs;
  threads.push(first);
  for (let i = 1; i < site.threads; i++) threads.push(await openThread(parts, onMissed, repairByOwner));

  const { reader } = metadata;
  const shared = { reader, groups: () => reader.groups(), access, stores, host, repair: repairs.repair, healthy };
  const collector = createCollector({
    reader,
    proposer: metadata,
    access,
    stores,
    host,
    healthy,
    async oldestRead() {
      const positions: number[] = [];
      for (const thread of threads) {
        if (thread !== first) await life.wait(0.1, 'port');
        const position = thread.objects.oldestRead();
        if (position !== undefined) positions.push(position);
      }
      return positions.length === 0 ? undefined : Math.min(...positions);
    },
  });
  mender = createMender(shared);
  const scrub = await createScrub({
    ...shared,
    onDamage: (report: DamageReport) => {
      if (report.repaired) onEvent('a scrub repaired a copy');
    },
    memory: fileScrubMemory(site.system),
    periodMs: scrubPeriodMs,
  });
  const onError = (error: unknown): void => {
    if (!isExpected(error)) throw error;
    onEvent('a job failed and tried again');
  };
  const recoding = startRecoding({ thread: first, metadata, cluster: undefined }, host, quiet);
  const lifecycles =
    site.ruled &&
    startLifecycles({
      reader,
      proposer: metadata,
      host,
      shared: false,
      shards: () => [{ kv: site.kv, leads: () => true }],
      onEvent,
      onError,
    });
  const jobs = [
    ...(lifecycles ? [lifecycles] : []),
    repeat({ host, everyMs: limits.collectMs, run: (signal) => collector.run(signal), onError }),
    repeat({ host, everyMs: limits.collectMs, run: (signal) => (mender as Mender).run(signal), onError }),
    repeat({
      host,
      everyMs: scrubLookMs,
      run: async (signal) => {
        if (scrub.due()) await scrub.run({ signal, scheduled: true });
      },
      onError,
    }),
  ];
  return {
    life,
    log,
    metadata,
    threads,
    stores,
    fragments: new Map([...fragments].map(([device, { owner }]) => [device, owner])),
    collector,
    mender,
    scrub,
    recoded: () => recoding.status().stripes,
    failure() {
      const failure = metadata.failure();
      if (failure !== undefined && !failure.startsWith('the disk is full')) return failure;
      const broken = [...first.devices.keys()].find((device) => first.conditions.health(device) === 'stopped');
      return broken && `device ${broken} is stopped`;
    },
    serve() {
      serving++;
      return () => void serving--;
    },
    async close() {
      const end = host.clock.monotonic() + limits.drainMs;
      while (serving > 0 && host.clock.monotonic() < end) await life.wait(20, 'drain');
      if (serving > 0) return false;
      for (const job of jobs) await job.stop();
      await recoding.stop();
      await repairs.idle();
      for (const thread of threads) await thread.close();
      for (const { owner } of fragments.values()) await owner.close();
      for (const { devices } of threads) for (const device of devices.values()) await device.close();
      await metadata.close();
      await log.close();
      return true;
    },
  };
}

/** What a job may fail with while disks do: it says so and runs again. */
export function isExpected(error: unknown): boolean {
  return error instanceof StoreError || (error instanceof Error && 'syscall' in error);
}

/** @param opened the devices of the owner's thread; @param stopped shared by the threads */
async function openThread(
  parts: {
    readonly site: Site;
    readonly metadata: Metadata;
    readonly fragments: ReadonlyMap<string, OpenFragments>;
    readonly keyService: KeyService;
    readonly layout: Layout;
    readonly stopped: StoppedDevices;
  },
  onMissed: (stripe: Buffer, group: number, copy: number) => void,
  repair: RepairFragment | undefined,
): Promise<Thread> {
  const { site, metadata, fragments } = parts;
  const { life, onEvent } = site;
  const { host } = life;
  const devices = new Map<string, Device>();
  const stores = new Map<string, FragmentStore>();
  for (const one of site.devices) {
    const { owner, index, device: opened } = fragments.get(one.identity) as OpenFragments;
    // The thread that rewrites for the others opens its own; that of the owner shares the device of the index.
    const device = repair ? deviceOf(site, one) : opened;
    devices.set(one.identity, device);
    stores.set(one.identity, openFragmentStore({ device, owner, index: { ...index, close: async () => {} }, host }));
  }
  // A proposal, and its answer, cross from one thread to another.
  const proposer: Proposer = {
    async propose(command) {
      await life.wait(life.host.entropy.bytes(1)[0]! / 2000, 'port');
      const outcome = await metadata.propose(command);
      await life.wait(life.host.entropy.bytes(1)[0]! / 2000, 'port');
      return outcome;
    },
  };
  return assembleThread({
    host,
    kvs: [site.kv],
    devices,
    stores,
    stopped: parts.stopped,
    proposer,
    keyService: parts.keyService,
    cacheBytes: site.cacheBytes,
    plain: site.plain,
    onDamage: ({ repaired }) => {
      onEvent('a reader met a bad copy');
      if (repaired) onEvent('a reader met a bad copy and it was repaired');
    },
    onMissed,
    layOut: (redundancy) => parts.layout.layOut(redundancy),
    ...(repair && { repair }),
  });
}
