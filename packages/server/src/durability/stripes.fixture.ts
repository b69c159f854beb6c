/* A stripe store over memory fragments, and what its tests do with it. */
import type { GroupRecord, Redundancy, Stripe } from '../metadata/index.ts';
import { planLayout } from '../placement/index.ts';
import {
  createRepairer,
  type DamageReport,
  openStripeStore,
  type RepairCause,
  type StripeStoreOptions,
} from './index.ts';
import { deviceName, type MemoryFragments, memoryStores, seededHost, someBytes } from './memory.fixture.ts';
import { Replica } from './replica.fixture.ts';

export function setUp(devices: number, options: Partial<StripeStoreOptions> = {}, groups?: readonly GroupRecord[]) {
  const host = seededHost(devices);
  const stores = memoryStores(devices);
  const plan = planLayout(
    [...stores.keys()].map((identity) => ({ identity, weight: 1, healthy: true })),
    [],
  );
  const replica = new Replica(groups ?? plan);
  const reports: DamageReport[] = [];
  const missed: { readonly stripe: Buffer; readonly group: number; readonly copy: number }[] = [];
  const store = openStripeStore({
    groups: () => replica.groups,
    access: stores,
    proposer: replica.proposer,
    host,
    owned: () => true,
    has: (device, id) => stores.get(device)?.length(id) !== undefined,
    onDamage: (report) => reports.push(report),
    onMissed: (stripe, group, copy) => missed.push({ stripe, group, copy }),
    ...options,
  });
  const on = (index: number): MemoryFragments => stores.get(deviceName(index)) as MemoryFragments;
  const repairer = createRepairer({ access: stores, owned: () => true });
  /** Rewrites one fragment of a stripe. */
  const repair = (stripe: Pick<Stripe, 'id' | 'group'>, index: number, cause: RepairCause): Promise<boolean> =>
    repairer.repair(stripe.id, replica.groups.find(({ id }) => id === stripe.group) as GroupRecord, index, cause);
  return { host, stores, replica, reports, missed, store, on, repair };
}

type Setting = ReturnType<typeof setUp>;

export async function write({ store, host }: Setting, length: number, kept?: number | Redundancy) {
  const bytes = someBytes(host, length);
  const redundancy = typeof kept === 'number' ? { copies: kept } : kept;
  const writer = await store.create(redundancy, length);
  for (let at = 0; at < length; at += 100_000) await writer.append([bytes.subarray(at, at + 100_000)]);
  await writer.seal();
  return { id: writer.id, group: writer.group, bytes, length, frames: [length] };
}

export const placed = (setting: Setting, id: Buffer): number[] =>
  [...setting.stores.values()].flatMap((store, device) =>
    [...store.rows.keys()].some((name) => name.startsWith(id.toString('hex', 0, 15))) ? [device] : [],
  );

export const openWriters = ({ stores }: Setting): number =>
  [...stores.values()].reduce((sum, store) => sum + store.open, 0);
