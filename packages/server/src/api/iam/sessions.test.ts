/* STS: who gets temporary credentials, what they may, and what ends them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type Credentials,
  credentialsOf,
  type Form,
  type IdentityHarness,
  policy,
  startIdentityHarness,
  trust,
} from './harness.support.ts';

let api: IdentityHarness;
let ann: Credentials;
before(async () => {
  api = await startIdentityHarness();
  await api.s3(api.root, 'PUT', '/bucket');
  await api.s3(api.root, 'PUT', '/bucket/a/x', 'hello');
  ann = await api.user('ann', policy('Allow', ['s3:GetObject', 'sts:*']));
});
after(async () => {
  await api.close();
  assert.deepEqual(api.unexpected, []);
});

const account = '000000000000';
const text = (document: object) => JSON.stringify(document);
const annArn = `arn:aws:iam::${account}:user/ann`;
const get = (as: Credentials) => api.s3(as, 'GET', '/bucket/a/x');
const put = async (as: Credentials) => (await api.s3(as, 'PUT', '/bucket/new', 'x')).status;

async function role(name: string, document: object, allowed: object = policy('Allow', 's3:*'), more: Form = {}) {
  const made = await api.iam(api.root, 'CreateRole', {
    RoleName: name,
    AssumeRolePolicyDocument: text(document),
    ...more,
  });
  assert.equal(made.status, 200, made.text);
  await api.iam(api.root, 'PutRolePolicy', { RoleName: name, PolicyName: 'own', PolicyDocument: text(allowed) });
  return made.xml('Arn') ?? '';
}

const assume = (as: Credentials, RoleArn: string, more: Form = {}) =>
  api.sts(as, 'AssumeRole', { RoleArn, RoleSessionName: 'work', ...more });

async function assumed(as: Credentials, RoleArn: string, more: Form = {}): Promise<Credentials> {
  const answer = await assume(as, RoleArn, more);
  assert.equal(answer.status, 200, answer.text);
  return credentialsOf(answer);
}

const denied = async (
  answer: Promise<{ status: number; xml(name: string): string | undefined; text: string }>,
  code = 'AccessDenied',
) => {
  const got = await answer;
  assert.equal(got.xml('Code'), code, got.text);
};

describe('GetCallerIdentity', () => {
  it('tells everybody who he is, whatever he may', async () => {
    const nobody = await api.user('nobody', policy('Deny', '*'));
    const whoami = async (as: Credentials) => (await api.sts(as, 'GetCallerIdentity')).xml('Arn');
    assert.equal(await whoami(api.root), `arn:aws:iam::${account}:root`);
    assert.equal(await whoami(nobody), `arn:aws:iam::${account}:user/nobody`);
    const session = await assumed(ann, await role('told', trust({ AWS: annArn })));
    assert.equal(await whoami(session), `arn:aws:sts::${account}:assumed-role/told/work`);
  });
});

const never = { StringEquals: { 'sts:ExternalId': 'agreed' } };

describe('AssumeRole', () => {
  it('gives what the role may, and not what its taker may', async () => {
    const RoleArn = await role('writer', trust({ AWS: annArn }), policy('Allow', 's3:PutObject'));
    const session = await assumed(ann, RoleArn);
    assert.match(session.accessKeyId, /^ASIA/);
    assert.deepEqual([await put(session), (await get(session)).status], [200, 403]);
    assert.deepEqual([await put(ann), (await get(ann)).status], [403, 200]);
  });

  it('needs the trust of the role, and does not tell whether there is one', async () => {
    const bob = await api.user('bob', policy('Allow', 'sts:*'));
    const RoleArn = await role('trusted', trust({ AWS: annArn }));
    await denied(assume(bob, RoleArn));
    await denied(assume(bob, `${RoleArn}x`));
    await denied(assume(bob, RoleArn.replace('/trusted', '/Trusted')));
    await denied(assume(api.root, RoleArn));
    assert.equal((await assume(ann, RoleArn)).status, 200);
    await denied(assume(ann, 'arn:aws:iam::000000000000:user/ann'), 'ValidationError');
  });

  it('needs a policy of the taker too where the trust names his account', async () => {
    const poor = await api.user('poor');
    const RoleArn = await role('of-account', trust({ AWS: `arn:aws:iam::${account}:root` }));
    await denied(assume(poor, RoleArn));
    assert.equal((await assume(ann, RoleArn)).status, 200);
  });

  it('asks for the external id of the trust policy', async () => {
    const RoleArn = await role(
      'external',
      trust({ AWS: annArn }, { Condition: { StringEquals: { 'sts:ExternalId': 'agreed' } } }),
    );
    await denied(assume(ann, RoleArn));
    await denied(assume(ann, RoleArn, { ExternalId: 'other' }));
    assert.equal((await assume(ann, RoleArn, { ExternalId: 'agreed' })).status, 200);
  });

  it('tells who is refused what has to allow it, and not that his own policies do not', async () => {
    const RoleArn = await role('asked-for', trust({ AWS: `arn:aws:iam::${account}:user/ann` }, { Condition: never }));
    const said = async (as: Parameters<typeof assume>[0]) => (await assume(as, RoleArn)).xml('Message') ?? '';
    const message = await said(ann);
    assert.match(
      message,
      /is not authorized to perform: sts:AssumeRole on resource: \S+role\/asked-for: the trust policy of/,
    );
    assert.doesNotMatch(message, /no identity-based policy allows/);
    assert.match(await said(api.root), /^Roles may not be assumed by root accounts/);
  });

  it('is narrowed by session policies, never widened', async () => {
    const RoleArn = await role('narrow', trust({ AWS: annArn }), policy('Allow', 's3:GetObject'));
    const wide = await assumed(ann, RoleArn, { Policy: text(policy('Allow', '*')) });
    assert.deepEqual([(await get(wide)).status, await put(wide)], [200, 403]);
    const none = await assumed(ann, RoleArn, { Policy: text(policy('Allow', 's3:PutObject')) });
    assert.deepEqual([(await get(none)).status, await put(none)], [403, 403]);
    const managed = await assumed(ann, RoleArn, { 'PolicyArns.member.1.arn': 'arn:aws:iam::aws:policy/IAMFullAccess' });
    assert.equal((await get(managed)).status, 403);
    await denied(assume(ann, RoleArn, { Policy: '{' }), 'MalformedPolicyDocument');
    await denied(assume(ann, RoleArn, { Policy: 'x'.repeat(3000) }), 'ValidationError');
    await denied(assume(ann, RoleArn, { 'PolicyArns.member.1.arn': 'arn:aws:iam::aws:policy/None' }), 'NoSuchEntity');
  });

  it('lasts as long as asked for, within what the role says', async () => {
    const RoleArn = await role('short', trust({ AWS: annArn }));
    await denied(assume(ann, RoleArn, { DurationSeconds: '899' }), 'ValidationError');
    await denied(assume(ann, RoleArn, { DurationSeconds: '3601' }), 'ValidationError');
    await denied(assume(ann, RoleArn, { DurationSeconds: 'x' }), 'ValidationError');
    const session = await assumed(ann, RoleArn, { DurationSeconds: '900' });
    api.ahead = 899_000;
    assert.equal((await get(session)).status, 200);
    api.ahead = 901_000;
    const late = await get(session);
    assert.deepEqual([late.status, late.code], [400, 'ExpiredToken']);
    const asked = await api.sts(session, 'GetCallerIdentity');
    assert.deepEqual([asked.status, asked.xml('Code')], [403, 'ExpiredToken']);
    api.ahead = 0;
  });

  it('by a session of a role lasts an hour at most', async () => {
    const second = await role('second', trust({ AWS: `arn:aws:iam::${account}:role/first` }), undefined, {
      MaxSessionDuration: '7200',
    });
    const first = await assumed(ann, await role('first', trust({ AWS: annArn }), policy('Allow', 'sts:AssumeRole')));
    await denied(assume(first, second, { DurationSeconds: '7200' }), 'ValidationError');
    assert.equal((await get(await assumed(first, second))).status, 200);
  });

  it('sets tags only where the trust policy lets it, and hands the transitive ones on', async () => {
    const tagging = (AWS: string) => trust({ AWS }, { Action: ['sts:AssumeRole', 'sts:TagSession'] });
    const plain = await role('untagged', trust({ AWS: annArn }));
    const tag = { 'Tags.member.1.Key': 'team', 'Tags.member.1.Value': 'red' };
    await denied(assume(ann, plain, tag));
    const many = Array.from({ length: 50 }, (_, i): [string, string][] => [
      [`Tags.member.${i + 1}.Key`, `${'k'.repeat(100)}${i}`],
      [`Tags.member.${i + 1}.Value`, 'v'.repeat(200)],
    ]).flat();
    const open = await role('open', tagging(annArn));
    await denied(assume(ann, open, Object.fromEntries(many)), 'PackedPolicyTooLarge');
    const own = policy('Allow', ['s3:GetObject', 'sts:*'], '*', {
      Condition: { StringEquals: { 'aws:PrincipalTag/team': 'red' } },
    });
    const tagged = await role('tagged', tagging(annArn), own);
    assert.equal((await get(await assumed(ann, tagged))).status, 403);
    await denied(assume(ann, tagged, { ...tag, 'TransitiveTagKeys.member.1': 'other' }), 'ValidationError');
    const red = await assumed(ann, tagged, { ...tag, 'TransitiveTagKeys.member.1': 'team' });
    assert.equal((await get(red)).status, 200);
    const next = await role('next', tagging(`arn:aws:iam::${account}:role/tagged`), own);
    assert.equal((await get(await assumed(red, next))).status, 200);
    await denied(assume(red, next, { 'Tags.member.1.Key': 'Team', 'Tags.member.1.Value': 'blue' }), 'ValidationError');
  });

  it('keeps a source identity, which nobody changes', async () => {
    const named = trust({ AWS: '*' }, { Action: ['sts:AssumeRole', 'sts:SetSourceIdentity'] });
    const RoleArn = await role(
      'source',
      named,
      policy('Allow', ['s3:GetObject', 'sts:*'], '*', { Condition: { StringEquals: { 'aws:SourceIdentity': 'ann' } } }),
    );
    assert.equal((await get(await assumed(ann, RoleArn, { SourceIdentity: 'bob' }))).status, 403);
    const session = await assumed(ann, RoleArn, { SourceIdentity: 'ann' });
    assert.equal((await get(session)).status, 200);
    await denied(assume(session, RoleArn, { SourceIdentity: 'bob' }));
    assert.equal((await get(await assumed(session, RoleArn))).status, 200);
  });
});

describe('GetSessionToken', () => {
  it('gives what the user may, but IAM', async () => {
    const admin = await api.user('admin', policy('Allow', '*'));
    const session = credentialsOf(await api.sts(admin, 'GetSessionToken'));
    assert.equal((await get(session)).status, 200);
    await denied(api.iam(session, 'ListUsers'));
    await denied(api.sts(session, 'GetSessionToken'));
    await denied(api.sts(session, 'GetFederationToken', { Name: 'fed' }));
    assert.equal((await api.sts(session, 'GetCallerIdentity')).xml('Arn'), `arn:aws:iam::${account}:user/admin`);
    assert.equal((await api.sts(admin, 'GetSessionToken', { SerialNumber: 'x', TokenCode: '123456' })).status, 403);
  });

  it('of root is root, for an hour', async () => {
    const session = credentialsOf(await api.sts(api.root, 'GetSessionToken', { DurationSeconds: '7200' }));
    assert.equal((await get(session)).status, 200);
    api.ahead = 3_601_000;
    assert.equal((await get(session)).code, 'ExpiredToken');
    api.ahead = 0;
  });
});

describe('GetFederationToken', () => {
  it('gives what the user and the policy both allow, and nothing without a policy', async () => {
    const bare = credentialsOf(await api.sts(ann, 'GetFederationToken', { Name: 'fed' }));
    assert.equal((await get(bare)).status, 403);
    const answer = await api.sts(ann, 'GetFederationToken', { Name: 'fed', Policy: text(policy('Allow', 's3:*')) });
    assert.equal(answer.xml('FederatedUserId'), `${account}:fed`);
    const session = credentialsOf(answer);
    assert.deepEqual([(await get(session)).status, await put(session)], [200, 403]);
    await denied(api.iam(session, 'ListUsers'));
    await denied(assume(session, `arn:aws:iam::${account}:role/told`));
    await denied(api.sts(await api.user('unfed'), 'GetFederationToken', { Name: 'fed' }));
    await denied(api.sts(ann, 'GetFederationToken', { Name: 'f' }), 'ValidationError');
  });
});

describe('a session ends', () => {
  it('with the key it was made with, whatever else is still there', async () => {
    const user = await api.user('keyed', policy('Allow', ['s3:GetObject', 'sts:*']));
    const RoleArn = await role('keyed', trust({ AWS: '*' }), policy('Allow', ['s3:GetObject', 'sts:*']));
    const own = credentialsOf(await api.sts(user, 'GetSessionToken'));
    const taken = await assumed(user, RoleArn);
    const chained = await assumed(taken, RoleArn);
    for (const session of [own, taken, chained]) assert.equal((await get(session)).status, 200);
    const change = (Status: string) =>
      api.iam(api.root, 'UpdateAccessKey', { UserName: 'keyed', AccessKeyId: user.accessKeyId, Status });
    await change('Inactive');
    for (const session of [own, taken, chained]) assert.equal((await get(session)).code, 'InvalidToken');
    await change('Active');
    for (const session of [own, taken, chained]) assert.equal((await get(session)).status, 200);
    await api.iam(api.root, 'DeleteAccessKey', { UserName: 'keyed', AccessKeyId: user.accessKeyId });
    for (const session of [own, taken, chained]) assert.equal((await get(session)).code, 'InvalidToken');
  });

  it('with its role, also when another has the name', async () => {
    const RoleArn = await role('gone', trust({ AWS: annArn }));
    const session = await assumed(ann, RoleArn);
    assert.equal((await get(session)).status, 200);
    await api.iam(api.root, 'DeleteRolePolicy', { RoleName: 'gone', PolicyName: 'own' });
    assert.equal((await get(session)).status, 403);
    await api.iam(api.root, 'DeleteRole', { RoleName: 'gone' });
    assert.equal((await get(session)).code, 'InvalidToken');
    await role('gone', trust({ AWS: annArn }));
    assert.equal((await get(session)).code, 'InvalidToken');
  });

  it('is not opened with another key, another token, or half of one', async () => {
    const [one, two] = [
      credentialsOf(await api.sts(ann, 'GetSessionToken')),
      credentialsOf(await api.sts(ann, 'GetSessionToken')),
    ];
    const token = one.sessionToken ?? '';
    for (const bad of [
      { ...one, sessionToken: two.sessionToken ?? '' },
      { ...one, accessKeyId: ann.accessKeyId },
      { ...ann, sessionToken: token },
      { ...one, sessionToken: token.slice(0, -4) },
      { ...one, sessionToken: `${token.slice(0, 40)}${token[40] === 'A' ? 'B' : 'A'}${token.slice(41)}` },
      { ...one, sessionToken: 'x' },
      { ...one, sessionToken: 'A'.repeat(9000) },
    ])
      assert.equal((await get(bad)).code, 'InvalidToken');
    const { sessionToken: _, ...without } = one;
    assert.equal((await get(without)).code, 'InvalidAccessKeyId');
    assert.equal((await get({ ...one, secretAccessKey: two.secretAccessKey })).code, 'SignatureDoesNotMatch');
    assert.equal((await get(one)).status, 200);
  });
});
