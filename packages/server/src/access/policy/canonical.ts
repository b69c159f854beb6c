import type { Condition, Listed, Policy, PrincipalName, Statement } from './document.ts';

/*
 * One text for all policies that mean the same but for order and spelling: lists sorted and without repetitions, accounts as ARNs,
 * actions and keys in lower case (they are compared so), one Sid or none. Two policies are equal when these texts are.
 */

const sorted = (list: readonly string[]): string[] => [...new Set(list)].sort();

function principals({ not, list }: Listed<PrincipalName>): Record<string, unknown> {
  const byType: Record<string, string[]> = {};
  for (const type of ['AWS', 'CanonicalUser', 'Federated', 'Service']) {
    const values = sorted(list.filter((one) => one.type === type).map((one) => one.value));
    if (values.length > 0) byType[type] = values;
  }
  return { [not ? 'NotPrincipal' : 'Principal']: byType };
}

function conditions(list: readonly Condition[]): Record<string, unknown> {
  const byOperator = new Map<string, [string, string[]][]>();
  for (const { operator, quantifier, ifExists, key, values } of list) {
    const name = `${quantifier ? `${quantifier}:` : ''}${operator}${ifExists ? 'IfExists' : ''}`;
    const keys = byOperator.get(name) ?? [];
    keys.push([key.toLowerCase(), sorted(values)]);
    byOperator.set(name, keys);
  }
  const entries = sorted([...byOperator.keys()]).map(
    (name) => [name, Object.fromEntries((byOperator.get(name) ?? []).sort(([a], [b]) => (a < b ? -1 : 1)))] as const,
  );
  return entries.length === 0 ? {} : { Condition: Object.fromEntries(entries) };
}

function statement(one: Statement): Record<string, unknown> {
  return {
    ...(one.sid !== undefined && { Sid: one.sid }),
    Effect: one.effect,
    ...(one.principals && principals(one.principals)),
    [one.actions.not ? 'NotAction' : 'Action']: sorted(one.actions.list.map((action) => action.toLowerCase())),
    ...(one.resources && { [one.resources.not ? 'NotResource' : 'Resource']: sorted(one.resources.list) }),
    ...conditions(one.conditions),
  };
}

/** JSON without blanks; itself a policy that reads back to the same text. */
export function canonicalPolicy(policy: Policy): string {
  return JSON.stringify({
    Version: policy.version,
    ...(policy.id !== undefined && { Id: policy.id }),
    Statement: policy.statements.map(statement),
  });
}
