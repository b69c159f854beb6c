import { StoreError } from '../errors.ts';
import { InvariantError } from '../invariant.ts';
import type { GroupRecord, Stripe } from '../metadata/index.ts';
import { type AccessMap, DeviceUnreachable } from './access.ts';
import { fragmentId, preferredCopy } from './address.ts';
import type { DeviceCondition } from './create.ts';
import type { GroupTable } from './groups.ts';
import { damageReason } from './repair.ts';
import type { DamageReport } from './types.ts';

/** A copy that was read and was not good. */
export interface BadCopy {
  readonly copy: number;
  readonly device: string;
  readonly reason: DamageReport['reason'];
  readonly error: unknown;
}

export interface StripeReads {
  readonly access: AccessMap;
  readonly groups: GroupTable;
  readonly condition: (device: string) => DeviceCondition;
  /** Called once per read that met bad copies; `good` is false when no copy was left. */
  readonly onBad: (stripe: Buffer, group: GroupRecord, bad: readonly BadCopy[], good: boolean) => void;
}

type ReadStripe = (stripe: Pick<Stripe, 'id' | 'group'>, start: number, end: number, copy?: number) => Promise<Buffer>;
/** `fetch` leaves the look at the checksums to the caller. */
type How = 'read' | 'fetch';

/**
 * Reads the preferred copy, and the others only when it fails: on one machine no copy is slow enough to hedge against. The common case adds
 * no await to the fragment store's own read.
 */
export function stripeReader(reads: StripeReads, how: How): ReadStripe {
  return (stripe, start, end, copy) => {
    const group = reads.groups.byId(stripe.group);
    if (!group) return Promise.reject(noGroup(stripe));
    const copies = group.devices.length;
    const first = copy ?? preferredCopy(stripe.id, copies);
    const device = group.devices[first];
    const store = device === undefined ? undefined : reads.access.get(device);
    if (!device || !store || !reads.condition(device).healthy)
      return readOthers(reads, how, stripe, start, end, copy, undefined);
    return store[how](fragmentId(stripe.id, first), start, end).catch((error) =>
      readOthers(reads, how, stripe, start, end, copy, { copy: first, device, reason: damageReason(error), error }),
    );
  };
}

async function readOthers(
  reads: StripeReads,
  how: How,
  stripe: Pick<Stripe, 'id' | 'group'>,
  start: number,
  end: number,
  only: number | undefined,
  failed: BadCopy | undefined,
): Promise<Buffer> {
  if (failed?.error instanceof InvariantError) throw failed.error;
  const isAway = failed?.error instanceof DeviceUnreachable;
  reads.groups.refresh();
  const group = reads.groups.byId(stripe.group);
  if (!group) throw noGroup(stripe);
  const bad: BadCopy[] = failed && !isAway ? [failed] : [];
  let absent = isAway ? 1 : 0;
  for (const copy of readingOrder(reads, group, stripe.id, only)) {
    if (copy === failed?.copy) continue;
    const device = group.devices[copy] as string;
    const store = reads.access.get(device);
    if (!store) {
      absent += 1;
      continue;
    }
    try {
      const bytes = await store[how](fragmentId(stripe.id, copy), start, end);
      if (bad.length > 0) reads.onBad(stripe.id, group, bad, true);
      return bytes;
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      if (error instanceof DeviceUnreachable) absent += 1;
      else bad.push({ copy, device, reason: damageReason(error), error });
    }
  }
  if (bad.length > 0) reads.onBad(stripe.id, group, bad, only !== undefined);
  // A caller who tries copy after copy goes on with the next one.
  throw lost(stripe.id, bad, only === undefined ? absent : 0);
}

/** The copies to try: the one asked for, or all from the preferred one on, those on sick devices last. */
function readingOrder(reads: StripeReads, group: GroupRecord, stripe: Buffer, only: number | undefined): number[] {
  const copies = group.devices.length;
  if (only !== undefined) return only < copies ? [only] : [];
  const first = preferredCopy(stripe, copies);
  const order = Array.from({ length: copies }, (_, i) => (first + i) % copies);
  const healthy = (copy: number): boolean => reads.condition(group.devices[copy] as string).healthy;
  return [...order.filter(healthy), ...order.filter((copy) => !healthy(copy))];
}

const noGroup = (stripe: Pick<Stripe, 'id' | 'group'>): StoreError =>
  new StoreError('Damaged', {
    message: `Stripe ${stripe.id.toString('hex')} names placement group ${stripe.group}, which is not defined.`,
    resource: stripe.id.toString('hex'),
  });

/** Bytes on a device that is not here may be good: then the answer is to try again, not that they are lost. */
function lost(stripe: Buffer, bad: readonly BadCopy[], absent: number): StoreError {
  const name = stripe.toString('hex');
  const cause = bad.map(({ device, reason, error }) => ({ device, reason, error }));
  if (absent > 0) {
    return new StoreError('ServiceUnavailable', {
      message: `No good copy of stripe ${name} is within reach; ${absent} of its storage devices are not there.`,
      resource: name,
      cause,
    });
  }
  return new StoreError('Damaged', {
    message: `Stripe ${name} is damaged and no good copy is left.`,
    resource: name,
    cause,
  });
}
