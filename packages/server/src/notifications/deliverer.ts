import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { type FollowedShard, type FollowerStatus, followedTarget, TargetFollower } from './follower.ts';
import { type Sender, shownTarget } from './targets.ts';

export interface DelivererOptions {
  /** Those that this server may own. Asked for again and again: there may be more of them later. */
  readonly shards: readonly FollowedShard[];
  /** Records of the targets, by name, as they are now. */
  readonly targets: () => ReadonlyMap<string, Buffer>;
  readonly host: Host;
  readonly onEvent: (text: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly open: (name: string, record: Buffer) => Promise<Sender>;
}

export interface Deliverer {
  status(): readonly FollowerStatus[];
  stop(): Promise<void>;
}

/** Follows every shard that this server owns, for every target that there is, as both change. */
export function startDeliverer(options: DelivererOptions): Deliverer {
  const { host, open, onEvent } = options;
  const opening = async (name: string, record: Buffer) => ({
    createdMs: shownTarget(record).createdMs,
    sender: await open(name, record),
  });
  const running = new Map<string, { readonly record: Buffer; readonly follower: TargetFollower }>();
  const unreadable = new Map<string, Buffer>();
  let stopped = false;
  let looking: Promise<void> | undefined;

  const tend = async (shard: FollowedShard, targets: ReadonlyMap<string, Buffer>): Promise<void> => {
    const leads = shard.leads();
    for (const [id, { record, follower }] of running) {
      const [number, name] = id.split('/') as [string, string];
      if (Number(number) !== shard.number) continue;
      if (leads && targets.get(name)?.equals(record)) continue;
      running.delete(id);
      await follower.close();
    }
    if (!leads) return;
    for (const [target, record] of targets) {
      const id = `${shard.number}/${target}`;
      if (running.has(id)) continue;
      // One that cannot be opened keeps no other one waiting, and is said once.
      const opened = await opening(target, record).catch((cause: unknown) => {
        if (!unreadable.get(id)?.equals(record))
          onEvent('what is kept of a target of notifications cannot be read: define it anew', { target, cause });
        unreadable.set(id, record);
        return undefined;
      });
      if (!opened) continue;
      const { sender, createdMs } = opened;
      if (stopped) return sender.close();
      running.set(id, { record, follower: new TargetFollower({ target, shard, sender, createdMs, host, onEvent }) });
    }
    for (const name of shard.followers().keys()) {
      const target = followedTarget(name);
      // Its events are nobody's any more, and the log need not keep them.
      if (target === undefined || targets.has(target)) continue;
      const names = [...shard.failed(target).keys()];
      if (names.length > 0) await shard.propose({ type: 'event.settle', target, names });
      await shard.propose({ type: 'follower.remove', name });
    }
  };
  const look = async (): Promise<void> => {
    const targets = options.targets();
    for (const shard of options.shards)
      await tend(shard, targets).catch((cause: unknown) =>
        onEvent('the targets of notifications could not be looked after; it is tried again', {
          shard: shard.number,
          cause,
        }),
      );
  };
  const again = (): void => {
    if (!stopped)
      looking ??= look()
        // The records themselves could not be read: what is damaged there is no reason to end.
        .catch((cause: unknown) =>
          onEvent('the targets of notifications could not be looked after; it is tried again', { cause }),
        )
        .finally(() => {
          looking = undefined;
        });
  };
  again();
  const cancel = host.timers.every(limits.targetsLookMs, again);
  return {
    status: () => [...running.values()].map(({ follower }) => follower.status()),
    async stop() {
      stopped = true;
      cancel();
      await looking;
      await Promise.all([...running.values()].map(({ follower }) => follower.close()));
      running.clear();
    },
  };
}
