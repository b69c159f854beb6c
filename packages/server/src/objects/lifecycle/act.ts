import { StoreError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type {
  BucketRecord,
  Command,
  DeleteResult,
  Expectation,
  VersionRecord,
  VersionSelector,
} from '../../metadata/index.ts';
import { askForRecoding } from '../policy.ts';
import { leaving, propose, type Rooms } from '../rooms.ts';
import { dueAfter } from './evaluate.ts';
import type { Found, FoundUpload } from './walk.ts';

/*
 * Does what was found, through the commands of which users make use: what may not be deleted, because somebody has locked it, is refused to a lifecycle as
 * well. Each says what was seen, and is refused by the owner of the shard where that is not so any more (metadata/machine/expectations.ts).
 */

export interface LifecycleCounts {
  /** Versions and uploads looked at. */
  readonly versions: number;
  readonly uploads: number;
  /** Newest versions expired: removed, or hidden by a marker. */
  readonly expired: number;
  /** Noncurrent versions removed. */
  readonly removed: number;
  /** Markers removed that were all that was left of their key. */
  readonly markers: number;
  readonly transitioned: number;
  readonly aborted: number;
  /** Bytes of what expired or was removed. */
  readonly bytes: number;
  /** Left, because it had changed; because it is locked; because it failed. The next pass looks again. */
  readonly changed: number;
  readonly refused: number;
  readonly failed: number;
}

export type Counting = { -readonly [Name in keyof LifecycleCounts]: number };

export const noCounts = (): Counting => ({
  versions: 0,
  uploads: 0,
  expired: 0,
  removed: 0,
  markers: 0,
  transitioned: 0,
  aborted: 0,
  bytes: 0,
  changed: 0,
  refused: 0,
  failed: 0,
});

export function addCounts(sum: Counting, more: LifecycleCounts): void {
  for (const name of Object.keys(sum) as (keyof LifecycleCounts)[]) sum[name] += more[name];
}

/** Counts what was found as done. */
export function countFound(counts: Counting, { action, size }: Pick<Found, 'action' | 'size'>): void {
  if (action.type === 'transition') {
    counts.transitioned += 1;
    return;
  }
  counts[action.type === 'expire' ? 'expired' : action.type === 'remove' ? 'removed' : 'markers'] += 1;
  counts.bytes += size;
}

const selectorOf = ({ isNull, sequence, nonce }: Found): VersionSelector => (isNull ? 'null' : { sequence, nonce });

/** The latest moment at which what is noncurrent for so many days became so. */
function latestSince(nowMs: number, days: number, dayMs: number): number {
  const at = Math.floor(nowMs / dayMs) * dayMs - days * dayMs;
  invariant(dueAfter(at, days, dayMs) <= nowMs, 'what began then is due');
  return at;
}

/** What it must still be when it is done. */
function expectationOf({ action, sequence, standing, tags }: Found, nowMs: number, dayMs: number): Expectation {
  const seen = { sequence, dueMs: action.dueMs, ...(tags && { tags }) };
  if (standing.place === 'current') {
    const place = action.type === 'marker' ? 'alone' : 'current';
    return { ...seen, place, sinceMs: 0, newer: 0 };
  }
  const { rule } = action;
  const said =
    action.type === 'transition'
      ? rule.noncurrentTransitions.find(({ storageClass }) => storageClass === action.storageClass)
      : rule.noncurrentExpiration;
  invariant(said, 'the rule of an action says it');
  return { ...seen, place: 'noncurrent', sinceMs: latestSince(nowMs, said.days, dayMs), newer: said.newer };
}

/** Somebody came first: nothing is wrong. */
const passing: ReadonlySet<string> = new Set([
  'PreconditionFailed',
  'ConditionalRequestConflict',
  'NoSuchKey',
  'NoSuchVersion',
  'NoSuchUpload',
  'NoSuchBucket',
  'MethodNotAllowed',
]);

/** Nobody answers now: the pass ends, and goes on later. */
const ending: ReadonlySet<string> = new Set(['ServiceUnavailable', 'SlowDown', 'NotImplemented']);

/** What was done to one version or upload. `mark`: a marker hides it now, and `version` is the marker's. */
export interface LifecycleDone {
  readonly action: 'mark' | 'remove' | 'transition' | 'abort';
  readonly key: Buffer;
  readonly version: Pick<VersionRecord, 'sequence' | 'nonce' | 'isNull'> | undefined;
  readonly size: number | undefined;
  readonly storageClass?: string;
}

export interface ActorOptions {
  readonly rooms: Pick<Rooms, 'reader' | 'proposer'>;
  readonly dayMs: number;
  /** Told of each thing that was done. */
  readonly onDone?: ((bucket: BucketRecord, done: LifecycleDone) => void) | undefined;
  readonly onError: (cause: unknown, what: { readonly bucket: string; readonly key: string }) => void;
}

/** Does what was found in one bucket, and counts it. */
export class Actor {
  readonly #options: ActorOptions;
  readonly #bucket: BucketRecord;
  readonly #counts: Counting;
  readonly #nowMs: number;

  constructor(options: ActorOptions, bucket: BucketRecord, counts: Counting, nowMs: number) {
    this.#options = options;
    this.#bucket = bucket;
    this.#counts = counts;
    this.#nowMs = nowMs;
  }

  /** @throws StoreError when the shard's owner cannot be asked now */
  async act(found: readonly Found[]): Promise<void> {
    // Before anything is deleted: noncurrent time is told by the next newer version, which must be there still.
    const moves = found.filter(({ action }) => action.type === 'transition');
    if (moves.length > 0) await askForRecoding(this.#options.rooms);
    await this.#each(moves, (one) => this.#move(one));
    const deletes = found.filter(({ action }) => action.type !== 'transition');
    // For the same reason the oldest version of a key first.
    deletes.reverse();
    for (let at = 0; at < deletes.length; at += limits.lifecycleDeletes)
      await this.#delete(deletes.slice(at, at + limits.lifecycleDeletes));
  }

  async abort(found: readonly FoundUpload[]): Promise<void> {
    await this.#each(found, ({ key, upload }) =>
      this.#counted(key, 'aborted', async () => {
        await propose(this.#options.rooms, { type: 'upload.abort', bucket: this.#bucket.id, key, upload }, 'done');
        this.#done({ action: 'abort', key, version: undefined, size: undefined });
      }),
    );
  }

  async #delete(found: readonly Found[]): Promise<void> {
    const { rooms, dayMs } = this.#options;
    const items = found.map((one) => ({
      key: one.key,
      version: one.action.type === 'expire' ? undefined : selectorOf(one),
      guard: undefined,
      expected: expectationOf(one, this.#nowMs, dayMs),
    }));
    const { id: bucket, owner } = this.#bucket;
    const results = await this.#proposeDelete(rooms, {
      type: 'object.delete',
      bucket,
      owner,
      items,
      ...leaving(rooms, bucket),
    });
    if (!results) return;
    for (const [at, one] of found.entries()) {
      const { key, size, action } = one;
      const { error, marker, version } = results[at] as DeleteResult;
      if (!error) {
        countFound(this.#counts, one);
        if (action.type === 'expire' && marker) this.#done({ action: 'mark', key, version, size: undefined });
        else this.#done({ action: 'remove', key, version: one, size });
      } else if (passing.has(error.code)) this.#counts.changed += 1;
      else this.#counts.refused += 1;
    }
  }

  /** Undefined where none of them was deleted: the bucket has gone, or the owner refused them all. */
  async #proposeDelete(rooms: ActorOptions['rooms'], command: Extract<Command, { type: 'object.delete' }>) {
    try {
      return (await propose(rooms, command, 'deleted')).results;
    } catch (error) {
      if (!(error instanceof StoreError) || ending.has(error.code)) throw error;
      if (passing.has(error.code)) this.#counts.changed += command.items.length;
      else this.#fail(error, command.items[0]?.key, command.items.length);
      return undefined;
    }
  }

  #move(one: Found): Promise<void> {
    const { action, key } = one;
    invariant(action.type === 'transition', 'what moves has a class to move to');
    const change = { storageClass: action.storageClass };
    const expected = expectationOf(one, this.#nowMs, this.#options.dayMs);
    const about = { type: 'object.annotate', bucket: this.#bucket.id, key, version: selectorOf(one) } as const;
    return this.#counted(key, 'transitioned', async () => {
      await propose(this.#options.rooms, { ...about, guard: undefined, change, expected }, 'version');
      this.#done({ action: 'transition', key, version: one, size: one.size, ...change });
    });
  }

  #done(done: LifecycleDone): void {
    this.#options.onDone?.(this.#bucket, done);
  }

  async #counted(key: Buffer, what: keyof LifecycleCounts, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
      this.#counts[what] += 1;
    } catch (error) {
      if (!(error instanceof StoreError) || ending.has(error.code)) throw error;
      if (passing.has(error.code)) this.#counts.changed += 1;
      else if (error.code === 'AccessDenied') this.#counts.refused += 1;
      else this.#fail(error, key, 1);
    }
  }

  #fail(cause: StoreError, key: Buffer | undefined, count: number): void {
    this.#counts.failed += count;
    this.#options.onError(cause, { bucket: this.#bucket.name, key: key?.toString('utf8') ?? '' });
  }

  async #each<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
    for (let at = 0; at < items.length; at += limits.lifecycleAtOnce)
      await Promise.all(items.slice(at, at + limits.lifecycleAtOnce).map(work));
  }
}
