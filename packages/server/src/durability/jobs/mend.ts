import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { GroupRecord, MetadataReader } from '../../metadata/index.ts';
import { type AccessMap, type FragmentAccess, reached } from '../access.ts';
import { fragmentId } from '../address.ts';
import { GroupTable } from '../groups.ts';
import type { RepairFragment } from '../repair.ts';
import { createWhereabouts, type Whereabouts } from '../whereabouts.ts';
import { endangerment, isLost } from './endangered.ts';
import { Flights } from './flights.ts';
import { type MissingCopy, missingCopies } from './missing.ts';
import { Pace } from './pace.ts';
import { type JobProgress, ProgressMeter } from './progress.ts';
import { Unpublished } from './unpublished.ts';

/*
 * Writes the copies that stripes were published without, because a device was not there or failed while they were written.
 *
 * Two sources. Writers tell of every copy that they leave out: those wait in a bounded queue and are written as soon as the version is
 * published and the device takes bytes. And the table of stripes is looked through once after the start, for a device that was away comes
 * back with a start: each copy that its device does not know is written, and one that cannot be waits in the queue. The same is done when the queue ran over or gave a copy up.
 * A copy of a stripe that nobody owns is not missing: the stripe is published later, or never. It is put aside, and comes back when it has an owner
 * (unpublished.ts), so a write that failed, or a version that was deleted at once, holds nobody up who waits until nothing is missing.
 * Looking is cheap (a row and an index look-up per copy, no byte of data), so nothing has to be remembered over a restart, and what was
 * lost in another way, an index made anew for example, is found too.
 *
 * The most endangered stripes come first (endangered.ts): what is missing is written class by class, by how many more fragments its stripe could lose,
 * with one walk through the table for each class. So nothing has to be kept or sorted, however much is missing. When a device goes while less urgent
 * stripes are being written, it begins anew.
 *
 * A few stripes are written side by side (flights.ts): each waits for a read, a sync and the log, in which the disk would have nothing to do. They begin
 * in the order above.
 *
 * Rejected: a note in the log per copy (more entries just when a device is gone), leaving it to the scrub (days), and a heap of the most urgent
 * (with more to do than it holds, the table is walked once for each time that it is filled).
 */

export interface MendOptions {
  readonly reader: Pick<MetadataReader, 'stripes' | 'garbage' | 'stripeOwner'>;
  readonly groups: () => readonly GroupRecord[];
  /** Devices within reach, this machine's and others. */
  readonly access: AccessMap;
  readonly host: Host;
  readonly repair: RepairFragment;
  /** Where fragments are that have moved: they count as there. Absent: only where the groups say. */
  readonly where?: Pick<Whereabouts, 'at'>;
  /** Absent: every device answers. */
  readonly healthy?: (device: string) => boolean;
  /** The devices whose missing copies are looked for; those of others are their own nodes' to find. Absent: all. */
  readonly mine?: (device: string) => boolean;
  /** Bytes written in a second when many are missing; asked again and again. Absent: as fast as it goes. */
  readonly bytesPerSecond?: () => number;
}

export interface MendTotals {
  /** Copies written since the start. */
  readonly mended: number;
  /** Copies known to be missing on devices that are here: those in the queue, and those that it gave up until the next look. */
  readonly waiting: number;
  /** Those of `waiting` that nothing is left to be written from, although every device of their group answered. */
  readonly lost: number;
  /** Whether the stripes have been looked through since something may have been missed. */
  readonly complete: boolean;
}

export interface Mender {
  /** A stripe was sealed without this copy. */
  missed(stripe: Buffer, group: number, copy: number): void;
  /** Groups have got other devices: what those lack is to be looked for. */
  look(): void;
  /** Writes what can be written now. @throws the signal's reason, when it was cancelled */
  run(signal?: AbortSignal): Promise<void>;
  progress(): JobProgress;
  totals(): MendTotals;
}

/** The phase of {@link JobProgress} in which done and total count fragments. */
export const writingPhase = 'writing missing copies';

interface Waiting {
  readonly stripe: Buffer;
  readonly group: number;
  readonly copy: number;
  /** Runs that found it unpublished or could not write it. */
  tries: number;
}

export function createMender(options: MendOptions): Mender {
  const { reader, access, host, repair } = options;
  const groups = new GroupTable(options.groups, host.clock);
  const where = options.where ?? createWhereabouts(access, options.healthy);
  const search = { at: where.at, healthy: options.healthy };
  const meter = new ProgressMeter(host.clock);
  const queue = new Map<string, Waiting>();
  const unpublished = new Unpublished<Waiting>((stripe) => reader.stripeOwner(stripe) !== undefined, host.clock);
  let mended = 0;
  /** The table of stripes is to be looked through, not before this time. */
  let lookAt: number | undefined = host.clock.monotonic();
  /** Whether a look is under way: what it will find is not known before its end. */
  let looking = false;
  /** Given up by the queue since the last look began. */
  let unwritten = 0;
  let lost = 0;

  const lookedFor = (device: string): boolean =>
    options.healthy?.(device) !== false && options.mine?.(device) !== false;

  const lookAgain = (): void => {
    lookAt ??= host.clock.monotonic() + limits.mendAgainMs;
  };

  /** What waits, the most endangered first. */
  const inOrder = async (pace: Pace): Promise<(readonly [string, Waiting])[]> => {
    const all = [...queue].map(([name, one]) => ({ name, one, group: groups.byId(one.group), rank: 0 }));
    for (let at = 0; at < all.length; at += limits.jobPage) {
      const page = all.slice(at, at + limits.jobPage);
      const known = page.flatMap((item) => (item.group ? [{ item, stripe: item.one.stripe, group: item.group }] : []));
      const ranks = await endangerment(search, known);
      for (const [index, { item }] of known.entries()) item.rank = ranks[index] as number;
      await pace.step();
    }
    return all.sort((a, b) => a.rank - b.rank).map(({ name, one }) => [name, one]);
  };

  const workOffOne = async (name: string, one: Waiting): Promise<void> => {
    const group = groups.byId(one.group);
    const device = group?.devices[one.copy];
    const target = device === undefined ? undefined : access.get(device);
    if (!group || !device || !target || options.healthy?.(device) === false) {
      // It comes back with a start, and the stripes are looked through then.
      queue.delete(name);
    } else if (await isThere(target, fragmentId(one.stripe, one.copy))) queue.delete(name);
    else if (await repair(one.stripe, group, one.copy, 'unreadable')) {
      queue.delete(name);
      mended += 1;
    } else if (++one.tries >= limits.mendTries) {
      queue.delete(name);
      if (reader.stripeOwner(one.stripe)) {
        unwritten += 1;
        if (await isLost(search, { stripe: one.stripe, group })) lost += 1;
      }
      // A large upload may be published long after its first stripes were sealed. What nobody published is the collector's.
      else if (unpublished.add(name, one)) return;
      lookAgain();
    }
  };

  const workOff = async (pace: Pace): Promise<void> => {
    meter.phase('queue', queue.size);
    const flights = new Flights(limits.mendFlights);
    try {
      for (const [name, one] of await inOrder(pace)) {
        await pace.step();
        meter.advance(1);
        await flights.start(one.stripe.toString('latin1'), () => workOffOne(name, one));
      }
      await flights.drain();
    } finally {
      await flights.landed();
    }
  };

  /** Devices that are of no use now: when one more is, stripes that were safe may be the most endangered ones. */
  const gone = (): number => {
    groups.refresh();
    return [...access.keys()].filter((device) => options.healthy?.(device) === false).length;
  };

  const write = async ({ stripe, group, copy }: MissingCopy, target: FragmentAccess, pace: Pace): Promise<void> => {
    const isWritten = await repair(stripe, group, copy, 'unreadable');
    if (isWritten) mended += 1;
    // A device that is busy, or too many repairs at once: that passes sooner than a look comes again.
    else if (reader.stripeOwner(stripe)) mender.missed(stripe, group.id, copy);
    const bytes = isWritten ? await lengthOn(target, fragmentId(stripe, copy)) : 0;
    meter.advance(1, bytes);
    if (options.bytesPerSecond) pace.limit(options.bytesPerSecond());
    await pace.step(bytes);
  };

  /**
   * Writes what is missing of stripes that are endangered so much, or more.
   * @returns the next class that something is left in, undefined when nothing is; `again` when a device has gone meanwhile
   */
  const writeClass = async (rank: number, isFirst: boolean, pace: Pace): Promise<number | 'again' | undefined> => {
    const flights = new Flights(limits.mendFlights);
    try {
      const next = await beginClass(rank, isFirst, pace, flights);
      await flights.drain();
      return next;
    } finally {
      await flights.landed();
    }
  };

  const beginClass = async (
    rank: number,
    isFirst: boolean,
    pace: Pace,
    flights: Flights,
  ): Promise<number | 'again' | undefined> => {
    let next: number | undefined;
    const leave = (other: number): void => {
      next = Math.min(next ?? other, other);
    };
    const before = gone();
    for await (const page of missingCopies({ reader, groups, access, healthy: lookedFor, pace, looked: () => {} })) {
      const ranks = await endangerment(search, page);
      for (const [index, one] of page.entries()) {
        if ((ranks[index] as number) > rank) {
          leave(ranks[index] as number);
          continue;
        }
        if (!isFirst && gone() > before) return 'again';
        // With one fragment written, the stripe may be safer than others are.
        const name = one.stripe.toString('latin1');
        await flights.ended(name);
        const [now] = await endangerment(search, [one]);
        const target = access.get(one.device);
        if (!target) continue;
        if (await isThere(target, fragmentId(one.stripe, one.copy))) {
          // A read has had it written since the page was looked at.
          mended += 1;
          meter.advance(1);
        } else if ((now as number) > rank) leave(now as number);
        else await flights.start(name, () => write(one, target, pace));
      }
    }
    return next;
  };

  /** Counts what is missing, and then writes it, class by class. @returns whether it is to be counted again */
  const countAndWrite = async (pace: Pace): Promise<boolean> => {
    // Counted first: how long it will take is what everybody asks, and counting costs next to nothing beside writing.
    meter.phase('looking for missing copies', 0);
    const counted = (stripes: number): void => meter.advance(stripes);
    let missing = 0;
    let first = Number.POSITIVE_INFINITY;
    for await (const page of missingCopies({ reader, groups, access, healthy: lookedFor, pace, looked: counted })) {
      missing += page.length;
      for (const rank of await endangerment(search, page)) first = Math.min(first, rank);
    }
    if (missing === 0) return false;
    meter.phase(writingPhase, missing);
    for (let rank: number | undefined = first; rank !== undefined; ) {
      const next: number | 'again' | undefined = await writeClass(rank, rank === first, pace);
      if (next === 'again') return true;
      rank = next;
    }
    return false;
  };

  const look = async (pace: Pace): Promise<void> => {
    lookAt = undefined;
    looking = true;
    unwritten = 0;
    lost = 0;
    try {
      while (await countAndWrite(pace));
    } catch (error) {
      lookAgain();
      throw error;
    } finally {
      looking = false;
    }
  };

  const mender: Mender = {
    missed(stripe, group, copy) {
      if (queue.size >= limits.mendQueue) return lookAgain();
      const name = fragmentId(stripe, copy).toString('latin1');
      if (!queue.has(name)) queue.set(name, { stripe, group, copy, tries: 0 });
    },
    look() {
      lookAt = Math.min(lookAt ?? Number.POSITIVE_INFINITY, host.clock.monotonic());
    },
    async run(signal) {
      for (const { stripe, group, copy } of unpublished.published()) mender.missed(stripe, group, copy);
      const due = lookAt !== undefined && host.clock.monotonic() >= lookAt;
      if (queue.size === 0 && !due) return;
      const pace = new Pace(host, { signal });
      meter.start();
      try {
        // What waits is missing too: a look writes it where it is in order.
        if (due) await look(pace);
        await workOff(pace);
      } finally {
        meter.end();
      }
    },
    progress: () => meter.snapshot(),
    totals: () => ({ mended, waiting: queue.size + unwritten, lost, complete: lookAt === undefined && !looking }),
  };
  return mender;
}

async function lengthOn(target: FragmentAccess | undefined, id: Buffer): Promise<number> {
  const [length] = (await reached(target?.lengths([id]))) ?? [];
  return typeof length === 'number' ? length : 0;
}

/** Whether a device has a fragment, good or bad; one that cannot be reached is taken to lack it, and the repair finds out. */
async function isThere(target: FragmentAccess, id: Buffer): Promise<boolean> {
  const lengths = await reached(target.lengths([id]));
  return lengths !== undefined && lengths[0] !== undefined;
}
