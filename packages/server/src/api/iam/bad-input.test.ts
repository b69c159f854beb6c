import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Answer } from '../s3/harness.support.ts';
import { type Form, type IdentityHarness, policy, startIdentityHarness, trust } from './harness.support.ts';
import { actions } from './operations.ts';

/*
 * Every action of IAM and STS × every kind of bad input. Their requests are forms, so that what is XML at S3 is here the form, and the document in it;
 * what is a header there, here a parameter or a header of the signature. Parameters that are not known are passed over, as AWS does.
 */

const arn = (rest: string) => `arn:aws:iam::000000000000:${rest}`;
const readOnly = JSON.stringify(policy('Allow', 's3:GetObject'));

/** A right form of everything about what is not there. */
const values = {
  UserName: 'nobody',
  GroupName: 'nobody',
  RoleName: 'nobody',
  PolicyName: 'nothing',
  PolicyArn: arn('policy/nothing'),
  PolicySourceArn: arn('user/nobody'),
  PermissionsBoundary: arn('policy/nothing'),
  AccessKeyId: 'AKNOBODY',
  Status: 'Active',
  VersionId: 'v1',
  Description: 'words',
  PolicyDocument: readOnly,
  AssumeRolePolicyDocument: JSON.stringify(trust({ AWS: '*' })),
  'ActionNames.member.1': 's3:GetObject',
  'PolicyInputList.member.1': readOnly,
  'Tags.member.1.Key': 'k',
  'TagKeys.member.1': 'k',
  RoleArn: arn('role/nobody'),
  RoleSessionName: 'session',
  Name: 'federated',
} as const;
type Parameter = keyof typeof values;

/** What an action cannot do without. The first of them names what it is about. */
const about = (...required: Parameter[]): readonly Parameter[] => required;
const needs: Readonly<Record<string, readonly Parameter[]>> = {
  CreateUser: about('UserName'),
  // Without a name it is about whoever asks.
  GetUser: about(),
  ListUsers: about(),
  UpdateUser: about('UserName'),
  DeleteUser: about('UserName'),
  ListGroupsForUser: about('UserName'),
  CreateAccessKey: about('UserName'),
  ListAccessKeys: about('UserName'),
  UpdateAccessKey: about('UserName', 'AccessKeyId', 'Status'),
  DeleteAccessKey: about('UserName', 'AccessKeyId'),
  GetAccessKeyLastUsed: about('AccessKeyId'),
  ListMFADevices: about('UserName'),
  ListVirtualMFADevices: about(),
  ListSigningCertificates: about('UserName'),
  ListSSHPublicKeys: about('UserName'),
  ListServiceSpecificCredentials: about('UserName'),
  GetLoginProfile: about('UserName'),
  DeleteLoginProfile: about('UserName'),
  CreateGroup: about('GroupName'),
  GetGroup: about('GroupName'),
  ListGroups: about(),
  UpdateGroup: about('GroupName'),
  DeleteGroup: about('GroupName'),
  AddUserToGroup: about('GroupName', 'UserName'),
  RemoveUserFromGroup: about('GroupName', 'UserName'),
  CreateRole: about('RoleName', 'AssumeRolePolicyDocument'),
  GetRole: about('RoleName'),
  ListRoles: about(),
  UpdateRole: about('RoleName'),
  UpdateRoleDescription: about('RoleName', 'Description'),
  UpdateAssumeRolePolicy: about('RoleName', 'PolicyDocument'),
  DeleteRole: about('RoleName'),
  ListInstanceProfilesForRole: about('RoleName'),
  CreatePolicy: about('PolicyName', 'PolicyDocument'),
  GetPolicy: about('PolicyArn'),
  ListPolicies: about(),
  DeletePolicy: about('PolicyArn'),
  CreatePolicyVersion: about('PolicyArn', 'PolicyDocument'),
  GetPolicyVersion: about('PolicyArn', 'VersionId'),
  ListPolicyVersions: about('PolicyArn'),
  SetDefaultPolicyVersion: about('PolicyArn', 'VersionId'),
  DeletePolicyVersion: about('PolicyArn', 'VersionId'),
  ListEntitiesForPolicy: about('PolicyArn'),
  AttachUserPolicy: about('UserName', 'PolicyArn'),
  DetachUserPolicy: about('UserName', 'PolicyArn'),
  ListAttachedUserPolicies: about('UserName'),
  PutUserPolicy: about('UserName', 'PolicyName', 'PolicyDocument'),
  GetUserPolicy: about('UserName', 'PolicyName'),
  DeleteUserPolicy: about('UserName', 'PolicyName'),
  ListUserPolicies: about('UserName'),
  AttachGroupPolicy: about('GroupName', 'PolicyArn'),
  DetachGroupPolicy: about('GroupName', 'PolicyArn'),
  ListAttachedGroupPolicies: about('GroupName'),
  PutGroupPolicy: about('GroupName', 'PolicyName', 'PolicyDocument'),
  GetGroupPolicy: about('GroupName', 'PolicyName'),
  DeleteGroupPolicy: about('GroupName', 'PolicyName'),
  ListGroupPolicies: about('GroupName'),
  AttachRolePolicy: about('RoleName', 'PolicyArn'),
  DetachRolePolicy: about('RoleName', 'PolicyArn'),
  ListAttachedRolePolicies: about('RoleName'),
  PutRolePolicy: about('RoleName', 'PolicyName', 'PolicyDocument'),
  GetRolePolicy: about('RoleName', 'PolicyName'),
  DeleteRolePolicy: about('RoleName', 'PolicyName'),
  ListRolePolicies: about('RoleName'),
  PutUserPermissionsBoundary: about('UserName', 'PermissionsBoundary'),
  DeleteUserPermissionsBoundary: about('UserName'),
  PutRolePermissionsBoundary: about('RoleName', 'PermissionsBoundary'),
  DeleteRolePermissionsBoundary: about('RoleName'),
  TagUser: about('UserName', 'Tags.member.1.Key'),
  UntagUser: about('UserName', 'TagKeys.member.1'),
  ListUserTags: about('UserName'),
  TagRole: about('RoleName', 'Tags.member.1.Key'),
  UntagRole: about('RoleName', 'TagKeys.member.1'),
  ListRoleTags: about('RoleName'),
  TagPolicy: about('PolicyArn', 'Tags.member.1.Key'),
  UntagPolicy: about('PolicyArn', 'TagKeys.member.1'),
  ListPolicyTags: about('PolicyArn'),
  SimulateCustomPolicy: about('PolicyInputList.member.1', 'ActionNames.member.1'),
  SimulatePrincipalPolicy: about('PolicySourceArn', 'ActionNames.member.1'),
  GetAccountSummary: about(),
  GetAccountAuthorizationDetails: about(),
  ListAccountAliases: about(),
  GetCallerIdentity: about(),
  AssumeRole: about('RoleArn', 'RoleSessionName'),
  GetSessionToken: about(),
  GetFederationToken: about('Name'),
};

/** What is answered where the thing is not there, or is there already; a text: why no state is wrong. */
const states: Readonly<Record<string, readonly [status: number, code: string, form?: Form] | string>> = {
  CreateUser: [409, 'EntityAlreadyExists', { UserName: 'there' }],
  CreateGroup: [409, 'EntityAlreadyExists', { GroupName: 'there' }],
  CreateRole: [409, 'EntityAlreadyExists', { RoleName: 'there' }],
  CreatePolicy: [409, 'EntityAlreadyExists', { PolicyName: 'there' }],
  AssumeRole: [403, 'AccessDenied'],
  SimulateCustomPolicy: 'what it decides about is all in the request',
  ...Object.fromEntries(
    [
      'ListUsers',
      'ListGroups',
      'ListRoles',
      'ListPolicies',
      'ListVirtualMFADevices',
      'ListAccountAliases',
      'GetAccountSummary',
      'GetAccountAuthorizationDetails',
      'GetCallerIdentity',
    ].map((name) => [name, 'it is about the account, which is always there']),
  ),
  GetUser: [404, 'NoSuchEntity', { UserName: 'nobody' }],
  GetSessionToken: 'it is about whoever asks',
  GetFederationToken: 'it is about whoever asks',
};

/** Those without a parameter: nothing in them is of a wrong type, or too long. */
const bare: ReadonlySet<string> = new Set(['GetAccountSummary', 'GetCallerIdentity']);
const documents: readonly Parameter[] = ['PolicyDocument', 'AssumeRolePolicyDocument', 'PolicyInputList.member.1'];

let api: IdentityHarness;
before(async () => {
  api = await startIdentityHarness();
  for (const [action, form] of [
    ['CreateUser', { UserName: 'there' }],
    ['CreateGroup', { GroupName: 'there' }],
    ['CreateRole', { RoleName: 'there', AssumeRolePolicyDocument: values.AssumeRolePolicyDocument }],
    ['CreatePolicy', { PolicyName: 'there', PolicyDocument: readOnly }],
  ] as const)
    assert.equal((await api.iam(api.root, action, form)).status, 200);
});
after(() => api.close());

const trusting: readonly string[] = ['UpdateAssumeRolePolicy'];
const formOf = (action: string): Record<string, string> =>
  Object.fromEntries(
    (needs[action] ?? []).map((name) => [
      name,
      name === 'PolicyDocument' && trusting.includes(action) ? values.AssumeRolePolicyDocument : values[name],
    ]),
  );

/** The same about what is there. */
const there = (form: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(form).map(([name, value]) => [
      name,
      value.length < 100 ? value.replace(/nobody|nothing/, 'there') : value,
    ]),
  );

function refusedWith(answer: Answer, status: number, code: string, what: string, message = /\w+ \w+/): void {
  assert.deepEqual([answer.status, answer.xml('Code')], [status, code], `${what}: ${answer.text}`);
  assert.match(answer.xml('Message') ?? '', message, what);
  assert.ok(answer.xml('RequestId'), what);
}

describe('bad input', () => {
  it('is thought of for every action', () => {
    assert.deepEqual(Object.keys(needs).sort(), Object.keys(actions).sort());
  });

  for (const [action, required] of Object.entries(needs))
    it(`${action} refuses it as documented`, async () => {
      const of = actions[action]?.of ?? 'iam';
      const form = formOf(action);
      const ask = (change: Form) => api[of](api.root, action, { ...form, ...change });
      const sendForm = (body: string, headers: Form) => api.send('POST', '/', headers, body);
      const type = { 'content-type': 'application/x-www-form-urlencoded' };

      // Malformed: the form, and each document in it.
      const malformed = `Action=${action}&Description=%zz`;
      refusedWith(
        await sendForm(malformed, api.sign(api.root, of, 'POST', '/', malformed, type)),
        400,
        'MalformedQueryString',
        malformed,
      );
      for (const name of required.filter((one) => documents.includes(one)))
        for (const [what, document] of [
          ['malformed', '{'],
          ['unknown element', '{"Version":"2012-10-17","Statement":[],"Colour":"red"}'],
          ['wrong type', '{"Statement":1}'],
        ] as const)
          refusedWith(await ask({ [name]: document }), 400, 'MalformedPolicyDocument', `${action}: ${what} ${name}`);

      // Missing: the headers of the signature, and each parameter.
      const body = new URLSearchParams({
        Action: action,
        Version: of === 'iam' ? '2010-05-08' : '2011-06-15',
        ...form,
      }).toString();
      refusedWith(await sendForm(body, type), 403, 'MissingAuthenticationToken', `${action} without a signature`);
      const { 'x-amz-date': _, ...undated } = api.sign(api.root, of, 'POST', '/', body, type);
      const noDate = await sendForm(body, undated);
      assert.ok([400, 403].includes(noDate.status), `${action} without a date: ${noDate.text}`);
      for (const name of required) {
        const { [name]: _gone, ...rest } = there(form);
        const field = name.split('.')[0] as string;
        refusedWith(
          await api[of](api.root, action, rest),
          400,
          'ValidationError',
          `${action} without ${name}`,
          new RegExp(field, 'i'),
        );
      }

      if (!bare.has(action)) {
        // Of a wrong type, and too long: each parameter, or the size of a page.
        const texts = required.filter(
          (one) => !documents.includes(one) && !one.startsWith('ActionNames') && one !== 'Description',
        );
        for (const name of texts) {
          refusedWith(
            await ask({ ...there(form), [name]: 'a b\u0007' }),
            400,
            'ValidationError',
            `${action} with a wrong ${name}`,
          );
          refusedWith(
            await ask({ ...there(form), [name]: 'x'.repeat(3000) }),
            400,
            'ValidationError',
            `${action} with a long ${name}`,
          );
        }
        if (of === 'iam' && action.startsWith('List') && required.length === 0) {
          refusedWith(await ask({ MaxItems: 'many' }), 400, 'ValidationError', `${action} of many`, /maxItems/);
          refusedWith(await ask({ MaxItems: '1001' }), 400, 'ValidationError', `${action} of too many`, /maxItems/);
        }
        if (action === 'GetSessionToken')
          for (const DurationSeconds of ['long', '9999999'])
            refusedWith(await ask({ DurationSeconds }), 400, 'ValidationError', DurationSeconds, /durationSeconds/);
      }

      // In a wrong state; and a parameter that is not known changes nothing.
      const state = states[action] ?? [404, 'NoSuchEntity'];
      if (typeof state !== 'string') {
        const [status, code, more = {}] = state;
        refusedWith(await ask({ ...more, Colour: 'red' }), status, code, action);
      }
    });

  it('has changed nothing, and nothing of it was a failure of the server', async () => {
    assert.deepEqual(api.unexpected, []);
    assert.deepEqual((await api.iam(api.root, 'ListUsers')).all('UserName'), ['there']);
    assert.deepEqual((await api.iam(api.root, 'ListGroups')).all('GroupName'), ['there']);
    assert.deepEqual((await api.iam(api.root, 'ListRoles')).all('RoleName'), ['there']);
  });
});
