import { createCache } from '../../src/cache/index.ts';
import { DeviceConditions } from '../../src/daemon/conditions.ts';
import type { Device, Volume } from '../../src/device/index.ts';
import {
  type Collector,
  createCollector,
  createMender,
  createRepairer,
  createScrub,
  type FragmentAccess,
  localAccess,
  type Mender,
  openStripeStore,
  processScrubMemory,
  repeat,
  type Scrub,
  stripeOf,
} from '../../src/durability/index.ts';
import { type FragmentStore, openFragmentStore } from '../../src/fragments/index.ts';
import { bucketKeys, openKeyring } from '../../src/keys/index.ts';
import type { Kv } from '../../src/kv/index.ts';
import { limits } from '../../src/limits.ts';
import type { SharedLog } from '../../src/log/index.ts';
import {
  type MetadataReader,
  openMetadataReader,
  openShardReplica,
  type Proposer,
  type Redundancy,
  type ShardReplica,
  type Term,
} from '../../src/metadata/index.ts';
import { createObjectService, type ObjectService } from '../../src/objects/index.ts';
import { codesOf, planGroups, planLayout } from '../../src/placement/index.ts';
import type { Sometimes } from '../coverage.ts';
import { type DeviceSite, deviceOf, openFragments } from '../world/fragments.ts';
import type { Life } from '../world/life.ts';
import { isExpected } from '../world/node.ts';
import type { Network } from './network.ts';
import { forwardingProposer } from './proposer.ts';
import { remoteAccess, sweptStore } from './remote.ts';

/** What a process of the cluster finds when it starts. */
export interface MemberSite {
  readonly name: string;
  readonly life: Life;
  readonly log: SharedLog;
  readonly keys: Volume;
  readonly kv: Kv;
  readonly devices: readonly DeviceSite[];
  /** Every device of the cluster, and the node that has it. */
  readonly all: ReadonlyMap<string, string>;
  readonly network: Network<Member>;
  readonly slabBytes: number;
  readonly cacheBytes: number;
  readonly plain: boolean;
  readonly onEvent: (what: Sometimes) => void;
}

/** One running node of the cluster. */
export interface Member {
  readonly name: string;
  readonly life: Life;
  readonly replica: ShardReplica;
  readonly proposer: Proposer;
  readonly objects: ObjectService;
  readonly stores: ReadonlyMap<string, FragmentStore>;
  readonly access: ReadonlyMap<string, FragmentAccess>;
  readonly scrub: Scrub;
  readonly mender: Mender;
  readonly collector: Collector;
  term(): Term | undefined;
  /** Readers of this node see everything that had been decided when it was asked. @throws StoreError ServiceUnavailable */
  barrier(): Promise<void>;
  /** Why it must be started anew; undefined while all is well. */
  failure(): string | undefined;
  serve(): () => void;
  /** Ends in order; false when requests did not end within their time. */
  close(): Promise<boolean>;
}

const scrubPeriodMs = 20_000;
const askMs = 700;

/** @throws whatever keeps the node from starting */
export async function openMember(site: MemberSite): Promise<Member> {
  const { life, name, log, network, onEvent } = site;
  const { host } = life;
  const keyring = await openKeyring({ volume: site.keys, host, create: false });
  const replica = openShardReplica({ log, kv: site.kv, host, shard: 0 });
  const { reader } = replica;
  const stopLeading = new AbortController();
  let term: Term | undefined;
  const planned = [...site.all].map(([identity, node]) => ({ identity, weight: 1, healthy: true, node }));
  const lead = async (): Promise<void> => {
    while (!stopLeading.signal.aborted && replica.failure() === undefined) {
      const owned = await log.own(stopLeading.signal).catch(() => undefined);
      if (!owned) {
        await life.wait(200, 'own');
        continue;
      }
      try {
        term = await replica.lead(owned);
      } catch {
        await life.wait(50, 'own');
        continue;
      }
      onEvent('a node began to lead');
      const groups = planLayout(planned, reader.groups());
      if (groups.length > 0) await term.propose({ type: 'group.define', groups }).catch(() => {});
      await term.ended;
      term = undefined;
    }
  };
  const leading = lead();

  const incarnation = host.entropy.bytes(8);
  const proposer = forwardingProposer({ life, node: name, incarnation, log, replica, network, term: () => term });
  const barrier = async (): Promise<void> => replica.reached(await log.barrier());
  await arrive(life, replica, barrier);
  const fragments = new Map<string, Awaited<ReturnType<typeof openFragments>>>();
  for (const one of site.devices) fragments.set(one.identity, await openFragments(site, one, reader));
  // From here on the intents of the lives before are closed.
  await proposer.propose({
    type: 'node.write',
    node: {
      id: name,
      address: `${name}:1`,
      apiAddress: `${name}:2`,
      zone: '',
      roles: ['gateway', 'metadata', 'storage'],
      state: 'active',
      version: '1',
      features: [],
      incarnation,
    },
  });

  const devices = new Map<string, Device>();
  const stores = new Map<string, FragmentStore>();
  const access = new Map<string, FragmentAccess>();
  for (const one of site.devices) {
    const device = deviceOf(site, one);
    const { owner, index } = fragments.get(one.identity) as NonNullable<ReturnType<typeof fragments.get>>;
    const store = openFragmentStore({ device, owner, index: { ...index, close: async () => {} }, host });
    devices.set(one.identity, device);
    stores.set(one.identity, store);
  }
  for (const store of stores.values()) await dropStrays(reader, store);
  for (const [device, node] of site.all) {
    const store = stores.get(device);
    access.set(device, store ? localAccess(store) : remoteAccess(network, life, () => replica.applied(), node, device));
  }
  const conditions = await DeviceConditions.watch(devices, host);
  const reachable = watchNodes(site);
  const healthy = (device: string): boolean => {
    const own = devices.get(device);
    return own ? own.health() !== 'stopped' : reachable.has(site.all.get(device) as string);
  };
  const owned = (stripe: Buffer): boolean => reader.stripeOwner(stripe) !== undefined;
  const repairer = createRepairer({ access, owned });
  let mender: Mender | undefined;
  const view = openMetadataReader(site.kv);
  const stripes = openStripeStore({
    groups: () => view.groups(),
    access,
    proposer,
    host,
    onDamage: ({ repaired }) => {
      onEvent('a reader met a bad copy');
      if (repaired) onEvent('a reader met a bad copy and it was repaired');
    },
    owned,
    condition: (device) => (devices.has(device) ? conditions.of(device) : { healthy: healthy(device), free: 1 }),
    layOut: layingOut(reader, planned, proposer),
    onMissed: (stripe, group, index) => {
      onEvent('a stripe was written with a copy missing');
      mender?.missed(stripe, group, index);
    },
    repair: repairer.repair,
  });
  const objects = createObjectService({
    reader: view,
    proposer,
    stripes,
    bucketKeys: bucketKeys(keyring, host.entropy),
    cache: createCache({ bytes: site.cacheBytes }),
    plain: site.plain,
    host,
  });
  const shared = { reader, groups: () => reader.groups(), access, stores, host, repair: repairer.repair, healthy };
  mender = createMender(shared);
  const scrub = await createScrub({
    ...shared,
    onDamage: ({ repaired }) => {
      if (repaired) onEvent('a scrub repaired a copy');
    },
    memory: processScrubMemory(),
    periodMs: scrubPeriodMs,
  });
  const collector = createCollector({
    reader,
    proposer,
    access,
    stores: sweptStores(site, replica, stores),
    host,
    healthy,
    oldestRead: () => oldestRead(site),
  });
  const onError = (error: unknown): void => {
    if (!isExpected(error)) throw error;
    onEvent('a job failed and tried again');
  };
  const every = (everyMs: number, run: (signal: AbortSignal) => Promise<unknown>) =>
    repeat({ host, everyMs, run, onError });
  const jobs = [
    every(limits.collectMs, async (signal) => {
      if (term) await collector.run(signal);
    }),
    every(limits.collectMs, (signal) => (mender as Mender).run(signal)),
    every(2000, async (signal) => {
      if (scrub.due()) await scrub.run({ signal, scheduled: true });
    }),
  ];
  let serving = 0;
  return {
    name,
    life,
    replica,
    proposer,
    objects,
    stores,
    access,
    scrub,
    mender,
    collector,
    term: () => term,
    barrier,
    failure() {
      const failure = replica.failureKind() === 'full' ? undefined : replica.failure();
      const stopped = [...devices.values()].find((device) => device.health() === 'stopped');
      return failure ?? (stopped && `device ${stopped.identity} is stopped`);
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
      await repairer.idle();
      conditions.close();
      await stripes.close();
      for (const store of stores.values()) await store.close();
      for (const device of devices.values()) await device.close();
      for (const { owner } of fragments.values()) await owner.close();
      stopLeading.abort();
      await replica.close();
      await leading;
      return true;
    },
  };
}

/** A node that starts waits until it knows what the others know. */
async function arrive(life: Life, replica: ShardReplica, barrier: () => Promise<void>): Promise<void> {
  for (;;) {
    const failure = replica.failure();
    if (failure !== undefined) throw new Error(`${replica.failureKind()}: ${failure}`);
    const arrived = await Promise.race([
      barrier().then(
        () => true,
        () => false,
      ),
      life.wait(500, 'arrive').then(() => false),
    ]);
    if (arrived) return;
    await life.wait(50, 'arrive');
  }
}

/**
 * What recovery found of seals that had not ended when the process did: their intent may have been swept and forgotten meanwhile, because
 * their writer was another node.
 */
async function dropStrays(reader: MetadataReader, store: FragmentStore): Promise<void> {
  const intents = new Set(reader.intents().map(({ prefix }) => prefix.toString('latin1')));
  const all = store.ids(Buffer.alloc(16), 1_000_000);
  const strays = all.filter((id) => !reader.stripeOwner(stripeOf(id)) && !intents.has(id.toString('latin1', 0, 8)));
  if (strays.length > 0) await store.remove(strays);
}

/** Nodes that answered lately. */
function watchNodes({ life, name, all, network }: MemberSite): ReadonlySet<string> {
  const others = new Set([...all.values()].filter((node) => node !== name));
  const reachable = new Set(others);
  for (const node of others) {
    const ask = (): void => {
      network
        .call(life, node, async () => {})
        .then(
          () => reachable.add(node),
          () => reachable.delete(node),
        );
    };
    life.host.timers.every(askMs, ask);
  }
  return reachable;
}

type Devices = Parameters<typeof planLayout>[0];

function layingOut(reader: MetadataReader, devices: Devices, proposer: ReturnType<typeof forwardingProposer>) {
  return async (redundancy: Redundancy): Promise<void> => {
    if ('copies' in redundancy) return;
    const existing = reader.groups();
    if (codesOf(existing).some(({ data, parity }) => data === redundancy.data && parity === redundancy.parity)) return;
    const groups = planGroups(devices, existing, redundancy);
    if (groups.length > 0) await proposer.propose({ type: 'group.define', groups });
  };
}

/**
 * The least position at which any node may still read: of reads under way, and of what its replica shows to the next one. A node that does
 * not answer holds everything.
 */
async function oldestRead({ life, name, all, network }: MemberSite): Promise<number> {
  const at = async ({ objects, replica }: Member): Promise<number> =>
    Math.min(objects.oldestRead() ?? Number.POSITIVE_INFINITY, replica.applied());
  const nodes = [...new Set(all.values())];
  const positions = await Promise.all(nodes.map((node) => network.call(life, node, at).catch(() => 0)));
  if (!nodes.includes(name)) throw new Error('every node has devices');
  return Math.min(...positions);
}

/** For closed intents the collector looks through every device; one of another node that cannot be asked is left for the next run. */
function sweptStores(
  site: MemberSite,
  replica: ShardReplica,
  own: ReadonlyMap<string, FragmentStore>,
): ReadonlyMap<string, FragmentStore> {
  return new Map(
    [...site.all].map(([device, node]) => [
      device,
      own.get(device) ?? sweptStore(site.network, site.life, () => replica.applied(), node, device),
    ]),
  );
}
