import { createCache, type FrameCache } from '../cache/index.ts';
import type { Device } from '../device/index.ts';
import { type DamageReport, type OpenStripeStore, openStripeStore, type RepairCopy } from '../durability/index.ts';
import { type FragmentOwner, type FragmentStore, openFragmentStore } from '../fragments/index.ts';
import type { Host } from '../host/index.ts';
import { bucketKeys, type KeyService } from '../keys/index.ts';
import { type KvView, openKvReader } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { type GroupRecord, type MetadataReader, openMetadataReader, type Proposer } from '../metadata/index.ts';
import { BodyMemory, createObjectService, type ObjectService } from '../objects/index.ts';
import { DeviceConditions } from './conditions.ts';
import { type DeviceSite, indexFolder, openSite } from './sites.ts';

/** What a thread needs from outside to serve objects. */
export interface ThreadInput {
  readonly host: Host;
  readonly kv: KvView;
  readonly sites: readonly DeviceSite[];
  readonly proposer: Proposer;
  readonly fragmentOwner: (device: string) => FragmentOwner;
  readonly keyService: KeyService;
  readonly cacheBytes: number;
  /** New objects are not encrypted. */
  readonly plain?: boolean;
  readonly onDamage: (report: DamageReport) => void;
  /** A stripe was written without this copy. */
  readonly onMissed?: (stripe: Buffer, group: number, copy: number) => void;
  /** Rewrites bad copies: handed to one thread, so that two never rewrite the same one. Absent: this thread does. */
  readonly repair?: RepairCopy;
}

/** The object service of one thread, and what it stands on. */
export interface Thread {
  readonly reader: MetadataReader;
  readonly objects: ObjectService;
  readonly stripes: OpenStripeStore;
  readonly stores: ReadonlyMap<string, FragmentStore>;
  readonly devices: ReadonlyMap<string, Device>;
  readonly cache: FrameCache;
  close(): Promise<void>;
}

/** Puts together what every thread has for itself: its readers, devices, fragment stores, cache and object service. */
export async function openThread(input: ThreadInput): Promise<Thread> {
  const { host } = input;
  const reader = openMetadataReader(input.kv);
  const devices = new Map<string, Device>();
  const stores = new Map<string, FragmentStore>();
  for (const site of input.sites) {
    const device = await openSite(site, host);
    const index = openKvReader({ directory: indexFolder(site.folder), host });
    devices.set(device.identity, device);
    stores.set(
      device.identity,
      openFragmentStore({ device, owner: input.fragmentOwner(device.identity), index, host }),
    );
  }
  const conditions = await DeviceConditions.watch(devices, host);
  const stripes = openStripeStore({
    groups: knownGroups(reader),
    stores,
    proposer: input.proposer,
    host,
    onDamage: input.onDamage,
    owned: (stripe) => reader.stripeOwner(stripe) !== undefined,
    condition: (identity) => conditions.of(identity),
    ...(input.onMissed && { onMissed: input.onMissed }),
    ...(input.repair && { repair: input.repair }),
  });
  const cache = createCache({ bytes: input.cacheBytes });
  const objects = createObjectService({
    reader,
    proposer: input.proposer,
    stripes,
    bucketKeys: bucketKeys(input.keyService, host.entropy),
    cache,
    memory: new BodyMemory({ timers: host.timers, bytes: limits.bodyBytes }),
    plain: input.plain === true,
    host,
  });
  return {
    reader,
    objects,
    stripes,
    stores,
    devices,
    cache,
    async close() {
      conditions.close();
      await stripes.close();
      for (const store of stores.values()) await store.close();
      for (const device of devices.values()) await device.close();
    },
  };
}

/** Groups change only when devices do, which on one machine is at start: read once, again only while there are none. */
function knownGroups(reader: MetadataReader): () => readonly GroupRecord[] {
  let groups: readonly GroupRecord[] = [];
  return () => {
    if (groups.length === 0) groups = reader.groups();
    return groups;
  };
}
