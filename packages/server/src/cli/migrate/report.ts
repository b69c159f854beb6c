import type { Context } from '../context.ts';
import { isHopeless, verdictOf } from '../exit.ts';
import { formatSize } from '../format.ts';
import { migrateLimits } from './limits.ts';

/** What a pass over one or several buckets did. */
export class Report {
  buckets = 0;
  objects = 0;
  bytes = 0;
  deleteMarkers = 0;
  /** Versions and markers that were met at the target. */
  met = 0;
  /** Of them, those that this run had copied itself: null versions, which go in a walk of their own before the others. */
  fresh = 0;
  configurations = 0;
  /** Keys that only the target has. */
  onlyAtTarget = 0;
  /** Keys that only the target had. */
  deleted = 0;
  failed = 0;
  /** What was changed or left out, with how often. */
  readonly notes = new Map<string, number>();
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Versions and markers that were there before this run. */
  get present(): number {
    return Math.max(0, this.met - this.fresh);
  }

  note(what: string): void {
    const many = this.notes.size >= migrateLimits.notes && !this.notes.has(what);
    const said = many
      ? 'remark of a kind that this report has no room for: see it by copying fewer buckets at once'
      : what;
    this.notes.set(said, (this.notes.get(said) ?? 0) + 1);
  }

  /** Tells that an item was not copied. @throws the cause, where the others would fail the same way */
  fail(item: string, cause: unknown): void {
    if (this.#context.signal.aborted || isHopeless(cause)) throw cause;
    this.failed++;
    this.note(`not copied: ${codeOf(cause)}`);
    this.#context.report(cause, item);
  }

  /** As one JSON object. */
  json(dryRun: boolean): Record<string, unknown> {
    const { buckets, objects, bytes, deleteMarkers, present, configurations, onlyAtTarget, deleted, failed } = this;
    const notes = Object.fromEntries(this.notes);
    return {
      action: 'migrate',
      dryRun,
      buckets,
      objects,
      bytes,
      deleteMarkers,
      present,
      configurations,
      onlyAtTarget,
      deleted,
      failed,
      notes,
    };
  }

  /** As lines for a person. */
  lines(dryRun: boolean): string[] {
    const done = dryRun ? 'to copy' : 'copied';
    return [
      `${this.buckets} ${this.buckets === 1 ? 'bucket' : 'buckets'}: ${this.objects} versions (${formatSize(this.bytes)}) and ${this.deleteMarkers} delete markers ${done}, ${this.present} there already, ${this.failed} not copied`,
      ...(this.configurations > 0 ? [`${this.configurations} configurations ${done}`] : []),
      ...(this.onlyAtTarget > 0 ? [`${this.onlyAtTarget} keys are at the target only, and stay`] : []),
      ...(this.deleted > 0
        ? [`${this.deleted} keys ${dryRun ? 'to delete' : 'deleted'} that only the target had`]
        : []),
      ...[...this.notes].map(([what, times]) => `${times} × ${what}`),
    ];
  }
}

const codeOf = (cause: unknown): string =>
  cause instanceof Error && 'code' in cause ? String(cause.code) : `exit ${verdictOf(cause).exit}`;
