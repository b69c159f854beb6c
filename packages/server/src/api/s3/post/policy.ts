import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';

/*
 * What a form may say, as whoever signed it allowed (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html). Each field of
 * the form must be named by a condition, and every condition must hold. Fields are compared as they are once `${filename}` was put in.
 */

type Condition =
  | { readonly kind: 'eq' | 'starts-with'; readonly name: string; readonly value: string }
  | { readonly kind: 'range'; readonly least: number; readonly most: number };

export interface PostPolicy {
  readonly expiresMs: number;
  readonly conditions: readonly Condition[];
}

/** Bytes that the file may have. */
export interface LengthRange {
  readonly least: number;
  readonly most: number;
}

const invalid = (why: string): StoreError =>
  new StoreError('InvalidPolicyDocument', { message: `Invalid Policy: ${why}` });

const expirationForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;

function wholeOf(value: unknown): number {
  const text = typeof value === 'number' || typeof value === 'string' ? String(value) : '';
  const number = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw invalid('Invalid content-length-range: it has two whole numbers of bytes.');
  return number;
}

function listCondition(list: readonly unknown[]): Condition {
  const [operator, name, value] = list;
  if (typeof operator !== 'string' || list.length !== 3)
    throw invalid('Invalid Condition: a list has an operator, a field and a value.');
  const kind = operator.toLowerCase();
  if (kind === 'content-length-range') {
    const range = { kind: 'range', least: wholeOf(name), most: wholeOf(value) } as const;
    if (range.least > range.most) throw invalid('Invalid content-length-range: the least is more than the most.');
    return range;
  }
  if (kind !== 'eq' && kind !== 'starts-with') throw invalid(`Invalid Condition: unknown operator ${operator}.`);
  if (typeof name !== 'string' || !name.startsWith('$') || typeof value !== 'string')
    throw invalid('Invalid Condition: the field is a text that begins with $, and the value is a text.');
  return { kind, name: name.slice(1).toLowerCase(), value };
}

function conditionOf(condition: unknown): Condition {
  if (Array.isArray(condition)) return listCondition(condition);
  if (typeof condition !== 'object' || condition === null)
    throw invalid('Invalid Condition: it is a list or an object.');
  const [pair, more] = Object.entries(condition);
  if (!pair || more)
    throw invalid('Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.');
  const [name, value] = pair as [string, unknown];
  if (typeof value !== 'string') throw invalid('Invalid Simple-Condition: value must be a string.');
  return { kind: 'eq', name: name.toLowerCase(), value };
}

function documentOf(encoded: string): unknown {
  const text = encoded.replace(/[\r\n]/g, '');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw invalid('Invalid base64.');
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'base64')));
  } catch {
    throw invalid('Invalid JSON.');
  }
}

/** @throws StoreError InvalidPolicyDocument */
export function parsePostPolicy(encoded: string): PostPolicy {
  const document = documentOf(encoded);
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw invalid('The policy is a JSON object.');
  const { expiration, conditions, ...others } = document as Record<string, unknown>;
  const [unexpected] = Object.keys(others);
  if (unexpected !== undefined) throw invalid(`Unexpected: '${unexpected}'`);
  if (expiration === undefined) throw invalid('Policy missing expiration.');
  if (conditions === undefined) throw invalid('Policy missing conditions.');
  const expiresMs =
    typeof expiration === 'string' && expirationForm.test(expiration) ? Date.parse(expiration) : Number.NaN;
  if (Number.isNaN(expiresMs)) throw invalid("Invalid 'expiration' value: it is a time like 2030-01-01T12:00:00.000Z.");
  if (!Array.isArray(conditions)) throw invalid('Invalid conditions: they are a list.');
  if (conditions.length > limits.formConditions) throw invalid(`It has more than ${limits.formConditions} conditions.`);
  return { expiresMs, conditions: conditions.map(conditionOf) };
}

/** Fields that no condition need name. */
const exempt = new Set(['x-amz-signature', 'policy', 'file', 'signature', 'awsaccesskeyid']);

const denied = (why: string): StoreError =>
  new StoreError('AccessDenied', { message: `Invalid according to Policy: ${why}` });

function holds(
  { kind, name, value }: Exclude<Condition, { kind: 'range' }>,
  fields: ReadonlyMap<string, string>,
): boolean {
  const given = fields.get(name) ?? '';
  if (kind === 'eq') return given === value;
  // Of several types each must fit.
  const each = name === 'content-type' ? given.split(',') : [given];
  return each.every((one) => one.startsWith(value));
}

/**
 * Holds a form against its policy.
 * @param fields by their names in lower case, `bucket` being the one that the form was sent to
 * @returns the bytes that the file may have
 * @throws StoreError AccessDenied
 */
export function checkPostPolicy(policy: PostPolicy, fields: ReadonlyMap<string, string>, nowMs: number): LengthRange {
  if (nowMs >= policy.expiresMs) throw denied('Policy expired.');
  let least = 0;
  let most: number = limits.singlePutBytes;
  const named = new Set<string>(['bucket']);
  for (const condition of policy.conditions) {
    if (condition.kind === 'range') {
      least = Math.max(least, condition.least);
      most = Math.min(most, condition.most);
      continue;
    }
    named.add(condition.name);
    if (!holds(condition, fields))
      throw denied(
        `Policy Condition failed: ${JSON.stringify([condition.kind, `$${condition.name}`, condition.value])}`,
      );
  }
  for (const name of fields.keys())
    if (!named.has(name) && !exempt.has(name) && !name.startsWith('x-ignore-'))
      throw denied(`Extra input fields: ${name}`);
  return { least, most };
}
