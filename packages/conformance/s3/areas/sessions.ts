import { area } from '../case.ts';
import { header, holds, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';

import {
  type Credentials,
  credentialsOf,
  filled,
  iam,
  policy,
  signing,
  sts,
  stsPage,
  text,
  userArn,
  withRole,
  withUser,
} from './identity-steps.ts';

const { cases, rule } = area(
  'temporary credentials',
  'https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html',
);

/* Sessions. */
rule(
  'GetCallerIdentity tells a user who he is, whatever he may',
  async (t) =>
    withUser(t, policy('Deny', '*'), async (name, key) => {
      const answer = shape(ok(await sts(t, 'GetCallerIdentity', {}, key)), 'GetCallerIdentityResponse');
      same(text(answer, 'Arn'), await userArn(t, name), 'Arn', answer);
      same(text(answer, 'UserId').startsWith('AIDA'), true, 'the id is that of a user', answer);
    }),
  stsPage('GetCallerIdentity'),
);
rule(
  'an answer of STS has the id of the request',
  async (t) => {
    const answer = header(ok(await sts(t, 'GetCallerIdentity')), 'x-amzn-requestid', /./);
    same(text(answer, 'RequestId'), answer.headers['x-amzn-requestid'], 'RequestId', answer);
  },
  stsPage('GetCallerIdentity'),
);
rule(
  'AssumeRole gives what the role may, not what its taker may',
  async (t) => {
    const bucket = await filled(t);
    await withUser(t, policy('Allow', ['s3:GetObject', 'sts:AssumeRole']), async (name, key) =>
      withRole(t, await userArn(t, name), policy('Allow', 's3:PutObject'), async (RoleArn) => {
        const session = credentialsOf(ok(await sts(t, 'AssumeRole', { RoleArn, RoleSessionName: 'work' }, key)));
        holds(session.accessKeyId.startsWith('ASIA'), `the key of a session is ${session.accessKeyId}`);
        ok(await t.send('PUT', bucket, 'new', { body: 'x', ...signing(session) }));
        refused(await t.get(bucket, 'key', signing(session)), 'AccessDenied');
        const whoami = ok(await sts(t, 'GetCallerIdentity', {}, session));
        same(
          /:assumed-role\/role-\w+\/work$/.test(text(whoami, 'Arn')),
          true,
          'the ARN is that of the session',
          whoami,
        );
      }),
    );
  },
  stsPage('AssumeRole'),
);
rule(
  'AssumeRole by somebody whom the role does not trust is refused with AccessDenied',
  async (t) =>
    withUser(t, policy('Allow', 'sts:*'), async (name) =>
      withUser(t, policy('Allow', 'sts:*'), async (_, stranger) =>
        withRole(t, await userArn(t, name), policy('Allow', 's3:*'), async (RoleArn) => {
          refused(await sts(t, 'AssumeRole', { RoleArn, RoleSessionName: 'work' }, stranger), 'AccessDenied');
          refused(
            await sts(t, 'AssumeRole', { RoleArn: `${RoleArn}x`, RoleSessionName: 'work' }, stranger),
            'AccessDenied',
          );
        }),
      ),
    ),
  stsPage('AssumeRole'),
);
for (const [what, Policy, allowed] of [
  ['narrows', policy('Allow', 's3:PutObject'), false],
  ['does not widen', policy('Allow', '*'), true],
] as const)
  rule(
    `a session policy ${what} what the role may`,
    async (t) => {
      const bucket = await filled(t);
      await withUser(t, policy('Allow', 'sts:AssumeRole'), async (name, key) =>
        withRole(t, await userArn(t, name), policy('Allow', 's3:GetObject'), async (RoleArn) => {
          const session = credentialsOf(
            ok(await sts(t, 'AssumeRole', { RoleArn, RoleSessionName: 'work', Policy }, key)),
          );
          const read = await t.get(bucket, 'key', signing(session));
          same(read.status, allowed ? 200 : 403, 'status', read);
          refused(await t.send('PUT', bucket, 'new', { body: 'x', ...signing(session) }), 'AccessDenied');
        }),
      );
    },
    stsPage('AssumeRole'),
  );
const sessionOf = async (t: Steps, key: Credentials) => credentialsOf(ok(await sts(t, 'GetSessionToken', {}, key)));
rule(
  'GetSessionToken gives what the user may, but IAM',
  async (t) => {
    const bucket = await filled(t);
    await withUser(t, policy('Allow', '*'), async (_, key) => {
      const session = await sessionOf(t, key);
      ok(await t.get(bucket, 'key', signing(session)));
      refused(await iam(t, 'ListUsers', {}, session), 'AccessDenied');
    });
  },
  stsPage('GetSessionToken'),
);
for (const [what, change] of [
  [
    'without its token',
    (session: Credentials) => ({ accessKeyId: session.accessKeyId, secretAccessKey: session.secretAccessKey }),
  ],
  [
    'with a token that was changed',
    (session: Credentials) => ({ ...session, token: `${session.token?.slice(0, -8)}AAAAAAAA` }),
  ],
] as const)
  rule(
    `a session ${what} is refused`,
    async (t) => {
      const bucket = await filled(t);
      await withUser(t, policy('Allow', '*'), async (_, key) => {
        refused(
          await t.get(bucket, 'key', signing(change(await sessionOf(t, key)))),
          'InvalidToken',
          'InvalidAccessKeyId',
        );
      });
    },
    stsPage('GetSessionToken'),
  );
rule(
  'GetFederationToken gives nothing without a policy, and with one what both allow',
  async (t) => {
    const bucket = await filled(t);
    await withUser(t, policy('Allow', ['s3:GetObject', 'sts:*']), async (_, key) => {
      const bare = credentialsOf(ok(await sts(t, 'GetFederationToken', { Name: 'fed' }, key)));
      refused(await t.get(bucket, 'key', signing(bare)), 'AccessDenied');
      const session = credentialsOf(
        ok(await sts(t, 'GetFederationToken', { Name: 'fed', Policy: policy('Allow', 's3:*') }, key)),
      );
      ok(await t.get(bucket, 'key', signing(session)));
      refused(await t.send('PUT', bucket, 'new', { body: 'x', ...signing(session) }), 'AccessDenied');
    });
  },
  stsPage('GetFederationToken'),
);

export const sessionCases = cases;
