import type { Host } from '../host/index.ts';
import type { GroupRecord, Proposer, Redundancy } from '../metadata/index.ts';
import type { AccessMap } from './access.ts';
import { fragmentId, storedBytes } from './address.ts';
import { unitBytes } from './coded/striping.ts';
import { type DeviceCondition, groupsOf, stripeStarter } from './create.ts';
import type { BadFragment, StripeReads } from './findings.ts';
import { GroupTable, type Place } from './groups.ts';
import { Hedging } from './hedge.ts';
import { IntentRanges } from './intents.ts';
import { stripeReader } from './read.ts';
import { createRepairer, type RepairCause, type RepairFragment } from './repair.ts';
import { checkRedundancy, fragmentCount, redundancyFor, redundancyOf } from './scheme.ts';
import { searchStripe } from './search.ts';
import type { DamageReport, StripeStore } from './types.ts';
import { createWhereabouts } from './whereabouts.ts';
import type { WriterEvents } from './writer.ts';

export interface StripeStoreOptions {
  /** The placement groups; the same array until they change. */
  readonly groups: () => readonly GroupRecord[];
  /** The node of each device that is in a group. Absent: all are in one. */
  readonly places?: () => ReadonlyMap<string, Place>;
  /** The devices within reach, this machine's and others; those that are known and not in it are away. */
  readonly access: AccessMap;
  readonly proposer: Proposer;
  readonly host: Host;
  /** Called once per bad fragment, after its repair was tried. */
  readonly onDamage: (report: DamageReport) => void;
  /** Whether a version points to the stripe: repairs must not bring back what was collected. */
  readonly owned: (stripe: Buffer) => boolean;
  /** Absent: two copies where there are two devices, else one. */
  readonly defaultCopies?: () => number;
  /** Nothing is stored below its write quorum, even where nobody asked for a number of copies. */
  readonly strict?: boolean;
  /** Absent: every device is healthy and all have the same space. Called often: it must only look up. */
  readonly condition?: (device: string) => DeviceCondition;
  /** A stripe was sealed without this fragment: it is to be written later. */
  readonly onMissed?: (stripe: Buffer, group: number, index: number) => void;
  /** Has groups defined for a redundancy that has none yet. Absent: those that are there are all. @throws StoreError UnsupportedRedundancy */
  readonly layOut?: (redundancy: Redundancy) => Promise<void>;
  /** A placement group as it is now. Absent: as it was when the list was read, up to `limits.groupsAgeMs` ago. */
  readonly group?: (id: number) => GroupRecord | undefined;
  /** Whether failure domains allow it where devices would be enough. Absent: each device is one. */
  readonly carries?: (redundancy: Redundancy) => boolean;
  /** Whether a device of this machine knows a fragment; undefined for devices of others. Absent: nobody knows. */
  readonly has?: (device: string, id: Buffer) => boolean | undefined;
  /** Rewrites a bad fragment. Absent: this thread does. Threads that share devices should hand it to one of them. */
  readonly repair?: RepairFragment;
}

/** What this thread's store did since it was opened. */
interface StripeCounts {
  /** Stripes whose write failed below the quorum, and stripes that were written with fewer fragments than their group has devices. */
  readonly failed: number;
  readonly degraded: number;
  /** Bad fragments met, by what was wrong. */
  readonly missing: number;
  readonly damaged: number;
  readonly unreadable: number;
  readonly repaired: number;
  /** Reads that found too few good fragments. */
  readonly lost: number;
}

export interface OpenStripeStore extends StripeStore {
  counts(): StripeCounts;
  /** Resolves when no repair is under way. */
  idle(): Promise<void>;
}

const alike: DeviceCondition = { healthy: true, free: 1 };

/** Opens this thread's view of the stripes on this server's devices. The first stripe opens an intent in the log. */
export function openStripeStore(options: StripeStoreOptions): OpenStripeStore {
  const { access, host, onDamage } = options;
  const condition = options.condition ?? ((): DeviceCondition => alike);
  const where = createWhereabouts(access, (device) => condition(device).healthy);
  const groups = new GroupTable(options.groups, host.clock, (list) => where.observe(list), options.places);
  const intents = new IntentRanges(options.proposer, host);
  const repairer = createRepairer({ access, where, owned: options.owned });
  const repair = options.repair ?? repairer.repair;
  const devices = (): number => Math.max(access.size, groups.devices);
  const counts = { failed: 0, degraded: 0, missing: 0, damaged: 0, unreadable: 0, repaired: 0, lost: 0 };
  /** Cures under way, by fragment. */
  const pending = new Map<string, Promise<void>>();

  const report = (stripe: Buffer, device: string, reason: DamageReport['reason'], repaired: boolean): void => {
    counts[reason] += 1;
    if (repaired) counts.repaired += 1;
    onDamage({ stripe, device, reason, repaired });
  };

  /** A fragment that was missed is not missing when it was moved while it was read. */
  const wasMoved = async (stripe: Buffer, group: GroupRecord, index: number): Promise<boolean> => {
    const now = groups.byId(group.id) ?? group;
    const lengths = await where.at(now, index)?.lengths([fragmentId(stripe, index)]);
    return typeof lengths?.[0] === 'number';
  };

  /** Tries a repair behind the read that found the damage, and reports the outcome. */
  const cure = (stripe: Buffer, group: GroupRecord, bad: Omit<BadFragment, 'error'>, cause: RepairCause): void => {
    const name = fragmentId(stripe, bad.index).toString('latin1');
    if (pending.has(name)) return;
    const work = async (): Promise<void> => {
      const isMoved = bad.reason === 'missing' && (await wasMoved(stripe, group, bad.index).catch(() => false));
      const repaired = isMoved ? undefined : await repair(stripe, group, bad.index, cause).catch(() => false);
      pending.delete(name);
      if (repaired !== undefined) report(stripe, bad.device, bad.reason, repaired);
    };
    pending.set(name, work());
  };

  const events: WriterEvents = {
    sealedWithout(stripe, group, missing) {
      counts.degraded += 1;
      for (const index of missing) options.onMissed?.(stripe, group.id, index);
    },
    async abandoned(stripe, sealedOn, failed) {
      if (failed) counts.failed += 1;
      // What cannot be removed now is found by the collector once the intent is closed.
      await Promise.allSettled(
        sealedOn.flatMap((device) => {
          const one = access.get(device);
          return one ? [one.removeStripes([stripe])] : [];
        }),
      );
      intents.settle(stripe);
    },
  };

  const reads: StripeReads = {
    where,
    groups,
    condition,
    hedging: new Hedging(host),
    onBad(stripe, group, bad, good) {
      if (!good) counts.lost += 1;
      for (const one of bad) cure(stripe, group, one, 'unreadable');
    },
  };
  return {
    create: stripeStarter({
      access,
      groups,
      condition,
      defaultCopies: options.defaultCopies,
      strict: options.strict === true,
      takeId: (shard) => intents.take(shard),
      events,
      layOut: options.layOut,
      group: options.group,
      timers: host.timers,
    }),
    read: stripeReader(reads, 'read'),
    fetch: stripeReader(reads, 'fetch'),
    search: (stripe, start, end, open) =>
      searchStripe(reads, stripe, start, end, open, (group, index) => {
        const device = group.devices[index] as string;
        cure(stripe.id, group, { index, device, reason: 'damaged' }, 'distrusted');
      }),
    async prepare(redundancy) {
      checkRedundancy(redundancy, devices());
      await groupsOf({ groups, layOut: options.layOut }, redundancy);
      // What small stripes of a code are kept with.
      if ('data' in redundancy) await groupsOf({ groups, layOut: options.layOut }, { copies: redundancy.parity + 1 });
    },
    usual: () => options.defaultCopies?.() ?? Math.min(2, devices()),
    carries(redundancy) {
      return fragmentCount(redundancy) <= devices() && options.carries?.(redundancy) !== false;
    },
    redundancyFor: (stripe, redundancy) => redundancyFor(redundancy, storedBytes(stripe), unitBytes),
    redundancyOf(id) {
      const group = groups.byId(id);
      return group && redundancyOf(group);
    },
    lacking({ id, group }) {
      const devices = groups.byId(group)?.devices ?? [];
      const there = (device: string, index: number): boolean =>
        access.has(device) && condition(device).healthy && options.has?.(device, fragmentId(id, index)) !== false;
      return devices.filter((device, index) => !there(device, index)).length;
    },
    settle(stripes) {
      for (const stripe of stripes) intents.settle(stripe);
    },
    async remove(stripes) {
      try {
        await Promise.all([...access.values()].map((one) => one.removeStripes(stripes)));
      } finally {
        for (const stripe of stripes) intents.settle(stripe);
      }
    },
    counts: () => ({ ...counts }),
    async idle() {
      while (pending.size > 0) await Promise.all(pending.values());
      await repairer.idle();
    },
    async close() {
      await this.idle();
      await intents.close();
    },
  };
}
