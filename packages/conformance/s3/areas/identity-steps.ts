import { randomBytes } from 'node:crypto';
import type { Answer } from '../answer.ts';
import type { Account } from '../client.ts';
import { ok } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { ourAccount } from './accounts.ts';

/* What cases about identities have together: the actions of IAM and STS, users and roles for the time of a case. */

export const iamPage = (action: string) => ({
  source: `https://docs.aws.amazon.com/IAM/latest/APIReference/API_${action}.html`,
});
export const stsPage = (action: string) => ({
  source: `https://docs.aws.amazon.com/STS/latest/APIReference/API_${action}.html`,
});

export type Form = Readonly<Record<string, string>>;
export interface Credentials extends Account {
  readonly token?: string;
}
/** An action in the query form: its parameters are a form in the body. */
export const ask = (
  t: Steps,
  service: 'iam' | 'sts',
  action: string,
  form: Form = {},
  as: Credentials = t.store.account,
): Promise<Answer> => {
  const Version = service === 'iam' ? '2010-05-08' : '2011-06-15';
  const body = new URLSearchParams({ ...(action && { Action: action }), Version, ...form }).toString();
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    ...(as.token && { 'x-amz-security-token': as.token }),
  };
  return t.at('POST', '/', { body, headers, signing: { service, account: as } });
};
export const iam = (t: Steps, action: string, form?: Form, as?: Credentials) => ask(t, 'iam', action, form, as);
export const sts = (t: Steps, action: string, form?: Form, as?: Credentials) => ask(t, 'sts', action, form, as);
export const nameOf = (kind: string) => `${kind}-${randomBytes(6).toString('hex')}`;
export const policy = (Effect: string, Action: string | readonly string[], Resource = '*') =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect, Action, Resource }] });
export const text = (answer: Answer, name: string) => answer.texts(name)[0] ?? '';
export const credentialsOf = (answer: Answer): Credentials => ({
  accessKeyId: text(answer, 'AccessKeyId'),
  secretAccessKey: text(answer, 'SecretAccessKey'),
  ...(text(answer, 'SessionToken') !== '' && { token: text(answer, 'SessionToken') }),
});

/** A user with a key, as long as `use` lasts. */
export async function withUser(
  t: Steps,
  allowed: string | undefined,
  use: (name: string, key: Credentials) => Promise<unknown>,
): Promise<void> {
  const UserName = nameOf('user');
  ok(await iam(t, 'CreateUser', { UserName }));
  if (allowed !== undefined)
    ok(await iam(t, 'PutUserPolicy', { UserName, PolicyName: 'own', PolicyDocument: allowed }));
  const key = credentialsOf(ok(await iam(t, 'CreateAccessKey', { UserName })));
  try {
    await use(UserName, key);
  } finally {
    await iam(t, 'DeleteUserPolicy', { UserName, PolicyName: 'own' });
    for (const AccessKeyId of (await iam(t, 'ListAccessKeys', { UserName })).texts('AccessKeyId'))
      await iam(t, 'DeleteAccessKey', { UserName, AccessKeyId });
    await iam(t, 'DeleteUser', { UserName });
  }
}
/** A role that a user of ours may take, as long as `use` lasts. */
export async function withRole(
  t: Steps,
  trusted: string,
  allowed: string,
  use: (arn: string) => Promise<unknown>,
): Promise<void> {
  const RoleName = nameOf('role');
  const AssumeRolePolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: trusted }, Action: 'sts:AssumeRole' }],
  });
  const made = ok(await iam(t, 'CreateRole', { RoleName, AssumeRolePolicyDocument }));
  ok(await iam(t, 'PutRolePolicy', { RoleName, PolicyName: 'own', PolicyDocument: allowed }));
  try {
    await use(text(made, 'Arn'));
  } finally {
    await iam(t, 'DeleteRolePolicy', { RoleName, PolicyName: 'own' });
    await iam(t, 'DeleteRole', { RoleName });
  }
}
export const userArn = async (t: Steps, name: string) => `arn:aws:iam::${await ourAccount(t)}:user/${name}`;
export const signing = (as: Credentials) => ({
  signing: { account: as },
  headers: as.token === undefined ? {} : { 'x-amz-security-token': as.token },
});
export const filled = async (t: Steps) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'key');
  return bucket;
};
