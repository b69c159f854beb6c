import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { Versioning } from '../../metadata/index.ts';
import { isArchive, movesTo, preferenceOf } from './classes.ts';
import { type CompiledLifecycle, isOfMarkers, type RuleSet } from './compile.ts';
import type { LifecycleRule, RuleFilter, TransitionMinimum, When } from './rules.ts';

/*
 * What the rules of a lifecycle ask for, of one version at one moment: a pure function. Sources: intro-lifecycle-rules.html, lifecycle-conflicts.html,
 * lifecycle-expire-general-considerations.html of https://docs.aws.amazon.com/AmazonS3/latest/userguide/.
 *
 * - Days are counted from when the version was made, or from when it stopped being the newest (the making of the next newer one), and end at the midnight
 *   (UTC) after that. A date is that moment, for all that there is then, and all that is made later.
 * - Of several expirations the earliest counts. What goes for good goes before it moves; what would get a marker moves first.
 * - Of several classes that a version may move to, the cheapest is taken (classes.ts). It never moves back up.
 * - A marker that is all that is left of a key goes where a rule says so, or where it is as old as an expiration says.
 */

/** Length of a day, ms: 24 hours, or less in tests. Midnights are its multiples since 1970. */
export type DayMs = number;

/** One version, as far as rules ask. */
export interface Candidate {
  readonly key: Buffer;
  readonly isMarker: boolean;
  readonly isNull: boolean;
  readonly modifiedMs: number;
  readonly size: number;
  readonly storageClass: string;
  /** Asked for only where a rule asks. */
  readonly tags: readonly (readonly [string, string])[];
  readonly standing: Standing;
}

export type Standing =
  /** The newest of its key. `alone`: there is no other. */
  | { readonly place: 'current'; readonly alone: boolean }
  /** `sinceMs`: when the next newer one was made. `newer`: objects among the versions between it and the newest. */
  | { readonly place: 'noncurrent'; readonly sinceMs: number; readonly newer: number };

export type Action =
  /** `expire`: as a delete without a version does it. `remove`: this version goes for good. `marker`: so does this marker. */
  | { readonly type: 'expire' | 'remove' | 'marker'; readonly rule: LifecycleRule; readonly dueMs: number }
  | {
      readonly type: 'transition';
      readonly rule: LifecycleRule;
      readonly dueMs: number;
      readonly storageClass: string;
    };

/** What an evaluation goes by besides the version. */
export interface Moment {
  readonly nowMs: number;
  readonly dayMs: DayMs;
  readonly versioning: Versioning;
  /** Whether a storage class stands for something here. */
  readonly isClass: (name: string) => boolean;
}

/** The midnight that ends so many days from a moment; the end of the year 9999 at most. */
export function dueAfter(fromMs: number, days: number, dayMs: DayMs): number {
  return Math.min(Math.ceil((fromMs + days * dayMs) / dayMs) * dayMs, limits.lifecycleLastMs);
}

/** When `when` is, for what began at a moment. */
const dueOf = (when: When, fromMs: number, dayMs: DayMs): number =>
  'days' in when ? dueAfter(fromMs, when.days, dayMs) : when.dateMs;

/** Whether an object is one that the filter means, its prefix apart. */
function fits({ tags, sizeAbove, sizeBelow }: RuleFilter, candidate: Pick<Candidate, 'size' | 'tags'>): boolean {
  if (sizeAbove !== undefined && candidate.size <= sizeAbove) return false;
  if (sizeBelow !== undefined && candidate.size >= sizeBelow) return false;
  if (tags.length === 0) return true;
  const has = candidate.tags;
  return tags.every(([key, value]) => has.some((tag) => tag[0] === key && tag[1] === value));
}

type Due = { readonly rule: LifecycleRule; readonly dueMs: number };

/** The expiration of a newest object that comes first, whether it is due or not. */
export function expirationOf(
  set: RuleSet,
  candidate: Pick<Candidate, 'modifiedMs' | 'size' | 'tags'>,
  dayMs: DayMs,
): Due | undefined {
  let first: Due | undefined;
  for (const rule of set.expirations) {
    const { expiration } = rule;
    invariant(typeof expiration === 'object', 'expirations have a time');
    const dueMs = dueOf(expiration, candidate.modifiedMs, dayMs);
    if ((first === undefined || dueMs < first.dueMs) && fits(rule.filter, candidate)) first = { rule, dueMs };
  }
  return first;
}

/** The abortion of an upload that comes first. */
export function abortionOf(set: RuleSet, initiatedMs: number, dayMs: DayMs): Due | undefined {
  let first: Due | undefined;
  for (const rule of set.aborts) {
    const dueMs = dueAfter(initiatedMs, rule.abortDays as number, dayMs);
    if (first === undefined || dueMs < first.dueMs) first = { rule, dueMs };
  }
  return first;
}

function markerAction(set: RuleSet, { modifiedMs }: Candidate, { nowMs, dayMs }: Moment): Action | undefined {
  for (const rule of set.markers) {
    const { expiration } = rule;
    invariant(expiration && expiration !== 'none', 'rules for markers have an expiration');
    const dueMs = expiration === 'marker' ? modifiedMs : dueOf(expiration, modifiedMs, dayMs);
    if (dueMs <= nowMs) return { type: 'marker', rule, dueMs };
  }
  return undefined;
}

const smallest = 128 * 1024;

function isLargeEnough(rule: LifecycleRule, size: number, storageClass: string, minimum: TransitionMinimum): boolean {
  if (rule.filter.sizeAbove !== undefined || rule.filter.sizeBelow !== undefined || size >= smallest) return true;
  return minimum === 'varies_by_storage_class' && isArchive(storageClass);
}

/** Collects the classes that a version may move to, and keeps the one to take. */
class Target {
  readonly #candidate: Candidate;
  readonly #minimum: TransitionMinimum;
  readonly #moment: Moment;
  #best: Extract<Action, { type: 'transition' }> | undefined;

  constructor(candidate: Candidate, minimum: TransitionMinimum, moment: Moment) {
    this.#candidate = candidate;
    this.#minimum = minimum;
    this.#moment = moment;
  }

  offer(rule: LifecycleRule, storageClass: string, dueMs: number): void {
    const best = this.#best;
    if (dueMs > this.#moment.nowMs) return;
    if (best && !isPreferred(storageClass, dueMs, best.storageClass, best.dueMs)) return;
    if (!isLargeEnough(rule, this.#candidate.size, storageClass, this.#minimum)) return;
    if (!this.#moment.isClass(storageClass) || !fits(rule.filter, this.#candidate)) return;
    this.#best = { type: 'transition', rule, dueMs, storageClass };
  }

  /** Undefined where the version is in the best class already, or below it. */
  take(): Action | undefined {
    return this.#best && movesTo(this.#candidate.storageClass, this.#best.storageClass) ? this.#best : undefined;
  }
}

/** Of two of the operator's own, the one that was due last; else the one in the rule that stands first. */
function isPreferred(one: string, oneMs: number, other: string, otherMs: number): boolean {
  const a = preferenceOf(one);
  const b = preferenceOf(other);
  return a === b ? oneMs > otherMs : a > b;
}

function currentAction(set: RuleSet, candidate: Candidate, minimum: TransitionMinimum, moment: Moment) {
  const expiration = set.expirations.length > 0 ? expirationOf(set, candidate, moment.dayMs) : undefined;
  const due = expiration && expiration.dueMs <= moment.nowMs ? ({ type: 'expire', ...expiration } as const) : undefined;
  const forGood = moment.versioning === 'off' || (moment.versioning === 'suspended' && candidate.isNull);
  if (due && forGood) return due;
  const target = new Target(candidate, minimum, moment);
  for (const rule of set.transitions)
    for (const { when, storageClass } of rule.transitions)
      target.offer(rule, storageClass, dueOf(when, candidate.modifiedMs, moment.dayMs));
  return target.take() ?? due;
}

function noncurrentAction(
  set: RuleSet,
  candidate: Candidate,
  { sinceMs, newer }: Extract<Standing, { place: 'noncurrent' }>,
  minimum: TransitionMinimum,
  moment: Moment,
): Action | undefined {
  const { nowMs, dayMs } = moment;
  const isMarker = candidate.isMarker;
  for (const rule of set.noncurrent) {
    const expiration = rule.noncurrentExpiration;
    if (!expiration || newer < expiration.newer || (isMarker && !isOfMarkers(rule))) continue;
    const dueMs = dueAfter(sinceMs, expiration.days, dayMs);
    if (dueMs <= nowMs && (isMarker || fits(rule.filter, candidate))) return { type: 'remove', rule, dueMs };
  }
  if (isMarker) return undefined;
  const target = new Target(candidate, minimum, moment);
  for (const rule of set.noncurrent)
    for (const { days, newer: kept, storageClass } of rule.noncurrentTransitions)
      if (newer >= kept) target.offer(rule, storageClass, dueAfter(sinceMs, days, dayMs));
  return target.take();
}

/** What is to be done with a version now; undefined: nothing. */
export function evaluate(compiled: CompiledLifecycle, candidate: Candidate, moment: Moment): Action | undefined {
  const set = compiled.at(candidate.key);
  if (!set) return undefined;
  const { standing } = candidate;
  const { minimum } = compiled.lifecycle;
  if (standing.place === 'noncurrent') return noncurrentAction(set, candidate, standing, minimum, moment);
  if (candidate.isMarker) return standing.alone ? markerAction(set, candidate, moment) : undefined;
  return currentAction(set, candidate, minimum, moment);
}
