import { CorruptionError } from '../../errors.ts';
import type { ObjectVersion, Stripe } from '../../metadata/index.ts';
import { storedBytes } from '../address.ts';
import { type CheckReport, crossCheck, openStripeStore } from '../index.ts';
import { deviceName, drive, group, type MemoryFragments, memoryStores, seededHost } from '../memory.fixture.ts';
import { Replica } from '../replica.fixture.ts';
import { stripesOf } from './walk.ts';

export function setUp(seed = 1) {
  const host = seededHost(seed);
  const stores = memoryStores(3);
  const replica = new Replica([group(1, 0), group(2, 1), group(3, 0, 1)]);
  const store = openStripeStore({
    groups: () => replica.groups,
    access: stores,
    proposer: replica.proposer,
    host,
    owned: () => true,
    onDamage: () => undefined,
  });
  const on = (index: number): MemoryFragments => stores.get(deviceName(index)) as MemoryFragments;
  return { host, stores, replica, store, on };
}

export type Setting = ReturnType<typeof setUp>;

export async function stripe({ store }: Setting, length = 100, frames?: readonly number[]): Promise<Stripe> {
  const made = { id: Buffer.alloc(0), group: 0, length, frames };
  const writer = await store.create({ copies: 2 }, storedBytes(made));
  await writer.append([Buffer.alloc(storedBytes(made), writer.id[14])]);
  await writer.seal();
  return { id: writer.id, group: writer.group, length, frames };
}

export async function put(setting: Setting, key: string, stripes = 1): Promise<ObjectVersion> {
  const pieces = [];
  for (let i = 0; i < stripes; i++) pieces.push(setting.replica.piece([await stripe(setting)]));
  return setting.replica.put(key, pieces);
}

export async function upload(setting: Setting, key: string, parts: number): Promise<Buffer> {
  const id = Buffer.alloc(16, setting.replica.position + 1);
  const name = Buffer.from(key);
  const made = [];
  for (let number = 1; number <= parts; number++) {
    const piece = setting.replica.piece([await stripe(setting)]);
    setting.replica.publish(id, name, [piece]);
    made.push({ number, modifiedMs: 0, piece });
  }
  const { headers, metadata, tags } = { headers: {}, metadata: [], tags: [] };
  setting.replica.uploads.push({
    id,
    bucket: 1,
    key: name,
    initiatedMs: 0,
    owner: 'root',
    storageClass: 'STANDARD',
    headers,
    metadata,
    tags,
    checksumAlgorithm: undefined,
    checksumType: undefined,
    wrappedKey: Buffer.alloc(60),
  });
  setting.replica.parts.set(id.toString('hex'), made);
  setting.replica.counts.uploads += 1;
  return id;
}

export type Known = {
  -readonly [Field in 'damaged' | 'files' | 'states' | 'opensInline']?: Parameters<typeof crossCheck>[0][Field];
};

export const check = (
  { host, stores, replica, damaged, files, states, opensInline }: Setting & Known,
  slice?: number,
): Promise<CheckReport> =>
  drive(
    host,
    crossCheck({
      reader: replica.reader,
      groups: () => replica.groups,
      stores,
      host,
      damaged,
      files,
      states,
      opensInline,
      ...(slice ? { slice } : {}),
    }).report,
  );

export const firstStripe = ({ replica }: Pick<Setting, 'replica'>, version: ObjectVersion): Stripe =>
  replica.reader.pieces(version.manifest, 0, 1).flatMap(stripesOf)[0] as Stripe;

/** What is known of copies from reads and scrubs. */
export const known = ({ replica }: Setting, version: ObjectVersion, copies: readonly number[]) => {
  const { id, group: number } = firstStripe({ replica }, version);
  const devices = replica.groups.find((one) => one.id === number)?.devices ?? [];
  return (stripe: Buffer) => (stripe.equals(id) ? copies.map((copy) => devices[copy] as string) : []);
};

/** A database whose file contradicts itself. */
export const tornFile = (directory: string, device?: string): Known['files'] => ({
  list: () => [
    {
      directory,
      ...(device !== undefined && { device }),
      check: () => Promise.reject(new CorruptionError('page 7 is damaged')),
    },
  ],
});
