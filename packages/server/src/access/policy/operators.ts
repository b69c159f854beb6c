import { addressOf, inRange, parseRange } from './addresses.ts';
import { compileArn } from './arn.ts';
import type { RequestContext } from './context.ts';
import type { PolicyVersion } from './document.ts';
import { hasVariables, type Piece, parseTemplate, TemplateError } from './template.ts';
import { parseBinary, parseBoolean, parseNumber, parseTime } from './values.ts';
import { compilePattern, resolve } from './wildcard.ts';

/*
 * The condition operators. Each compiles the values of a condition to one test of one value of the request: does it match any of
 * them? The negated ones are the same test turned round, in one place (condition.ts), never a comparison of their own.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 */

/** Whether one value of the request matches any of the condition's values. */
export type ValueTest = (given: string, context: RequestContext) => boolean;

interface Operator {
  readonly negated: boolean;
  /** @throws TemplateError when a value is not of the operator's form */
  compile(values: readonly string[], version: PolicyVersion): ValueTest;
}

const anyOf = (tests: readonly ValueTest[]): ValueTest => {
  const [only] = tests;
  return tests.length === 1 && only ? only : (given, context) => tests.some((test) => test(given, context));
};

const variablesOf = (version: PolicyVersion) => version === '2012-10-17';

function equals(values: readonly string[], version: PolicyVersion, fold: (text: string) => string): ValueTest {
  const fixed = new Set<string>();
  const open: Piece[][] = [];
  for (const value of values) {
    const pieces = parseTemplate(value, { wildcards: false, variables: variablesOf(version) });
    if (hasVariables(pieces)) open.push(pieces);
    else fixed.add(fold(pieces.map((piece) => (piece as { text: string }).text).join('')));
  }
  if (open.length === 0) return (given) => fixed.has(fold(given));
  return (given, context) => {
    const folded = fold(given);
    return (
      fixed.has(folded) ||
      open.some((pieces) => {
        const wanted = resolve(pieces, context);
        return wanted !== undefined && fold(wanted) === folded;
      })
    );
  };
}

const asIs = (text: string) => text;
const lower = (text: string) => text.toLowerCase();

const like = (values: readonly string[], version: PolicyVersion): ValueTest =>
  anyOf(
    values.map((value) => {
      const test = compilePattern(parseTemplate(value, { wildcards: true, variables: variablesOf(version) }));
      return (given, context) => test(given, 0, context);
    }),
  );

const arnLike = (values: readonly string[], version: PolicyVersion): ValueTest =>
  anyOf(values.map((value) => compileArn(parseTemplate(value, { wildcards: true, variables: variablesOf(version) }))));

/** An operator whose values are parsed once; a value of the request that cannot be parsed matches nothing. */
function parsed<Value>(
  parse: (text: string) => Value | undefined,
  wanted: string,
  matches: (given: Value, value: Value) => boolean,
): Operator['compile'] {
  return (values) => {
    const known = values.map((value) => {
      const read = parse(value);
      if (read === undefined) throw new TemplateError(`${JSON.stringify(value)} is not ${wanted}`);
      return read;
    });
    return (given) => {
      const read = parse(given);
      return read !== undefined && known.some((value) => matches(read, value));
    };
  };
}

const same = <Value>(a: Value, b: Value) => a === b;
const numeric = (matches: (given: number, value: number) => boolean) =>
  parsed(parseNumber, 'a number: write digits, as 10 or -0.5', matches);
const dated = (matches: (given: number, value: number) => boolean) =>
  parsed(parseTime, 'a time: write 2026-01-31T12:00:00Z, or seconds since 1970', matches);

const inAnyRange: Operator['compile'] = (values) => {
  const ranges = values.map((value) => {
    const range = parseRange(value);
    if (!range)
      throw new TemplateError(`${JSON.stringify(value)} is no address: write 203.0.113.0/24 or 2001:db8::/32`);
    return range;
  });
  return (given) => {
    const address = addressOf(given);
    return address !== undefined && ranges.some((range) => inRange(range, address));
  };
};

const is = (compile: Operator['compile']): Operator => ({ negated: false, compile });
const isNot = (compile: Operator['compile']): Operator => ({ negated: true, compile });

/** Every operator but `Null`, which asks about the key and not about its values. */
const operators: Readonly<Record<string, Operator>> = {
  StringEquals: is((values, version) => equals(values, version, asIs)),
  StringNotEquals: isNot((values, version) => equals(values, version, asIs)),
  StringEqualsIgnoreCase: is((values, version) => equals(values, version, lower)),
  StringNotEqualsIgnoreCase: isNot((values, version) => equals(values, version, lower)),
  StringLike: is(like),
  StringNotLike: isNot(like),
  NumericEquals: is(numeric(same)),
  NumericNotEquals: isNot(numeric(same)),
  NumericLessThan: is(numeric((given, value) => given < value)),
  NumericLessThanEquals: is(numeric((given, value) => given <= value)),
  NumericGreaterThan: is(numeric((given, value) => given > value)),
  NumericGreaterThanEquals: is(numeric((given, value) => given >= value)),
  DateEquals: is(dated(same)),
  DateNotEquals: isNot(dated(same)),
  DateLessThan: is(dated((given, value) => given < value)),
  DateLessThanEquals: is(dated((given, value) => given <= value)),
  DateGreaterThan: is(dated((given, value) => given > value)),
  DateGreaterThanEquals: is(dated((given, value) => given >= value)),
  Bool: is(parsed(parseBoolean, 'true or false', same)),
  BinaryEquals: is(parsed(parseBinary, 'base64: write the bytes in base64 with its padding', same)),
  IpAddress: is(inAnyRange),
  NotIpAddress: isNot(inAnyRange),
  ArnEquals: is(arnLike),
  ArnLike: is(arnLike),
  ArnNotEquals: isNot(arnLike),
  ArnNotLike: isNot(arnLike),
};

export const nullOperator = 'Null';

export const operatorNames: readonly string[] = [...Object.keys(operators), nullOperator];

/** @returns undefined for `Null` and for what is no operator */
export const operatorNamed = (name: string): Operator | undefined =>
  Object.hasOwn(operators, name) ? operators[name] : undefined;
