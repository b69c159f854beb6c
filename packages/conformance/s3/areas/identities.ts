import { area } from '../case.ts';
import type { Code } from '../errors.ts';
import { ok, refused, same, shape } from '../expect.ts';
import { ourAccount } from './accounts.ts';

import {
  ask,
  type Form,
  filled,
  iam,
  iamPage,
  nameOf,
  policy,
  signing,
  sts,
  stsPage,
  text,
  withUser,
} from './identity-steps.ts';

const { cases, rule } = area('users', 'https://docs.aws.amazon.com/IAM/latest/APIReference/welcome.html');

/* Users. */
rule(
  'CreateUser answers the user with an ARN and an id',
  async (t) => {
    const UserName = nameOf('user');
    const answer = shape(ok(await iam(t, 'CreateUser', { UserName, Path: '/staff/' })), 'CreateUserResponse');
    await iam(t, 'DeleteUser', { UserName });
    same(
      [text(answer, 'Arn'), text(answer, 'Path')],
      [`arn:aws:iam::${await ourAccount(t)}:user/staff/${UserName}`, '/staff/'],
      'ARN and path',
      answer,
    );
    same(/^AIDA\w+$/.test(text(answer, 'UserId')), true, 'the id begins with AIDA', answer);
  },
  iamPage('CreateUser'),
);
for (const [action, form] of [
  ['GetUser', {}],
  ['DeleteUser', {}],
  ['ListAccessKeys', {}],
  ['CreateAccessKey', {}],
  ['ListUserPolicies', {}],
  ['ListGroupsForUser', {}],
  ['PutUserPolicy', { PolicyName: 'p', PolicyDocument: policy('Allow', 's3:*') }],
  ['UpdateUser', { NewUserName: 'other' }],
  ['AttachUserPolicy', { PolicyArn: 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess' }],
] as readonly (readonly [string, Form])[])
  rule(
    `${action} of a user who is not there is refused with NoSuchEntity`,
    async (t) => void refused(await iam(t, action, { UserName: nameOf('nobody'), ...form }), 'NoSuchEntity'),
    iamPage(action),
  );
for (const [action, name] of [
  ['GetGroup', 'GroupName'],
  ['DeleteGroup', 'GroupName'],
  ['GetRole', 'RoleName'],
  ['DeleteRole', 'RoleName'],
  ['ListRolePolicies', 'RoleName'],
] as const)
  rule(
    `${action} of one who is not there is refused with NoSuchEntity`,
    async (t) => void refused(await iam(t, action, { [name]: nameOf('none') }), 'NoSuchEntity'),
    iamPage(action),
  );
rule(
  'CreateUser of a name that is there, in any case, is refused with EntityAlreadyExists',
  async (t) =>
    withUser(t, undefined, async (UserName) => {
      refused(await iam(t, 'CreateUser', { UserName }), 'EntityAlreadyExists');
      refused(await iam(t, 'CreateUser', { UserName: UserName.toUpperCase() }), 'EntityAlreadyExists');
    }),
  iamPage('CreateUser'),
);
rule(
  'DeleteUser of a user with a key is refused with DeleteConflict',
  async (t) =>
    withUser(
      t,
      undefined,
      async (UserName) => void refused(await iam(t, 'DeleteUser', { UserName }), 'DeleteConflict'),
    ),
  iamPage('DeleteUser'),
);
rule(
  'CreateAccessKey of a third key is refused with LimitExceeded',
  async (t) =>
    withUser(t, undefined, async (UserName) => {
      ok(await iam(t, 'CreateAccessKey', { UserName }));
      refused(await iam(t, 'CreateAccessKey', { UserName }), 'LimitExceeded');
    }),
  iamPage('CreateAccessKey'),
);
rule(
  'ListAccessKeys does not show secrets',
  async (t) =>
    withUser(t, undefined, async (UserName, key) => {
      const answer = ok(await iam(t, 'ListAccessKeys', { UserName }));
      same(
        [answer.texts('AccessKeyId'), answer.body.includes(key.secretAccessKey)],
        [[key.accessKeyId], false],
        'keys',
        answer,
      );
    }),
  iamPage('ListAccessKeys'),
);
rule(
  'ListUsers comes page by page',
  async (t) =>
    withUser(t, undefined, async () =>
      withUser(t, undefined, async () => {
        const first = ok(await iam(t, 'ListUsers', { MaxItems: '1' }));
        same([first.texts('UserName').length, text(first, 'IsTruncated')], [1, 'true'], 'first page', first);
        const next = ok(await iam(t, 'ListUsers', { MaxItems: '1', Marker: text(first, 'Marker') }));
        same(text(next, 'UserName') === text(first, 'UserName'), false, 'the second page is the first', next);
      }),
    ),
  iamPage('ListUsers'),
);

/* What users may. */
rule('a user without a policy may nothing', async (t) => {
  const bucket = await filled(t);
  await withUser(t, undefined, async (_, key) => {
    refused(await t.get(bucket, 'key', signing(key)), 'AccessDenied');
    refused(await iam(t, 'ListUsers', {}, key), 'AccessDenied');
  });
});
for (const [what, allowed, reads, writes] of [
  ['s3:GetObject', policy('Allow', 's3:GetObject'), true, false],
  ['s3:PutObject', policy('Allow', 's3:PutObject'), false, true],
  ['s3:*', policy('Allow', 's3:*'), true, true],
  ['*', policy('Allow', '*'), true, true],
  ['s3:* of another bucket', policy('Allow', 's3:*', 'arn:aws:s3:::another/*'), false, false],
] as const)
  rule(`a user with ${what} ${reads ? 'may' : 'may not'} read and ${writes ? 'may' : 'may not'} write`, async (t) => {
    const bucket = await filled(t);
    await withUser(t, allowed, async (_, key) => {
      const read = await t.get(bucket, 'key', signing(key));
      const written = await t.send('PUT', bucket, 'new', { body: 'x', ...signing(key) });
      same([read.status, written.status], [reads ? 200 : 403, writes ? 200 : 403], 'read and written', written);
      if (!reads) refused(read, 'AccessDenied');
    });
  });
rule('a policy that is deleted counts no more', async (t) => {
  const bucket = await filled(t);
  await withUser(t, policy('Allow', 's3:*'), async (UserName, key) => {
    ok(await t.get(bucket, 'key', signing(key)));
    ok(await iam(t, 'DeleteUserPolicy', { UserName, PolicyName: 'own' }));
    refused(await t.get(bucket, 'key', signing(key)), 'AccessDenied');
  });
});
rule(
  'a key that is Inactive is refused with InvalidAccessKeyId, and works again once it is Active',
  async (t) => {
    const bucket = await filled(t);
    await withUser(t, policy('Allow', 's3:*'), async (UserName, key) => {
      const set = (Status: string) => iam(t, 'UpdateAccessKey', { UserName, AccessKeyId: key.accessKeyId, Status });
      ok(await set('Inactive'));
      refused(await t.get(bucket, 'key', signing(key)), 'InvalidAccessKeyId');
      refused(await sts(t, 'GetCallerIdentity', {}, key), 'InvalidClientTokenId');
      ok(await set('Active'));
      ok(await t.get(bucket, 'key', signing(key)));
    });
  },
  iamPage('UpdateAccessKey'),
);
rule(
  'a group gives its policy to who is in it, and takes it with him',
  async (t) => {
    const bucket = await filled(t);
    const GroupName = nameOf('group');
    await withUser(t, undefined, async (UserName, key) => {
      ok(await iam(t, 'CreateGroup', { GroupName }));
      ok(
        await iam(t, 'PutGroupPolicy', {
          GroupName,
          PolicyName: 'own',
          PolicyDocument: policy('Allow', 's3:GetObject'),
        }),
      );
      ok(await iam(t, 'AddUserToGroup', { GroupName, UserName }));
      const inside = await t.get(bucket, 'key', signing(key));
      ok(await iam(t, 'RemoveUserFromGroup', { GroupName, UserName }));
      const outside = await t.get(bucket, 'key', signing(key));
      await iam(t, 'DeleteGroupPolicy', { GroupName, PolicyName: 'own' });
      ok(await iam(t, 'DeleteGroup', { GroupName }));
      ok(inside);
      refused(outside, 'AccessDenied');
    });
  },
  iamPage('AddUserToGroup'),
);
rule(
  'a permissions boundary limits what the policies of a user allow',
  async (t) => {
    const bucket = await filled(t);
    const made = ok(
      await iam(t, 'CreatePolicy', { PolicyName: nameOf('bound'), PolicyDocument: policy('Allow', 's3:GetObject') }),
    );
    const PolicyArn = text(made, 'Arn');
    await withUser(t, policy('Allow', 's3:*'), async (UserName, key) => {
      ok(await iam(t, 'PutUserPermissionsBoundary', { UserName, PermissionsBoundary: PolicyArn }));
      ok(await t.get(bucket, 'key', signing(key)));
      refused(await t.send('PUT', bucket, 'new', { body: 'x', ...signing(key) }), 'AccessDenied');
    });
    ok(await iam(t, 'DeletePolicy', { PolicyArn }));
  },
  iamPage('PutUserPermissionsBoundary'),
);

/* Requests that are wrong. */
const wrong: readonly (readonly [
  what: string,
  service: 'iam' | 'sts',
  action: string,
  form: Form,
  ...codes: Code[],
])[] = [
  ['an action that there is not', 'iam', 'MakeCoffee', {}, 'InvalidAction'],
  ['an action of STS with the version of IAM', 'sts', 'GetCallerIdentity', { Version: '2010-05-08' }, 'InvalidAction'],
  ['a version that there is not', 'iam', 'ListUsers', { Version: '2000-01-01' }, 'InvalidAction'],
  ['no action', 'iam', '', {}, 'MissingAction'],
  ['CreateUser without a name', 'iam', 'CreateUser', {}, 'ValidationError'],
  ['CreateUser with an empty name', 'iam', 'CreateUser', { UserName: '' }, 'ValidationError'],
  ['CreateUser with a name of 65 characters', 'iam', 'CreateUser', { UserName: 'x'.repeat(65) }, 'ValidationError'],
  ['CreateUser with a space in the name', 'iam', 'CreateUser', { UserName: 'a b' }, 'ValidationError'],
  ['CreateUser with a path that is none', 'iam', 'CreateUser', { UserName: 'a', Path: 'staff' }, 'ValidationError'],
  ['ListUsers with MaxItems 0', 'iam', 'ListUsers', { MaxItems: '0' }, 'ValidationError'],
  ['ListUsers with MaxItems that is no number', 'iam', 'ListUsers', { MaxItems: 'x' }, 'ValidationError'],
  [
    'CreatePolicy with text that is no policy',
    'iam',
    'CreatePolicy',
    { PolicyName: 'p', PolicyDocument: '{' },
    'MalformedPolicyDocument',
  ],
  [
    'CreatePolicy with a principal',
    'iam',
    'CreatePolicy',
    { PolicyName: 'p', PolicyDocument: policy('Allow', 's3:*').replace('"Effect"', '"Principal":"*","Effect"') },
    'MalformedPolicyDocument',
  ],
  [
    'CreatePolicy without a resource',
    'iam',
    'CreatePolicy',
    { PolicyName: 'p', PolicyDocument: policy('Allow', 's3:*').replace(',"Resource":"*"', '') },
    'MalformedPolicyDocument',
  ],
  [
    'CreateRole with a trust without a principal',
    'iam',
    'CreateRole',
    { RoleName: 'r', AssumeRolePolicyDocument: policy('Allow', 'sts:AssumeRole') },
    'MalformedPolicyDocument',
  ],
  ['CreateRole without a trust', 'iam', 'CreateRole', { RoleName: 'r' }, 'ValidationError'],
  [
    'UpdateAccessKey with a status that there is not',
    'iam',
    'UpdateAccessKey',
    { UserName: 'a', AccessKeyId: 'AKIAIOSFODNN7EXAMPLE', Status: 'Maybe' },
    'ValidationError',
  ],
  [
    'DeletePolicy of a policy of AWS',
    'iam',
    'DeletePolicy',
    { PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' },
    'AccessDenied',
  ],
  [
    'GetPolicy of one that is not there',
    'iam',
    'GetPolicy',
    { PolicyArn: 'arn:aws:iam::aws:policy/NoSuchPolicyAtAll' },
    'NoSuchEntity',
  ],
  ['AssumeRole without a role', 'sts', 'AssumeRole', { RoleSessionName: 'work' }, 'ValidationError'],
  [
    'AssumeRole of what is no ARN',
    'sts',
    'AssumeRole',
    { RoleArn: 'role', RoleSessionName: 'work' },
    'ValidationError',
  ],
  [
    'AssumeRole with a name of a session that is too short',
    'sts',
    'AssumeRole',
    { RoleArn: 'arn:aws:iam::111122223333:role/a', RoleSessionName: 'w' },
    'ValidationError',
  ],
  [
    'AssumeRole with 899 seconds',
    'sts',
    'AssumeRole',
    { RoleArn: 'arn:aws:iam::111122223333:role/a', RoleSessionName: 'work', DurationSeconds: '899' },
    'ValidationError',
  ],
  ['GetFederationToken without a name', 'sts', 'GetFederationToken', {}, 'ValidationError'],
  ['GetSessionToken with 899 seconds', 'sts', 'GetSessionToken', { DurationSeconds: '899' }, 'ValidationError'],
];
for (const [what, service, action, form, ...codes] of wrong)
  rule(
    `${what} is refused with ${codes[0]}`,
    async (t) => {
      const answer = shape(refused(await ask(t, service, action, form), ...codes), 'ErrorResponse', { RequestId: /./ });
      same(answer.text('Error', 'Type'), 'Sender', 'Type', answer);
    },
    action === '' ? {} : service === 'iam' ? iamPage(action) : stsPage(action),
  );
rule('a request that is signed with another secret is refused with SignatureDoesNotMatch', async (t) => {
  refused(await iam(t, 'ListUsers', {}, { ...t.store.account, secretAccessKey: 'another' }), 'SignatureDoesNotMatch');
});
rule('a request with a key that there is not is refused with InvalidClientTokenId', async (t) => {
  refused(
    await sts(t, 'GetCallerIdentity', {}, { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'x' }),
    'InvalidClientTokenId',
  );
});

export const identityCases = cases;
