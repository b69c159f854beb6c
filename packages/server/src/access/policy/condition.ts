import { invariant } from '../../invariant.ts';
import type { RequestContext } from './context.ts';
import type { Condition, PolicyVersion } from './document.ts';
import { nullOperator, operatorNamed } from './operators.ts';

/** Whether a condition holds for a request. */
export type ConditionTest = (context: RequestContext) => boolean;

/**
 * Compiles one condition. With absent keys: `IfExists` and `ForAllValues:` hold, `ForAnyValue:` does not, negated operators hold, others do not.
 * With several values and no quantifier, the operator holds when any value matches, and its negation when none does.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
 */
export function compileCondition(condition: Condition, version: PolicyVersion): ConditionTest {
  const key = condition.key.toLowerCase();
  const { operator, quantifier, ifExists, values } = condition;
  if (operator === nullOperator) {
    const absent = values.includes('true');
    const present = values.includes('false');
    return (context) => (context.values(key) === undefined ? absent : present);
  }
  const known = operatorNamed(operator);
  invariant(known, 'a policy that was read has known operators');
  const test = known.compile(values, version);
  const { negated } = known;
  const whenAbsent = ifExists || quantifier === 'ForAllValues' || (negated && quantifier === undefined);
  return (context) => {
    const given = context.values(key);
    if (given === undefined) return whenAbsent;
    if (typeof given === 'string') return test(given, context) !== negated;
    switch (quantifier) {
      case 'ForAllValues':
        return given.every((one) => test(one, context) !== negated);
      case 'ForAnyValue':
        return given.some((one) => test(one, context) !== negated);
      default:
        return given.some((one) => test(one, context)) !== negated;
    }
  };
}
