import type { Device, DeviceHealth } from '../device/index.ts';
import type { DamageReport } from '../durability/index.ts';
import { limits } from '../limits.ts';
import { shortReply } from '../metadata/index.ts';
import type { Jobs } from './background.ts';
import type { Owner } from './owner.ts';
import type { OwnerMethods, Readiness } from './protocol.ts';

export interface MethodsInput {
  readonly owner: Owner;
  readonly jobs: Jobs;
  readonly onDamage: (report: DamageReport) => void;
  readonly metrics: () => Promise<string>;
}

/** Space that is free within the slabs is room too, though the disk has none. */
async function condition(owner: Owner, device: Device): Promise<DeviceHealth> {
  const free = await device.capacity().then(
    (capacity) => capacity.free,
    () => 0,
  );
  const health = device.health();
  if (health === 'stopped') return health;
  const reusable = owner.fragments.get(device.identity)?.statistics().reusableBytes ?? 0;
  return free + reusable >= 2 * limits.smallFragmentBytes ? 'good' : 'full';
}

/** Whether a write could be accepted now, and if not, every reason. */
async function readiness(owner: Owner, jobs: Jobs): Promise<Readiness> {
  const reasons: string[] = [];
  const stopped = owner.metadata.failure();
  if (stopped) reasons.push(`metadata: ${stopped}`);
  if (!owner.space.room.rows) reasons.push('metadata: the disk is full');
  const health = await Promise.all(
    [...owner.thread.devices.values()].map(async (device) => ({
      identity: device.identity,
      health: await condition(owner, device),
    })),
  );
  if (!health.some((device) => device.health === 'good'))
    reasons.push(...health.map((device) => `device ${device.identity} is ${device.health}`));
  const degraded = [...owner.missing.map((identity) => ({ identity, health: 'missing' })), ...health]
    .filter((device) => device.health !== 'good')
    .map((device) => `device ${device.identity} is ${device.health}`);
  const { waiting, complete } = jobs.mender.totals();
  if (waiting > 0) degraded.push(`${waiting} copies are not written yet`);
  if (!complete) degraded.push('it is not known yet whether copies are missing');
  return { ready: reasons.length === 0, reasons, degraded };
}

/** What workers may ask of this thread. */
export function ownerMethods(input: MethodsInput): OwnerMethods {
  const { owner, jobs } = input;
  return {
    async propose(command) {
      const { reply, position } = await owner.proposer.propose(command);
      return { reply: shortReply(command, reply), position };
    },
    openWindow: ({ device, minimumBytes }) => owner.fragmentOwner(device).openWindow(minimumBytes),
    closeWindow: ({ device, nonce, unused }) => owner.fragmentOwner(device).closeWindow(nonce, unused),
    record: ({ device, records }) => owner.fragmentOwner(device).record(records),
    remove: ({ device, ids }) => owner.fragmentOwner(device).remove(ids),
    flush: ({ device }) => owner.fragmentOwner(device).flush(),
    damage: input.onDamage,
    missed: ({ stripe, group, copy }) => jobs.mender.missed(Buffer.from(stripe), group, copy),
    repair({ stripe, group: id, copy, cause }) {
      const group = owner.metadata.reader.groups().find((one) => one.id === id);
      return group ? jobs.repair(stripe, group, copy, cause) : Promise.resolve(false);
    },
    layOut: (redundancy) => owner.layout.layOut(redundancy),
    readiness: () => readiness(owner, jobs),
    metrics: input.metrics,
    admin: ({ method, argument }) => jobs.admin(method, argument),
  };
}
