import { StoreError } from '../../errors.ts';
import type { FragmentId, FragmentStore } from '../../fragments/index.ts';
import type { Host } from '../../host/index.ts';
import { InvariantError } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { GroupRecord, MetadataReader } from '../../metadata/index.ts';
import { localAccess } from '../access.ts';
import { checksumBytes, indexOf, knownBytes, lengthOf, stripeIdBytes, stripeOf, successor } from '../address.ts';
import { auditOf, type CheckedStates } from '../check/states.ts';
import { GroupTable } from '../groups.ts';
import { damageReason, type RepairFragment } from '../repair.ts';
import type { DamageReport } from '../types.ts';
import { eachMissing } from './missing.ts';
import { Pace } from './pace.ts';
import { type JobProgress, ProgressMeter } from './progress.ts';
import type { ScrubMemory, ScrubPlace } from './scrub-memory.ts';

/*
 * Finds rot before a reader does: reads every block of every fragment against its checksum, and then looks up every copy that a published
 * stripe should have. What is bad or missing is rewritten from another copy.
 *
 * At its end it holds the rows of the metadata, and the objects within them, against the digest that was committed with them: those
 * have no checksum of their own.
 *
 * A pass runs at a rate that ends it in half its period, and not below a least one; it goes on where it was after a restart.
 * Only a pass that looked at every device counts as full: the age of the last full pass is what tells an operator that a device is left out.
 */

export interface ScrubOptions {
  readonly reader: Pick<MetadataReader, 'stripeOwner' | 'stripes' | 'garbage'>;
  readonly groups: () => readonly GroupRecord[];
  readonly stores: ReadonlyMap<string, FragmentStore>;
  readonly host: Host;
  readonly repair: RepairFragment;
  /** Called for every bad copy of a published stripe, after its repair was tried. */
  readonly onDamage: (report: DamageReport) => void;
  readonly memory: ScrubMemory;
  /** Time between the ends of two full passes. */
  readonly periodMs?: number;
  /** A scheduled pass reads at least so much; absent: `limits.scrubBytesPerSecond`. */
  readonly bytesPerSecond?: number;
  /** Absent: every device answers. */
  readonly healthy?: (device: string) => boolean;
  /** The metadata, to be looked through too. Absent: they are not. */
  readonly states?: CheckedStates;
}

export interface ScrubReport {
  /** Fragments read whole, and their data bytes. */
  readonly fragments: number;
  readonly bytes: number;
  readonly missing: number;
  readonly damaged: number;
  readonly unreadable: number;
  readonly repaired: number;
  /** Bad copies that stay bad; the list is cut at `limits.reportedFindings`. */
  readonly unrepaired: readonly {
    readonly stripe: string;
    readonly device: string;
    readonly reason: DamageReport['reason'];
  }[];
  /** Devices that were left out because they do not answer. */
  readonly skipped: readonly string[];
  /** Rows of the metadata that were held against their digest, and the folders of those that are not what was written. */
  readonly rows: number;
  readonly damagedMetadata: readonly string[];
}

export interface Scrub {
  /**
   * Runs a pass: from the start and at full speed, or (`scheduled`) from where the last one stopped and slowly. A call while one runs answers
   * that one's report, and makes it hurry unless it is `scheduled` too.
   */
  run(options?: { readonly signal?: AbortSignal; readonly scheduled?: boolean }): Promise<ScrubReport>;
  /** Whether a scheduled pass should run now: one was interrupted, or the last full one is older than the period. */
  due(): boolean;
  /** Wall time at which the last full pass ended; undefined before the first. */
  lastFullMs(): number | undefined;
  progress(): JobProgress;
}

type Report = { -readonly [Field in keyof ScrubReport]: ScrubReport[Field] } & {
  unrepaired: ScrubReport['unrepaired'][number][];
  skipped: string[];
  damagedMetadata: string[];
};

/** Bytes read in one step: a whole number of checksum blocks, so that no block is read twice. */
const stepBytes = checksumBytes * 16;

/** @throws CorruptionError when the memory of earlier passes cannot be read */
export async function createScrub(options: ScrubOptions): Promise<Scrub> {
  const { host, memory } = options;
  const period = options.periodMs ?? limits.scrubPeriodMs;
  const meter = new ProgressMeter(host.clock);
  let state = await memory.load();
  let running: { readonly report: Promise<ScrubReport>; readonly pace: Pace } | undefined;

  const pass = async (pace: Pace, scheduled: boolean): Promise<ScrubReport> => {
    const from = scheduled ? state.place : undefined;
    let savedAt = host.clock.monotonic();
    const save = async (place: ScrubPlace): Promise<void> => {
      if (!scheduled || host.clock.monotonic() - savedAt < limits.scrubSaveMs) return;
      savedAt = host.clock.monotonic();
      state = { ...state, place };
      await memory.save(state);
    };
    meter.start();
    try {
      const report = await new Pass(options, meter, pace, save).run(from, scheduled ? period : undefined);
      state = { lastFullMs: report.skipped.length === 0 ? host.clock.now() : state.lastFullMs, place: undefined };
      await memory.save(state);
      return report;
    } finally {
      meter.end();
    }
  };
  return {
    run({ signal, scheduled = false } = {}) {
      if (running) {
        if (!scheduled) running.pace.hurry();
        return running.report;
      }
      const pace = new Pace(host, { signal });
      const report = pass(pace, scheduled).finally(() => {
        running = undefined;
      });
      running = { report, pace };
      return report;
    },
    due: () => state.place !== undefined || host.clock.now() - (state.lastFullMs ?? Number.NEGATIVE_INFINITY) >= period,
    lastFullMs: () => state.lastFullMs,
    progress: () => meter.snapshot(),
  };
}

class Pass {
  readonly #options: ScrubOptions;
  readonly #meter: ProgressMeter;
  readonly #pace: Pace;
  readonly #save: (place: ScrubPlace) => Promise<void>;
  readonly #groups: GroupTable;
  readonly #report: Report = {
    fragments: 0,
    bytes: 0,
    missing: 0,
    damaged: 0,
    unreadable: 0,
    repaired: 0,
    unrepaired: [],
    skipped: [],
    rows: 0,
    damagedMetadata: [],
  };

  constructor(options: ScrubOptions, meter: ProgressMeter, pace: Pace, save: (place: ScrubPlace) => Promise<void>) {
    this.#options = options;
    this.#meter = meter;
    this.#pace = pace;
    this.#save = save;
    this.#groups = new GroupTable(options.groups, options.host.clock);
  }

  /** @param within time in which the pass should be half done; undefined: as fast as it can */
  async run(from: ScrubPlace | undefined, within: number | undefined): Promise<ScrubReport> {
    const devices: [string, FragmentStore][] = [];
    for (const [device, store] of [...this.#options.stores].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (this.#options.healthy?.(device) === false) this.#report.skipped.push(device);
      else if (!from || device >= from.device) devices.push([device, store]);
    }
    const start = (device: string): Buffer => (from?.device === device ? from.next : Buffer.alloc(stripeIdBytes));

    this.#meter.phase('counting', 0);
    let total = 0;
    for (const [device, store] of devices) {
      await this.#each(store, start(device), async (id) => {
        total += knownBytes(store, id);
        this.#meter.advance(1);
      });
    }
    const least = this.#options.bytesPerSecond ?? limits.scrubBytesPerSecond;
    if (within !== undefined) this.#pace.limit(Math.max(least, (2 * total * 1000) / within));
    this.#meter.phase('verifying', total);
    for (const [device, store] of devices) {
      await this.#each(store, start(device), async (id, next) => {
        await this.#verify(device, store, id);
        await this.#save({ device, next });
      });
    }
    await this.#findMissing();
    await this.#auditStates();
    return this.#report;
  }

  async #each(
    store: FragmentStore,
    start: Buffer,
    visit: (id: FragmentId, next: Buffer) => Promise<void>,
  ): Promise<void> {
    let next: Buffer | undefined = start;
    while (next) {
      const page: readonly FragmentId[] = store.ids(next, limits.jobPage);
      if (page.length === 0) return;
      for (const id of page) {
        next = successor(id);
        await visit(id, next ?? id);
      }
      await this.#pace.step();
    }
  }

  async #verify(device: string, store: FragmentStore, id: FragmentId): Promise<void> {
    const length = lengthOf(store, id);
    if (length === undefined) return;
    if (length === 'damaged') return this.#bad(stripeOf(id), indexOf(id), device, 'damaged');
    try {
      for (let at = 0; at < length; at += stepBytes) {
        const end = Math.min(length, at + stepBytes);
        await store.read(id, at, end);
        this.#report.bytes += end - at;
        this.#meter.advance(end - at, end - at);
        await this.#pace.step(end - at);
      }
      this.#report.fragments += 1;
    } catch (error) {
      this.#pace.check();
      if (error instanceof InvariantError) throw error;
      // Removed while it was read: nothing is wrong.
      if (lengthOf(store, id) === undefined) return;
      await this.#bad(stripeOf(id), indexOf(id), device, damageReason(error));
    }
  }

  /** A bad copy: repaired and reported when a published stripe needs it, else left to the collector. */
  async #bad(stripe: Buffer, copy: number, device: string, reason: DamageReport['reason']): Promise<void> {
    const owner = this.#options.reader.stripeOwner(stripe);
    const group = owner && this.#groups.byId(owner.group);
    if (!group || group.devices[copy] !== device) return;
    const repaired = await this.#options.repair(stripe, group, copy, 'unreadable');
    this.#report[reason] += 1;
    if (repaired) this.#report.repaired += 1;
    else if (this.#report.unrepaired.length < limits.reportedFindings) {
      this.#report.unrepaired.push({ stripe: stripe.toString('hex'), device, reason });
    }
    this.#options.onDamage({ stripe, device, reason, repaired });
  }

  /** One that takes too long beside what is written is left to the next pass. */
  async #auditStates(): Promise<void> {
    const { states } = this.#options;
    for (const { kv, directory } of states?.list() ?? []) {
      try {
        const { rows, damage } = await auditOf(kv, { pace: this.#pace, meter: this.#meter });
        this.#report.rows += rows;
        if (damage !== undefined) this.#report.damagedMetadata.push(directory);
        states?.found?.(directory, damage);
      } catch (error) {
        if (!(error instanceof StoreError) || error.code !== 'ServiceUnavailable') throw error;
      }
    }
  }

  async #findMissing(): Promise<void> {
    this.#meter.phase('looking for missing copies', 0);
    const { reader, stores, healthy } = this.#options;
    const looked = (stripes: number): void => this.#meter.advance(stripes);
    const access = new Map([...stores].map(([device, store]) => [device, localAccess(store)]));
    const search = { reader, groups: this.#groups, access, healthy, pace: this.#pace, looked };
    for await (const { stripe, copy, device } of eachMissing(search)) await this.#bad(stripe, copy, device, 'missing');
  }
}
