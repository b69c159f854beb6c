/* Every action: asked for by somebody who may not, and with what it cannot take. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { done, type Form, type IdentityHarness, refusal, startIdentityHarness } from './harness.support.ts';
import { actions } from './operations.ts';

let api: IdentityHarness;
before(async () => {
  api = await startIdentityHarness();
});
after(async () => {
  await api.close();
  assert.deepEqual(api.unexpected, []);
});

const arn = (rest: string) => `arn:aws:iam::000000000000:${rest}`;
const text = (document: object) => JSON.stringify(document);

const ok = (action: string, form: Form = {}, as = api.root) => done(api, action, form, as);
const refused = (code: string, status: number, action: string, form: Form = {}, as = api.root) =>
  refusal(api, [code, status], action, form, as);

/** Enough for every action to get past its parameters. */
const usual: Form = {
  UserName: 'nobody',
  GroupName: 'nobody',
  RoleName: 'nobody',
  PolicyName: 'nobody',
  PolicyArn: arn('policy/nobody'),
  PolicySourceArn: arn('user/nobody'),
  PermissionsBoundary: arn('policy/nobody'),
  AccessKeyId: 'AKNOBODY',
  Status: 'Active',
  VersionId: 'v1',
  Description: 'd',
  PolicyDocument: '{}',
  AssumeRolePolicyDocument: '{}',
  'ActionNames.member.1': 's3:GetObject',
  'Tags.member.1.Key': 'k',
  'Tags.member.1.Value': 'v',
  'TagKeys.member.1': 'k',
};

describe('every action of IAM', () => {
  const names = Object.keys(actions).filter((name) => actions[name]?.of === 'iam');

  it('is refused to a user without a policy, whatever it is about', async () => {
    const nobody = await api.user('powerless');
    for (const name of names) await refused('AccessDenied', 403, name, usual, nobody);
  });

  it('is refused when a policy denies just this action', async () => {
    const document = (name: string) => ({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: '*', Resource: '*' },
        { Effect: 'Deny', Action: `iam:${name}`, Resource: '*' },
      ],
    });
    const denied = await api.user('denied');
    for (const name of names) {
      await ok('PutUserPolicy', { UserName: 'denied', PolicyName: 'own', PolicyDocument: text(document(name)) });
      await refused('AccessDenied', 403, name, usual, denied);
    }
  });

  it('says which parameter is missing, too long, of a wrong form, or given twice', async () => {
    for (const [name, parameter] of [
      ['CreateUser', 'UserName'],
      ['CreateGroup', 'GroupName'],
      ['CreateRole', 'RoleName'],
      ['DeleteUser', 'UserName'],
      ['AttachUserPolicy', 'PolicyArn'],
      ['PutUserPolicy', 'PolicyName'],
      ['UpdateAccessKey', 'Status'],
      ['CreatePolicy', 'PolicyName'],
    ] as const) {
      const { [parameter]: _, ...rest } = usual;
      await refused('ValidationError', 400, name, rest);
      for (const bad of ['', 'x'.repeat(3000), 'a b\u0007'])
        await refused('ValidationError', 400, name, { ...rest, [parameter]: bad });
    }
    for (const body of ['Action=CreateUser&UserName=a&UserName=b', 'Action=CreateUser&Action=GetUser']) {
      const answer = await api.send('POST', '/', api.sign(api.root, 'iam', 'POST', '/', body), body);
      assert.equal(answer.xml('Code'), 'ValidationError', answer.text);
    }
    for (const [body, code] of [
      ['Action=%zz', 'MalformedQueryString'],
      ['UserName=a', 'MissingAction'],
      ['Action=MakeCoffee', 'InvalidAction'],
      ['Action=toString', 'InvalidAction'],
      ['Action=ListUsers&Version=2000-01-01', 'InvalidAction'],
      ['Action=GetCallerIdentity&Version=2010-05-08', 'InvalidAction'],
      [`Action=ListUsers&${Array.from({ length: 500 }, (_, i) => `p${i}=`).join('&')}`, 'ValidationError'],
      [`Action=ListUsers&x=${'x'.repeat(200_000)}`, 'MaxMessageLengthExceeded'],
    ] as const) {
      const answer = await api.send('POST', '/', api.sign(api.root, 'iam', 'POST', '/', body), body);
      assert.equal(answer.xml('Code'), code, `${body.slice(0, 40)} ${answer.text}`);
      assert.equal(answer.status, 400);
    }
  });
});
