import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { type Etcd, EtcdError } from '../../log/index.ts';

/*
 * The owners of the shards and the leader of etcd stand on different machines, as far as there are others.
 *
 * A new leader of etcd prolongs every lease by its whole life and an election time, since it cannot know when it was renewed last. When one machine
 * is both, its loss takes an election and then a prolonged lease: 5 to 6 s. Apart, the loss of the owner takes what is left of its lease, and the
 * loss of etcd's leader an election, in which the owner stays what it is. So the owner of the system shard, whose member leads, hands etcd's lead to another one,
 * and a node whose member leads is left no object shard that another one can own (owners.ts).
 */

/**
 * Looks now and then which members etcd has, so that a node knows those that came after it, and keeps the lead apart while this node owns the shard.
 * @param own client address of the member that this node runs by now, `host:port`; undefined while it runs none
 * @param onFailed why a look or the handing over failed; the next look tries again
 */
export function keepApart(
  etcd: Etcd,
  host: Host,
  own: () => string | undefined,
  onFailed: (cause: EtcdError) => void,
): { readonly owns: (owned: boolean) => void; readonly leads: () => boolean; readonly stop: () => void } {
  let owned = false;
  let leads = false;
  let stopped = false;
  let isLooking = false;
  const once = async (): Promise<void> => {
    try {
      const members = await etcd.members();
      if (stopped) return;
      etcd.use(members.flatMap(({ clientUrls }) => clientUrls));
      const address = own();
      leads = address !== undefined && isLeader((await etcd.statuses()).find(({ endpoint }) => endpoint === address));
      if (owned && leads && address !== undefined) leads = !(await handOver(etcd, address));
    } catch (cause) {
      if (!(cause instanceof EtcdError)) throw cause;
      if (!stopped) onFailed(cause);
    }
  };
  const look = (): void => {
    if (isLooking) return;
    isLooking = true;
    void once().finally(() => {
      isLooking = false;
    });
  };
  const cancel = host.timers.every(limits.etcdMembersMs, look);
  return {
    owns(now) {
      owned = now;
      if (now) look();
    },
    leads: () => leads,
    stop() {
      stopped = true;
      cancel();
    },
  };
}

type Status = Pick<Awaited<ReturnType<Etcd['statuses']>>[number], 'member' | 'leader'>;

const isLeader = (mine: Status | undefined): boolean => mine !== undefined && mine.member === mine.leader;

/** Hands etcd's lead to another member that votes and answers, when the one at `own` has it. @returns whether it was handed over */
export async function handOver(etcd: Etcd, own: string): Promise<boolean> {
  const statuses = await etcd.statuses();
  const mine = statuses.find(({ endpoint }) => endpoint === own);
  if (!mine || mine.member !== mine.leader) return false;
  const voters = new Set((await etcd.members()).filter(({ learner }) => !learner).map(({ id }) => id));
  // One that follows this leader, and has nothing to complain of.
  const next = statuses.find(
    ({ member, leader, errors }) =>
      member !== mine.member && leader === mine.leader && voters.has(member) && errors.length === 0,
  );
  if (!next) return false;
  await etcd.moveLeader(own, next.member);
  return true;
}
