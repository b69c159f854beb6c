import type { DamageReport } from '../durability/index.ts';
import { shortReply } from '../metadata/index.ts';
import type { Jobs } from './background.ts';
import type { Owner } from './owner.ts';
import type { OwnerMethods } from './protocol.ts';
import { readiness } from './readiness.ts';

export interface MethodsInput {
  readonly owner: Owner;
  readonly jobs: Jobs;
  readonly onDamage: (report: DamageReport) => void;
  readonly metrics: () => Promise<string>;
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
    readiness: () => readiness(owner, jobs),
    metrics: input.metrics,
    admin: ({ method, argument }) => jobs.admin(method, argument),
  };
}
