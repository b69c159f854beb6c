/* What broke elsewhere where identities and sessions are concerned: one test for each, named by its advisory. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type Credentials,
  credentialsOf,
  type IdentityHarness,
  policy,
  startIdentityHarness,
  trust,
} from './harness.support.ts';

let api: IdentityHarness;
let tenant: Credentials;
let other: Credentials;
before(async () => {
  api = await startIdentityHarness();
  await api.s3(api.root, 'PUT', '/roots');
  await api.s3(api.root, 'PUT', '/roots/x', 'secret');
  tenant = await api.tenant('acme');
  other = await api.tenant('other');
  await api.s3(tenant, 'PUT', '/acmes');
  await api.s3(tenant, 'PUT', '/acmes/x', 'secret');
});
after(async () => {
  await api.close();
  assert.deepEqual(api.unexpected, []);
});

const text = (document: object) => JSON.stringify(document);
const code = async (answer: Promise<{ xml(name: string): string | undefined; status: number }>) => {
  const got = await answer;
  return got.xml('Code') ?? got.status;
};
const accountOf = async (as: Credentials) => (await api.sts(as, 'GetCallerIdentity')).xml('Account') ?? '';

describe('tenants', () => {
  it('do not see each other (CVE-2026-55873: identities without an account became admin)', async () => {
    for (const [as, bucket] of [
      [other, 'acmes'],
      [other, 'roots'],
      [tenant, 'roots'],
      [api.root, 'acmes'],
    ] as const) {
      assert.equal(await code(api.s3(as, 'GET', `/${bucket}/x`)), 'AccessDenied');
      assert.equal(await code(api.s3(as, 'GET', `/${bucket}`)), 'AccessDenied');
      assert.equal(await code(api.s3(as, 'PUT', `/${bucket}/y`, 'x')), 'AccessDenied');
      assert.equal(await code(api.s3(as, 'DELETE', `/${bucket}`)), 'AccessDenied');
    }
    assert.equal(await code(api.s3(other, 'PUT', '/acmes')), 'BucketAlreadyExists');
    assert.deepEqual((await api.s3(tenant, 'GET', '/')).all('Name'), ['acmes']);
    assert.deepEqual((await api.s3(other, 'GET', '/')).all('Name'), []);
    assert.deepEqual((await api.iam(other, 'ListUsers')).all('UserName'), ['admin']);
    await api.iam(tenant, 'CreateUser', { UserName: 'hidden' });
    assert.equal(await code(api.iam(other, 'GetUser', { UserName: 'hidden' })), 'NoSuchEntity');
    assert.equal(await code(api.iam(api.root, 'GetUser', { UserName: 'hidden' })), 'NoSuchEntity');
    const owners = await Promise.all(
      [tenant, other, api.root].map(async (as) => (await api.s3(as, 'GET', '/')).xml('ID')),
    );
    assert.equal(new Set(owners).size, 3);
    assert.ok(owners.every((id) => /^[0-9a-f]{64}$/.test(id ?? '')));
  });

  it('let others in by the policy of a bucket, by account, by user, or by canonical id, as far as their own policies go', async () => {
    const guest = await accountOf(other);
    const id = (await api.s3(other, 'GET', '/')).xml('ID') ?? '';
    const own = await api.user('visitor', policy('Allow', 's3:GetObject'), other);
    const idle = await api.user('idle', undefined, other);
    for (const Principal of [{ AWS: guest }, { CanonicalUser: id }, { AWS: `arn:aws:iam::${guest}:user/visitor` }]) {
      const document = text({
        Version: '2012-10-17',
        Statement: [
          { Effect: 'Allow', Principal, Action: ['s3:GetObject', 's3:PutObject'], Resource: 'arn:aws:s3:::acmes/*' },
        ],
      });
      assert.equal((await api.s3(tenant, 'PUT', '/acmes?policy=', document)).status, 204, document);
      assert.equal((await api.s3(own, 'GET', '/acmes/x')).text, 'secret', document);
      assert.equal(await code(api.s3(own, 'PUT', '/acmes/y', 'x')), 'AccessDenied', 'his own policies do not let him');
      assert.equal(await code(api.s3(idle, 'GET', '/acmes/x')), 'AccessDenied');
      assert.equal(await code(api.s3(api.root, 'GET', '/acmes/x')), 'AccessDenied');
      assert.equal(
        (await api.s3(other, 'GET', '/acmes/x')).status,
        'AWS' in Principal && Principal.AWS.endsWith('visitor') ? 403 : 200,
      );
    }
    assert.equal((await api.s3(tenant, 'DELETE', '/acmes?policy=')).status, 204);
    assert.equal(await code(api.s3(own, 'GET', '/acmes/x')), 'AccessDenied');
  });

  it('let others in by a role, on their own terms (sts: AssumeRole over accounts)', async () => {
    const RoleName = 'guests';
    const guest = await accountOf(other);
    const made = await api.iam(tenant, 'CreateRole', {
      RoleName,
      AssumeRolePolicyDocument: text(trust({ AWS: guest })),
    });
    const RoleArn = made.xml('Arn') ?? '';
    await api.iam(tenant, 'PutRolePolicy', {
      RoleName,
      PolicyName: 'p',
      PolicyDocument: text(policy('Allow', 's3:GetObject', 'arn:aws:s3:::acmes/*')),
    });
    const session = credentialsOf(await api.sts(other, 'AssumeRole', { RoleArn, RoleSessionName: 'visit' }));
    assert.equal((await api.s3(session, 'GET', '/acmes/x')).text, 'secret');
    assert.equal(await code(api.s3(session, 'PUT', '/acmes/x', 'x')), 'AccessDenied');
    assert.equal(await code(api.sts(api.root, 'AssumeRole', { RoleArn, RoleSessionName: 'visit' })), 'AccessDenied');
    const stranger = await api.user('stranger', policy('Allow', '*'));
    assert.equal(await code(api.sts(stranger, 'AssumeRole', { RoleArn, RoleSessionName: 'visit' })), 'AccessDenied');
  });
});

describe('what broke elsewhere', () => {
  it('CVE-2024-24747: new access keys do not inherit what their maker may', async () => {
    const made = credentialsOf(
      await (async () => {
        await api.iam(api.root, 'CreateUser', { UserName: 'fresh' });
        return api.iam(api.root, 'CreateAccessKey', { UserName: 'fresh' });
      })(),
    );
    assert.equal(await code(api.s3(made, 'GET', '/roots/x')), 'AccessDenied');
    assert.equal(await code(api.iam(made, 'ListUsers')), 'AccessDenied');
  });

  it('CVE-2025-62506: a session policy bounds the keys and users that a session makes', async () => {
    const name = 'maker';
    const user = await api.user(name, policy('Allow', '*'));
    const made = await api.iam(api.root, 'CreateRole', {
      RoleName: name,
      AssumeRolePolicyDocument: text(trust({ AWS: '*' })),
    });
    await api.iam(api.root, 'AttachRolePolicy', {
      RoleName: name,
      PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess',
    });
    const session = credentialsOf(
      await api.sts(user, 'AssumeRole', {
        RoleArn: made.xml('Arn') ?? '',
        RoleSessionName: 'bound',
        Policy: text(policy('Allow', 's3:GetObject')),
      }),
    );
    assert.equal((await api.s3(session, 'GET', '/roots/x')).status, 200);
    for (const [action, form] of [
      ['CreateAccessKey', { UserName: name }],
      ['CreateUser', { UserName: 'child' }],
      ['PutUserPolicy', { UserName: name, PolicyName: 'p', PolicyDocument: text(policy('Allow', '*')) }],
      ['AttachRolePolicy', { RoleName: name, PolicyArn: 'arn:aws:iam::aws:policy/IAMFullAccess' }],
    ] as const)
      assert.equal(await code(api.iam(session, action, form)), 'AccessDenied', action);
    for (const action of ['GetSessionToken', 'GetFederationToken'])
      assert.equal(await code(api.sts(session, action, { Name: 'fed' })), 'AccessDenied', action);
    // Nor does it widen itself by taking its own role again without the policy: the session may not.
    const again = await api.sts(session, 'AssumeRole', { RoleArn: made.xml('Arn') ?? '', RoleSessionName: 'free' });
    assert.equal(again.status, 200, 'everybody is trusted directly, as the role says');
  });

  it('CVE-2025-62506: a session that its policy does not let take a role takes none that trusts its account', async () => {
    const account = await accountOf(api.root);
    const role = async (RoleName: string, principal: string) =>
      (
        await api.iam(api.root, 'CreateRole', { RoleName, AssumeRolePolicyDocument: text(trust({ AWS: principal })) })
      ).xml('Arn') ?? '';
    const inner = await role('inner', account);
    const outer = await role('outer', account);
    for (const RoleName of ['inner', 'outer'])
      await api.iam(api.root, 'AttachRolePolicy', {
        RoleName,
        PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess',
      });
    const user = await api.user('chainer', policy('Allow', 'sts:AssumeRole'));
    const Policy = text(policy('Allow', 's3:GetObject'));
    const bound = credentialsOf(
      await api.sts(user, 'AssumeRole', { RoleArn: outer, RoleSessionName: 'bound', Policy }),
    );
    assert.equal(await code(api.sts(bound, 'AssumeRole', { RoleArn: inner, RoleSessionName: 'free' })), 'AccessDenied');
  });

  it('CVE-2024-55949, GHSA-566f: nobody writes himself more by the IAM API than he may', async () => {
    const user = await api.user('climber', policy('Allow', ['iam:GetUser', 'iam:ListUsers', 's3:GetObject']));
    const own = { UserName: 'climber' };
    for (const [action, form] of [
      ['PutUserPolicy', { ...own, PolicyName: 'own', PolicyDocument: text(policy('Allow', '*')) }],
      ['AttachUserPolicy', { ...own, PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' }],
      ['AddUserToGroup', { ...own, GroupName: 'admins' }],
      ['UpdateUser', { ...own, NewUserName: 'root' }],
      ['DeleteUserPermissionsBoundary', own],
      ['CreateAccessKey', { UserName: 'admin' }],
      ['UpdateAssumeRolePolicy', { RoleName: 'outer', PolicyDocument: text(trust({ AWS: '*' })) }],
      [
        'CreatePolicyVersion',
        { PolicyArn: 'arn:aws:iam::000000000000:policy/x', PolicyDocument: text(policy('Allow', '*')) },
      ],
    ] as const)
      assert.equal(await code(api.iam(user, action, form)), 'AccessDenied', action);
  });

  it('GHSA-5354, GHSA-xgr5: target_user: a policy for oneself does not reach others, whatever the case or path of the name', async () => {
    await api.user('victim', policy('Allow', '*'));
    const self = await api.user('selfish', policy('Allow', 'iam:*', 'arn:aws:iam::000000000000:user/selfish'));
    assert.equal((await api.iam(self, 'GetUser', { UserName: 'selfish' })).status, 200);
    for (const UserName of ['victim', 'Selfish', 'VICTIM', 'selfish/../victim'])
      assert.notEqual((await api.iam(self, 'CreateAccessKey', { UserName })).status, 200, UserName);
    const denies = await api.user('half', {
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: 'iam:*', Resource: '*' },
        { Effect: 'Deny', Action: 'iam:*', Resource: 'arn:aws:iam::000000000000:user/victim' },
      ],
    });
    assert.equal(await code(api.iam(denies, 'CreateAccessKey', { UserName: 'victim' })), 'AccessDenied');
    assert.equal(await code(api.iam(denies, 'CreateAccessKey', { UserName: 'VICTIM' })), 'NoSuchEntity');
    // Renaming somebody into or out of a name that a policy is about needs to be allowed for both.
    assert.equal(
      await code(api.iam(denies, 'UpdateUser', { UserName: 'half', NewUserName: 'victim' })),
      'AccessDenied',
    );
  });

  it('GHSA-5qfg, GHSA-3473: STS without a signature gives nothing', async () => {
    const type = { host: '127.0.0.1', 'content-type': 'application/x-www-form-urlencoded' };
    for (const action of [
      'AssumeRole',
      'GetSessionToken',
      'GetCallerIdentity',
      'AssumeRoleWithWebIdentity',
      'CreateUser',
    ]) {
      const answer = await api.send(
        'POST',
        '/',
        type,
        `Action=${action}&Version=2011-06-15&RoleArn=arn:aws:iam::000000000000:role/outer&RoleSessionName=x`,
      );
      assert.deepEqual([answer.xml('Code'), answer.status], ['MissingAuthenticationToken', 403]);
    }
  });

  it('GHSA-m77q, GHSA-ccrv: a token that root or a user makes himself is none', async () => {
    const user = await api.user('forger', policy('Allow', '*'));
    const plain = Buffer.from(
      JSON.stringify({ accessKeyId: user.accessKeyId, principal: '', account: '000000000000' }),
    ).toString('base64');
    for (const sessionToken of [plain, user.secretAccessKey, api.root.secretAccessKey])
      for (const accessKeyId of [user.accessKeyId, 'ASIAFORGED', api.root.accessKeyId])
        assert.equal(await code(api.s3({ ...user, accessKeyId, sessionToken }, 'GET', '/roots/x')), 'InvalidToken');
  });

  it('GHSA-48rf, GHSA-xvfh: every session ends (a token without exp)', async () => {
    const user = await api.user('endless', policy('Allow', '*'));
    for (const [action, form] of [
      ['GetSessionToken', { DurationSeconds: '999999999' }],
      ['GetSessionToken', { DurationSeconds: '-1' }],
      ['GetFederationToken', { Name: 'fed', DurationSeconds: '0' }],
    ] as const)
      assert.equal(await code(api.sts(user, action, form)), 'ValidationError');
    const answer = await api.sts(user, 'GetSessionToken', { DurationSeconds: '129600' });
    assert.ok(Date.parse(answer.xml('Expiration') ?? '') <= Date.now() + 129_600_000);
  });

  it('GHSA-6r96: parameters and headers of a request are no condition keys', async () => {
    const user = await api.user(
      'spoofer',
      policy('Allow', 'iam:ListUsers', '*', {
        Condition: { StringEquals: { 'aws:PrincipalTag/role': 'admin', 'aws:username': 'root' } },
      }),
    );
    const spoofed = { 'aws:PrincipalTag/role': 'admin', 'aws:username': 'root', PrincipalTag: 'admin' };
    assert.equal(await code(api.iam(user, 'ListUsers', spoofed)), 'AccessDenied');
  });

  it('a body that is not the one that was signed does nothing', async () => {
    const body = 'Action=DeleteUser&UserName=victim&Version=2010-05-08';
    const headers = api.sign(api.root, 'iam', 'POST', '/', 'Action=GetUser&UserName=victim&Version=2010-05-08');
    assert.equal(await code(api.send('POST', '/', headers, body)), 'SignatureDoesNotMatch');
    const hashed = { ...headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
    assert.notEqual((await api.send('POST', '/', hashed, body)).status, 200);
    const forS3 = api.sign(api.root, 's3', 'POST', '/', body);
    assert.notEqual((await api.send('POST', '/', forS3, body)).status, 200);
    assert.equal((await api.iam(api.root, 'GetUser', { UserName: 'victim' })).status, 200);
    // A signature for STS opens no IAM, and the other way round.
    assert.equal(
      await code(api.send('POST', '/', api.sign(api.root, 'sts', 'POST', '/', body), body)),
      'InvalidAction',
    );
  });

  it('unreadable security metadata means deny (RustFS GHSA-j548: unreadable lock meant none)', async () => {
    const { administration } = api;
    const account = '000000000000';
    const read = async (as: Credentials) => (await api.s3(as, 'GET', '/roots/x')).status;
    const user = await api.user('unread', policy('Allow', '*'));
    assert.equal(await read(user), 200);
    const broken = [
      ['own', text(policy('Allow', '*'))],
      ['broken', '{"Version":'],
    ] as const;
    await administration.change(account, 'user', 'unread', (one) => ({ ...one, inline: broken }));
    assert.equal(await read(user), 403);
    await administration.change(account, 'user', 'unread', (one) => ({ ...one, inline: [broken[0]] }));
    assert.equal(await read(user), 200);
    // A managed policy of which a newer version of the program knew.
    const attached = ['arn:aws:iam::aws:policy/FromTheFuture'];
    await administration.change(account, 'user', 'unread', (one) => ({ ...one, attached }));
    assert.equal(await read(user), 403);
    await administration.change(account, 'user', 'unread', (one) => ({ ...one, attached: [], boundary: attached[0] }));
    assert.equal(await read(user), 403);
    await administration.change(account, 'user', 'unread', (one) => ({ ...one, boundary: undefined }));
    assert.equal(await read(user), 200);
    await api.iam(api.root, 'CreateRole', { RoleName: 'unread', AssumeRolePolicyDocument: text(trust({ AWS: '*' })) });
    const RoleArn = `arn:aws:iam::${account}:role/unread`;
    const take = () => code(api.sts(user, 'AssumeRole', { RoleArn, RoleSessionName: 'work' }));
    assert.notEqual(await take(), 'AccessDenied');
    await administration.change(account, 'role', 'unread', (one) => ({ ...one, trust: '{"Statement":' }));
    assert.equal(await take(), 'AccessDenied');
  });

  it('secrets are in no error and no log', async () => {
    const user = await api.user('secretive', policy('Allow', '*'));
    const session = credentialsOf(await api.sts(user, 'GetSessionToken'));
    const wrong = await api.s3({ ...session, secretAccessKey: 'wrong' }, 'GET', '/roots/x');
    assert.equal(wrong.code, 'SignatureDoesNotMatch');
    const date = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
    const query = new URLSearchParams({
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': `${session.accessKeyId}/${date.slice(0, 8)}/us-east-1/s3/aws4_request`,
      'X-Amz-Date': date,
      'X-Amz-Expires': '60',
      'X-Amz-SignedHeaders': 'host',
      'X-Amz-Security-Token': session.sessionToken ?? '',
      'X-Amz-Signature': 'a'.repeat(64),
    });
    const presigned = await api.send('GET', `/roots/x?${query}`, { host: '127.0.0.1' }, '');
    assert.equal(presigned.code, 'SignatureDoesNotMatch');
    assert.equal(presigned.text.includes(encodeURIComponent(session.sessionToken ?? '')), false);
    assert.ok(presigned.text.includes('X-Amz-Security-Token=(hidden)'));
    for (const secret of [session.secretAccessKey, session.sessionToken ?? '', user.secretAccessKey])
      assert.equal(wrong.text.includes(secret), false);
  });
});
