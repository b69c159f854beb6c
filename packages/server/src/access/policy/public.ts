import { parseRange } from './addresses.ts';
import type { Condition, Policy, Statement } from './document.ts';

/*
 * Whether the policy of a bucket is public, which what blocks public access goes by. A policy is, until every statement that allows is held to
 * fixed values of something that says who asks. https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
 * ("The meaning of public")
 */

/** Keys that say who asks, or from where, and that he cannot choose. */
const identifying: ReadonlySet<string> = new Set([
  'aws:principalaccount',
  'aws:principalarn',
  'aws:principalorgid',
  'aws:principalorgpaths',
  'aws:sourceaccount',
  'aws:sourcearn',
  'aws:sourceip',
  'aws:sourceowner',
  'aws:sourcevpc',
  'aws:sourcevpce',
  'aws:userid',
  'dsom:deviceid',
  'dsom:devicefingerprint',
  's3:dataaccesspointaccount',
  's3:dataaccesspointarn',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
]);

/** Operators that hold for the values listed and no others. */
const holding = /^(?:StringEquals|StringEqualsIgnoreCase|StringLike|ArnEquals|ArnLike|IpAddress)$/i;

/** Wider than that is no set of addresses that anybody knows. */
const widest = { 4: 2n ** 24n, 6: 2n ** 96n };

const privateRanges = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map((text) => parseRange(text));

function isNarrow(text: string): boolean {
  const range = parseRange(text);
  if (!range) return false;
  const { family, first, last } = range;
  if (privateRanges.some((one) => one?.family === family && first >= one.first && last <= one.last)) return true;
  return BigInt(last) - BigInt(first) + 1n <= widest[family];
}

function isFixed(key: string, value: string): boolean {
  if (key === 'aws:sourceip') return isNarrow(value);
  // A role's sessions are called by whoever opens them: the part before the colon is what is fixed.
  const text = key === 'aws:userid' ? value.replace(/^(AROA[A-Z0-9]+):\*$/, '$1') : value;
  return text !== '' && !/[*?]|\$\{/.test(text);
}

function identifies({ operator, quantifier, ifExists, key, values }: Condition): boolean {
  // Both hold of a request that has no such key.
  if (ifExists || quantifier === 'ForAllValues') return false;
  const lower = key.toLowerCase();
  return holding.test(operator) && identifying.has(lower) && values.every((value) => isFixed(lower, value));
}

function isPublicStatement({ effect, principals, conditions }: Statement): boolean {
  if (effect !== 'Allow' || principals === undefined) return false;
  const everyone = principals.not || principals.list.some(({ value }) => value === '*');
  return everyone && !conditions.some(identifies);
}

export const isPublic = (policy: Policy): boolean => policy.statements.some(isPublicStatement);
