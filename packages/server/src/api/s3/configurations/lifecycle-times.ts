import { StoreError } from '../../../errors.ts';
import { type LifecycleRule, waterfallRank } from '../../../objects/index.ts';
import { malformed } from '../xml/parser.ts';

/* What the actions of one rule say to each other: in days or by date all of them, one after the other, down the classes. Messages are those of AWS. */

const invalid = (message: string): StoreError => new StoreError('InvalidArgument', { message });

interface Step {
  readonly storageClass: string;
  /** Days, or ms since 1970. */
  readonly at: number;
}

/** Classes that AWS moves nothing to before it is 30 days old. */
const seldom = ['STANDARD_IA', 'ONEZONE_IA'];
const seldomDays = 30;

function checkSteps(steps: readonly Step[], action: string, unit: string, filter: string): void {
  const classes = steps.map(({ storageClass }) => storageClass);
  if (new Set(classes).size < classes.length)
    throw new StoreError('InvalidRequest', {
      message: `'StorageClass' must be different for '${action}' actions in same 'Rule' with filter ${filter}`,
    });
  for (const { storageClass } of steps) {
    const rank = waterfallRank(storageClass);
    if (rank === 0) throw malformed(`Nothing moves to the class ${storageClass}.`);
  }
  for (const { storageClass, at } of steps)
    if (unit !== 'Date' && seldom.includes(storageClass) && at < seldomDays)
      throw invalid(
        `'${unit}' in ${action} action must be greater than or equal to ${seldomDays} for storageClass '${storageClass}'`,
      );
  for (const one of steps)
    for (const other of steps) {
      const [above, below] = [waterfallRank(one.storageClass), waterfallRank(other.storageClass)];
      if (above === undefined || below === undefined || above >= below || one.at < other.at) continue;
      throw invalid(
        `'${unit}' in the '${action}' action for StorageClass '${other.storageClass}' for filter ${filter} must be greater than '${unit}' in the '${action}' action for StorageClass '${one.storageClass}' for filter ${filter}`,
      );
    }
}

/** @param filter as messages name it */
export function checkTimes(rule: LifecycleRule, filter: string): void {
  const { expiration, transitions, noncurrentExpiration, noncurrentTransitions } = rule;
  const end = typeof expiration === 'object' ? expiration : undefined;
  const units = new Set(transitions.map(({ when }) => ('days' in when ? 'Days' : 'Date')));
  if (units.size > 1)
    throw new StoreError('InvalidRequest', {
      message: `Found mixed 'Date' and 'Days' based Transition actions in lifecycle rule for filter ${filter}`,
    });
  const [unit] = units;
  if (unit !== undefined && end && unit !== ('days' in end ? 'Days' : 'Date'))
    throw new StoreError('InvalidRequest', {
      message: `Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter ${filter}`,
    });
  const steps = transitions.map(({ when, storageClass }) => ({
    storageClass,
    at: 'days' in when ? when.days : when.dateMs,
  }));
  checkSteps(steps, 'Transition', unit ?? 'Days', filter);
  const last = end && ('days' in end ? end.days : end.dateMs);
  if (last !== undefined && steps.some(({ at }) => at >= last))
    throw invalid(
      `'${unit}' in the Expiration action for filter ${filter} must be greater than '${unit}' in the Transition action`,
    );
  const noncurrent = noncurrentTransitions.map(({ days, storageClass }) => ({ storageClass, at: days }));
  checkSteps(noncurrent, 'NoncurrentVersionTransition', 'NoncurrentDays', filter);
  if (noncurrentExpiration && noncurrent.some(({ at }) => at >= noncurrentExpiration.days))
    throw invalid(
      `'NoncurrentDays' in the NoncurrentVersionExpiration action for filter ${filter} must be greater than 'NoncurrentDays' in the NoncurrentVersionTransition action`,
    );
}
