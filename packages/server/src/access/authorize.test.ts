import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { asksFor, authorize, isFree, type ResourceRules } from './authorize.ts';
import type { Identity } from './identity.ts';
import { actions, policies, request, requesters, resources } from './policy/generate.support.ts';
import { allowAllOfS3, CompiledPolicy, contextOf, parsePolicy, type Requester } from './policy/index.ts';
import { type NaivePolicies, type NaiveRequest, naiveDecide } from './policy/naive.support.ts';

const runs = Number(process.env['DSOM_POLICY_RUNS'] ?? 2000);
const seed = Number(process.env['DSOM_PLANT_SEED'] ?? 7);

const compiled = (json: unknown, kind: 'identity' | 'resource') =>
  new CompiledPolicy(parsePolicy(JSON.stringify(json), { kind }));

const statement = (more: object) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*', ...more }],
});

/** Everything of S3, and what looks like it. */
const wide = [
  statement({}),
  statement({ Action: '*' }),
  statement({ Action: ['iam:*', 'S3:*'] }),
  statement({ Resource: ['arn:aws:s3:::b', '*'] }),
];
const nearlyWide = [
  statement({ Action: ['s3:Get*', 's3:Put*'] }),
  statement({ Resource: 'arn:aws:s3:::b/*' }),
  statement({ Condition: { Bool: { 'aws:SecureTransport': 'true' } } }),
  statement({ Action: undefined, NotAction: 's3:*' }),
  statement({ Resource: undefined, NotResource: '*' }),
];

function identityOf({ identity, boundary, session }: NaivePolicies, asked: NaiveRequest): Identity {
  const own = {
    identity: identity.map((one) => compiled(one, 'identity')),
    boundary: boundary && compiled(boundary, 'identity'),
    session: session?.map((one) => compiled(one, 'identity')),
  };
  return {
    standing: { requester: asked.requester as Requester, userId: undefined, tags: new Map(), session: undefined },
    policies: own,
    account: asked.requester.account,
    owner: undefined,
    // Federated sessions have nothing of their own, so nobody ever says this of one.
    unlimited: asked.requester.kind !== 'federated' && 'account' in asked.requester && allowAllOfS3(own),
  };
}

const rulesOf = ({ resource }: NaivePolicies, { resourceAccount }: NaiveRequest): ResourceRules => ({
  account: resourceAccount,
  policy: resource && compiled(resource, 'resource'),
});

/** Policies of which those of the identity are often as wide as can be. */
const given = fc
  .tuple(policies, fc.option(fc.constantFrom(...wide, ...nearlyWide), { freq: 8 }), fc.nat(3), fc.nat(3))
  .map(([one, more, bounded, narrowed]) => ({
    ...one,
    identity: more === null ? one.identity : [...one.identity.slice(1), more],
    boundary: bounded === 0 ? one.boundary : undefined,
    session: narrowed === 0 ? one.session : undefined,
  }));

describe('whoever may everything of S3', () => {
  it('is decided as the naive evaluator decides, and what is free is never denied', () => {
    let [unlimited, denied, free] = [0, 0, 0];
    fc.assert(
      fc.property(given, fc.array(request, { minLength: 4, maxLength: 4 }), (set, requests) => {
        for (const one of requests) {
          const identity = identityOf(set, one);
          const rules = rulesOf(set, one);
          const expected = naiveDecide(set, one);
          const { allowed } = authorize(identity, {
            action: one.action,
            resource: one.resource,
            rules,
            context: contextOf(one.context),
          });
          assert.equal(allowed, expected);
          if (isFree(identity, rules)) {
            free++;
            assert.ok(expected, 'what is free is allowed');
          }
          if (identity.unlimited) unlimited++;
          if (identity.unlimited && !expected) denied++;
        }
      }),
      { numRuns: runs, seed },
    );
    // A generator that hardly ever makes such an identity, denies it nothing, or always does, would compare nothing.
    assert.ok(unlimited > runs / 4 && denied > runs / 40 && free > runs / 40, `${unlimited}, ${denied}, ${free}`);
  });

  it('is known by a statement without a condition, and by no Deny anywhere', () => {
    const all = (...identity: object[]) => ({
      identity: identity.map((one) => compiled(one, 'identity')),
      boundary: undefined,
      session: undefined,
    });
    for (const one of wide) assert.ok(allowAllOfS3(all(one)), JSON.stringify(one));
    for (const one of nearlyWide) assert.ok(!allowAllOfS3(all(one)), JSON.stringify(one));
    const denial = statement({ Effect: 'Deny', Action: 'iam:*' });
    assert.ok(
      !allowAllOfS3(all(wide[0] as object, denial)),
      'a Deny of something else is looked at when it is asked about',
    );
    const everything = compiled(wide[0], 'identity');
    assert.ok(!allowAllOfS3({ ...all(wide[0] as object), boundary: everything }), 'boundaries may change apart');
    assert.ok(!allowAllOfS3({ ...all(wide[0] as object), session: [everything] }));
    assert.ok(!allowAllOfS3(all()));
  });

  it('may nothing by it that is not of S3, and nothing of what is another account’s', () => {
    const [ann] = requesters.filter(({ kind }) => kind === 'user');
    const asked = {
      requester: ann as (typeof requesters)[number],
      action: actions[0] as string,
      resource: resources[1] as string,
      resourceAccount: ann?.account,
      context: new Map<string, readonly string[]>(),
    };
    const identity = identityOf(
      { identity: [wide[0] as Record<string, unknown>], boundary: undefined, session: undefined, resource: undefined },
      asked,
    );
    assert.ok(identity.unlimited);
    const attempt = { ...asked, context: contextOf([]), rules: { account: ann?.account, policy: undefined } };
    assert.ok(authorize(identity, attempt).allowed);
    for (const action of ['dsom:GetStatus', 'iam:CreateUser', 'sts:AssumeRole'])
      assert.ok(!authorize(identity, { ...attempt, action }).allowed, action);
    assert.ok(!authorize(identity, { ...attempt, foreign: '444455556666' }).allowed, 'an object of another account');
    assert.ok(!authorize(identity, { ...attempt, rules: { account: '444455556666', policy: undefined } }).allowed);
    assert.ok(
      !isFree(identity, { account: ann?.account, policy: undefined, acls: true }),
      'lists tell whose objects are',
    );
  });
});

it('conditions of every policy that has a say may ask for a key', () => {
  const asking = compiled(statement({ Condition: { StringEquals: { 's3:ExistingObjectTag/a': 'b' } } }), 'identity');
  const [silent] = [compiled(wide[0], 'identity')];
  const base = { identity: [silent as CompiledPolicy], boundary: undefined, session: undefined };
  const of = (policies: Identity['policies'], policy?: CompiledPolicy) =>
    asksFor({ policies } as Identity, { account: undefined, policy }, 's3:existingobjecttag/');
  assert.ok(!of(base));
  assert.ok(of({ ...base, identity: [silent as CompiledPolicy, asking] }));
  assert.ok(of({ ...base, boundary: asking }));
  assert.ok(of({ ...base, session: [asking] }));
  assert.ok(of(base, asking));
});
