import type { FragmentStore } from '../../fragments/index.ts';
import type { Host } from '../../host/index.ts';
import { InvariantError, invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { Position } from '../../log/index.ts';
import type { GarbageRow, MetadataReader, Proposer } from '../../metadata/index.ts';
import { type AccessMap, type Removed, removeFragments } from '../access.ts';
import { prefixBytes, stripeIdBytes, stripeOf, successor } from '../address.ts';
import { Pace } from './pace.ts';
import { type JobProgress, ProgressMeter } from './progress.ts';

/*
 * Frees what nothing points to any more. Two sources, and no clock in either:
 *
 * - The garbage list: pieces whose last version went away at a known log position. A read that began before that position may still need
 *   them, so a row waits until the oldest open read is at its position or beyond. Rows are read before the threads are asked for their oldest
 *   read: a read that begins later sees the newest state, in which nothing points to the piece.
 * - Closed intents: stripes that were written and never published. Under a closed prefix nothing can be published any more, so what a device
 *   holds there without an owner is garbage. Stripes on the garbage list still have their owner, until they are reported as collected.
 *
 * Fragments go first, durably, and only then the log says "collected". After a crash between the two the work is done again, and removing
 * what is gone does nothing. While a device does not answer, its garbage stays listed; the others are freed all the same.
 */

export interface CollectorOptions {
  readonly reader: Pick<MetadataReader, 'garbage' | 'intents' | 'stripeOwner'>;
  readonly proposer: Proposer;
  /** Every device that may hold garbage. */
  readonly access: AccessMap;
  /** The devices of this machine, in the thread that owns them: swept here for what closed intents left. */
  readonly stores: ReadonlyMap<string, FragmentStore>;
  /** Has a device of another machine swept there, once the replica there has reached what this one knows. */
  readonly sweep?: (device: string, prefix: Buffer) => Promise<Removed>;
  readonly host: Host;
  /**
   * The oldest position at which any thread still reads, undefined when none does. A thread takes its position before it reads the version,
   * in the same turn, and is asked after that turn.
   */
  readonly oldestRead: () => Promise<Position | undefined>;
  /** Absent: every device answers. */
  readonly healthy?: (device: string) => boolean;
}

export interface CollectorReport {
  /** Garbage rows and intents done with, fragments removed and their data bytes. */
  readonly rows: number;
  readonly intents: number;
  readonly fragments: number;
  readonly bytes: number;
  /** True when rows were left to open reads or to a device that does not answer. */
  readonly waiting: boolean;
}

export interface Collector {
  /** One pass over everything that can be freed now. A call while one runs answers that one's report. */
  run(signal?: AbortSignal): Promise<CollectorReport>;
  progress(): JobProgress;
  /** Since the collector was made. */
  totals(): Omit<CollectorReport, 'waiting'>;
}

export function createCollector(options: CollectorOptions): Collector {
  const meter = new ProgressMeter(options.host.clock);
  const totals = { rows: 0, intents: 0, fragments: 0, bytes: 0 };
  let running: Promise<CollectorReport> | undefined;

  const pass = async (signal: AbortSignal | undefined): Promise<CollectorReport> => {
    const tally: Tally = { rows: 0, intents: 0, fragments: 0, bytes: 0, waiting: false };
    const freeing = new Freeing(options, tally, meter);
    const pace = new Pace(options.host, { signal });
    meter.start();
    try {
      await collectGarbage(options, freeing, pace, tally, meter);
      await collectIntents(options, freeing, pace, tally, meter);
    } finally {
      totals.rows += tally.rows;
      totals.intents += tally.intents;
      totals.fragments += tally.fragments;
      totals.bytes += tally.bytes;
      meter.end();
    }
    return tally;
  };
  return {
    run(signal) {
      running ??= pass(signal).finally(() => {
        running = undefined;
      });
      return running;
    },
    progress: () => meter.snapshot(),
    totals: () => ({ ...totals }),
  };
}

type Tally = { -readonly [Field in keyof CollectorReport]: CollectorReport[Field] };

/** Removes fragments on the devices that answer and remembers those that do not. */
class Freeing {
  readonly #options: CollectorOptions;
  readonly #tally: Tally;
  readonly #meter: ProgressMeter;
  readonly #failed = new Set<string>();
  readonly #touched = new Set<string>();

  constructor(options: CollectorOptions, tally: Tally, meter: ProgressMeter) {
    this.#options = options;
    this.#tally = tally;
    this.#meter = meter;
  }

  /** Removes what every device holds of these stripes. Resolves to whether each did it. */
  async remove(stripes: readonly Buffer[]): Promise<boolean> {
    let all = true;
    for (const [device, access] of this.#options.access) {
      const done = await this.removeOn(device, () => access.removeStripes(stripes));
      all &&= done;
    }
    return all;
  }

  async removeOn(device: string, remove: () => Promise<Removed>): Promise<boolean> {
    if (this.#failed.has(device) || this.#options.healthy?.(device) === false) return false;
    try {
      const { fragments, bytes } = await remove();
      if (fragments === 0) return true;
      this.#touched.add(device);
      this.#tally.fragments += fragments;
      this.#tally.bytes += bytes;
      this.#meter.advance(0, bytes);
      return true;
    } catch (error) {
      this.#fail(device, error);
      return false;
    }
  }

  /** Makes the removals so far durable. Resolves to whether every device that had some did it. */
  async flush(): Promise<boolean> {
    let all = true;
    for (const device of this.#touched) {
      try {
        await this.#options.access.get(device)?.flush();
        this.#touched.delete(device);
      } catch (error) {
        this.#fail(device, error);
        all = false;
      }
    }
    return all;
  }

  /** A device that failed once is left alone until the next pass. */
  #fail(device: string, error: unknown): void {
    if (error instanceof InvariantError) throw error;
    this.#failed.add(device);
  }
}

async function collectGarbage(
  { reader, proposer, oldestRead }: CollectorOptions,
  freeing: Freeing,
  pace: Pace,
  tally: Tally,
  meter: ProgressMeter,
): Promise<void> {
  meter.phase('garbage', 0);
  /** In steps of about a page of stripes: one row may have many. */
  const removeRows = async (rows: readonly GarbageRow[]): Promise<boolean> => {
    let all = true;
    let stripes: Buffer[] = [];
    for (const [index, row] of rows.entries()) {
      for (const { id } of row.stripes) stripes.push(id);
      if (stripes.length < limits.jobPage && index < rows.length - 1) continue;
      const step = stripes;
      stripes = [];
      const done = await freeing.remove(step);
      all &&= done;
      await pace.step();
    }
    return all;
  };
  let after: GarbageRow | undefined;
  let gone: GarbageRow[] = [];

  const collected = async (): Promise<void> => {
    if (gone.length === 0) return;
    const rows = gone;
    gone = [];
    if (!(await freeing.flush())) {
      tally.waiting = true;
      return;
    }
    await proposer.propose({
      type: 'garbage.collected',
      rows: rows.map(({ position, ordinal, piece }) => ({ position, ordinal, piece })),
    });
    tally.rows += rows.length;
    // A repair that ran since the removal may have brought a copy back while the stripe still had its owner; from here on none does.
    await removeRows(rows);
  };

  while (true) {
    const rows = reader.garbage(limits.jobPage, after);
    if (rows.length === 0) break;
    const oldest = await oldestRead();
    const ready = oldest === undefined ? rows : rows.filter((row) => row.position <= oldest);
    // Once a device failed it stays failed for this pass, so that what is reported is always the beginning of the list.
    if (await removeRows(ready)) gone.push(...ready);
    else tally.waiting = true;
    meter.advance(ready.length);
    if (ready.length < rows.length) {
      tally.waiting = true;
      break;
    }
    after = ready.at(-1);
    if (gone.length >= limits.collectBatch) await collected();
  }
  await collected();
}

async function collectIntents(
  options: CollectorOptions,
  freeing: Freeing,
  pace: Pace,
  tally: Tally,
  meter: ProgressMeter,
): Promise<void> {
  const closed = options.reader.intents().filter((intent) => intent.state === 'closed');
  meter.phase('intents', closed.length);
  for (const intent of closed) {
    let all = true;
    for (const device of options.access.keys()) {
      const store = options.stores.get(device);
      const done = await freeing.removeOn(device, () =>
        store
          ? sweepClosed(options.reader, store, intent.prefix, pace)
          : sweepElsewhere(options, device, intent.prefix),
      );
      all &&= done;
    }
    meter.advance(1);
    if (all && (await freeing.flush())) {
      await options.proposer.propose({ type: 'intent.collected', prefix: intent.prefix });
      tally.intents += 1;
    } else {
      tally.waiting = true;
    }
  }
}

function sweepElsewhere({ sweep }: CollectorOptions, device: string, prefix: Buffer): Promise<Removed> {
  invariant(sweep, 'devices of other machines are swept there');
  return sweep(device, prefix);
}

/**
 * Removes what a device holds under a closed prefix without an owner, in steps between which others may work.
 * @param reader of a replica that has reached the closing of the intent: before it, the owner of a fragment may not be known yet
 */
export async function sweepClosed(
  reader: Pick<MetadataReader, 'stripeOwner'>,
  store: FragmentStore,
  prefix: Buffer,
  pace: Pace,
): Promise<Removed> {
  const total = { fragments: 0, bytes: 0 };
  let start: Buffer | undefined = Buffer.concat([prefix], stripeIdBytes);
  while (start) {
    const page = store.ids(start, limits.jobPage);
    const last = page.at(-1);
    if (!last) break;
    const under = page.filter((id) => id.compare(prefix, 0, prefixBytes, 0, prefixBytes) === 0);
    const unowned = under.filter((id) => !reader.stripeOwner(stripeOf(id)));
    const { fragments, bytes } = await removeFragments(store, unowned);
    total.fragments += fragments;
    total.bytes += bytes;
    if (under.length < page.length) break;
    start = successor(last);
    await pace.step();
  }
  return total;
}
