import assert from 'node:assert/strict';
import { readRoleArn, roleArn } from '../../src/access/index.ts';
import { Parameters, rules } from '../../src/api/iam/parameters.ts';
import { StoreError } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import type { Target } from '../target.ts';

/* The form of a request to IAM or STS. What is taken keeps to its bounds, and what is not has a code of IAM. */

const codes: ReadonlySet<string> = new Set(['ValidationError', 'MalformedQueryString', 'InvalidInput']);

const taken = <Value>(take: () => Value): Value | undefined => {
  try {
    return take();
  } catch (error) {
    if (error instanceof StoreError && codes.has(error.code)) return undefined;
    throw error;
  }
};

export const target: Target = {
  name: 'identity-form',
  maximum: 4096,
  words: [
    'Action=',
    'UserName=',
    '&',
    '=',
    '+',
    '%C3%A4',
    '%zz',
    '%00',
    'Tags.member.1.Key=',
    'Tags.member.1.Value=',
    'Tags.member.2.Key=',
    'TagKeys.member.1=',
    'MaxItems=',
    'RoleArn=arn:aws:iam::111122223333:role/a/b',
    '.member.',
    '__proto__=',
  ],
  check(input) {
    const parameters = taken(() => new Parameters(input.toString('utf8')));
    if (!parameters) return;
    const name = taken(() => parameters.required('UserName', rules.userName));
    assert.ok(name === undefined || (/^[\w+=,.@-]+$/.test(name) && name.length <= limits.userNameChars));
    const items = taken(() => parameters.number('MaxItems', 1, limits.identityPage));
    assert.ok(items === undefined || (Number.isInteger(items) && items >= 1 && items <= limits.identityPage));
    const tags = taken(() => parameters.tags()) ?? [];
    assert.ok(tags.length <= limits.identityTags);
    assert.equal(new Set(tags.map(([key]) => key.toLowerCase())).size, tags.length);
    assert.ok((taken(() => parameters.list('TagKeys', limits.identityTags)) ?? []).length <= limits.identityTags);
    const arn = parameters.raw('RoleArn');
    const role = arn === undefined ? undefined : readRoleArn(arn);
    // Of an ARN one reading only: what is asked about is what is taken.
    if (role) assert.equal(roleArn(role), arn);
  },
};
