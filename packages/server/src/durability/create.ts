import { StoreError } from '../errors.ts';
import type { FragmentWriter } from '../fragments/index.ts';
import { InvariantError } from '../invariant.ts';
import { limits } from '../limits.ts';
import type { GroupRecord, Redundancy } from '../metadata/index.ts';
import { chooseGroup, spreadPoint } from '../placement/index.ts';
import type { AccessMap } from './access.ts';
import { checksumBytes, fragmentId } from './address.ts';
import type { GroupTable } from './groups.ts';
import { abortAll, GroupWriter, type WriterEvents, writeQuorum } from './writer.ts';

/** What a thread knows about a device without asking it. */
export interface DeviceCondition {
  /** False: not written to, and read from only when no other copy is left. */
  readonly healthy: boolean;
  /** Bytes it can still take; only the ratio between devices counts. */
  readonly free: number;
}

export interface StripeStart {
  readonly access: AccessMap;
  readonly groups: GroupTable;
  readonly condition: (device: string) => DeviceCondition;
  readonly defaultCopies: number | undefined;
  readonly takeId: () => Promise<Buffer>;
  readonly events: WriterEvents;
}

/** How many copies a stripe gets: what was asked for, else the server's default, else two where there are two devices. */
function copiesFor(redundancy: Redundancy | undefined, devices: number, defaultCopies: number | undefined): number {
  const copies = redundancy?.copies ?? defaultCopies ?? Math.min(2, devices);
  if (!Number.isInteger(copies) || copies < 1 || copies > limits.copies) {
    throw new StoreError('UnsupportedRedundancy', {
      message: `copies must be a whole number from 1 to ${limits.copies}.`,
    });
  }
  if (copies <= devices) return copies;
  const layout = devices === 1 ? 'one storage device' : `${devices} storage devices`;
  throw new StoreError('UnsupportedRedundancy', {
    message: `${copies} copies need ${copies} storage devices, and this server has ${layout}. Ask for less or add data directories.`,
  });
}

/**
 * Starts stripes: chooses a group by free space, and another one when a device refuses.
 *
 * A stripe for which nobody asked for a number of copies gets the server's usual one; while devices are away or stopped it is written to those
 * of its group that are left, and the rest follows when they are back (jobs/mend.ts). Who asked for a number gets its write quorum or an error.
 */
export function stripeStarter(
  start: StripeStart,
): (redundancy: Redundancy | undefined, maximum: number) => Promise<GroupWriter> {
  let started = 0;
  return async (redundancy, maximum) => {
    const copies = copiesFor(redundancy, Math.max(start.access.size, start.groups.devices), start.defaultCopies);
    const id = await start.takeId();
    try {
      return await place(start, id, copies, redundancy === undefined, maximum, spreadPoint(started++));
    } catch (error) {
      await start.events.abandoned(id, [], true);
      throw error;
    }
  };
}

async function place(
  start: StripeStart,
  id: Buffer,
  copies: number,
  mayLack: boolean,
  maximum: number,
  point: number,
): Promise<GroupWriter> {
  let groups = start.groups.ofCopies(copies);
  if (groups.length === 0) {
    start.groups.refresh();
    groups = start.groups.ofCopies(copies);
  }
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
    const writer = await openGroup(start, id, group, maximum, copies, excluded, errors);
    if (writer) return writer;
  }
  const quorum = writeQuorum(copies);
  for (const group of mostLeft(groups, excluded)) {
    // Full or busy devices are no reason to keep less than usual.
    const enough = mayLack && group.devices.every((device) => !excluded.has(device) || away(device)) ? 1 : quorum;
    const left = group.devices.filter((device) => !excluded.has(device)).length;
    if (left < enough || left === copies) continue;
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

/** Opens a copy on every device that is not excluded. A device that refuses is excluded from here on; with less than `enough` nothing stays open. */
async function openGroup(
  start: StripeStart,
  id: Buffer,
  group: GroupRecord,
  maximum: number,
  enough: number,
  excluded: Set<string>,
  errors: unknown[],
): Promise<GroupWriter | undefined> {
  const results = await Promise.allSettled(
    group.devices.map(async (device, index) =>
      excluded.has(device)
        ? undefined
        : start.access.get(device)?.create(fragmentId(id, index), maximum, checksumBytes),
    ),
  );
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
  if (writers.filter((writer) => writer).length >= enough) return new GroupWriter(id, group, writers, start.events);
  await abortAll(writers);
  return undefined;
}

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
      ? 'No placement group gives this number of copies yet. Try again.'
      : 'Too few storage devices take writes now. Try again, and look at the health of the devices.';
  return new StoreError('ServiceUnavailable', { message, cause: errors.find((error) => !isFull(error)) });
}
