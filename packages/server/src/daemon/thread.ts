import { createCache, type FrameCache } from '../cache/index.ts';
import type { Device } from '../device/index.ts';
import {
  type AccessMap,
  type DamageReport,
  localAccess,
  type OpenStripeStore,
  openStripeStore,
  type RepairFragment,
} from '../durability/index.ts';
import { type FragmentOwner, type FragmentStore, openFragmentStore } from '../fragments/index.ts';
import type { Host } from '../host/index.ts';
import { bucketKeys, type KeyService } from '../keys/index.ts';
import { type KvView, openKvReader } from '../kv/index.ts';
import { type MetadataReader, openMetadataReader, type Proposer, type Redundancy } from '../metadata/index.ts';
import { createObjectService, type ObjectService } from '../objects/index.ts';
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
  /** A stripe was written without this fragment. */
  readonly onMissed?: (stripe: Buffer, group: number, index: number) => void;
  /** Has placement groups defined for a redundancy that has none. */
  readonly layOut: (redundancy: Redundancy) => Promise<void>;
  /** Rewrites bad copies: handed to one thread, so that two never rewrite the same one. Absent: this thread does. */
  readonly repair?: RepairFragment;
}

/** The object service of one thread, and what it stands on. */
export interface Thread {
  readonly reader: MetadataReader;
  readonly objects: ObjectService;
  readonly stripes: OpenStripeStore;
  readonly stores: ReadonlyMap<string, FragmentStore>;
  /** Every device within reach. */
  readonly access: AccessMap;
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
  const access = new Map([...stores].map(([identity, store]) => [identity, localAccess(store)]));
  const conditions = await DeviceConditions.watch(devices, host);
  const stripes = openStripeStore({
    groups: () => reader.groups(),
    access,
    proposer: input.proposer,
    host,
    onDamage: input.onDamage,
    owned: (stripe) => reader.stripeOwner(stripe) !== undefined,
    condition: (identity) => conditions.of(identity),
    layOut: input.layOut,
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
    plain: input.plain === true,
    host,
  });
  return {
    reader,
    objects,
    stripes,
    stores,
    access,
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
