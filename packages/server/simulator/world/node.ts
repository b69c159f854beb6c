import { createCache } from '../../src/cache/index.ts';
import { DeviceConditions } from '../../src/daemon/conditions.ts';
import type { Device, Volume } from '../../src/device/index.ts';
import {
  type AccessMap,
  type Collector,
  createCollector,
  createMender,
  createRepairer,
  createScrub,
  type DamageReport,
  fileScrubMemory,
  localAccess,
  type Mender,
  type OpenStripeStore,
  openStripeStore,
  type RepairFragment,
  repeat,
  type Scrub,
} from '../../src/durability/index.ts';
import { StoreError } from '../../src/errors.ts';
import { type FragmentStore, type OpenFragmentOwner, openFragmentStore } from '../../src/fragments/index.ts';
import { bucketKeys, type KeyService, openKeyring } from '../../src/keys/index.ts';
import type { Kv } from '../../src/kv/index.ts';
import { limits } from '../../src/limits.ts';
import { type Log, openEmbeddedLog } from '../../src/log/index.ts';
import {
  type Metadata,
  openMetadata,
  openMetadataReader,
  type Proposer,
  type Redundancy,
} from '../../src/metadata/index.ts';
import { createObjectService, type ObjectService } from '../../src/objects/index.ts';
import { codesOf, planGroups, planLayout } from '../../src/placement/index.ts';
import type { Sometimes } from '../coverage.ts';
import { type DeviceSite, deviceOf, type OpenFragments, openFragments } from './fragments.ts';
import type { Life } from './life.ts';

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
  readonly onEvent: (what: Sometimes) => void;
}

type Repairer = ReturnType<typeof createRepairer>;

/** One object service with the stripe store below it: a thread of the server. */
interface Thread {
  readonly objects: ObjectService;
  readonly stripes: OpenStripeStore;
  readonly devices: ReadonlyMap<string, Device>;
  close(): Promise<void>;
}

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

type Code = Extract<Redundancy, { readonly data: number }>;

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
  for (const one of site.devices) fragments.set(one.identity, await openFragments(site, one, metadata.reader));
  await groupsFor(site, metadata)(undefined);

  let serving = 0;
  let mender: Mender | undefined;
  const threads: Thread[] = [];
  let repairer: Repairer | undefined;
  const layOut = groupsFor(site, metadata);
  const parts = { site, metadata, fragments, keyService: keyring, layOut };
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
  const healthy = (device: string): boolean => first.devices.get(device)?.health() !== 'stopped';
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
  const jobs = [
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
    failure() {
      const failure = metadata.failure();
      if (failure !== undefined && !failure.startsWith('the disk is full')) return failure;
      const stopped = [...first.devices.values()].find((device) => device.health() === 'stopped');
      return stopped && `device ${stopped.identity} is stopped`;
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
      await repairs.idle();
      for (const thread of threads) await thread.close();
      for (const { owner } of fragments.values()) await owner.close();
      await metadata.close();
      await log.close();
      return true;
    },
  };
}

/** Defines the placement groups that there are none of yet, one plan after the other (as daemon/layout.ts does). */
function groupsFor(site: Site, metadata: Metadata): (redundancy: Redundancy | undefined) => Promise<void> {
  const devices = site.devices.map(({ identity }) => ({ identity, weight: 1, healthy: true }));
  let last: Promise<unknown> = Promise.resolve();
  return (redundancy) => {
    const next = last.then(async () => {
      const existing = metadata.reader.groups();
      const known = codesOf(existing).some((code) => redundancy && 'data' in redundancy && sameCode(code, redundancy));
      const code = redundancy && 'data' in redundancy && !known ? redundancy : undefined;
      const groups = code ? planGroups(devices, existing, code) : planLayout(devices, existing);
      if (groups.length > 0) await metadata.propose({ type: 'group.define', groups });
    });
    last = next.catch(() => undefined);
    return next;
  };
}

const sameCode = (a: Code, b: Code): boolean => a.data === b.data && a.parity === b.parity;

/** What a job may fail with while disks do: it says so and runs again. */
export function isExpected(error: unknown): boolean {
  return error instanceof StoreError || (error instanceof Error && 'syscall' in error);
}

async function openThread(
  parts: {
    readonly site: Site;
    readonly metadata: Metadata;
    readonly fragments: ReadonlyMap<string, OpenFragments>;
    readonly keyService: KeyService;
    readonly layOut: (redundancy: Redundancy) => Promise<void>;
  },
  onMissed: (stripe: Buffer, group: number, copy: number) => void,
  repair: RepairFragment | undefined,
): Promise<Thread & { readonly stores: ReadonlyMap<string, FragmentStore>; readonly access: AccessMap }> {
  const { site, metadata, fragments } = parts;
  const { life, onEvent } = site;
  const { host } = life;
  const reader = openMetadataReader(site.kv);
  const devices = new Map<string, Device>();
  const stores = new Map<string, FragmentStore>();
  for (const one of site.devices) {
    const device = deviceOf(site, one);
    const { owner, index } = fragments.get(one.identity) as OpenFragments;
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
  const conditions = await DeviceConditions.watch(devices, host);
  const access = new Map([...stores].map(([identity, store]) => [identity, localAccess(store)]));
  const stripes = openStripeStore({
    groups: () => reader.groups(),
    access,
    proposer,
    host,
    onDamage: ({ repaired }) => {
      onEvent('a reader met a bad copy');
      if (repaired) onEvent('a reader met a bad copy and it was repaired');
    },
    owned: (stripe) => reader.stripeOwner(stripe) !== undefined,
    condition: (identity) => conditions.of(identity),
    onMissed,
    layOut: parts.layOut,
    ...(repair && { repair }),
  });
  const objects = createObjectService({
    reader,
    proposer,
    stripes,
    bucketKeys: bucketKeys(parts.keyService, host.entropy),
    cache: createCache({ bytes: site.cacheBytes }),
    plain: site.plain,
    host,
  });
  return {
    objects,
    stripes,
    devices,
    stores,
    access,
    async close() {
      conditions.close();
      await stripes.close();
      for (const store of stores.values()) await store.close();
      for (const device of devices.values()) await device.close();
    },
  };
}
