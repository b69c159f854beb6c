import type { Versioning } from '../../metadata/index.ts';
import type { Lifecycle, LifecycleRule } from './rules.ts';

/*
 * A second evaluator, for tests: written from the documented rules alone, one sentence after the other, for a whole key at once, and slow. It shares nothing with
 * evaluate.ts but the shape of rules.
 */

export interface NaiveVersion {
  readonly isMarker: boolean;
  readonly isNull: boolean;
  readonly modifiedMs: number;
  readonly size: number;
  readonly storageClass: string;
  readonly tags: readonly (readonly [string, string])[];
}

/** `none`, `expire`, `remove`, `marker`, or the name of a class to move to behind an arrow. */
export type NaiveAction = string;

export interface NaiveQuestion {
  readonly lifecycle: Lifecycle;
  readonly versioning: Versioning;
  readonly key: string;
  /** Newest first. */
  readonly versions: readonly NaiveVersion[];
  readonly nowMs: number;
  readonly dayMs: number;
  readonly classes: readonly string[];
}

/** "adding the number of days … and rounding up the resulting time to the next day midnight UTC" */
function midnight(fromMs: number, days: number, dayMs: number): number {
  let at = fromMs + days * dayMs;
  const over = at % dayMs;
  if (over !== 0) at += dayMs - over;
  return at;
}

function meant({ enabled, filter }: LifecycleRule, key: string, version: NaiveVersion): boolean {
  if (!enabled) return false;
  if (!key.startsWith(filter.prefix.toString('latin1'))) return false;
  const asksMore = filter.tags.length > 0 || filter.sizeAbove !== undefined || filter.sizeBelow !== undefined;
  if (version.isMarker) return !asksMore;
  for (const [name, value] of filter.tags) {
    let found = false;
    for (const [has, its] of version.tags) if (has === name && its === value) found = true;
    if (!found) return false;
  }
  if (filter.sizeAbove !== undefined && !(version.size > filter.sizeAbove)) return false;
  if (filter.sizeBelow !== undefined && !(version.size < filter.sizeBelow)) return false;
  return true;
}

/** Cheapest last; "INTELLIGENT_TIERING is favored over any class aside from GLACIER and DEEP_ARCHIVE". */
const cheaper = ['STANDARD_IA', 'ONEZONE_IA', '(own)', 'GLACIER_IR', 'INTELLIGENT_TIERING', 'GLACIER', 'DEEP_ARCHIVE'];
const down = [
  'STANDARD',
  'STANDARD_IA',
  'INTELLIGENT_TIERING',
  'ONEZONE_IA',
  '(own)',
  'GLACIER_IR',
  'GLACIER',
  'DEEP_ARCHIVE',
];
const placeIn = (list: readonly string[], name: string) => {
  if (name === 'REDUCED_REDUNDANCY') return 0;
  return list.includes(name) ? list.indexOf(name) : list.indexOf('(own)');
};

interface Offer {
  readonly storageClass: string;
  readonly at: number;
}

function moveFor(offers: readonly Offer[], version: NaiveVersion): NaiveAction {
  let chosen: Offer | undefined;
  for (const offer of offers) {
    if (!chosen) {
      chosen = offer;
      continue;
    }
    const a = placeIn(cheaper, offer.storageClass);
    const b = placeIn(cheaper, chosen.storageClass);
    if (a > b || (a === b && offer.at > chosen.at)) chosen = offer;
  }
  if (!chosen || chosen.storageClass === version.storageClass) return 'none';
  return placeIn(down, chosen.storageClass) >= placeIn(down, version.storageClass) ? `→${chosen.storageClass}` : 'none';
}

function mayMove(question: NaiveQuestion, rule: LifecycleRule, version: NaiveVersion, storageClass: string): boolean {
  if (!question.classes.includes(storageClass)) return false;
  const { sizeAbove, sizeBelow } = rule.filter;
  if (sizeAbove !== undefined || sizeBelow !== undefined) return true;
  if (version.size >= 131_072) return true;
  const isArchive = storageClass === 'GLACIER' || storageClass === 'DEEP_ARCHIVE';
  return question.lifecycle.minimum === 'varies_by_storage_class' && isArchive;
}

/** What is to be done with each version, in the order of `versions`. */
export function naively(question: NaiveQuestion): NaiveAction[] {
  const { versions, lifecycle, versioning, key, nowMs, dayMs } = question;
  return versions.map((version, index) => {
    const rules = lifecycle.rules.filter((rule) => meant(rule, key, version));
    if (index === 0 && version.isMarker) {
      if (versions.length > 1) return 'none';
      for (const { expiration } of rules) {
        if (expiration === undefined || expiration === 'none') continue;
        if (expiration === 'marker') return 'marker';
        const at = 'dateMs' in expiration ? expiration.dateMs : midnight(version.modifiedMs, expiration.days, dayMs);
        if (nowMs >= at) return 'marker';
      }
      return 'none';
    }
    if (index === 0) {
      let expires = false;
      const offers: Offer[] = [];
      for (const rule of rules) {
        const { expiration } = rule;
        if (typeof expiration === 'object') {
          const at = 'dateMs' in expiration ? expiration.dateMs : midnight(version.modifiedMs, expiration.days, dayMs);
          if (nowMs >= at) expires = true;
        }
        for (const { when, storageClass } of rule.transitions) {
          const at = 'dateMs' in when ? when.dateMs : midnight(version.modifiedMs, when.days, dayMs);
          if (nowMs >= at && mayMove(question, rule, version, storageClass)) offers.push({ storageClass, at });
        }
      }
      // "Permanent deletion takes precedence over transition. Transition takes precedence over creation of delete markers."
      const permanent = versioning === 'off' || (versioning === 'suspended' && version.isNull);
      if (expires && permanent) return 'expire';
      const move = moveFor(offers, version);
      return move !== 'none' ? move : expires ? 'expire' : 'none';
    }
    const since = versions[index - 1]!.modifiedMs;
    const newer = versions.slice(1, index).filter(({ isMarker }) => !isMarker).length;
    const offers: Offer[] = [];
    for (const rule of rules) {
      const { noncurrentExpiration } = rule;
      if (noncurrentExpiration && newer >= noncurrentExpiration.newer)
        if (nowMs >= midnight(since, noncurrentExpiration.days, dayMs)) return 'remove';
    }
    if (version.isMarker) return 'none';
    for (const rule of rules)
      for (const { days, newer: kept, storageClass } of rule.noncurrentTransitions) {
        const at = midnight(since, days, dayMs);
        if (newer >= kept && nowMs >= at && mayMove(question, rule, version, storageClass))
          offers.push({ storageClass, at });
      }
    return moveFor(offers, version);
  });
}
