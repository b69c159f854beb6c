import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { bin, credentials } from '../src/server.ts';
import { openRig, python, type Rig } from './rig.ts';

/* IAM and STS with the clients that people have for them, and the commands for what IAM has no API for. */

let rig: Rig;
before(async () => {
  rig = await openRig('identities');
});
after(() => rig.close());

interface User {
  readonly account: string;
  readonly canonicalId: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const dsom = (
  args: readonly string[],
  key: { readonly accessKeyId: string; readonly secretAccessKey: string } = credentials,
) =>
  rig.run(process.execPath, [bin, ...args], {
    env: {
      DSOM_ENDPOINT: rig.server.endpoint,
      DSOM_ACCESS_KEY_ID: key.accessKeyId,
      DSOM_SECRET_ACCESS_KEY: key.secretAccessKey,
    },
  });

async function tenant(name: string, ...more: string[]): Promise<User> {
  const made = JSON.parse(await dsom(['tenant', 'create', name, '--json'])) as User;
  const args = ['user', 'create', 'admin', '--tenant', name, '--policy', 'AdministratorAccess', '--json', ...more];
  const user = JSON.parse(await dsom(args)) as User;
  assert.deepEqual([user.account, user.canonicalId], [made.account, made.canonicalId]);
  assert.match(user.canonicalId, /^[0-9a-f]{64}$/);
  return user;
}

const aws = (as: User | undefined, ...args: string[]) =>
  rig.run(python().aws, ['--endpoint-url', rig.server.endpoint, '--output', 'json', ...args], {
    env: as ? { AWS_ACCESS_KEY_ID: as.accessKeyId, AWS_SECRET_ACCESS_KEY: as.secretAccessKey } : {},
  });

test('boto3: users, roles, sessions, and two tenants', { timeout: 10 * 60_000 }, async () => {
  const acme = await tenant('acme', '--access-key-id', 'ACMEKEY', '--secret-access-key', 'acme-secret-key');
  assert.equal(acme.accessKeyId, 'ACMEKEY');
  const other = await tenant('other');
  const keys = [acme, other].flatMap(({ accessKeyId, secretAccessKey }) => [accessKeyId, secretAccessKey]);
  const suite = path.join(import.meta.dirname, 'identities_suite.py');
  await rig.run(python().python, [suite, rig.server.endpoint, ...keys]);

  // Everything in a tenant is nothing of the server.
  for (const args of [
    ['tenant', 'list'],
    ['user', 'list'],
    ['key', 'list'],
    ['user', 'create', 'x'],
    ['scrub', 'status'],
  ])
    await assert.rejects(dsom(args, acme), /access denied/i, args.join(' '));
  await assert.rejects(dsom(['tenant', 'delete', 'acme']), /must delete its users first/);
  await assert.rejects(dsom(['tenant', 'create', 'acme']), /already/);
  await assert.rejects(dsom(['user', 'create', 'x', '--tenant', 'none']), /There is no tenant none/);
  await assert.rejects(dsom(['user', 'create', 'x', '--policy', 'None']), /There is no policy None/);
  await dsom(['mb', 's3://native'], acme);
  assert.match(await dsom(['ls'], acme), /native/);
  await assert.rejects(dsom(['ls', 's3://native']), /access denied/i);
  await dsom(['user', 'delete', 'admin', '--tenant', 'other']);
  await dsom(['tenant', 'delete', 'other']);
  assert.doesNotMatch(await dsom(['tenant', 'list']), /other/);
});

test('aws iam and aws sts', { timeout: 10 * 60_000 }, async () => {
  const admin = await tenant('cli');
  const identity = JSON.parse(await aws(admin, 'sts', 'get-caller-identity')) as { Account: string; Arn: string };
  assert.deepEqual(identity.Arn, `arn:aws:iam::${admin.account}:user/admin`);
  await aws(admin, 'iam', 'create-user', '--user-name', 'app', '--tags', 'Key=team,Value=a b');
  const made = JSON.parse(await aws(admin, 'iam', 'create-access-key', '--user-name', 'app')) as {
    AccessKey: { AccessKeyId: string; SecretAccessKey: string };
  };
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey } = made.AccessKey;
  const app = { ...admin, accessKeyId, secretAccessKey };
  await assert.rejects(aws(app, 's3', 'mb', 's3://of-cli'), /AccessDenied/);
  const arn = 'arn:aws:iam::aws:policy/AmazonS3FullAccess';
  await aws(admin, 'iam', 'attach-user-policy', '--user-name', 'app', '--policy-arn', arn);
  await aws(app, 's3', 'mb', 's3://of-cli');
  const listed = JSON.parse(await aws(admin, 'iam', 'list-attached-user-policies', '--user-name', 'app')) as {
    AttachedPolicies: unknown[];
  };
  assert.deepEqual(listed.AttachedPolicies, [{ PolicyName: 'AmazonS3FullAccess', PolicyArn: arn }]);
  await assert.rejects(aws(app, 'iam', 'list-users'), /AccessDenied.*iam:ListUsers/s);
  await assert.rejects(aws(admin, 'iam', 'delete-user', '--user-name', 'app'), /DeleteConflict/);
  const token = JSON.parse(await aws(app, 'sts', 'get-session-token')) as { Credentials: { SessionToken: string } };
  assert.ok(token.Credentials.SessionToken.length > 100);
});

test('boto3: over a limit it is told to slow down, does so, and loses nothing', { timeout: 10 * 60_000 }, async () => {
  const quick = await tenant('quick');
  const perSecond = '4';
  await dsom(['limit', 'set', 'quick', '--requests', perSecond]);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const suite = path.join(import.meta.dirname, 'limits_suite.py');
  await rig.run(python().python, [suite, rig.server.endpoint, quick.accessKeyId, quick.secretAccessKey, perSecond]);
  await dsom(['limit', 'clear', 'quick']);
});
