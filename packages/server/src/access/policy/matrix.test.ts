import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  type AccessRequest,
  CompiledPolicy,
  contextOf,
  decide,
  type PolicySet,
  parsePolicy,
  type Requester,
} from './index.ts';

/*
 * Every action × principal × resource × condition × way of authenticating × effect. Each row of each table says by hand whether it
 * matches, from the documentation; a cell's expectation is put together from its five rows and the rules of combination, and never
 * from the evaluator.
 */

const account = '111122223333';
const other = '444455556666';

type Row = readonly [pattern: string | readonly string[], asked: string, matches: boolean];

const actionRows: readonly Row[] = [
  ['*', 's3:GetObject', true],
  ['s3:*', 's3:PutObject', true],
  ['s3:GetObject', 's3:GetObject', true],
  ['s3:getobject', 's3:GetObject', true],
  ['s3:GetObject', 's3:GetObjectVersion', false],
  ['s3:Get*', 's3:GetObjectVersion', true],
  ['s3:Get?bject', 's3:GetObject', true],
  ['s3:PutObject', 's3:PutObjectTagging', false],
  [['s3:ListBucket', 's3:DeleteObject'], 's3:DeleteObject', true],
  ['s3:*Object', 's3:GetObjectAcl', false],
];

const resourceRows: readonly Row[] = [
  ['*', 'arn:aws:s3:::b/a', true],
  ['arn:aws:s3:::b/*', 'arn:aws:s3:::b/a/b/c', true],
  ['arn:aws:s3:::b/*', 'arn:aws:s3:::b', false],
  ['arn:aws:s3:::b', 'arn:aws:s3:::b/a', false],
  ['arn:aws:s3:::b*', 'arn:aws:s3:::bb/a', true],
  ['arn:aws:s3:::b/*', 'arn:aws:s3:::bb/a', false],
  ['arn:aws:s3:::b/A', 'arn:aws:s3:::b/a', false],
  ['arn:aws:s3:::b/a/*', 'arn:aws:s3:::b/a/../x', true],
  ['arn:aws:s3:::b/x', 'arn:aws:s3:::b/a/../x', false],
  ['arn:aws:s3:::b/a%2Fb', 'arn:aws:s3:::b/a/b', false],
  [['arn:aws:s3:::c/*', 'arn:aws:s3:::b/?'], 'arn:aws:s3:::b/z', true],
];

/** Ways of authenticating, and what the context says of them. */
const authenticationRows = [
  ['REST-HEADER', [['s3:authType', 'REST-HEADER']]],
  ['REST-QUERY-STRING', [['s3:authType', 'REST-QUERY-STRING']]],
  ['POST', [['s3:authType', 'POST']]],
  ['anonymous', []],
] as const;

type ConditionRow = readonly [block: object | undefined, holds: (way: string) => boolean];

const conditionRows: readonly ConditionRow[] = [
  [undefined, () => true],
  [{ StringEquals: { 's3:authType': 'REST-HEADER' } }, (way) => way === 'REST-HEADER'],
  [{ StringNotEquals: { 's3:authType': 'REST-HEADER' } }, (way) => way !== 'REST-HEADER'],
  [{ StringEqualsIfExists: { 's3:authType': 'POST' } }, (way) => way === 'POST' || way === 'anonymous'],
  [
    { StringEquals: { 's3:authType': ['POST', 'REST-QUERY-STRING'] } },
    (way) => /^(?:POST|REST-QUERY-STRING)$/.test(way),
  ],
  [{ StringLike: { 's3:authType': 'REST-*' } }, (way) => way.startsWith('REST-')],
  [{ Null: { 's3:authType': 'true' } }, (way) => way === 'anonymous'],
  [{ Null: { 's3:authType': 'false' } }, (way) => way !== 'anonymous'],
  [{ IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, () => true],
  [{ NotIpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '192.0.2.0/24'] } }, () => false],
  [{ Bool: { 'aws:SecureTransport': 'false' } }, () => false],
  [{ NumericLessThanEquals: { 's3:max-keys': '100' } }, () => true],
  [{ NumericLessThan: { 's3:max-keys': 100 } }, () => false],
  [{ DateGreaterThan: { 'aws:CurrentTime': '2026-01-01T00:00:00Z' } }, () => true],
  [{ 'ForAllValues:StringEquals': { 'aws:TagKeys': ['a', 'b'] } }, () => true],
  [{ 'ForAllValues:StringEquals': { 'aws:TagKeys': ['a'] } }, () => false],
  [{ 'ForAnyValue:StringNotEquals': { 'aws:TagKeys': ['a'] } }, () => true],
  [{ 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['a'] } }, () => true],
  [{ 'ForAnyValue:StringEquals': { 's3:RequestObjectTagKeys': ['a'] } }, () => false],
  [{ ArnLike: { 'aws:PrincipalTag/x': 'arn:aws:s3:::*' } }, () => false],
  [{ StringEquals: { 's3:authType': 'POST' }, Bool: { 'aws:SecureTransport': 'true' } }, (way) => way === 'POST'],
];

const context = [
  ['aws:SourceIp', '::ffff:10.1.2.3'],
  ['aws:SecureTransport', 'true'],
  ['s3:max-keys', '100'],
  ['aws:CurrentTime', '2026-03-01T00:00:00Z'],
  ['aws:TagKeys', ['a', 'b']],
] as const;

const user: Requester = { kind: 'user', account, arn: `arn:aws:iam::${account}:user/ann` };
const stranger: Requester = { kind: 'user', account: other, arn: `arn:aws:iam::${other}:user/ann` };
const session: Requester = {
  kind: 'role',
  account,
  arn: `arn:aws:sts::${account}:assumed-role/reader/s1`,
  role: `arn:aws:iam::${account}:role/reader`,
};
const anonymous: Requester = { kind: 'anonymous' };

/** Principal of the bucket's policy, who asks, whether it means him, and whether an Allow of it alone lets him in. */
const principalRows: readonly (readonly [unknown, Requester, boolean, boolean])[] = [
  ['*', anonymous, true, true],
  [{ AWS: '*' }, anonymous, true, true],
  [{ AWS: account }, anonymous, false, false],
  ['*', user, true, true],
  [{ AWS: user.arn }, user, true, true],
  [{ AWS: account }, user, true, false],
  [{ AWS: `${user.arn}x` }, user, false, false],
  [{ AWS: other }, user, false, false],
  [{ AWS: session.role }, session, true, true],
  [{ AWS: session.arn }, session, true, true],
  [{ AWS: `arn:aws:iam::${account}:role/admin` }, session, false, false],
  [{ Service: 'logging.s3.amazonaws.com' }, { kind: 'service', service: 'logging.s3.amazonaws.com' }, true, true],
  [{ Service: 'logging.s3.amazonaws.com' }, user, false, false],
  // Of another account: the bucket's policy lets him in only as far as his own account does too.
  ['*', stranger, true, false],
  [{ AWS: other }, stranger, true, false],
];

/** The policy of an identity that allows everything: what a Deny has to overrule. */
const everything = new CompiledPolicy(
  parsePolicy('{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}', {
    kind: 'identity',
  }),
);

it('every cell of action × principal × resource × condition × authentication × effect is as its rows say', (t) => {
  let cells = 0;
  let allowed = 0;
  for (const [actionPattern, action, actionMatches] of actionRows)
    for (const [resourcePattern, resource, resourceMatches] of resourceRows)
      for (const [principal, requester, named, alone] of principalRows)
        for (const [block, holds] of conditionRows) {
          const policyOf = (Effect: string) =>
            new CompiledPolicy(
              parsePolicy(
                JSON.stringify({
                  Version: '2012-10-17',
                  Statement: {
                    Effect,
                    Principal: principal,
                    Action: actionPattern,
                    Resource: resourcePattern,
                    ...(block && { Condition: block }),
                  },
                }),
                { kind: 'resource' },
              ),
            );
          const [allow, deny] = [policyOf('Allow'), policyOf('Deny')];
          for (const [way, keys] of authenticationRows) {
            // Who has no credentials cannot sign, and the others cannot but sign.
            if ((way === 'anonymous') !== (requester.kind === 'anonymous')) continue;
            const request: AccessRequest = {
              requester,
              action,
              resource,
              resourceAccount: account,
              context: contextOf([...context, ...keys]),
            };
            const set = (identity: readonly CompiledPolicy[], bucket: CompiledPolicy): PolicySet => ({
              identity,
              boundary: undefined,
              session: undefined,
              resource: bucket,
            });
            const applies = actionMatches && resourceMatches && named && holds(way);
            const cell = () =>
              JSON.stringify({ actionPattern, resourcePattern, principal, block, requester, action, resource, way });
            const isIn = (policies: PolicySet, expected: boolean, what: string) => {
              if (decide(policies, request).allowed !== expected)
                assert.fail(`${what}: expected ${expected}: ${cell()}`);
              cells++;
              if (expected) allowed++;
            };
            const identified = 'account' in requester;
            const local = identified && requester.account === account;
            isIn(set([], allow), applies && alone, 'Allow alone');
            isIn(
              set([everything], allow),
              local || (applies && (identified || alone)),
              'Allow with an identity that may',
            );
            isIn(set([everything], deny), local && !applies, 'Deny');
          }
        }
  assert.ok(cells >= 20_000, `${cells} cells`);
  assert.ok(allowed > cells / 20 && allowed < cells, `${allowed} of ${cells} cells allowed`);
  t.diagnostic(`${cells} cells, ${allowed} allowed`);
});
