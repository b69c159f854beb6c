import {
  type CheckedFiles,
  checkFiles,
  Pace,
  ProgressMeter,
  type Scrub,
  type ScrubReport,
} from '../durability/index.ts';
import { CorruptionError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { StructuredLog } from '../telemetry/index.ts';
import type { BadCopies } from './bad-copies.ts';
import type { Owner } from './owner.ts';

/** Scrubs as this server runs them: when one is due, and when somebody asks. */
export interface Scrubbing {
  running(): boolean;
  /** Begins a pass, where none runs. */
  start(): void;
  /** Ends the pass that runs, and those that are due. */
  stop(): Promise<void>;
  /** Ends the pass that runs. */
  cancel(): Promise<void>;
  status(): Readonly<Record<string, unknown>>;
}

interface ScrubbingInput {
  readonly scrub: Scrub;
  readonly owner: Pick<Owner, 'snapshots' | 'roles'>;
  /** Looked at before each pass, which walks through all of them. */
  readonly files: CheckedFiles;
  readonly badCopies: Pick<BadCopies, 'scrubbed'>;
  readonly host: Host;
  readonly log: StructuredLog;
}

export function startScrubbing({ scrub, owner, files, badCopies, host, log }: ScrubbingInput): Scrubbing {
  let running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  let lastReport: ScrubReport | undefined;
  let failed: string | undefined;
  /** Of a scheduled pass that met a damaged file: it is the same until the next start. */
  let hopeless = false;

  const pass = async (signal: AbortSignal, scheduled: boolean): Promise<void> => {
    const meter = new ProgressMeter(host.clock);
    const { damaged } = await checkFiles(files, { pace: new Pace(host, { signal }), meter });
    const [first] = damaged;
    if (first) {
      hopeless = true;
      throw new CorruptionError(`${first.damage}; run \`dsom fsck\`, which says what to do`);
    }
    // One that is scheduled may go on where an earlier one was.
    const scrubbed = scheduled ? undefined : badCopies.scrubbed();
    const report = await scrub.run({ signal, scheduled });
    lastReport = report;
    if (report.skipped.length === 0) scrubbed?.();
    log.info('scrub ended', {
      fragments: report.fragments,
      bytes: report.bytes,
      damaged: report.damaged,
      missing: report.missing,
      repaired: report.repaired,
      rows: report.rows,
      damagedMetadata: report.damagedMetadata,
    });
    const damage = await owner.snapshots?.check(signal);
    if (damage !== undefined)
      log.error('the snapshot of the metadata is damaged: another one is made, look at the disk', {
        directory: owner.roles.mirror,
        damage,
      });
  };
  const run = (scheduled: boolean): void => {
    if (running) return;
    const stop = new AbortController();
    failed = undefined;
    const ended = pass(stop.signal, scheduled).catch((cause: Error) => {
      if (stop.signal.aborted) return;
      failed = cause.message;
      log.error('the scrub failed', { cause });
    });
    running = { stop, ended };
    void ended.then(() => (running = undefined));
  };
  const cancelSchedule = host.timers.every(limits.scrubCheckMs, () => {
    if (scrub.due() && !hopeless) run(true);
  });
  const cancel = async (): Promise<void> => {
    running?.stop.abort();
    await running?.ended;
  };
  return {
    running: () => running !== undefined,
    start: () => run(false),
    async stop() {
      cancelSchedule();
      await cancel();
    },
    cancel,
    status: () => ({
      running: running !== undefined,
      progress: scrub.progress(),
      lastFullAt: isoOrNull(scrub.lastFullMs()),
      lastReport: lastReport ?? null,
      failed: failed ?? null,
    }),
  };
}

const isoOrNull = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
