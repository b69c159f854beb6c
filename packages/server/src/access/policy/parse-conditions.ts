import type { Condition, PolicyVersion, Quantifier } from './document.ts';
import { nearest } from './failure.ts';
import type { JsonNode } from './json.ts';
import { conditionKey, conditionKeys } from './keys.ts';
import { nullOperator, operatorNamed, operatorNames } from './operators.ts';
import type { Place } from './place.ts';

const form = /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$/;

interface OperatorUse {
  readonly operator: string;
  readonly quantifier: Quantifier | undefined;
  readonly ifExists: boolean;
}

function readOperator(place: Place, name: string, node: { readonly at: number }): OperatorUse {
  const parts = form.exec(name);
  const operator = parts?.[2] ?? '';
  const use = { operator, quantifier: parts?.[1] as Quantifier | undefined, ifExists: parts?.[3] !== undefined };
  if (operator === nullOperator) {
    if (use.ifExists || use.quantifier)
      throw place.fail('Null takes neither IfExists nor ForAllValues: nor ForAnyValue:', node);
    return use;
  }
  if (!parts || !operatorNamed(operator)) {
    throw place.fail(
      `there is no operator ${JSON.stringify(name)}${nearest(operator === '' ? name : operator, operatorNames)}`,
      node,
    );
  }
  return use;
}

/** Reads a Condition element: operators, keys, values. @throws PolicyError */
export function readConditions(place: Place, node: JsonNode, version: PolicyVersion): Condition[] {
  const found: Condition[] = [];
  for (const [name, { at, value: block }] of place.members(node, undefined)) {
    const use = readOperator(place, name, { at });
    const inside = place.at(name);
    const keys = new Set<string>();
    for (const [key, member] of inside.members(block, undefined)) {
      if (!conditionKey(key)) {
        const names = conditionKeys.map((one) => one.name);
        throw inside.fail(`there is no condition key ${JSON.stringify(key)}${nearest(key, names)}`, member);
      }
      if (keys.has(key.toLowerCase()))
        throw inside.fail(`${JSON.stringify(key)} is given twice, in different case: merge the two`, member);
      keys.add(key.toLowerCase());
      const values = inside.at(key).scalars(member.value);
      // Compiled once here, so that a value of the wrong form is found with its place.
      for (const value of values) {
        if (use.operator === nullOperator) {
          if (value.text !== 'true' && value.text !== 'false')
            throw inside.at(key).fail('Null takes "true" (the key is absent) or "false"', value);
        } else inside.at(key).checked(value, () => operatorNamed(use.operator)?.compile([value.text], version));
      }
      found.push({ ...use, key, values: values.map((value) => value.text) });
    }
    if (keys.size === 0)
      throw inside.fail('is empty, which would hold for every request: name a key, or remove it', block);
  }
  if (found.length === 0) throw place.fail('is empty, which would hold for every request: remove it', node);
  return found;
}
