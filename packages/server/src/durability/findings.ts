import { StoreError } from '../errors.ts';
import { InvariantError } from '../invariant.ts';
import type { GroupRecord, Stripe } from '../metadata/index.ts';
import { DeviceUnreachable } from './access.ts';
import type { DeviceCondition } from './create.ts';
import type { GroupTable } from './groups.ts';
import type { Hedging } from './hedge.ts';
import { damageReason } from './repair.ts';
import type { DamageReport } from './types.ts';
import type { Whereabouts } from './whereabouts.ts';

/* What reads of a stripe need and meet, however it is stored; and what they say when too little of it is left. */

/** A fragment that was read and was not good. */
export interface BadFragment {
  readonly index: number;
  readonly device: string;
  readonly reason: DamageReport['reason'];
  readonly error: unknown;
}

export interface StripeReads {
  readonly where: Whereabouts;
  readonly groups: GroupTable;
  readonly condition: (device: string) => DeviceCondition;
  readonly hedging: Hedging;
  /** Called once per read that met bad fragments; `good` is false when too few were left. */
  readonly onBad: (stripe: Buffer, group: GroupRecord, bad: readonly BadFragment[], good: boolean) => void;
}

/** `fetch` leaves the look at the checksums to the caller. */
export type How = 'read' | 'fetch';

/** What one read of a stripe met. */
export class Findings {
  readonly bad: BadFragment[] = [];
  /** Devices that are not there. */
  readonly away = new Set<string>();

  /** @throws the error when it is one of the program */
  failed(index: number, device: string, error: unknown): void {
    if (error instanceof InvariantError) throw error;
    if (error instanceof DeviceUnreachable) this.away.add(device);
    else if (!this.bad.some((one) => one.index === index))
      this.bad.push({ index, device, reason: damageReason(error), error });
  }
}

export const noGroup = (stripe: Pick<Stripe, 'id' | 'group'>): StoreError =>
  new StoreError('Damaged', {
    message: `Stripe ${stripe.id.toString('hex')} names placement group ${stripe.group}, which is not defined.`,
    resource: stripe.id.toString('hex'),
  });

/** Bytes on a device that is not here may be good: then the answer is to try again, not that they are lost. */
export function lost(stripe: Buffer, { bad, away }: Findings): StoreError {
  const name = stripe.toString('hex');
  const cause = bad.map(({ device, reason, error }) => ({ device, reason, error }));
  if (away.size > 0) {
    return new StoreError('ServiceUnavailable', {
      message: `Too few good fragments of stripe ${name} are within reach; ${away.size} of its storage devices are not there.`,
      resource: name,
      cause,
    });
  }
  return new StoreError('Damaged', {
    message: `Stripe ${name} is damaged and too few good fragments of it are left.`,
    resource: name,
    cause,
  });
}
