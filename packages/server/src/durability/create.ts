import { StoreError } from '../errors.ts';
import type { FragmentWriter } from '../fragments/index.ts';
import type { Timers } from '../host/index.ts';
import { InvariantError } from '../invariant.ts';
import { limits } from '../limits.ts';
import type { GroupRecord, Redundancy } from '../metadata/index.ts';
import { chooseGroup, spreadPoint } from '../placement/index.ts';
import type { AccessMap } from './access.ts';
import { checksumBytes, fragmentId } from './address.ts';
import { fragmentBytes, unitBytes } from './coded/striping.ts';
import { trailerBytes } from './coded/trailer.ts';
import { CodedWriter } from './coded/writer.ts';
import type { GroupTable } from './groups.ts';
import { checkRedundancy, fragmentCount, redundancyFor, writeQuorum } from './scheme.ts';
import type { StripeWriter } from './types.ts';
import { abortAll, CopiesWriter, type WriterEvents } from './writer.ts';

/** What a thread knows about a device without asking it. */
export interface DeviceCondition {
  /** False: not written to, and read from only when nothing else is left. */
  readonly healthy: boolean;
  /** Bytes it can still take; only the ratio between devices counts. */
  readonly free: number;
}

export interface StripeStart {
  readonly access: AccessMap;
  readonly groups: GroupTable;
  readonly condition: (device: string) => DeviceCondition;
  readonly defaultCopies: (() => number) | undefined;
  /** Who names no number of copies gets their write quorum, too. */
  readonly strict: boolean;
  /** A stripe id that this shard may publish. */
  readonly takeId: (shard: number) => Promise<Buffer>;
  readonly events: WriterEvents;
  /** Has groups defined for a redundancy that has none yet. */
  readonly layOut: ((redundancy: Redundancy) => Promise<void>) | undefined;
  /** A group as it is now: the list may be a second old. */
  readonly group: ((id: number) => GroupRecord | undefined) | undefined;
  readonly timers: Pick<Timers, 'sleep'>;
}

/**
 * Starts stripes: chooses a group by free space, and another one when a device refuses.
 *
 * A stripe for which nobody asked for a number of copies gets the server's usual one; while devices are away or stopped it is written to those
 * of its group that are left, and the rest follows when they are back (jobs/mend.ts). Who asked for a number gets its write quorum or an error.
 */
export function stripeStarter(
  start: StripeStart,
): (redundancy: Redundancy | undefined, maximum: number, shard?: number) => Promise<StripeWriter> {
  let started = 0;
  return async (asked, maximum, shard = 0) => {
    const devices = Math.max(start.access.size, start.groups.devices);
    const wanted = asked ?? { copies: start.defaultCopies?.() ?? Math.min(2, devices) };
    // What nobody asked for is nobody's mistake: where the groups for it are only just being laid out, it is to be tried again.
    if (asked) checkRedundancy(wanted, devices);
    const redundancy = redundancyFor(wanted, maximum, unitBytes);
    const id = await start.takeId(shard);
    try {
      return await place(start, id, redundancy, asked === undefined && !start.strict, maximum, spreadPoint(started++));
    } catch (error) {
      await start.events.abandoned(id, [], true);
      throw error;
    }
  };
}

/** The groups of a redundancy; they are laid out when nobody asked for it before. */
export async function groupsOf(
  { groups, layOut }: Pick<StripeStart, 'groups' | 'layOut'>,
  redundancy: Redundancy,
): Promise<readonly GroupRecord[]> {
  const known = groups.of(redundancy);
  if (known.length > 0) return known;
  groups.refresh();
  if (groups.of(redundancy).length > 0 || !layOut) return groups.of(redundancy);
  await layOut(redundancy);
  groups.refresh();
  return groups.of(redundancy);
}

/**
 * Places a stripe, and places it anew when a device's node knows a newer map than this one: then it was chosen by groups that are not so any more.
 * @throws StoreError ServiceUnavailable when that happens again and again
 */
async function place(
  start: StripeStart,
  id: Buffer,
  redundancy: Redundancy,
  mayLack: boolean,
  maximum: number,
  point: number,
): Promise<StripeWriter> {
  const outdated = new Set<number>();
  for (let tries = 1; ; tries++) {
    try {
      return await placeOnce(start, id, redundancy, mayLack, maximum, point, outdated);
    } catch (error) {
      if (!isStale(error)) throw error;
      if (tries === limits.staleMapTries)
        throw new StoreError('ServiceUnavailable', {
          message: 'The placement of the bytes changed while they were written. Try again.',
          cause: error,
        });
      await learn(start, error, outdated);
    }
  }
}

const isStale = (error: unknown): error is StoreError => error instanceof StoreError && error.code === 'StalePlacement';

/** Waits until this node knows the group as the device's node does; one that it does not come to know is left out of the next try. */
async function learn({ groups, timers }: StripeStart, { detail }: StoreError, outdated: Set<number>): Promise<void> {
  const id = Number(detail['Group']);
  const epoch = Number(detail['Epoch']);
  for (let look = 0; look < limits.staleMapLooks; look++) {
    groups.refresh();
    if ((groups.byId(id)?.epoch ?? 0) >= epoch) return;
    await timers.sleep(limits.staleMapRestMs);
  }
  outdated.add(id);
}

/** The groups of a redundancy as they are now. */
async function groupsNow(start: StripeStart, redundancy: Redundancy, outdated: ReadonlySet<number>) {
  const known = await groupsOf(start, redundancy);
  return outdated.size === 0 ? known : known.filter(({ id }) => !outdated.has(id));
}

async function placeOnce(
  start: StripeStart,
  id: Buffer,
  redundancy: Redundancy,
  mayLack: boolean,
  maximum: number,
  point: number,
  outdated: ReadonlySet<number>,
): Promise<StripeWriter> {
  const groups = await groupsNow(start, redundancy, outdated);
  const count = fragmentCount(redundancy);
  const excluded = new Set<string>();
  const errors: unknown[] = [];
  const away = (device: string): boolean => !start.access.has(device) || !start.condition(device).healthy;
  for (const group of groups) {
    for (const device of group.devices) if (away(device)) excluded.add(device);
  }
  const free = (device: string): number => start.condition(device).free;
  while (true) {
    const group = chooseGroup(groups, point, free, excluded);
    if (!group) break;
    const writer = await openGroup(start, id, group, maximum, count, excluded, errors);
    if (writer) return writer;
  }
  const quorum = writeQuorum(redundancy);
  for (const group of mostLeft(groups, excluded)) {
    // Full or busy devices are no reason to keep less than usual.
    const enough = mayLack && group.devices.every((device) => !excluded.has(device) || away(device)) ? 1 : quorum;
    const left = group.devices.filter((device) => !excluded.has(device)).length;
    if (left < enough || left === count) continue;
    const writer = await openGroup(start, id, group, maximum, enough, excluded, errors);
    if (writer) return writer;
  }
  throw refusal(groups, excluded, errors);
}

/** The groups with the most devices to write to first. */
function mostLeft(groups: readonly GroupRecord[], excluded: ReadonlySet<string>): readonly GroupRecord[] {
  const left = ({ devices }: GroupRecord): number => devices.filter((device) => !excluded.has(device)).length;
  return groups.toSorted((a, b) => left(b) - left(a));
}

/** Opens a fragment on every device that is not excluded. A device that refuses is excluded from here on; with less than `enough` nothing stays open. */
async function openGroup(
  start: StripeStart,
  id: Buffer,
  group: GroupRecord,
  maximum: number,
  enough: number,
  excluded: Set<string>,
  errors: unknown[],
): Promise<StripeWriter | undefined> {
  const now = start.group?.(group.id);
  if (now && now.epoch > group.epoch)
    throw new StoreError('StalePlacement', { detail: { Group: String(group.id), Epoch: String(now.epoch) } });
  const by = { group: group.id, epoch: group.epoch };
  const results = await Promise.allSettled(
    group.devices.map(async (device, index) =>
      excluded.has(device)
        ? undefined
        : start.access
            .get(device)
            ?.create(fragmentId(id, index), fragmentMaximum(group, index, maximum), checksumBytes, by),
    ),
  );
  const stale = results.find((result) => result.status === 'rejected' && isStale(result.reason));
  if (stale?.status === 'rejected') {
    await abortAll(results.map((result) => (result.status === 'fulfilled' ? result.value : undefined)));
    throw stale.reason;
  }
  const writers: (FragmentWriter | undefined)[] = [];
  for (const [index, result] of results.entries()) {
    if (result.status === 'fulfilled') {
      writers.push(result.value);
      continue;
    }
    writers.push(undefined);
    excluded.add(group.devices[index] as string);
    errors.push(result.reason);
  }
  if (writers.filter((writer) => writer).length >= enough) {
    return group.code
      ? new CodedWriter(id, group, group.code, writers, start.events)
      : new CopiesWriter(id, group, writers, start.events);
  }
  await abortAll(writers);
  return undefined;
}

const fragmentMaximum = ({ code }: GroupRecord, index: number, maximum: number): number =>
  code ? fragmentBytes(code, maximum, index) + trailerBytes : maximum;

/** Why no group would take the stripe. */
function refusal(groups: readonly GroupRecord[], excluded: ReadonlySet<string>, errors: readonly unknown[]): Error {
  const broken = errors.find((error) => error instanceof InvariantError);
  if (broken) return broken as Error;
  const isFull = (error: unknown): boolean => error instanceof StoreError && error.code === 'StorageFull';
  const full = errors.find(isFull);
  if (full && errors.every(isFull)) return full as StoreError;
  const noRoom = groups.some((group) => group.devices.every((device) => !excluded.has(device)));
  if (noRoom && errors.length === 0) return new StoreError('StorageFull');
  const message =
    groups.length === 0
      ? 'No placement group gives this redundancy yet. Try again.'
      : 'Too few storage devices take writes now. Try again, and look at the health of the devices.';
  return new StoreError('ServiceUnavailable', { message, cause: errors.find((error) => !isFull(error)) });
}
