import { CorruptionError, StoreError } from '../../errors.ts';
import type { FragmentId, FragmentStore, IndexAudit, IndexProblem } from '../../fragments/index.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import {
  type GarbageRow,
  type GroupRecord,
  lentBy,
  lentTo,
  type MetadataReader,
  type Piece,
  shardOfNumber,
} from '../../metadata/index.ts';
import { indexOf, knownBytes, lengthOf, prefixBytes, stripeIdBytes, stripeOf, successor } from '../address.ts';
import { GroupTable } from '../groups.ts';
import { Pace } from '../jobs/pace.ts';
import { type JobProgress, ProgressMeter } from '../jobs/progress.ts';
import { type CheckedFiles, checkFiles } from './files.ts';
import { type Finding, type FindingKind, Findings, Suspicions } from './findings.ts';
import { IdMarks, sliceOf } from './marks.ts';
import { type CheckTotals, Reach } from './reach.ts';
import { checkReferences } from './references.ts';
import { type CheckedStates, checkStates, nameObjects, type OpensInline } from './states.ts';
import { checkUsage, type UsageOptions } from './usage.ts';
import { stripesOf, walkMetadata } from './walk.ts';

/*
 * Holds metadata against fragments, both ways, and changes nothing:
 *
 * 1. From every version and open upload to its stripes: each has a row in table `stripes`, a group, and on every device of the group a
 *    fragment of the right length that is not known to be damaged. Buckets, sizes and numbers of pieces add up.
 * 2. The garbage list: nothing on it was reached.
 * 3. From table `stripes` back: every row that was there before was reached or is garbage.
 * 4. The reference counts of manifests against the versions, links and borrowing pieces that hold them.
 * 5. What tenants and users are counted to have, where there are quotas, against what they have.
 * 6. From every fragment of every device: its stripe has a row, or an intent explains it.
 * 7. The index of each device against itself: rows are whole, no two fragments share a block, free space is what no fragment has.
 * 8. The rows of each shard against their digest, before the objects: what is said of a state that has rotted comes from that.
 * 9. Before all of it the structure of each database's file: the walks above go through all of its pages, and a damaged one may end the process.
 *    Nothing walks through a file that is damaged so.
 *
 * It runs beside a working server, so what changes meanwhile looks wrong for a moment: every suspicion is looked at again before it becomes a
 * finding. Marks are kept for a slice of all stripes at a time and the walk is repeated per slice, which bounds the memory whatever the
 * number of objects.
 */

export interface CheckOptions {
  readonly reader: MetadataReader;
  readonly groups: () => readonly GroupRecord[];
  readonly stores: ReadonlyMap<string, FragmentStore>;
  /** Devices that another machine has, and whose fragments are checked there. Absent: none. */
  readonly elsewhere?: ((device: string) => boolean) | undefined;
  /** Devices whose copy of a stripe is known to be damaged: from reads and scrubs, for a cross-check reads no bytes. Absent: nothing is known. */
  readonly damaged?: ((stripe: Buffer) => readonly string[]) | undefined;
  /** The files of all that is read, to be looked at first. Absent: they were, or are not files. */
  readonly files?: CheckedFiles | undefined;
  /** What the reader reads, for its rows to be held against their digests. Absent: they are not. */
  readonly states?: CheckedStates | undefined;
  /** Absent: objects within damaged metadata are not named. */
  readonly opensInline?: OpensInline | undefined;
  readonly host: Host;
  readonly signal?: AbortSignal | undefined;
  /** Stripes that are marked at the same time: more need a walk each. */
  readonly slice?: number;
}

export interface CheckReport {
  /** The first findings, at most `limits.reportedFindings`. */
  readonly findings: readonly Finding[];
  /** How many there are of each kind, those that are not listed included. */
  readonly counts: Readonly<Partial<Record<FindingKind, number>>>;
  readonly totals: CheckTotals & {
    readonly fragments: number;
    readonly fragmentBytes: number;
    /** Fragments of stripes that are not published yet, or never were and wait for the collector. */
    readonly unpublished: number;
    readonly garbageStripes: number;
  };
  /** What could not be checked, as sentences. */
  readonly unchecked: readonly string[];
}

export interface Check {
  /** Resolves to what was found; rejects with the signal's reason when cancelled. */
  readonly report: Promise<CheckReport>;
  progress(): JobProgress;
}

/** What a walk knows of a stripe: it has a row, a version reaches it, it is garbage. */
const hasRow = 1;
const isReached = 2;
const isGarbage = 4;

/** Starts a cross-check. Works on a stopped store too: it needs readers only. */
export function crossCheck(options: CheckOptions): Check {
  const meter = new ProgressMeter(options.host.clock);
  meter.start();
  const report = new CrossCheck(options, meter).run().finally(() => meter.end());
  return { report, progress: () => meter.snapshot() };
}

type StripeRow = ReturnType<MetadataReader['stripes']>[number];

class CrossCheck {
  #options: CheckOptions;
  readonly #meter: ProgressMeter;
  readonly #pace: Pace;
  readonly #groups: GroupTable;
  readonly #findings = new Findings();
  readonly #suspicions = new Suspicions(this.#findings);
  readonly #absent = new Map<string, number>();
  /** Sentences. */
  readonly #unchecked: string[] = [];
  /** Rows of table `stripes` that nothing seemed to reach. */
  readonly #unreached = new Map<string, StripeRow>();
  readonly #totals = {
    buckets: 0,
    versions: 0,
    uploads: 0,
    parts: 0,
    stripes: 0,
    stripeBytes: 0,
    fragments: 0,
    fragmentBytes: 0,
    unpublished: 0,
    garbageStripes: 0,
  };

  constructor(options: CheckOptions, meter: ProgressMeter) {
    this.#options = options;
    this.#meter = meter;
    this.#pace = new Pace(options.host, { signal: options.signal });
    this.#groups = new GroupTable(options.groups, options.host.clock);
  }

  async run(): Promise<CheckReport> {
    const { reader, states, opensInline } = this.#options;
    const shared = { reader, pace: this.#pace, findings: this.#findings, meter: this.#meter };
    const unchecked = this.#unchecked;
    if (this.#options.files && !(await this.#checkFiles(this.#options.files))) {
      unchecked.push('objects and fragments: what is damaged may end the server that walks through it');
      return this.#result();
    }
    const whole = states === undefined || (await checkStates({ ...shared, states, unchecked }));
    try {
      if (!whole) await nameObjects({ ...shared, opensInline, unchecked });
      await this.#checkObjects(shared);
      for (const [device, store] of this.#options.stores) {
        const damagedRows = await this.#checkFragments(device, store);
        await this.#checkIndex(device, store, damagedRows);
      }
    } catch (error) {
      // Rows that have rotted may not be readable at all, and what was found before is not to be lost for that.
      if (whole || !(error instanceof CorruptionError)) throw error;
      unchecked.push(`all that comes after damage in the metadata: ${error.message}`);
    }
    return this.#result();
  }

  #result(): CheckReport {
    const { list: findings } = this.#findings;
    return { findings, counts: this.#findings.counts(), totals: this.#totals, unchecked: this.#unchecked };
  }

  /** @returns whether the metadata can be walked through. What a damaged index has is looked at no further. */
  async #checkFiles(files: CheckedFiles): Promise<boolean> {
    const { damaged, unchecked } = await checkFiles(files, { pace: this.#pace, meter: this.#meter });
    this.#unchecked.push(...unchecked);
    for (const { directory, device, damage } of damaged) {
      const kind = device === undefined ? 'metadata-structure' : 'index-structure';
      this.#findings.add(kind, directory, `The file contradicts itself: ${damage}.`);
      if (device === undefined) continue;
      const { stores, elsewhere } = this.#options;
      this.#options = {
        ...this.#options,
        stores: new Map([...stores].filter(([one]) => one !== device)),
        elsewhere: (one) => one === device || elsewhere?.(one) === true,
      };
      this.#unchecked.push(`fragments of device ${device}: their index is damaged`);
    }
    return damaged.every(({ device }) => device !== undefined);
  }

  async #checkObjects(shared: UsageOptions): Promise<void> {
    const capacity = this.#options.slice ?? limits.checkSlice;
    this.#meter.phase('counting stripes', 0);
    let rows = 0;
    await this.#eachRow(() => {
      rows += 1;
    });
    const slices = Math.max(1, Math.ceil(rows / capacity));
    for (let slice = 0; slice < slices; slice++) await this.#checkSlice(slice, slices, Math.min(rows, capacity));
    for (const [device, copies] of this.#absent) {
      this.#findings.add(
        'device-absent',
        `device ${device}`,
        `The device is not open here; ${copies} stripes have a copy on it.`,
      );
    }
    if (this.#unreached.size > 0) await this.#confirmUnreached();
    const counted = await checkReferences({ ...shared, capacity, expected: rows });
    if (!counted) this.#unchecked.push('reference counts: too many objects were made by appending to copies');
    await checkUsage(shared);
  }

  async #checkSlice(slice: number, slices: number, expected: number): Promise<void> {
    const { reader, stores } = this.#options;
    const suffix = slices === 1 ? '' : ` (${slice + 1} of ${slices})`;
    const marks = new IdMarks(expected + limits.jobPage);
    const mine = (stripe: Buffer): boolean => sliceOf(stripe, slices) === slice;
    const began = Array.from({ length: reader.shards }, (_, shard) => reader.position(shard));
    this.#meter.phase(`stripes${suffix}`, 0);
    await this.#eachRow(({ stripe }) => {
      if (mine(stripe) && !marks.isFull) marks.set(stripe, hasRow);
    });

    this.#meter.phase(`objects${suffix}`, 0);
    const reach = new Reach({
      reader,
      stores,
      elsewhere: this.#options.elsewhere,
      damaged: this.#options.damaged ?? (() => []),
      groups: this.#groups,
      suspicions: this.#suspicions,
      meter: this.#meter,
      totals: this.#totals,
      first: slice === 0,
      absent: this.#absent,
      meet(stripe) {
        if (!mine(stripe)) return false;
        const mark = marks.get(stripe);
        if (mark & isReached) return false;
        // A stripe without a row has no mark and is looked at each time: it is new, or a finding.
        if (mark > 0) marks.set(stripe, mark | isReached);
        return true;
      },
    });
    await walkMetadata(reader, this.#pace, reach);
    this.#suspicions.settle();

    this.#meter.phase(`garbage${suffix}`, 0);
    await this.#eachGarbage(
      (stripe, { position }) => {
        if (!mine(stripe)) return;
        this.#totals.garbageStripes += 1;
        const mark = marks.get(stripe);
        // What was garbage before the walk began and was reached all the same is about to be removed under a live version.
        if (mark & isReached && position <= (began[shardOfNumber(position)] ?? 0)) {
          this.#findings.add(
            'stripe-condemned',
            `stripe ${stripe.toString('hex')}`,
            'A version points to it, and it is on the garbage list.',
          );
        }
        if (mark > 0) marks.set(stripe, mark | isGarbage);
      },
      (stripe) => {
        const mark = marks.get(stripe);
        if (mine(stripe) && mark > 0) marks.set(stripe, mark | isReached);
      },
    );

    this.#meter.phase(`stripes again${suffix}`, expected);
    await this.#eachRow((row) => {
      if (mine(row.stripe) && marks.get(row.stripe) === hasRow && this.#unreached.size < limits.reportedFindings) {
        this.#unreached.set(row.stripe.toString('latin1'), row);
      }
    });
  }

  async #eachRow(visit: (row: StripeRow) => void): Promise<void> {
    let next: Buffer | undefined = Buffer.alloc(stripeIdBytes);
    while (next) {
      const rows: readonly StripeRow[] = this.#options.reader.stripes(next, limits.jobPage);
      for (const row of rows) visit(row);
      this.#meter.advance(rows.length);
      const last = rows.at(-1);
      next = last && successor(last.stripe);
      await this.#pace.step();
    }
  }

  /** @param held is told of what pieces on the list borrow, which is no garbage */
  async #eachGarbage(visit: (stripe: Buffer, row: GarbageRow) => void, held: (stripe: Buffer) => void): Promise<void> {
    const { reader } = this.#options;
    let rows = reader.garbage(limits.jobPage);
    while (rows.length > 0) {
      for (const row of rows) {
        for (const { id } of row.stripes) visit(id, row);
        if (!row.borrowed) continue;
        for (const { piece } of lentBy(reader, row.borrowed)) for (const { id } of stripesOf(piece)) held(id);
      }
      this.#meter.advance(rows.length);
      await this.#pace.step();
      rows = reader.garbage(limits.jobPage, rows.at(-1));
    }
  }

  /** A stripe may have moved to a key that the walk had passed (a copy, then a deletion): a second walk looks for these alone. */
  async #confirmUnreached(): Promise<void> {
    const { reader } = this.#options;
    const unreached = this.#unreached;
    const found = (piece: Piece): void => {
      for (const lent of lentTo(reader, { piece, place: undefined, isShared: true }))
        for (const { id } of stripesOf(lent.piece)) unreached.delete(id.toString('latin1'));
    };
    this.#meter.phase('looking for unreached stripes', 0);
    await walkMetadata(reader, this.#pace, {
      listed: () => this.#meter.advance(1),
      outside: () => true,
      pieces: (_bucket, _version, _key, _first, pieces) => pieces.forEach(found),
      part: (_bucket, _upload, part) => found(part.piece),
    });
    const isFound = (stripe: Buffer): boolean => unreached.delete(stripe.toString('latin1'));
    await this.#eachGarbage(isFound, isFound);
    for (const { stripe, manifest } of unreached.values()) {
      if (!reader.stripeOwner(stripe)) continue;
      const what = `It is published under manifest ${manifest.toString('hex')}, and no version, upload or garbage row has it.`;
      this.#findings.add('stripe-unreachable', `stripe ${stripe.toString('hex')}`, what);
    }
  }

  /** Resolves to how many rows are damaged. */
  async #checkFragments(device: string, store: FragmentStore): Promise<number> {
    this.#meter.phase(`fragments of ${device}`, 0);
    let damaged = 0;
    let next: Buffer | undefined = Buffer.alloc(stripeIdBytes);
    while (next) {
      const ids: readonly FragmentId[] = store.ids(next, limits.jobPage);
      const unowned = ids.filter((id) => !this.#isOwned(device, store, id));
      if (unowned.length > 0) this.#explain(device, store, unowned);
      for (const id of ids) {
        if (lengthOf(store, id) !== 'damaged') continue;
        damaged += 1;
        const what = 'The row that says where it lies is damaged: it cannot be read, and its space stays in use.';
        this.#findings.add('index-row', `fragment ${id.toString('hex')} on device ${device}`, what);
      }
      this.#meter.advance(ids.length);
      const last = ids.at(-1);
      next = last && successor(last);
      await this.#pace.step();
    }
    return damaged;
  }

  /** @param damagedRows the space of so many fragments is known to nobody, and looks like a leak */
  async #checkIndex(device: string, store: FragmentStore, damagedRows: number): Promise<void> {
    this.#meter.phase(`index of ${device}`, 0);
    const audit: IndexAudit = store.audit();
    try {
      for (let step = audit.next(); !step.done; step = audit.next()) {
        if (step.value) this.#addProblem(device, step.value, damagedRows);
        this.#meter.advance(1);
        await this.#pace.step();
      }
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'ServiceUnavailable') throw error;
      this.#unchecked.push(
        `free space of device ${device}: its index is too large to be looked at beside a working server; run \`dsom fsck --data\` on the stopped store`,
      );
    } finally {
      audit.return?.({ fragments: 0, usedBytes: 0 });
    }
  }

  #addProblem(device: string, { kind, where, what }: IndexProblem, damagedRows: number): void {
    // Named one by one already.
    if (kind === 'row' || (kind === 'leak' && damagedRows > 0)) return;
    this.#findings.add(`index-${kind}`, `${where} on device ${device}`, what);
  }

  #isOwned(device: string, store: FragmentStore, id: FragmentId): boolean {
    this.#totals.fragments += 1;
    this.#totals.fragmentBytes += knownBytes(store, id);
    const owner = this.#options.reader.stripeOwner(stripeOf(id));
    if (!owner) return false;
    const group = this.#groups.byId(owner.group);
    if (group && group.devices[indexOf(id)] !== device) {
      const what = `Group ${group.id} keeps copy ${indexOf(id)} of its stripe elsewhere.`;
      this.#findings.add('fragment-misplaced', `fragment ${id.toString('hex')} on device ${device}`, what);
    }
    return true;
  }

  /** Fragments without an owner are explained by an intent, or they were published or removed since. */
  #explain(device: string, store: FragmentStore, unowned: readonly FragmentId[]): void {
    const { reader } = this.#options;
    const intents = new Set(reader.intents().map((intent) => intent.prefix.toString('latin1')));
    for (const id of unowned) {
      if (intents.has(id.toString('latin1', 0, prefixBytes))) this.#totals.unpublished += 1;
      else if (lengthOf(store, id) !== undefined && !reader.stripeOwner(stripeOf(id))) {
        const what = 'Its stripe is not published, and no intent covers it.';
        this.#findings.add('fragment-orphan', `fragment ${id.toString('hex')} on device ${device}`, what);
      }
    }
  }
}
