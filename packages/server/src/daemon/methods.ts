import type { DamageReport } from '../durability/index.ts';
import { invariant } from '../invariant.ts';
import { shortReply } from '../metadata/index.ts';
import type { Jobs } from './background.ts';
import type { Owner } from './owner.ts';
import type { OwnerMethods } from './protocol.ts';
import { listedAnswer, unlisted } from './puts.ts';
import { readiness } from './readiness.ts';
import type { ClusterLink } from './shard.ts';
import type { TlsWatch } from './tls/watch.ts';

export interface MethodsInput {
  readonly owner: Owner;
  readonly jobs: Jobs;
  readonly onDamage: (report: DamageReport) => void;
  readonly onLinkFailed: (cause: string) => void;
  readonly metrics: () => Promise<string>;
  /** Absent: clients are spoken to over HTTP. */
  readonly tls: TlsWatch | undefined;
}

function clustered({ cluster }: Owner): ClusterLink {
  invariant(cluster, 'only a node of a cluster is asked how fresh it is');
  return cluster;
}

/** What workers may ask of this thread. */
export function ownerMethods(input: MethodsInput): OwnerMethods {
  const { owner, jobs } = input;
  return {
    async propose(crossed) {
      const { command, request } = unlisted(crossed);
      const { reply, position } = await owner.proposer.propose(command, request);
      return listedAnswer({ reply: shortReply(command, reply), position });
    },
    openWindow: ({ device, minimumBytes }) => owner.fragmentOwner(device).openWindow(minimumBytes),
    closeWindow: ({ device, nonce, unused }) => owner.fragmentOwner(device).closeWindow(nonce, unused),
    record: ({ device, records }) => owner.fragmentOwner(device).record(records),
    remove: ({ device, ids }) => owner.fragmentOwner(device).remove(ids),
    flush: ({ device }) => owner.fragmentOwner(device).flush(),
    linkFailed: input.onLinkFailed,
    damage: input.onDamage,
    missed: ({ stripe, group, copy }) => jobs.mender.missed(Buffer.from(stripe), group, copy),
    repair({ stripe, group: id, copy, cause }) {
      const group = owner.metadata.reader.groups().find((one) => one.id === id);
      return group ? jobs.repair(stripe, group, copy, cause) : Promise.resolve(false);
    },
    layOut: (redundancy) => owner.layout.layOut(redundancy),
    readiness: () => readiness(owner, jobs, input.tls),
    latest: (scope) => clustered(owner).gate.latest(scope),
    reached: (position) => clustered(owner).gate.reached(position),
    metrics: input.metrics,
    admin: ({ method, argument }) => jobs.admin(method, argument),
  };
}
