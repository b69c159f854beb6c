import assert from 'node:assert/strict';
import {
  CompiledPolicy,
  canonicalPolicy,
  contextOf,
  decide,
  explain,
  PolicyError,
  type PolicyKind,
  type PolicySet,
  parsePolicy,
  type Requester,
} from '../../src/access/index.ts';
import type { Target } from '../target.ts';

/*
 * The text of an access policy, as somebody would store it. It is refused with its place, or has one canonical form, and its
 * decisions are those that `explain` gives reasons for.
 */

const account = '111122223333';
const requesters: readonly Requester[] = [
  { kind: 'anonymous' },
  { kind: 'user', account, arn: `arn:aws:iam::${account}:user/ann` },
];
const context = contextOf([
  ['aws:username', 'ann'],
  ['aws:SourceIp', '10.0.0.1'],
  ['s3:prefix', 'a/*'],
  ['aws:TagKeys', ['a', 'b']],
]);

function look(text: string, kind: PolicyKind): void {
  const policy = parsePolicy(text, { kind });
  const canonical = canonicalPolicy(policy);
  // The canonical form may be longer than the text, and a limit be met only by it.
  if (Buffer.byteLength(canonical) <= 4096) assert.equal(canonicalPolicy(parsePolicy(canonical, { kind })), canonical);
  const compiled = new CompiledPolicy(policy);
  const set: PolicySet =
    kind === 'identity'
      ? { identity: [compiled], boundary: undefined, session: undefined, resource: undefined }
      : { identity: [], boundary: undefined, session: undefined, resource: compiled };
  for (const requester of requesters)
    for (const resource of ['arn:aws:s3:::b', 'arn:aws:s3:::b/a/*']) {
      const request = { requester, action: 's3:GetObject', resource, resourceAccount: account, context };
      const outcome = decide(set, request);
      const why = explain(set, request);
      assert.deepEqual([why.allowed, why.reason], [outcome.allowed, outcome.reason]);
      if (requester.kind === 'anonymous' && kind === 'identity') assert.equal(outcome.allowed, false);
    }
}

export const target: Target = {
  name: 'policy',
  maximum: 4096,
  words: [
    '{"Statement":[',
    '"Version":"2012-10-17",',
    '"Version":"2008-10-17",',
    '"Effect":"Allow"',
    '"Effect":"Deny"',
    '"Principal":"*"',
    '"Principal":{"AWS":"111122223333"}',
    '"NotPrincipal":',
    '"Action":"s3:Get*"',
    '"NotAction":',
    '"Resource":"*"',
    '"Resource":"arn:aws:s3:::b/${aws:username}/*"',
    '"NotResource":',
    '"Condition":{',
    '"ForAllValues:StringNotLike":{"aws:TagKeys":',
    '"ForAnyValue:',
    'IfExists',
    '"IpAddress":{"aws:SourceIp":"::/0"}',
    '"Null":{"s3:prefix":"true"}',
    '"DateLessThan":{"aws:CurrentTime":',
    '"__proto__":',
    "${aws:username, 'x'}",
    '${',
    '${*}',
    '\\u0000',
    '\\ud800',
    '1e999',
    'true',
    'null',
    '[',
    ']',
    '}',
    ',',
  ],
  check(input) {
    const text = input.toString('utf8');
    for (const kind of ['identity', 'resource', 'trust'] as const) {
      try {
        look(text, kind);
      } catch (error) {
        if (!(error instanceof PolicyError)) throw error;
        assert.ok(error.position.line >= 1 && error.position.column >= 1 && error.problem !== '');
      }
    }
  },
};
