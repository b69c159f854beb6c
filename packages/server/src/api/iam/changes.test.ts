import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import {
  type Credentials,
  credentialsOf,
  done,
  type Form,
  type IdentityHarness,
  policy,
  startIdentityHarness,
  trust,
} from './harness.support.ts';

/*
 * Whatever a thread keeps of policies, users, groups, keys and buckets: a request that begins after the answer to a change is decided by what is
 * there after it. One list of changes, each of which turns an answer round; every answer is asked for before and after, twice and by
 * several methods, so that whatever can be kept of it is kept.
 */

let api: IdentityHarness;
before(async () => {
  api = await startIdentityHarness();
});
after(() => api.close());

const text = (document: object) => JSON.stringify(document);
const full = 'arn:aws:iam::aws:policy/AmazonS3FullAccess';

/** What a GET, a HEAD and a PUT of an object are answered with, each twice. */
async function answers(as: Credentials, bucket = 'walk'): Promise<string> {
  const seen = new Set<number>();
  for (let round = 0; round < 2; round++) {
    for (const method of ['GET', 'HEAD', 'PUT'])
      seen.add((await api.s3(as, method, `/${bucket}/a/x`, method === 'PUT' ? 'x' : '')).status);
  }
  return [...seen].join(' ');
}

const iam = (action: string, form: Form) => () => done(api, action, form);

const s3 = async (as: Credentials, method: string, path: string, body = '') => {
  const digest = body === '' ? {} : { 'content-md5': hash('md5', body, 'base64') };
  const answer = await api.s3(as, method, path, body, digest);
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`);
};
const ofRoot =
  (method: string, path: string, body = '') =>
  () =>
    s3(api.root, method, path, body);

const denial = (condition?: object) =>
  text({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:*Object',
        Resource: 'arn:aws:s3:::walk/a/*',
        ...(condition && { Condition: condition }),
      },
    ],
  });
const invitation = (principal: unknown) =>
  text({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: principal, Action: 's3:*Object', Resource: 'arn:aws:s3:::walk/*' }],
  });

type Step = readonly [what: string, change: () => Promise<unknown>, after: '200' | '403'];

/** Every step must turn the answer round. */
async function walk(as: Credentials, first: '200' | '403', steps: readonly Step[], bucket?: string): Promise<void> {
  let expected = first;
  assert.equal(await answers(as, bucket), first, 'before');
  for (const [what, change, next] of steps) {
    await change();
    assert.notEqual(next, expected, `${what} changes nothing`);
    assert.equal(await answers(as, bucket), next, what);
    expected = next;
  }
}

describe('a request that begins after the answer to a change is decided by it', () => {
  it('changes of a user, of his groups, of managed policies, and of boundaries', async () => {
    await s3(api.root, 'PUT', '/walk');
    await s3(api.root, 'PUT', '/walk/a/x', 'x');
    const user = await api.user('walker');
    const UserName = 'walker';
    const [GroupName, PolicyName] = ['walkers', 'versions'];
    await done(api, 'CreateGroup', { GroupName });
    const made = await done(api, 'CreatePolicy', { PolicyName, PolicyDocument: text(policy('Allow', 's3:*')) });
    const PolicyArn = made.xml('Arn') ?? '';
    const bound = await done(api, 'CreatePolicy', {
      PolicyName: 'bound',
      PolicyDocument: text(policy('Allow', 'iam:*')),
    });
    const PermissionsBoundary = bound.xml('Arn') ?? '';
    const version = (document: object, of = PolicyArn) =>
      iam('CreatePolicyVersion', { PolicyArn: of, PolicyDocument: text(document), SetAsDefault: 'true' });
    const tagged = { Condition: { StringEquals: { 'aws:PrincipalTag/team': 'red' } } };
    const inline = (name: string, document: object) =>
      iam('PutUserPolicy', { UserName, PolicyName: name, PolicyDocument: text(document) });
    await walk(user, '403', [
      ['a policy of his own that allows', inline('own', policy('Allow', 's3:*')), '200'],
      ['the same one, which denies', inline('own', policy('Deny', 's3:*Object')), '403'],
      ['the same one, which allows a part', inline('own', policy('Allow', 's3:*', 'arn:aws:s3:::walk/a/*')), '200'],
      ['it, gone', iam('DeleteUserPolicy', { UserName, PolicyName: 'own' }), '403'],
      ['a managed policy', iam('AttachUserPolicy', { UserName, PolicyArn: full }), '200'],
      ['a Deny beside it', inline('not', policy('Deny', 's3:*', 'arn:aws:s3:::walk/a/*')), '403'],
      ['the Deny is about something else', inline('not', policy('Deny', 's3:*', 'arn:aws:s3:::walk/b/*')), '200'],
      [
        'both gone',
        async () => {
          await done(api, 'DetachUserPolicy', { UserName, PolicyArn: full });
          // From here on, nothing of his own denies anything.
          await done(api, 'DeleteUserPolicy', { UserName, PolicyName: 'not' });
        },
        '403',
      ],
      ['a managed policy of the account', iam('AttachUserPolicy', { UserName, PolicyArn }), '200'],
      ['a new default version of it', version(policy('Deny', 's3:*Object')), '403'],
      ['the old one again', iam('SetDefaultPolicyVersion', { PolicyArn, VersionId: 'v1' }), '200'],
      ['a version with a condition', version(policy('Allow', 's3:*', '*', tagged)), '403'],
      ['his tag', iam('TagUser', { UserName, 'Tags.member.1.Key': 'team', 'Tags.member.1.Value': 'red' }), '200'],
      ['another tag', iam('TagUser', { UserName, 'Tags.member.1.Key': 'team', 'Tags.member.1.Value': 'blue' }), '403'],
      [
        'a version with his name',
        version(policy('Allow', 's3:*', '*', { Condition: { StringEquals: { 'aws:username': 'walker' } } })),
        '200',
      ],
      ['another name', iam('UpdateUser', { UserName, NewUserName: 'runner' }), '403'],
      ['his name again', iam('UpdateUser', { UserName: 'runner', NewUserName: UserName }), '200'],
      ['the policy, gone', iam('DetachUserPolicy', { UserName, PolicyArn }), '403'],
      [
        'a group without a policy, then one',
        async () => {
          await done(api, 'AddUserToGroup', { GroupName, UserName });
          await done(api, 'AttachGroupPolicy', { GroupName, PolicyArn: full });
        },
        '200',
      ],
      [
        'a Deny of the group',
        iam('PutGroupPolicy', { GroupName, PolicyName: 'not', PolicyDocument: text(policy('Deny', 's3:*')) }),
        '403',
      ],
      ['it, gone', iam('DeleteGroupPolicy', { GroupName, PolicyName: 'not' }), '200'],
      ['the policy of the group, gone', iam('DetachGroupPolicy', { GroupName, PolicyArn: full }), '403'],
      [
        'a policy in the group',
        iam('PutGroupPolicy', { GroupName, PolicyName: 'yes', PolicyDocument: text(policy('Allow', '*')) }),
        '200',
      ],
      ['he is not in it', iam('RemoveUserFromGroup', { GroupName, UserName }), '403'],
      ['he is again', iam('AddUserToGroup', { GroupName, UserName }), '200'],
      ['a boundary', iam('PutUserPermissionsBoundary', { UserName, PermissionsBoundary }), '403'],
      ['the boundary allows more', version(policy('Allow', 's3:*'), PermissionsBoundary), '200'],
      ['the boundary denies', version(policy('Deny', 's3:*', 'arn:aws:s3:::walk/a/x'), PermissionsBoundary), '403'],
      ['no boundary', iam('DeleteUserPermissionsBoundary', { UserName }), '200'],
      [
        'his key is turned off',
        iam('UpdateAccessKey', { UserName, AccessKeyId: user.accessKeyId, Status: 'Inactive' }),
        '403',
      ],
      ['and on', iam('UpdateAccessKey', { UserName, AccessKeyId: user.accessKeyId, Status: 'Active' }), '200'],
      ['his key is gone', iam('DeleteAccessKey', { UserName, AccessKeyId: user.accessKeyId }), '403'],
    ]);
  });

  it('changes of the bucket, to one who may everything, to its root, and to a session of a role', async () => {
    const user = await api.user('wide');
    await done(api, 'AttachUserPolicy', { UserName: 'wide', PolicyArn: full });
    const RoleName = 'wide';
    const role = await done(api, 'CreateRole', { RoleName, AssumeRolePolicyDocument: text(trust({ AWS: '*' })) });
    await done(api, 'AttachRolePolicy', { RoleName, PolicyArn: full });
    const taken = await api.sts(user, 'AssumeRole', { RoleArn: role.xml('Arn') ?? '', RoleSessionName: 'walk' });
    const session = credentialsOf(taken);
    const deny = (condition?: object) => ofRoot('PUT', '/walk?policy=', denial(condition));
    const from = (range: string) => ({ NotIpAddress: { 'aws:SourceIp': range } });
    const bucketTags = (value: string) =>
      ofRoot(
        'PUT',
        '/walk?tagging=',
        `<Tagging><TagSet><Tag><Key>t</Key><Value>${value}</Value></Tag></TagSet></Tagging>`,
      );
    const steps: Step[] = [
      ['a Deny', deny(), '403'],
      ['a Deny of other addresses', deny(from('127.0.0.0/8')), '200'],
      ['a Deny of this one', deny(from('192.0.2.0/24')), '403'],
      ['a Deny by a tag of the bucket, which it has not', deny({ StringEquals: { 'aws:ResourceTag/t': 'x' } }), '200'],
      ['it has', bucketTags('x'), '403'],
      ['it has another', bucketTags('y'), '200'],
      ['a policy that cannot be read', () => api.objects.configure('walk', 'policy', Buffer.from('{')), '403'],
      ['no policy', ofRoot('DELETE', '/walk?policy='), '200'],
    ];
    await walk(user, '200', steps);
    await walk(session, '200', steps);
    await walk(api.root, '200', steps);
    await walk(session, '200', [
      [
        'a Deny of the role',
        iam('PutRolePolicy', { RoleName, PolicyName: 'not', PolicyDocument: text(policy('Deny', 's3:*')) }),
        '403',
      ],
      ['it, gone', iam('DeleteRolePolicy', { RoleName, PolicyName: 'not' }), '200'],
      ['the policy of the role, gone', iam('DetachRolePolicy', { RoleName, PolicyArn: full }), '403'],
    ]);
    await walk(user, '200', [
      ['his policy, gone', iam('DetachUserPolicy', { UserName: 'wide', PolicyArn: full }), '403'],
    ]);
  });

  it('who is let in from another account: by policy, blocks, lists, and whose the bucket is', async () => {
    const other = await api.tenant('other');
    const account = (await api.sts(other, 'GetCallerIdentity')).xml('Account') ?? '';
    const guest = await api.user('guest', policy('Allow', 's3:*'), other);
    const block = (value: boolean) =>
      ofRoot(
        'PUT',
        '/walk?publicAccessBlock=',
        `<PublicAccessBlockConfiguration><RestrictPublicBuckets>${value}</RestrictPublicBuckets></PublicAccessBlockConfiguration>`,
      );
    const invite = (principal: unknown) => ofRoot('PUT', '/walk?policy=', invitation(principal));
    await walk(guest, '403', [
      ['everyone is let in', invite('*'), '200'],
      ['public policies are restricted', block(true), '403'],
      ['they are not', block(false), '200'],
      ['they are again', block(true), '403'],
      ['his account is let in by its name, which is not public', invite({ AWS: account }), '200'],
      ['somebody else is', invite({ AWS: '123456789012' }), '403'],
    ]);
    await s3(api.root, 'DELETE', '/walk?policy=');
    const own = await api.user('late', policy('Allow', 's3:*'));
    assert.equal(await answers(own), '200');
    await s3(api.root, 'DELETE', '/walk/a/x');
    await s3(api.root, 'DELETE', '/walk');
    await s3(other, 'PUT', '/walk');
    await s3(other, 'PUT', '/walk/a/x', 'x');
    assert.equal(await answers(own), '403', 'the bucket is another account’s now');
    assert.equal(await answers(guest), '200');
    assert.equal(await answers(api.root), '403');
  });
});
