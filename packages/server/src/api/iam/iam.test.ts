/* The IAM API: what it makes is there, what it refuses has IAM's codes, and what users may follows at once. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type Credentials,
  credentialsOf,
  done,
  type Form,
  type IdentityHarness,
  policy,
  refusal,
  startIdentityHarness,
  trust,
} from './harness.support.ts';

let api: IdentityHarness;
before(async () => {
  api = await startIdentityHarness();
  await api.s3(api.root, 'PUT', '/bucket');
  await api.s3(api.root, 'PUT', '/bucket/a/x', 'hello');
});
after(async () => {
  await api.close();
  assert.deepEqual(api.unexpected, []);
});

const began = Date.now();
const account = '000000000000';
const arn = (rest: string) => `arn:aws:iam::${account}:${rest}`;
const text = (document: object) => JSON.stringify(document);
const status = async (as: Credentials, method: string, path: string, body = '') =>
  (await api.s3(as, method, path, body)).status;

const ok = (action: string, form: Form = {}, as = api.root) => done(api, action, form, as);
const refused = (code: string, status: number, action: string, form: Form = {}, as = api.root) =>
  refusal(api, [code, status], action, form, as);

describe('users', () => {
  it('are made, read, listed, renamed and deleted', async () => {
    const made = await ok('CreateUser', {
      UserName: 'Ann',
      Path: '/staff/',
      'Tags.member.1.Key': 'team',
      'Tags.member.1.Value': 'a',
    });
    assert.match(made.xml('UserId') ?? '', /^AIDA[A-Z2-7]{17}$/);
    assert.equal(made.xml('Arn'), arn('user/staff/Ann'));
    assert.match(made.xml('CreateDate') ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    await refused('EntityAlreadyExists', 409, 'CreateUser', { UserName: 'ANN' });
    assert.equal((await ok('GetUser', { UserName: 'Ann' })).xml('UserId'), made.xml('UserId'));
    await refused('NoSuchEntity', 404, 'GetUser', { UserName: 'ann' });
    await ok('UpdateUser', { UserName: 'Ann', NewUserName: 'Eve', NewPath: '/' });
    await refused('NoSuchEntity', 404, 'GetUser', { UserName: 'Ann' });
    const eve = await ok('GetUser', { UserName: 'Eve' });
    assert.deepEqual([eve.xml('UserId'), eve.xml('Arn')], [made.xml('UserId'), arn('user/Eve')]);
    assert.ok((await ok('ListUsers')).all('UserName').includes('Eve'));
    assert.deepEqual((await ok('ListUsers', { PathPrefix: '/staff/' })).all('UserName'), []);
    await ok('DeleteUser', { UserName: 'Eve' });
    await refused('NoSuchEntity', 404, 'DeleteUser', { UserName: 'Eve' });
  });

  it('are asked for by root without a name, which is root itself', async () => {
    const root = await ok('GetUser');
    assert.deepEqual([root.xml('Arn'), root.xml('UserId')], [arn('root'), account]);
  });

  it('come page by page', async () => {
    for (const name of ['p1', 'p2', 'p3']) await ok('CreateUser', { UserName: name, Path: '/page/' });
    const seen: string[] = [];
    let marker: string | undefined;
    for (let pages = 0; pages < 3; pages++) {
      const page = await ok('ListUsers', { MaxItems: '1', PathPrefix: '/page/', ...(marker && { Marker: marker }) });
      seen.push(...page.all('UserName'));
      marker = page.xml('Marker');
      assert.equal(page.xml('IsTruncated'), String(marker !== undefined));
    }
    assert.deepEqual(seen, ['p1', 'p2', 'p3']);
    await refused('ValidationError', 400, 'ListUsers', { Marker: '!!' });
    await refused('ValidationError', 400, 'ListUsers', { MaxItems: '0' });
    await refused('ValidationError', 400, 'ListUsers', { MaxItems: 'x' });
    for (const name of ['p1', 'p2', 'p3']) await ok('DeleteUser', { UserName: name });
  });

  it('may nothing without a policy, what it says with one, and nothing again without it', async () => {
    const bob = await api.user('bob');
    assert.equal(await status(bob, 'GET', '/bucket/a/x'), 403);
    await ok('PutUserPolicy', {
      UserName: 'bob',
      PolicyName: 'read',
      PolicyDocument: text(policy('Allow', 's3:GetObject', 'arn:aws:s3:::bucket/a/*')),
    });
    assert.equal(await status(bob, 'GET', '/bucket/a/x'), 200);
    assert.equal(await status(bob, 'PUT', '/bucket/a/x'), 403);
    assert.equal(await status(bob, 'GET', '/bucket'), 403);
    assert.deepEqual((await ok('ListUserPolicies', { UserName: 'bob' })).all('member'), ['read']);
    const read = await ok('GetUserPolicy', { UserName: 'bob', PolicyName: 'read' });
    assert.equal(JSON.parse(decodeURIComponent(read.xml('PolicyDocument') ?? '')).Version, '2012-10-17');
    await refused('DeleteConflict', 409, 'DeleteUser', { UserName: 'bob' });
    await ok('DeleteUserPolicy', { UserName: 'bob', PolicyName: 'read' });
    await refused('NoSuchEntity', 404, 'DeleteUserPolicy', { UserName: 'bob', PolicyName: 'read' });
    assert.equal(await status(bob, 'GET', '/bucket/a/x'), 403);
  });

  it('have two keys at most, which are turned off and on', async () => {
    const carl = await api.user('carl', policy('Allow', 's3:*'));
    assert.equal(await status(carl, 'GET', '/bucket/a/x'), 200);
    const second = credentialsOf(await ok('CreateAccessKey', { UserName: 'carl' }));
    await refused('LimitExceeded', 409, 'CreateAccessKey', { UserName: 'carl' });
    const listed = await ok('ListAccessKeys', { UserName: 'carl' });
    assert.deepEqual(new Set(listed.all('AccessKeyId')), new Set([carl.accessKeyId, second.accessKeyId]));
    assert.equal(listed.text.includes(carl.secretAccessKey), false);
    const change = (Status: string) =>
      ok('UpdateAccessKey', { UserName: 'carl', AccessKeyId: carl.accessKeyId, Status });
    await change('Inactive');
    assert.equal((await api.s3(carl, 'GET', '/bucket/a/x')).code, 'InvalidAccessKeyId');
    assert.equal((await api.iam(carl, 'ListUsers')).xml('Code'), 'InvalidClientTokenId');
    assert.equal(await status(second, 'GET', '/bucket/a/x'), 200);
    await change('Active');
    assert.equal(await status(carl, 'GET', '/bucket/a/x'), 200);
    const lastUse = async (id: string) => {
      await api.writeUses();
      const used = await ok('GetAccessKeyLastUsed', { AccessKeyId: id });
      assert.equal(used.xml('UserName'), 'carl');
      const date = used.xml('LastUsedDate');
      return [date && Date.parse(date), used.xml('ServiceName'), used.xml('Region')] as const;
    };
    const [date, ...by] = await lastUse(carl.accessKeyId);
    assert.ok(Number(date) >= began - 1000 && Number(date) <= Date.now(), `${date}`);
    assert.deepEqual(by, ['s3', 'us-east-1']);
    const third = credentialsOf(
      (await ok('DeleteAccessKey', { UserName: 'carl', AccessKeyId: second.accessKeyId })) &&
        (await ok('CreateAccessKey', { UserName: 'carl' })),
    );
    assert.deepEqual(await lastUse(third.accessKeyId), [undefined, 'N/A', 'N/A'], 'a key that was not used');
    assert.equal((await api.s3({ ...third, secretAccessKey: 'wrong' }, 'GET', '/bucket')).status, 403);
    assert.deepEqual(await lastUse(third.accessKeyId), [undefined, 'N/A', 'N/A'], 'nor by who does not have it');
    await api.iam(third, 'ListUsers');
    assert.deepEqual((await lastUse(third.accessKeyId)).slice(1), ['iam', 'us-east-1']);
    await refused('NoSuchEntity', 404, 'GetAccessKeyLastUsed', { AccessKeyId: second.accessKeyId });
    await ok('CreateUser', { UserName: 'thief' });
    await refused('NoSuchEntity', 404, 'DeleteAccessKey', { UserName: 'thief', AccessKeyId: carl.accessKeyId });
    await ok('DeleteAccessKey', { UserName: 'carl', AccessKeyId: carl.accessKeyId });
    assert.equal(await status(carl, 'GET', '/bucket/a/x'), 403);
  });

  it('carry tags, whose keys are one whatever their case', async () => {
    await ok('CreateUser', { UserName: 'tagged' });
    await ok('TagUser', { UserName: 'tagged', 'Tags.member.1.Key': 'Team', 'Tags.member.1.Value': 'a' });
    await ok('TagUser', { UserName: 'tagged', 'Tags.member.1.Key': 'team', 'Tags.member.1.Value': '' });
    const listed = await ok('ListUserTags', { UserName: 'tagged' });
    assert.deepEqual([listed.all('Key'), listed.all('Value')], [['team'], ['']]);
    await refused('InvalidInput', 400, 'TagUser', {
      UserName: 'tagged',
      'Tags.member.1.Key': 'x',
      'Tags.member.1.Value': '',
      'Tags.member.2.Key': 'X',
      'Tags.member.2.Value': '',
    });
    await ok('UntagUser', { UserName: 'tagged', 'TagKeys.member.1': 'TEAM' });
    assert.deepEqual((await ok('ListUserTags', { UserName: 'tagged' })).all('Key'), []);
  });
});

describe('groups', () => {
  it('give what they have to whoever is in them', async () => {
    const dora = await api.user('dora');
    await ok('CreateGroup', { GroupName: 'readers' });
    await ok('AttachGroupPolicy', {
      GroupName: 'readers',
      PolicyArn: 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess',
    });
    assert.equal(await status(dora, 'GET', '/bucket/a/x'), 403);
    await ok('AddUserToGroup', { GroupName: 'readers', UserName: 'dora' });
    assert.equal(await status(dora, 'GET', '/bucket/a/x'), 200);
    await ok('PutGroupPolicy', {
      GroupName: 'readers',
      PolicyName: 'not-a',
      PolicyDocument: text(policy('Deny', 's3:GetObject', 'arn:aws:s3:::bucket/a/*')),
    });
    assert.equal(await status(dora, 'GET', '/bucket/a/x'), 403);
    assert.deepEqual((await ok('GetGroup', { GroupName: 'readers' })).all('UserName'), ['dora']);
    assert.deepEqual((await ok('ListGroupsForUser', { UserName: 'dora' })).all('GroupName'), ['readers']);
    await ok('UpdateGroup', { GroupName: 'readers', NewGroupName: 'lookers' });
    assert.deepEqual((await ok('ListGroupsForUser', { UserName: 'dora' })).all('GroupName'), ['lookers']);
    await refused('DeleteConflict', 409, 'DeleteGroup', { GroupName: 'lookers' });
    await ok('RemoveUserFromGroup', { GroupName: 'lookers', UserName: 'dora' });
    await refused('NoSuchEntity', 404, 'RemoveUserFromGroup', { GroupName: 'lookers', UserName: 'dora' });
    assert.equal(await status(dora, 'GET', '/bucket/a/x'), 403);
    await ok('DeleteGroupPolicy', { GroupName: 'lookers', PolicyName: 'not-a' });
    await refused('DeleteConflict', 409, 'DeleteGroup', { GroupName: 'lookers' });
    await ok('DetachGroupPolicy', {
      GroupName: 'lookers',
      PolicyArn: 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess',
    });
    await ok('DeleteGroup', { GroupName: 'lookers' });
  });
});

describe('managed policies', () => {
  it('have versions, of which one counts', async () => {
    const emil = await api.user('emil');
    const read = text(policy('Allow', 's3:GetObject'));
    const none = text(policy('Deny', 's3:*'));
    const made = await ok('CreatePolicy', { PolicyName: 'read', Path: '/p/', PolicyDocument: read, Description: 'd' });
    const PolicyArn = made.xml('Arn') ?? '';
    assert.equal(PolicyArn, arn('policy/p/read'));
    await ok('AttachUserPolicy', { UserName: 'emil', PolicyArn });
    assert.equal(await status(emil, 'GET', '/bucket/a/x'), 200);
    const version = await ok('CreatePolicyVersion', { PolicyArn, PolicyDocument: none });
    assert.deepEqual([version.xml('VersionId'), version.xml('IsDefaultVersion')], ['v2', 'false']);
    assert.equal(await status(emil, 'GET', '/bucket/a/x'), 200);
    await ok('SetDefaultPolicyVersion', { PolicyArn, VersionId: 'v2' });
    assert.equal(await status(emil, 'GET', '/bucket/a/x'), 403);
    await refused('DeleteConflict', 409, 'DeletePolicyVersion', { PolicyArn, VersionId: 'v2' });
    await ok('DeletePolicyVersion', { PolicyArn, VersionId: 'v1' });
    await refused('NoSuchEntity', 404, 'GetPolicyVersion', { PolicyArn, VersionId: 'v1' });
    assert.equal(
      decodeURIComponent((await ok('GetPolicyVersion', { PolicyArn, VersionId: 'v2' })).xml('Document') ?? ''),
      none,
    );
    for (let n = 3; n <= 6; n++)
      await ok('CreatePolicyVersion', { PolicyArn, PolicyDocument: read, SetAsDefault: 'true' });
    await refused('LimitExceeded', 409, 'CreatePolicyVersion', { PolicyArn, PolicyDocument: read });
    assert.deepEqual((await ok('ListPolicyVersions', { PolicyArn })).all('VersionId'), ['v6', 'v5', 'v4', 'v3', 'v2']);
    const got = await ok('GetPolicy', { PolicyArn });
    assert.deepEqual([got.xml('DefaultVersionId'), got.xml('AttachmentCount')], ['v6', '1']);
    assert.deepEqual((await ok('ListEntitiesForPolicy', { PolicyArn })).all('UserName'), ['emil']);
    await refused('DeleteConflict', 409, 'DeletePolicy', { PolicyArn });
    await ok('DetachUserPolicy', { UserName: 'emil', PolicyArn });
    await refused('DeleteConflict', 409, 'DeletePolicy', { PolicyArn });
    for (const VersionId of ['v2', 'v3', 'v4', 'v5']) await ok('DeletePolicyVersion', { PolicyArn, VersionId });
    await ok('DeletePolicy', { PolicyArn });
    await refused('NoSuchEntity', 404, 'GetPolicy', { PolicyArn });
  });

  it('that every account has are read and attached, and never changed', async () => {
    const PolicyArn = 'arn:aws:iam::aws:policy/AdministratorAccess';
    assert.equal((await ok('GetPolicy', { PolicyArn })).xml('PolicyName'), 'AdministratorAccess');
    assert.ok((await ok('GetPolicyVersion', { PolicyArn, VersionId: 'v1' })).xml('Document'));
    assert.ok((await ok('ListPolicies', { Scope: 'AWS' })).all('Arn').includes(PolicyArn));
    assert.equal((await ok('ListPolicies', { Scope: 'Local' })).all('Arn').includes(PolicyArn), false);
    const PolicyDocument = text(policy('Deny', '*'));
    await refused('AccessDenied', 403, 'CreatePolicyVersion', { PolicyArn, PolicyDocument, SetAsDefault: 'true' });
    await refused('AccessDenied', 403, 'DeletePolicy', { PolicyArn });
    await ok('CreateUser', { UserName: 'none' });
    await refused('NoSuchEntity', 404, 'AttachUserPolicy', {
      UserName: 'none',
      PolicyArn: 'arn:aws:iam::aws:policy/Missing',
    });
  });

  it('are refused when they cannot be read, or are too long', async () => {
    for (const PolicyDocument of [
      '{',
      '{}',
      text(trust({ AWS: '*' })),
      text({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*' }] }),
    ])
      await refused('MalformedPolicyDocument', 400, 'CreatePolicy', { PolicyName: 'bad', PolicyDocument });
    const long = text(
      policy(
        'Allow',
        's3:GetObject',
        Array.from({ length: 220 }, (_, i) => `arn:aws:s3:::bucket-number-${i}/*`),
      ),
    );
    await refused('LimitExceeded', 409, 'CreatePolicy', { PolicyName: 'bad', PolicyDocument: long });
  });
});

describe('permissions boundaries', () => {
  it('bound what a user may, however much his policies allow', async () => {
    const fred = await api.user('fred', policy('Allow', '*'));
    assert.equal(await status(fred, 'PUT', '/bucket/fred', 'x'), 200);
    const read = await ok('CreatePolicy', { PolicyName: 'bound', PolicyDocument: text(policy('Allow', 's3:Get*')) });
    const PermissionsBoundary = read.xml('Arn') ?? '';
    await ok('PutUserPermissionsBoundary', { UserName: 'fred', PermissionsBoundary });
    assert.equal(await status(fred, 'PUT', '/bucket/fred', 'x'), 403);
    assert.equal(await status(fred, 'GET', '/bucket/fred'), 200);
    await refused('AccessDenied', 403, 'CreateUser', { UserName: 'escape' }, fred);
    assert.equal((await ok('GetUser', { UserName: 'fred' })).xml('PermissionsBoundaryArn'), PermissionsBoundary);
    await refused('DeleteConflict', 409, 'DeletePolicy', { PolicyArn: PermissionsBoundary });
    await ok('DeleteUserPermissionsBoundary', { UserName: 'fred' });
    assert.equal(await status(fred, 'PUT', '/bucket/fred', 'x'), 200);
  });

  it('are passed on by whoever may make users only with them', async () => {
    const bound =
      (await ok('CreatePolicy', { PolicyName: 'passed', PolicyDocument: text(policy('Allow', 's3:Get*')) })).xml(
        'Arn',
      ) ?? '';
    const gina = await api.user(
      'gina',
      policy('Allow', ['iam:CreateUser', 'iam:PutUserPolicy'], '*', {
        Condition: { StringEquals: { 'iam:PermissionsBoundary': bound } },
      }),
    );
    await refused('AccessDenied', 403, 'CreateUser', { UserName: 'free' }, gina);
    await ok('CreateUser', { UserName: 'bounded', PermissionsBoundary: bound }, gina);
    const own = { UserName: 'bounded', PolicyName: 'all', PolicyDocument: text(policy('Allow', '*')) };
    await ok('PutUserPolicy', own, gina);
    await refused('AccessDenied', 403, 'PutUserPolicy', { ...own, UserName: 'gina' }, gina);
    await refused('AccessDenied', 403, 'DeleteUserPermissionsBoundary', { UserName: 'bounded' }, gina);
  });
});

describe('roles', () => {
  it('are made, read, changed and deleted', async () => {
    const AssumeRolePolicyDocument = text(trust({ AWS: arn('root') }));
    const made = await ok('CreateRole', {
      RoleName: 'work',
      AssumeRolePolicyDocument,
      Description: 'd',
      MaxSessionDuration: '7200',
    });
    assert.match(made.xml('RoleId') ?? '', /^AROA/);
    assert.equal(decodeURIComponent(made.xml('AssumeRolePolicyDocument') ?? ''), AssumeRolePolicyDocument);
    await ok('UpdateRole', { RoleName: 'work', MaxSessionDuration: '3600' });
    const got = await ok('GetRole', { RoleName: 'work' });
    assert.deepEqual([got.xml('MaxSessionDuration'), got.xml('Description')], ['3600', 'd']);
    await ok('UpdateAssumeRolePolicy', { RoleName: 'work', PolicyDocument: text(trust({ AWS: '*' })) });
    await refused('MalformedPolicyDocument', 400, 'UpdateAssumeRolePolicy', {
      RoleName: 'work',
      PolicyDocument: text(policy('Allow', '*')),
    });
    await ok('AttachRolePolicy', { RoleName: 'work', PolicyArn: 'arn:aws:iam::aws:policy/ReadOnlyAccess' });
    await refused('DeleteConflict', 409, 'DeleteRole', { RoleName: 'work' });
    await ok('DetachRolePolicy', { RoleName: 'work', PolicyArn: 'arn:aws:iam::aws:policy/ReadOnlyAccess' });
    assert.ok((await ok('ListRoles')).all('RoleName').includes('work'));
    await ok('DeleteRole', { RoleName: 'work' });
  });
});

describe('simulation', () => {
  it('answers as requests are answered, with what decided', async () => {
    const hana = await api.user('hana', {
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: 's3:*', Resource: 'arn:aws:s3:::bucket/*' },
        { Effect: 'Deny', Action: 's3:DeleteObject', Resource: '*' },
      ],
    });
    const asked = ['s3:GetObject', 's3:DeleteObject', 'iam:ListUsers'];
    const form = Object.fromEntries(asked.map((action, i) => [`ActionNames.member.${i + 1}`, action]));
    const answer = await ok('SimulatePrincipalPolicy', {
      PolicySourceArn: arn('user/hana'),
      'ResourceArns.member.1': 'arn:aws:s3:::bucket/a/x',
      ...form,
    });
    assert.deepEqual(answer.all('EvalDecision'), ['allowed', 'explicitDeny', 'implicitDeny']);
    assert.ok(answer.all('SourcePolicyId').every((id) => id === 'user_hana_own'));
    assert.deepEqual(
      [
        await status(hana, 'GET', '/bucket/a/x'),
        await status(hana, 'DELETE', '/bucket/a/x'),
        await status(hana, 'GET', '/bucket'),
      ],
      [200, 403, 403],
    );
    const custom = await ok('SimulateCustomPolicy', {
      'PolicyInputList.member.1': text(
        policy('Allow', 's3:GetObject', '*', { Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }),
      ),
      'ActionNames.member.1': 's3:GetObject',
      'ContextEntries.member.1.ContextKeyName': 'aws:SourceIp',
      'ContextEntries.member.1.ContextKeyType': 'ip',
      'ContextEntries.member.1.ContextKeyValues.member.1': '10.1.2.3',
    });
    assert.deepEqual(custom.all('EvalDecision'), ['allowed']);
    await refused('NoSuchEntity', 404, 'SimulatePrincipalPolicy', { PolicySourceArn: arn('user/missing'), ...form });
    await refused('ValidationError', 400, 'SimulateCustomPolicy', {
      'PolicyInputList.member.1': text(policy('Allow', '*')),
    });
  });
});

describe('the account', () => {
  it('is summed up and told in detail', async () => {
    const summary = await ok('GetAccountSummary');
    assert.ok(summary.all('key').includes('UsersQuota'));
    const whole = await ok('GetAccountAuthorizationDetails', { MaxItems: '1000' });
    assert.ok(whole.text.includes('<UserName>hana</UserName>'));
    assert.equal(whole.xml('IsTruncated'), 'false');
    const page = await ok('GetAccountAuthorizationDetails', { MaxItems: '2' });
    assert.deepEqual([page.all('UserId').length, page.xml('IsTruncated')], [2, 'true']);
  });
});
