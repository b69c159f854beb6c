import { createCache } from '../../cache/index.ts';
import { memoryDevice, memoryVolume } from '../../device/index.ts';
import { localAccess, openStripeStore } from '../../durability/index.ts';
import { openFragmentOwner, openFragmentStore } from '../../fragments/index.ts';
import { realHost } from '../../host/index.ts';
import { bucketKeys, type KeyService, kmsKeys, openKeyring } from '../../keys/index.ts';
import { memoryKv } from '../../kv/index.ts';
import { type Log, openEmbeddedLog } from '../../log/index.ts';
import { type KmsKeyRecord, type Metadata, openMetadata } from '../../metadata/index.ts';
import { createObjectService, type ObjectService } from '../../objects/index.ts';
import { planLayout } from '../../placement/index.ts';
import { defaultKmsOf } from './kms.ts';

/** The whole store below the protocol, as a server puts it together, on memory instead of disks. */
export interface MemoryStore {
  readonly objects: ObjectService;
  readonly position: () => number;
  readonly metadata: Metadata;
  readonly log: Log;
  readonly keyring: KeyService;
  /** Of the metadata. */
  readonly kv: ReturnType<typeof memoryKv>;
  /** Does something while a named key is disabled. */
  whileDisabled(key: Pick<KmsKeyRecord, 'id'>, run: () => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

/** @param plain nothing new is encrypted */
export async function openMemoryStore(plain = false): Promise<MemoryStore> {
  const host = realHost();
  const log = await openEmbeddedLog({ volume: memoryVolume(), host });
  const kv = memoryKv(host);
  const metadata = await openMetadata({ log, kv, host, shard: 0 });
  const { device } = await memoryDevice(host, { capacity: 1024 ** 3, slabBytes: 256 * 1024 ** 2 });
  const index = memoryKv(host);
  const owner = await openFragmentOwner({ device, kv: index, host });
  const store = openFragmentStore({ device, owner, index, host });
  const access = new Map([[device.identity, localAccess(store)]]);
  const groups = planLayout([{ identity: device.identity, weight: 1, healthy: true }], []);
  await metadata.propose({ type: 'group.define', groups });
  const { reader } = metadata;
  const stripes = openStripeStore({
    groups: () => groups,
    access,
    proposer: metadata,
    host,
    onDamage: () => undefined,
    owned: (stripe) => reader.stripeOwner(stripe) !== undefined,
  });
  const keyring = await openKeyring({ volume: memoryVolume(), host, create: true });
  const objects = createObjectService({
    reader,
    proposer: metadata,
    stripes,
    bucketKeys: bucketKeys(keyring, host.entropy),
    kmsKeys: kmsKeys(keyring, host.entropy),
    defaultKms: defaultKmsOf,
    cache: createCache({ bytes: 4 * 1024 ** 2 }),
    plain,
    host,
  });
  return {
    objects,
    position: () => reader.position(),
    metadata,
    log,
    keyring,
    kv,
    async whileDisabled({ id }, run) {
      await objects.kms.setState(id, 'disabled');
      try {
        await run();
      } finally {
        await objects.kms.setState(id, 'enabled');
      }
    },
    async close() {
      await stripes.close();
      await store.close();
      await owner.close();
      await metadata.close();
      await log.close();
    },
  };
}
