/*
 * The order of storage classes for transitions (https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html and
 * lifecycle-conflicts.html). Classes of the operator's own stand between the classes for seldom reads and the archives: what they cost is not known here.
 */

/** Downwards only; one may be left out. */
const waterfall: ReadonlyMap<string, number> = new Map([
  ['STANDARD', 0],
  ['REDUCED_REDUNDANCY', 0],
  ['STANDARD_IA', 1],
  ['INTELLIGENT_TIERING', 2],
  ['ONEZONE_IA', 3],
  ['GLACIER_IR', 5],
  ['GLACIER', 6],
  ['DEEP_ARCHIVE', 7],
]);
const ownRank = 4;

/** Of two that an object may move to on one day, the one with the higher number is taken: the cheaper one, and INTELLIGENT_TIERING before all but the archives. */
const preferences: ReadonlyMap<string, number> = new Map([
  ['STANDARD_IA', 1],
  ['ONEZONE_IA', 2],
  ['GLACIER_IR', 4],
  ['INTELLIGENT_TIERING', 5],
  ['GLACIER', 6],
  ['DEEP_ARCHIVE', 7],
]);
const ownPreference = 3;

const rankOf = (name: string): number => waterfall.get(name) ?? ownRank;

/** Whether an object of one class may move to another. */
export const movesTo = (from: string, to: string): boolean => from !== to && rankOf(to) >= rankOf(from);

export const preferenceOf = (name: string): number => preferences.get(name) ?? ownPreference;

/** Names that S3 has for targets of transitions. */
export const transitionClasses: readonly string[] = [...preferences.keys()];

/** Rank among those, for rules that name several; undefined for the operator's own. */
export const waterfallRank = (name: string): number | undefined => waterfall.get(name);

export const isArchive = (name: string): boolean => name === 'GLACIER' || name === 'DEEP_ARCHIVE';
