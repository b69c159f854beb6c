import type { FragmentStore } from '../fragments/index.ts';
import type { Host } from '../host/index.ts';
import type { GroupRecord, Proposer, Stripe } from '../metadata/index.ts';
import { copiesOn, fragmentId, lengthOf } from './address.ts';
import { type DeviceCondition, stripeStarter } from './create.ts';
import { GroupTable } from './groups.ts';
import { IntentRange } from './intents.ts';
import { type BadCopy, type StripeReads, stripeReader } from './read.ts';
import { createRepairer, type RepairCause, type RepairCopy } from './repair.ts';
import type { DamageReport, StripeStore } from './types.ts';
import type { WriterEvents } from './writer.ts';

export interface StripeStoreOptions {
  /** The placement groups; the same array until they change. */
  readonly groups: () => readonly GroupRecord[];
  /** This thread's fragment stores by device identity; every device that is open is in it. */
  readonly stores: ReadonlyMap<string, FragmentStore>;
  readonly proposer: Proposer;
  readonly host: Host;
  /** Called once per bad copy, after its repair was tried. */
  readonly onDamage: (report: DamageReport) => void;
  /** Whether a version points to the stripe: repairs must not bring back what was collected. */
  readonly owned: (stripe: Buffer) => boolean;
  /** Absent: two copies where there are two devices, else one. */
  readonly defaultCopies?: number;
  /** Absent: every device is healthy and all have the same space. Called often: it must only look up. */
  readonly condition?: (device: string) => DeviceCondition;
  /** A stripe was sealed without this copy: it is to be written later. */
  readonly onMissed?: (stripe: Buffer, group: number, copy: number) => void;
  /** Rewrites a bad copy. Absent: this thread does. Threads that share devices should hand it to one of them. */
  readonly repair?: RepairCopy;
}

/** What this thread's store did since it was opened. */
interface StripeCounts {
  /** Stripes whose write failed below the quorum, and stripes that were written with fewer copies than their group has devices. */
  readonly failed: number;
  readonly degraded: number;
  /** Bad copies met, by what was wrong. */
  readonly missing: number;
  readonly damaged: number;
  readonly unreadable: number;
  readonly repaired: number;
  /** Reads that found no good copy. */
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
  const { stores, host, onDamage } = options;
  const condition = options.condition ?? ((): DeviceCondition => alike);
  const groups = new GroupTable(options.groups, host.clock);
  const intents = new IntentRange(options.proposer, host);
  const repairer = createRepairer({ stores, owned: options.owned });
  const repair = options.repair ?? repairer.repair;
  const counts = { failed: 0, degraded: 0, missing: 0, damaged: 0, unreadable: 0, repaired: 0, lost: 0 };
  /** Cures under way, by stripe and copy. */
  const pending = new Map<string, Promise<void>>();

  const report = (stripe: Buffer, device: string, reason: DamageReport['reason'], repaired: boolean): void => {
    counts[reason] += 1;
    if (repaired) counts.repaired += 1;
    onDamage({ stripe, device, reason, repaired });
  };

  /** Tries a repair behind the read that found the damage, and reports the outcome. */
  const cure = (stripe: Buffer, group: GroupRecord, bad: Omit<BadCopy, 'error'>, cause: RepairCause): void => {
    const name = fragmentId(stripe, bad.copy).toString('latin1');
    if (pending.has(name)) return;
    const done = repair(stripe, group, bad.copy, cause)
      .catch(() => false)
      .then((repaired) => {
        pending.delete(name);
        report(stripe, bad.device, bad.reason, repaired);
      });
    pending.set(name, done);
  };

  const removeFrom = (store: FragmentStore, stripes: readonly Buffer[]): Promise<void> =>
    store.remove(stripes.flatMap((stripe) => copiesOn(store, stripe)));

  const events: WriterEvents = {
    sealedWithout(stripe, group, missing) {
      counts.degraded += 1;
      for (const copy of missing) options.onMissed?.(stripe, group.id, copy);
    },
    async abandoned(stripe, sealedOn, failed) {
      if (failed) counts.failed += 1;
      // What cannot be removed now is found by the collector once the intent is closed.
      await Promise.allSettled(
        sealedOn.flatMap((device) => {
          const store = stores.get(device);
          return store ? [removeFrom(store, [stripe])] : [];
        }),
      );
      intents.settle(stripe);
    },
  };

  const reads: StripeReads = {
    stores,
    groups,
    condition,
    onBad(stripe, group, bad, good) {
      if (!good) counts.lost += 1;
      for (const copy of bad) cure(stripe, group, copy, 'unreadable');
    },
  };
  return {
    create: stripeStarter({
      stores,
      groups,
      condition,
      defaultCopies: options.defaultCopies,
      takeId: () => intents.take(),
      events,
    }),
    read: stripeReader(reads, 'read'),
    fetch: stripeReader(reads, 'fetch'),
    distrust(stripe: Pick<Stripe, 'id' | 'group'>, copy: number) {
      const group = groups.byId(stripe.group);
      const device = group?.devices[copy];
      if (group && device) cure(stripe.id, group, { copy, device, reason: 'damaged' }, 'distrusted');
    },
    copies({ id, group }) {
      const devices = groups.byId(group)?.devices ?? [];
      const there = (device: string, copy: number): boolean => {
        const store = stores.get(device);
        return (
          store !== undefined && condition(device).healthy && typeof lengthOf(store, fragmentId(id, copy)) === 'number'
        );
      };
      return { copies: devices.length, missing: devices.filter((device, copy) => !there(device, copy)).length };
    },
    settle(stripes) {
      for (const stripe of stripes) intents.settle(stripe);
    },
    async remove(stripes) {
      try {
        await Promise.all([...stores.values()].map((store) => removeFrom(store, stripes)));
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
