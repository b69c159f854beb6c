import { StoreError } from '../../errors.ts';
import type { FragmentId, FragmentStore } from '../../fragments/index.ts';
import type { Host } from '../../host/index.ts';
import { InvariantError } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { Position } from '../../log/index.ts';
import type { GroupRecord, MetadataReader } from '../../metadata/index.ts';
import { type AccessMap, DeviceUnreachable, type FragmentAccess, fragmentDigest, removeFragments } from '../access.ts';
import { indexOf, knownBytes, stripeOf, successor } from '../address.ts';
import type { RepairFragment } from '../repair.ts';
import { Pace } from './pace.ts';
import { type JobProgress, ProgressMeter } from './progress.ts';

/*
 * Removes from the devices of this machine what they hold of stripes whose group has given their place to another device: the last step of
 * every move. A fragment goes only when the device that has the place now proves that it has it: the digest of the verified bytes there is that of
 * the bytes here.
 *
 * No reader misses it: a pass works with the groups as they were at one position, and begins when every node that answers has applied that position,
 * and every thread has looked at its groups again. And no two devices remove the same fragment because each relies on the other, when a place was
 * given away and back: a device answers for a fragment only when its node has applied the position of who asks, and for none that it is just
 * removing; and it removes none whose group has changed since the pass began.
 *
 * What the other device lacks is written by its own node (jobs/mend.ts). When that says it lacks nothing, it is written from here: a writer who still
 * had the old group may have sealed it after the other node looked.
 */

export interface LeftoverOptions {
  readonly reader: Pick<MetadataReader, 'position' | 'stripeOwner'>;
  readonly groups: () => readonly GroupRecord[];
  /** The devices of this machine. */
  readonly stores: ReadonlyMap<string, FragmentStore>;
  readonly access: AccessMap;
  readonly host: Host;
  readonly repair: RepairFragment;
  readonly healthy: (device: string) => boolean;
  /** Whether every node that may still read by older groups has applied the position. */
  readonly settled: (position: Position) => boolean;
  /** Whether the node of this device says that none of its devices lacks anything. */
  readonly isComplete: (device: string) => boolean;
  /** Bytes looked at in a second; asked again and again. */
  readonly bytesPerSecond: () => number;
  /** A fragment could not be handed over, and why. */
  readonly onError: (cause: unknown) => void;
}

export interface LeftoverTotals {
  /** Fragments removed since the start, and their data bytes. */
  readonly removed: number;
  readonly bytes: number;
  /** Fragments that the last pass found and had to leave, and their bytes. */
  readonly waiting: number;
  readonly waitingBytes: number;
  /** Whether a pass has found nothing since the groups changed. */
  readonly complete: boolean;
}

export interface Leftovers {
  /** Groups have changed: the devices are to be looked through. */
  look(): void;
  /** One pass, when one is due. @throws the signal's reason, when it was cancelled */
  run(signal?: AbortSignal): Promise<void>;
  /** Whether a fragment is being removed: nobody may be told that it is here. */
  removing(device: string, id: FragmentId): boolean;
  progress(): JobProgress;
  totals(): LeftoverTotals;
}

interface Leftover {
  readonly id: FragmentId;
  readonly stripe: Buffer;
  readonly group: GroupRecord;
  readonly index: number;
}

export function createLeftovers(options: LeftoverOptions): Leftovers {
  const { reader, host, access, stores } = options;
  const meter = new ProgressMeter(host.clock);
  const removing = new Set<string>();
  const nameOf = (device: string, id: FragmentId): string => `${device} ${id.toString('latin1')}`;
  let removed = 0;
  let bytes = 0;
  let waiting = 0;
  let waitingBytes = 0;
  let dueAt: number | undefined = host.clock.monotonic();
  let changed = true;
  let running = false;
  /** One more pass comes soon: for fragments that were being written by older groups while the last one looked. */
  let isLate = true;
  /** What the next pass works with, as soon as every node knows it. Kept while it waits: where others write all the time, no node is ever at the end of the log. */
  let next: { readonly at: Position; readonly groups: readonly GroupRecord[] } | undefined;

  const groupNow = (id: number): GroupRecord | undefined => options.groups().find((group) => group.id === id);

  /** Those of a page that this device should not have. */
  const leftoversAmong = (
    device: string,
    page: readonly FragmentId[],
    groups: ReadonlyMap<number, GroupRecord>,
  ): Leftover[] =>
    page.flatMap((id) => {
      const stripe = stripeOf(id);
      const owner = reader.stripeOwner(stripe);
      const group = owner && groups.get(owner.group);
      const index = indexOf(id);
      // Without an owner it is the collector's.
      if (!group || group.devices[index] === undefined || group.devices[index] === device) return [];
      return [{ id, stripe, group, index }];
    });

  /** Whether the device that has the place now has the same bytes; what it lacks it is given. */
  const isThere = async (store: FragmentStore, one: Leftover, to: FragmentAccess, at: Position): Promise<boolean> => {
    const theirs = await to.digest(one.id, at).catch((error: unknown) => {
      if (error instanceof DeviceUnreachable || error instanceof InvariantError) throw error;
      return error as Error;
    });
    if (Buffer.isBuffer(theirs)) {
      const mine = await fragmentDigest(store, one.id).catch(() => undefined);
      // What cannot be read here is of no use to anybody.
      if (!mine || mine.equals(theirs)) return true;
      options.onError(
        new Error(`fragment ${one.id.toString('hex')} is not the same on ${store.device} and ${to.device}`),
      );
      return false;
    }
    const isMissing = theirs instanceof StoreError && theirs.code === 'NotFound';
    if (!isMissing || options.isComplete(to.device))
      await options.repair(one.stripe, one.group, one.index, 'unreadable');
    return false;
  };

  const remove = async (store: FragmentStore, ready: readonly Leftover[]): Promise<number> => {
    const going = ready.filter(({ group }) => groupNow(group.id)?.epoch === group.epoch).map(({ id }) => id);
    const names = going.map((id) => nameOf(store.device, id));
    for (const name of names) removing.add(name);
    try {
      const gone = await removeFragments(store, going);
      removed += gone.fragments;
      bytes += gone.bytes;
      return gone.fragments;
    } finally {
      for (const name of names) removing.delete(name);
    }
  };

  const passOver = async (
    store: FragmentStore,
    groups: ReadonlyMap<number, GroupRecord>,
    at: Position,
    pace: Pace,
  ): Promise<void> => {
    const away = new Set<string>();
    let next: Buffer | undefined = Buffer.alloc(0);
    while (next) {
      const page: readonly FragmentId[] = store.ids(next, limits.jobPage);
      const last = page.at(-1);
      if (!last) break;
      const ready: Leftover[] = [];
      for (const one of leftoversAmong(store.device, page, groups)) {
        const device = one.group.devices[one.index] as string;
        const to = access.get(device);
        const size = knownBytes(store, one.id);
        let good = false;
        if (to && !away.has(device) && options.healthy(device)) {
          pace.limit(options.bytesPerSecond());
          good = await isThere(store, one, to, at).catch((error: unknown) => {
            if (!(error instanceof DeviceUnreachable)) throw error;
            away.add(device);
            return false;
          });
          await pace.step(size);
        }
        if (good) ready.push(one);
        else {
          waiting += 1;
          waitingBytes += size;
        }
        meter.advance(1, size);
      }
      if (ready.length > 0) await remove(store, ready);
      await pace.step();
      next = successor(last);
    }
    await store.flush();
  };

  return {
    look() {
      changed = true;
      isLate = true;
      dueAt = host.clock.monotonic();
      next = undefined;
    },
    async run(signal) {
      if (dueAt === undefined || host.clock.monotonic() < dueAt) return;
      next ??= { at: reader.position(), groups: options.groups() };
      const { at, groups } = next;
      const byId = new Map(groups.map((group) => [group.id, group]));
      // Where no group has ever changed, nothing is out of place.
      if (groups.every(({ epoch }) => epoch === 1)) {
        dueAt = undefined;
        next = undefined;
        changed = false;
        return;
      }
      if (!options.settled(at)) return;
      next = undefined;
      changed = false;
      running = true;
      meter.start();
      try {
        await host.timers.sleep(limits.leftoverRestMs, signal);
        signal?.throwIfAborted();
        meter.phase('handing over', 0);
        waiting = 0;
        waitingBytes = 0;
        const pace = new Pace(host, { signal });
        for (const store of stores.values()) await passOver(store, byId, at, pace);
        if (changed) return;
        const pause = waiting > 0 ? limits.leftoverAgainMs : isLate ? limits.leftoverLateMs : limits.leftoverIdleMs;
        if (waiting === 0) isLate = false;
        dueAt = host.clock.monotonic() + pause;
      } catch (error) {
        changed = true;
        dueAt = host.clock.monotonic() + limits.leftoverAgainMs;
        throw error;
      } finally {
        running = false;
        meter.end();
      }
    },
    removing: (device, id) => removing.has(nameOf(device, id)),
    progress: () => meter.snapshot(),
    totals: () => ({ removed, bytes, waiting, waitingBytes, complete: !changed && !running && waiting === 0 }),
  };
}
