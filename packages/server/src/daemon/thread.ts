import { defaultKmsOf } from '../api/index.ts';
import { createCache, type FrameCache } from '../cache/index.ts';
import type { Device } from '../device/index.ts';
import {
  type AccessMap,
  type DamageReport,
  type FragmentAccess,
  localAccess,
  type OpenStripeStore,
  openStripeStore,
  type RepairFragment,
  redundancyText,
} from '../durability/index.ts';
import { type FragmentOwner, type FragmentStore, openFragmentStore } from '../fragments/index.ts';
import type { Clock, Host } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { bucketKeys, type KeyService, kmsKeys } from '../keys/index.ts';
import { type KvView, openKvReader } from '../kv/index.ts';
import { limits } from '../limits.ts';
import {
  type MetadataReader,
  openMetadataReader,
  type Proposer,
  type Redundancy,
  shardedReader,
} from '../metadata/index.ts';
import { BodyMemory, createObjectService, type ObjectService, ReadHorizon } from '../objects/index.ts';
import { layoutOf } from '../placement/index.ts';
import type { Transport } from '../transport/index.ts';
import { type GateCalls, systemScope } from './cluster/gate.ts';
import { placementDevices } from './cluster/layout.ts';
import { Network } from './cluster/network.ts';
import { DeviceConditions, type StoppedDevices } from './conditions.ts';
import { type DeviceSite, indexFolder, openSite } from './sites.ts';

/** What a thread needs from outside to serve objects. */
export interface ThreadInput {
  readonly host: Host;
  /** Of the replica of each shard, by number. */
  readonly kvs: readonly KvView[];
  readonly sites: readonly DeviceSite[];
  /** The counts of commits of the fragment index of each device, as its owner has them. */
  readonly indexCounts: ReadonlyMap<string, Int32Array>;
  /** Those that this thread has open already, in the order of the sites: whoever opened them closes them. Absent: it opens them for itself. */
  readonly opened?: ReadonlyMap<string, Device>;
  /** What the threads of this server know of each other's devices. */
  readonly stopped: StoppedDevices;
  readonly proposer: Proposer;
  readonly fragmentOwner: (device: string) => FragmentOwner;
  readonly keyService: KeyService;
  readonly cacheBytes: number;
  /** New objects are not encrypted. */
  readonly plain?: boolean;
  readonly onDamage: (report: DamageReport) => void;
  /** A stripe was written without this fragment. */
  readonly onMissed?: (stripe: Buffer, group: number, index: number) => void;
  /** Has placement groups defined for a redundancy that has none. */
  readonly layOut: (redundancy: Redundancy) => Promise<void>;
  /** Rewrites bad copies: handed to one thread, so that two never rewrite the same one. Absent: this thread does. */
  readonly repair?: RepairFragment;
  /** Absent: this server is alone. */
  readonly cluster?: {
    /** Id of this node. */
    readonly node: string;
    readonly transport: Transport;
    readonly gate: GateCalls;
  };
}

/** The object service of one thread, and what it stands on. */
export interface Thread {
  readonly reader: MetadataReader;
  readonly objects: ObjectService;
  /** What this thread reads. */
  readonly horizon: ReadHorizon;
  readonly stripes: OpenStripeStore;
  readonly stores: ReadonlyMap<string, FragmentStore>;
  /** Every device within reach. */
  readonly access: AccessMap;
  /** The devices of this server, and how they are. */
  readonly devices: ReadonlyMap<string, Device>;
  readonly conditions: DeviceConditions;
  /** The other nodes; absent where there are none. */
  readonly network: Network | undefined;
  readonly cache: FrameCache;
  /** Reads a shard more, of the next number, from now on: a thread of a node does. */
  addShard(kv: KvView): void;
  close(): Promise<void>;
}

/** Puts together what every thread has for itself: its readers, devices, fragment stores, cache and object service. */
export async function openThread(input: ThreadInput): Promise<Thread> {
  const { host, opened } = input;
  const devices = new Map<string, Device>();
  const stores = new Map<string, FragmentStore>();
  for (const site of input.sites) {
    const device = opened?.get(site.identity.device) ?? (await openSite(site, host));
    const counts = input.indexCounts.get(site.identity.device);
    invariant(counts, 'the owner has the index of every site open before a thread reads it');
    const index = openKvReader({ directory: indexFolder(site.folder), host, counts });
    devices.set(device.identity, device);
    stores.set(
      device.identity,
      openFragmentStore({ device, owner: input.fragmentOwner(device.identity), index, host }),
    );
  }
  const thread = await assembleThread({ ...input, devices, stores });
  return {
    ...thread,
    async close() {
      await thread.close();
      for (const device of devices.values()) if (!opened?.has(device.identity)) await device.close();
    },
  };
}

/** The same over devices and fragment stores that are open. Closing it closes the stores, and leaves the devices to the caller. */
export async function assembleThread(
  input: Omit<ThreadInput, 'sites' | 'indexCounts' | 'opened' | 'fragmentOwner'> & {
    /** In the order of the sites. */
    readonly devices: ReadonlyMap<string, Device>;
    readonly stores: ReadonlyMap<string, FragmentStore>;
  },
): Promise<Thread> {
  const { host, devices, stores } = input;
  const readers = input.kvs.map((kv) => openMetadataReader(kv));
  const reader = shardedReader(readers, input.cluster !== undefined);
  const access = new Map<string, FragmentAccess>();
  for (const [identity, store] of stores) access.set(identity, localAccess(store));
  const conditions = await DeviceConditions.watch(devices, host, input.stopped);
  const { cluster } = input;
  const network = cluster && new Network({ ...cluster, reader, host }, access);
  const stripes = openStripeStore({
    groups: () => reader.groups(),
    group: (id) => reader.group(id),
    ...(network && {
      defaultCopies: () => copiesOver(reader),
      strict: true,
      carries: layoutCarries(reader, host.clock),
      places: () => {
        const zones = new Map(reader.nodes().map(({ id, zone }) => [id, zone]));
        return new Map(reader.devices().map(({ identity, node }) => [identity, { node, zone: zones.get(node) ?? '' }]));
      },
    }),
    access,
    proposer: input.proposer,
    host,
    onDamage: input.onDamage,
    owned: (stripe) => reader.stripeOwner(stripe) !== undefined,
    has: (device, id) => {
      const store = stores.get(device);
      return store && store.length(id) !== undefined;
    },
    condition: (identity) => network?.condition(identity) ?? conditions.of(identity),
    layOut: input.layOut,
    ...(input.onMissed && { onMissed: input.onMissed }),
    ...(input.repair && { repair: input.repair }),
  });
  const cache = createCache({ bytes: input.cacheBytes });
  const horizon = new ReadHorizon(host.clock);
  const about = {
    reader,
    proposer: input.proposer,
    stripes,
    bucketKeys: bucketKeys(input.keyService, host.entropy),
    kmsKeys: kmsKeys(input.keyService, host.entropy),
    defaultKms: defaultKmsOf,
    cache,
    memory: new BodyMemory({ timers: host.timers, bytes: limits.bodyBytes }),
    plain: input.plain === true,
    ...(cluster && { latest: () => cluster.gate.latest(systemScope) }),
    ...(network && { metadataCopies: () => reader.nodes().filter((node) => node.state !== 'removed').length }),
    host,
  };
  return {
    reader,
    objects: createObjectService(about, horizon),
    horizon,
    stripes,
    stores,
    access,
    devices,
    conditions,
    network,
    cache,
    addShard(kv) {
      readers.push(openMetadataReader(kv));
    },
    async close() {
      await network?.close();
      conditions.close();
      await stripes.close();
      for (const store of stores.values()) await store.close();
    },
  };
}

/** Whether the nodes in use have places for a redundancy; as it was a second ago at most. */
function layoutCarries(reader: MetadataReader, clock: Clock): (redundancy: Redundancy) => boolean {
  let known = new Map<string, boolean>();
  let readAt = Number.NEGATIVE_INFINITY;
  return (redundancy) => {
    const now = clock.monotonic();
    if (now - readAt > limits.groupsAgeMs) {
      known = new Map();
      readAt = now;
    }
    const name = redundancyText(redundancy);
    let carries = known.get(name);
    if (carries === undefined) {
      carries = !('refused' in layoutOf(placementDevices(reader), redundancy));
      known.set(name, carries);
    }
    return carries;
  };
}

/** Copies of a stripe by default in a cluster: three on different nodes, or as many as there are nodes that hold bytes. */
export function copiesOver(reader: MetadataReader): number {
  const active = new Set(reader.nodes().flatMap((node) => (node.state === 'active' ? [node.id] : [])));
  const holding = new Set(
    reader.devices().flatMap((device) => (device.state === 'active' && active.has(device.node) ? [device.node] : [])),
  );
  return Math.max(1, Math.min(limits.clusterCopies, holding.size));
}
