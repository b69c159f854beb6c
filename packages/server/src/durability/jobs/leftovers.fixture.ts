/* Machines that hand fragments over to each other, each with one device in memory. */
import { limits } from '../../limits.ts';
import type { GroupRecord } from '../../metadata/index.ts';
import { DeviceUnreachable } from '../access.ts';
import { createRepairer, openStripeStore } from '../index.ts';
import {
  codedGroup,
  deviceName,
  drive,
  group,
  type MemoryFragments,
  memoryStores,
  seededHost,
  someBytes,
} from '../memory.fixture.ts';
import { Replica } from '../replica.fixture.ts';
import { createWhereabouts } from '../whereabouts.ts';
import { createLeftovers, type Leftovers } from './leftovers.ts';

export const devices = 5;
export const schemes = [group(1, 0), group(2, 0, 1, 2), codedGroup(3, { data: 2, parity: 1 }, 0, 1, 2), group(4, 0, 1)];

/** Each device is a machine of its own, which knows the groups of the replica at once or, where told so, those it has seen last. */
export function setUp(seed = 5) {
  const host = seededHost(seed);
  const stores = memoryStores(devices);
  const replica = new Replica(schemes);
  const away = new Set<string>();
  /** Answer nobody, which nobody knows yet. */
  const cut = new Set<string>();
  const settled = { value: true };
  /** Newest position that all nodes have applied. */
  const applied = { upTo: Number.POSITIVE_INFINITY };
  const complete = { value: true };
  const errors: unknown[] = [];
  const owned = (stripe: Buffer): boolean => replica.reader.stripeOwner(stripe) !== undefined;
  const store = openStripeStore({
    groups: () => replica.groups,
    access: stores,
    host,
    owned: () => true,
    proposer: replica.proposer,
    onDamage: () => undefined,
    condition: (device) => ({ healthy: !away.has(device), free: 1 }),
  });
  /** Groups that a machine still believes in. */
  const stale = new Map<number, readonly GroupRecord[]>();
  const machines = Array.from({ length: devices }, (_, index): Leftovers => {
    const name = deviceName(index);
    const one = stores.get(name) as MemoryFragments;
    const where = createWhereabouts(stores);
    where.observe(replica.groups);
    return createLeftovers({
      reader: { position: () => replica.position, stripeOwner: replica.reader.stripeOwner },
      groups: () => stale.get(index) ?? replica.groups,
      stores: new Map([[name, one]]),
      access: stores,
      host,
      repair: createRepairer({ access: stores, owned, where }).repair,
      healthy: (device) => !away.has(device),
      settled: (position) => settled.value && position <= applied.upTo,
      isComplete: () => complete.value,
      bytesPerSecond: () => limits.movedBytesPerSecond,
      onError: (cause) => errors.push(cause),
    });
  });
  const on = (index: number): MemoryFragments => stores.get(deviceName(index)) as MemoryFragments;
  // What serving another machine's question adds to the answer of the store (remote/serve.ts).
  for (const [index, machine] of machines.entries()) {
    const digest = on(index).digest.bind(on(index));
    on(index).digest = async (id, at) => {
      if (away.has(deviceName(index)) || cut.has(deviceName(index))) throw new DeviceUnreachable(deviceName(index));
      const answer = await digest(id, at);
      if (machine.removing(deviceName(index), id)) throw new Error('it is being removed');
      return answer;
    };
  }
  const write = async (of: GroupRecord, length = 3000) => {
    const bytes = someBytes(host, length);
    const writer = await store.create(of.code ?? { copies: of.devices.length }, of.code ? 300_000 : length);
    await writer.append([bytes]);
    await writer.seal();
    const stripe = { id: writer.id, group: writer.group, length, frames: [length] };
    const version = replica.put(`k${writer.id.toString('hex')}`, [replica.piece([stripe])]);
    return { ...stripe, bytes, version };
  };
  const move = (id: number, at: number, to: number): void => {
    replica.groups = replica.groups.map((one) =>
      one.id === id
        ? {
            ...one,
            epoch: one.epoch + 1,
            devices: one.devices.map((device, i) => (i === at ? deviceName(to) : device)),
          }
        : one,
    );
    replica.position += 1;
    for (const machine of machines) machine.look();
    host.advance(2000);
  };
  /** As the machine of the device would (jobs/mend.ts). */
  const repairer = createRepairer({ access: stores, owned });
  const give = (stripe: { readonly id: Buffer; readonly group: number }, index: number): Promise<boolean> =>
    repairer.repair(
      stripe.id,
      replica.groups.find(({ id }) => id === stripe.group) as GroupRecord,
      index,
      'unreadable',
    );
  const run = (index: number): Promise<void> => drive(host, (machines[index] as Leftovers).run(), 100);
  const again = async (index: number): Promise<void> => {
    host.advance(limits.leftoverAgainMs);
    await run(index);
  };
  return {
    host,
    stores,
    replica,
    away,
    cut,
    settled,
    applied,
    complete,
    errors,
    store,
    stale,
    machines,
    on,
    write,
    move,
    give,
    run,
    again,
  };
}
