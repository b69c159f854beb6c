/* What is known of whose policies are simulated, and who says something else. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { done, type Form, type IdentityHarness, policy, startIdentityHarness, trust } from './harness.support.ts';

let api: IdentityHarness;
before(async () => {
  api = await startIdentityHarness();
  const tag = { 'Tags.member.1.Key': 'Team', 'Tags.member.1.Value': 'red' };
  await done(api, 'CreateUser', { UserName: 'hana', ...tag });
  await done(api, 'CreateUser', { UserName: 'other' });
  await done(api, 'CreateRole', { RoleName: 'worker', AssumeRolePolicyDocument: JSON.stringify(trust('*')), ...tag });
});
after(() => api.close());

const arn = (rest: string) => `arn:aws:iam::000000000000:${rest}`;

/** What is decided about the places of two users, each below what a variable stands for. */
async function decisions(variable: string, more: Form = {}, values = ['hana', 'other']): Promise<string> {
  const homes = policy('Allow', 's3:GetObject', `arn:aws:s3:::homes/\${${variable}}/*`);
  const answer = await done(api, 'SimulatePrincipalPolicy', {
    PolicySourceArn: arn('user/hana'),
    'PolicyInputList.member.1': JSON.stringify(homes),
    'ActionNames.member.1': 's3:GetObject',
    ...Object.fromEntries(
      values.map((value, at) => [`ResourceArns.member.${at + 1}`, `arn:aws:s3:::homes/${value}/x`]),
    ),
    ...more,
  });
  return answer.all('EvalDecision').join(' ');
}

it('a user has his name, account, kind and tags', async () => {
  assert.equal(await decisions('aws:username'), 'allowed implicitDeny');
  assert.equal(await decisions('aws:PrincipalTag/Team', {}, ['red', 'blue']), 'allowed implicitDeny');
  assert.equal(await decisions('aws:PrincipalAccount', {}, ['000000000000', 'x']), 'allowed implicitDeny');
  assert.equal(await decisions('aws:PrincipalType', {}, ['User', 'AssumedRole']), 'allowed implicitDeny');
});

it('a role has no name of a user, and its tags', async () => {
  const role = { PolicySourceArn: arn('role/worker') };
  assert.equal(await decisions('aws:username', role, ['worker', 'hana']), 'implicitDeny implicitDeny');
  assert.equal(await decisions('aws:PrincipalTag/Team', role, ['red', 'blue']), 'allowed implicitDeny');
  assert.equal(await decisions('aws:PrincipalType', role, ['User', 'AssumedRole']), 'implicitDeny allowed');
});

it('a caller who is named asks with the policies of the source, and what the request says of him counts', async () => {
  assert.equal(await decisions('aws:username', { CallerArn: arn('user/other') }), 'implicitDeny allowed');
  const entry = 'ContextEntries.member.1.ContextKey';
  const said = { [`${entry}Name`]: 'aws:username', [`${entry}Type`]: 'string', [`${entry}Values.member.1`]: 'other' };
  assert.equal(await decisions('aws:username', said), 'implicitDeny allowed');
});
