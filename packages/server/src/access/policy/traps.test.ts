import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { account, ann, anonymous, ask, bucket, identity, otherAccount, reader, root, set } from './ask.support.ts';
import { type AccessRequest, decide, type PolicySet } from './index.ts';

/*
 * What went wrong in other stores, each as a test (advisories where there are any), and the places where the documented rules surprise.
 */

const allowed = (policies: Partial<PolicySet>, request: AccessRequest = ask()) =>
  decide(set(policies), request).allowed;
const reason = (policies: Partial<PolicySet>, request: AccessRequest = ask()) => decide(set(policies), request).reason;
const when = (Condition: object) => ({ identity: [identity({ Condition })] });
const having = (context: Readonly<Record<string, string | readonly string[]>>) => ask({ context });
const everything = identity({});

describe('explicit deny', () => {
  it('CVE-2023-25812: is not ignored for BypassGovernanceRetention, whatever allows it', () => {
    const deny = identity({ Effect: 'Deny', Action: 's3:BypassGovernanceRetention' });
    const request = ask({ action: 's3:BypassGovernanceRetention' });
    assert.equal(allowed({ identity: [everything] }, request), true);
    assert.equal(reason({ identity: [everything, deny] }, request), 'explicit-deny');
    assert.equal(reason({ identity: [deny, everything] }, request), 'explicit-deny');
  });

  it('wins from every kind of policy, wherever it stands in the list', () => {
    const deny = [{ Effect: 'Allow' }, { Effect: 'Deny' }, { Effect: 'Allow' }];
    const most = { identity: [everything], resource: bucket({}) };
    assert.equal(allowed(most), true);
    for (const more of [
      { identity: [everything, identity(...deny)] },
      { boundary: identity(...deny) },
      { session: [everything, identity(...deny)] },
      { resource: bucket(...deny) },
    ])
      assert.equal(reason({ ...most, ...more }), 'explicit-deny');
  });

  it('reaches root of the account too, but for the policy of the bucket itself', () => {
    const denied = { resource: bucket({ Effect: 'Deny' }) };
    assert.equal(allowed(denied, ask({ requester: root })), false);
    for (const action of ['s3:GetBucketPolicy', 's3:PutBucketPolicy', 's3:DeleteBucketPolicy']) {
      assert.equal(allowed(denied, ask({ requester: root, action })), true);
      assert.equal(allowed(denied, ask({ requester: root, action, resourceAccount: otherAccount })), false);
      assert.equal(allowed({ ...denied, identity: [everything] }, ask({ action })), false);
    }
  });
});

describe('names', () => {
  it('of a bucket with a longer name are not reached by a prefix of its resource', () => {
    const policy = { identity: [identity({ Resource: ['arn:aws:s3:::b', 'arn:aws:s3:::b/*'] })] };
    assert.equal(allowed(policy), true);
    for (const resource of ['arn:aws:s3:::bb', 'arn:aws:s3:::bb/a', 'arn:aws:s3:::a', 'arn:aws:s3:::'])
      assert.equal(allowed(policy, ask({ resource })), false, resource);
  });

  it('of actions are compared without case, of resources with case', () => {
    assert.equal(allowed({ identity: [identity({ Action: 'S3:getOBJECT' })] }), true);
    assert.equal(allowed({ identity: [identity({ Action: 's3:GETOBJECT' })] }), true);
    assert.equal(allowed({ identity: [identity({ Resource: 'arn:aws:s3:::b/A' })] }), false);
    assert.equal(allowed({ identity: [identity({ Resource: 'arn:aws:s3:::B/a' })] }), false);
  });

  it('GHSA-3ppv: reading a version needs the action for versions', () => {
    const policy = { identity: [identity({ Action: 's3:GetObject' })] };
    assert.equal(allowed(policy, ask({ action: 's3:GetObjectVersion' })), false);
  });

  it('CVE-2026-54917: `..` in a key is data and leads nowhere', () => {
    const policy = { identity: [identity({ Resource: 'arn:aws:s3:::b/pub/*' })] };
    assert.equal(allowed(policy, ask({ resource: 'arn:aws:s3:::b/pub/../secret' })), true);
    assert.equal(allowed(policy, ask({ resource: 'arn:aws:s3:::b/secret' })), false);
    const exact = { identity: [identity({ Resource: 'arn:aws:s3:::b/secret' })] };
    for (const key of ['pub/../secret', './secret', '/secret', 'secret/', 'secret/.'])
      assert.equal(allowed(exact, ask({ resource: `arn:aws:s3:::b/${key}` })), false, key);
  });

  it('CVE-2026-42882: percent signs are letters, never decoded', () => {
    const policy = { identity: [identity({ Resource: 'arn:aws:s3:::b/a/b' })] };
    for (const key of ['a%2Fb', 'a%2fb', '%61/b'])
      assert.equal(allowed(policy, ask({ resource: `arn:aws:s3:::b/${key}` })), false);
    assert.equal(
      allowed({ identity: [identity({ Resource: 'arn:aws:s3:::b/%2F' })] }, ask({ resource: 'arn:aws:s3:::b//' })),
      false,
    );
  });

  it('of all six fields must match: a wildcard reaches over no colon but in the last', () => {
    const of = (Resource: string) => ({ identity: [identity({ Resource })] });
    const request = ask({ resource: 'arn:aws:s3:::b/a:x' });
    for (const pattern of ['arn:*:s3:::b/a:x', 'arn:aws:s3:*:*:b/a:*', 'arn:aws:s3:::b/*'])
      assert.equal(allowed(of(pattern), request), true, pattern);
    for (const pattern of ['arn:aws:s3:*:b/a:x', 'arn:aws:s3:*:*b/a:x', 'arn:aws:s3:*:1*:b/*', 'arn:aws:iam:*:*:*'])
      assert.equal(allowed(of(pattern), request), false, pattern);
    const users = when({ ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:user/ann' } });
    assert.equal(allowed(users, having({ 'aws:PrincipalArn': `arn:aws:iam::${account}:user/ann` })), true);
    assert.equal(allowed(users, having({ 'aws:PrincipalArn': `arn:aws:iam::${account}:role/x:user/ann` })), false);
    assert.throws(() => of('arn:aws:s3:*'), /six fields/);
  });
});

describe('wildcards', () => {
  it('cross slashes, and `?` is one whole character', () => {
    const of = (Resource: string) => ({ identity: [identity({ Resource: `arn:aws:s3:::b/${Resource}` })] });
    const key = (name: string) => ask({ resource: `arn:aws:s3:::b/${name}` });
    assert.equal(allowed(of('a*z'), key('a/b/c/z')), true);
    assert.equal(allowed(of('?'), key('\u{1f600}')), true);
    assert.equal(allowed(of('??'), key('\u{1f600}')), false);
    assert.equal(allowed(of('?'), key('/')), true);
    assert.equal(allowed(of('?'), key('')), false);
    assert.equal(allowed(of('a*'), key('ba')), false);
  });

  it('take no time that a user could choose', () => {
    const policy = { identity: [identity({ Resource: `arn:aws:s3:::b/${'*a'.repeat(200)}` })] };
    const started = process.cpuUsage();
    assert.equal(allowed(policy, ask({ resource: `arn:aws:s3:::b/${'a'.repeat(1023)}b` })), false);
    assert.ok(process.cpuUsage(started).user < 500_000, 'half a second of CPU');
  });
});

describe('variables', () => {
  const home = { identity: [identity({ Resource: 'arn:aws:s3:::b/home/${aws:username}/*' })] };
  const to = (key: string, username?: string) =>
    ask({ resource: `arn:aws:s3:::b/${key}`, context: username === undefined ? {} : { 'aws:username': username } });

  it('stand for data: nobody widens a policy by his name', () => {
    assert.equal(allowed(home, to('home/ann/x', 'ann')), true);
    assert.equal(allowed(home, to('home/bob/x', '*')), false);
    assert.equal(allowed(home, to('home/*/x', '*')), true);
    assert.equal(allowed(home, to('home/bob/x', '???')), false);
    assert.equal(allowed(home, to('home/bob/x', 'bob/x${aws:username}')), false);
  });

  it('without a value match nothing, and a negated condition holds', () => {
    assert.equal(allowed(home, to('home//x')), false);
    assert.equal(allowed(home, to('home/${aws:username}/x')), false);
    const team = { 's3:ExistingObjectTag/team': '${aws:PrincipalTag/team}' };
    const request = having({ 's3:ExistingObjectTag/team': 'x' });
    assert.equal(allowed(when({ StringEquals: team }), request), false);
    assert.equal(
      allowed({ identity: [everything, identity({ Effect: 'Deny', Condition: { StringNotEquals: team } })] }, request),
      false,
    );
  });

  it('take their default, and are text in the older version', () => {
    const policy = { identity: [identity({ Resource: "arn:aws:s3:::b/home/${aws:username, 'guest'}/*" })] };
    assert.equal(allowed(policy, to('home/guest/x')), true);
    assert.equal(allowed(policy, to('home/guest/x', 'ann')), false);
  });

  it('of several values stand for none of them', () => {
    const policy = when({ StringEquals: { 's3:prefix': '${aws:TagKeys}' } });
    assert.equal(allowed(policy, having({ 's3:prefix': 'a', 'aws:TagKeys': ['a'] })), true);
    assert.equal(allowed(policy, having({ 's3:prefix': 'a', 'aws:TagKeys': ['a', 'b'] })), false);
  });
});

describe('absent keys', () => {
  const cases: readonly (readonly [object, boolean])[] = [
    [{ StringEquals: { 's3:prefix': 'a' } }, false],
    [{ StringNotEquals: { 's3:prefix': 'a' } }, true],
    [{ StringEqualsIfExists: { 's3:prefix': 'a' } }, true],
    [{ StringNotEqualsIfExists: { 's3:prefix': 'a' } }, true],
    [{ StringLike: { 's3:prefix': '*' } }, false],
    [{ StringNotLike: { 's3:prefix': '*' } }, true],
    [{ NumericLessThan: { 's3:max-keys': '9' } }, false],
    [{ NumericNotEquals: { 's3:max-keys': '9' } }, true],
    [{ DateLessThan: { 'aws:TokenIssueTime': '2099-01-01T00:00:00Z' } }, false],
    [{ Bool: { 'aws:MultiFactorAuthPresent': 'false' } }, false],
    [{ BoolIfExists: { 'aws:MultiFactorAuthPresent': 'false' } }, true],
    [{ IpAddress: { 'aws:VpcSourceIp': '0.0.0.0/0' } }, false],
    [{ NotIpAddress: { 'aws:VpcSourceIp': '0.0.0.0/0' } }, true],
    [{ ArnLike: { 'aws:SourceArn': 'arn:*:*:*:*:*' } }, false],
    [{ Null: { 's3:prefix': 'true' } }, true],
    [{ Null: { 's3:prefix': 'false' } }, false],
    [{ 'ForAllValues:StringEquals': { 'aws:TagKeys': 'a' } }, true],
    [{ 'ForAllValues:StringNotEquals': { 'aws:TagKeys': 'a' } }, true],
    [{ 'ForAnyValue:StringEquals': { 'aws:TagKeys': 'a' } }, false],
    [{ 'ForAnyValue:StringNotEquals': { 'aws:TagKeys': 'a' } }, false],
    [{ 'ForAnyValue:StringEqualsIfExists': { 'aws:TagKeys': 'a' } }, true],
  ];
  for (const [condition, expected] of cases)
    it(`${JSON.stringify(condition)} is ${expected}`, () => assert.equal(allowed(when(condition)), expected));

  it('an empty list is an absent key, and an empty text is not', () => {
    assert.equal(allowed(when({ Null: { 'aws:TagKeys': 'true' } }), having({ 'aws:TagKeys': [] })), true);
    assert.equal(allowed(when({ Null: { 's3:prefix': 'false' } }), having({ 's3:prefix': '' })), true);
    assert.equal(allowed(when({ StringEquals: { 's3:prefix': '' } }), having({ 's3:prefix': '' })), true);
  });
});

describe('several values (GHSA-v9cp: a negation belongs inside its quantifier)', () => {
  const given = (values: readonly string[]) => having({ 'aws:TagKeys': values });
  const cases: readonly (readonly [string, readonly string[], boolean])[] = [
    ['ForAllValues:StringEquals', ['a', 'b'], true],
    ['ForAllValues:StringEquals', ['a', 'x'], false],
    ['ForAnyValue:StringEquals', ['a', 'x'], true],
    ['ForAnyValue:StringEquals', ['x'], false],
    ['ForAnyValue:StringNotEquals', ['a', 'x'], true],
    ['ForAnyValue:StringNotEquals', ['a', 'b'], false],
    ['ForAllValues:StringNotEquals', ['x', 'y'], true],
    ['ForAllValues:StringNotEquals', ['a', 'x'], false],
    ['StringEquals', ['x', 'a'], true],
    ['StringNotEquals', ['x', 'a'], false],
    ['StringNotEquals', ['x', 'y'], true],
  ];
  for (const [operator, values, expected] of cases)
    it(`${operator} [a, b] of [${values.join(', ')}] is ${expected}`, () =>
      assert.equal(allowed(when({ [operator]: { 'aws:TagKeys': ['a', 'b'] } }), given(values)), expected));
});

describe('conditions', () => {
  it('under several operators and keys must all hold; of the values of one, any', () => {
    const policy = when({
      StringEquals: { 's3:prefix': ['a', 'b'], 's3:delimiter': '/' },
      Bool: { 'aws:SecureTransport': true },
    });
    const full = { 's3:prefix': 'b', 's3:delimiter': '/', 'aws:SecureTransport': 'true' };
    assert.equal(allowed(policy, having(full)), true);
    assert.equal(allowed(policy, having({ ...full, 's3:prefix': 'c' })), false);
    assert.equal(allowed(policy, having({ ...full, 's3:delimiter': '|' })), false);
    assert.equal(allowed(policy, having({ ...full, 'aws:SecureTransport': 'false' })), false);
  });

  it('find keys whatever their case, and compare values with case', () => {
    const policy = when({ StringEquals: { 'AWS:principaltag/TEAM': 'Red' } });
    assert.equal(allowed(policy, having({ 'aws:PrincipalTag/Team': 'Red' })), true);
    assert.equal(allowed(policy, having({ 'aws:PrincipalTag/Team': 'red' })), false);
  });

  it('CVE-2026-21862: IPv4 inside IPv6 is IPv4, and neither is in the ranges of the other', () => {
    const at = (address: string) => having({ 'aws:SourceIp': address });
    const ten = when({ IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } });
    assert.equal(allowed(ten, at('10.1.1.1')), true);
    assert.equal(allowed(ten, at('::ffff:10.1.1.1')), true);
    assert.equal(allowed(ten, at('::ffff:a01:101')), true);
    assert.equal(allowed(when({ IpAddress: { 'aws:SourceIp': '::/0' } }), at('10.1.1.1')), false);
    assert.equal(allowed(when({ IpAddress: { 'aws:SourceIp': '0.0.0.0/0' } }), at('2001:db8::1')), false);
    assert.equal(allowed(when({ NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }), at('::ffff:10.1.1.1')), false);
    for (const address of ['010.1.1.1', '10.1.1', '10.1.1.1.1', '10.1.1.256', '', '10.1.1.1, 192.0.2.1'])
      assert.equal(allowed(ten, at(address)), false, address);
    assert.equal(allowed(when({ IpAddress: { 'aws:SourceIp': '10.1.1.7/8' } }), at('10.9.9.9')), true);
  });

  it('a value of the request that is not of the form matches nothing', () => {
    assert.equal(allowed(when({ NumericLessThan: { 's3:max-keys': '10' } }), having({ 's3:max-keys': '' })), false);
    assert.equal(allowed(when({ NumericLessThan: { 's3:max-keys': '10' } }), having({ 's3:max-keys': '0x1' })), false);
    assert.equal(allowed(when({ NumericEquals: { 's3:max-keys': '10' } }), having({ 's3:max-keys': '10.0' })), true);
    assert.equal(
      allowed(when({ DateLessThan: { 'aws:CurrentTime': '2099-01-01' } }), having({ 'aws:CurrentTime': 'soon' })),
      false,
    );
  });
});

describe('principals', () => {
  it('CVE-2026-55873: who has no account collapses to nobody, not to an administrator', () => {
    const request = ask({ requester: { kind: 'user', account: '', arn: '' }, resourceAccount: '' });
    assert.equal(reason({ identity: [everything], resource: bucket({}) }, request), 'resource-account-unknown');
    assert.equal(
      decide(set({ identity: [everything] }), ask({ requester: { kind: 'admin' } as never })).allowed,
      false,
    );
  });

  it('anonymous is let in by "*" only, and never by a policy of identities', () => {
    const request = ask({ requester: anonymous });
    assert.equal(allowed({ identity: [everything] }, request), false);
    assert.equal(allowed({ resource: bucket({ Principal: { AWS: account } }) }, request), false);
    assert.equal(allowed({ resource: bucket({}) }, request), true);
  });

  it('an account that is named leaves it to its own policies who may', () => {
    const named = { resource: bucket({ Principal: { AWS: account } }) };
    assert.equal(reason(named), 'no-identity-allow');
    assert.equal(allowed({ ...named, identity: [everything] }), true);
    assert.equal(allowed(named, ask({ requester: root })), true);
  });

  it('of another account need both sides', () => {
    const request = ask({ resourceAccount: otherAccount });
    const named = bucket({ Principal: { AWS: ann.kind === 'user' ? ann.arn : '' } });
    assert.equal(reason({ identity: [everything] }, request), 'no-resource-allow');
    assert.equal(reason({ resource: named }, request), 'no-identity-allow');
    assert.equal(reason({ identity: [everything], resource: named }, request), 'both-accounts');
    assert.equal(
      reason({ resource: named, identity: [everything], boundary: identity({ Action: 's3:PutObject' }) }, request),
      'not-in-boundary',
    );
  });

  it('NotPrincipal spares only those of whom account, role and session are listed', () => {
    const policies = (...AWS: string[]) => ({
      identity: [everything],
      resource: bucket({ Effect: 'Deny', NotPrincipal: { AWS } }),
    });
    const { arn, role } = reader as { arn: string; role: string };
    const request = ask({ requester: reader });
    assert.equal(allowed(policies(arn, role, account), request), true);
    for (const list of [[arn], [role], [account], [arn, role], [arn, account], [role, account]])
      assert.equal(allowed(policies(...list), request), false, list.join());
    assert.equal(allowed({ ...policies(arn, role, account), boundary: everything }, request), false);
  });
});

describe('limits of what an identity may', () => {
  const nothingHere = identity({ Action: 's3:PutObject' });

  it('a boundary and a session limit, and give nothing', () => {
    assert.equal(reason({ boundary: everything, session: [everything] }), 'no-allow');
    assert.equal(reason({ identity: [everything], boundary: nothingHere }), 'not-in-boundary');
    assert.equal(reason({ identity: [everything], session: [nothingHere] }), 'not-in-session');
    assert.equal(reason({ identity: [everything], session: [] }), 'not-in-session');
    assert.equal(allowed({ identity: [everything], session: [nothingHere, everything] }), true);
  });

  it('do not limit what the bucket gives to the user or the session itself, and do what it gives to the role', () => {
    const limited = { boundary: nothingHere, session: [nothingHere] };
    const { arn, role } = reader as { arn: string; role: string };
    const request = ask({ requester: reader });
    assert.equal(allowed({ ...limited, resource: bucket({ Principal: { AWS: arn } }) }, request), true);
    assert.equal(allowed({ ...limited, resource: bucket({ Principal: { AWS: role } }) }, request), false);
    assert.equal(allowed({ resource: bucket({ Principal: { AWS: role } }) }, request), true);
    assert.equal(allowed({ ...limited, resource: bucket({}) }, request), true);
  });

  it('CVE-2025-62506: a session without a policy of its own has nothing if it is federated', () => {
    const guest = {
      kind: 'federated',
      account,
      arn: `arn:aws:sts::${account}:federated-user/guest`,
      user: `arn:aws:iam::${account}:user/ann`,
    } as const;
    const request = ask({ requester: guest });
    assert.equal(reason({ identity: [everything] }, request), 'not-in-session');
    assert.equal(allowed({ identity: [everything], session: [everything] }, request), true);
    assert.equal(allowed({ resource: bucket({ Principal: { AWS: guest.arn } }) }, request), true);
    assert.equal(allowed({ resource: bucket({ Principal: { AWS: guest.user } }) }, request), false);
  });
});
