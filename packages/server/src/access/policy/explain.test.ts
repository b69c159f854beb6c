import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { account, ask, bucket, identity, otherAccount, reader, set } from './ask.support.ts';
import { CompiledPolicy, decide, explain, explanationText, parsePolicy } from './index.ts';

describe('explain', () => {
  it('says of every statement what it did, and why it did not apply', () => {
    const policies = set({
      identity: [
        identity(
          { Sid: 'read', Action: 's3:Get*', Resource: 'arn:aws:s3:::b/*' },
          { Sid: 'write', Action: 's3:Put*', Resource: 'arn:aws:s3:::c/*' },
        ),
      ],
      resource: bucket({
        Sid: 'only from here',
        Effect: 'Deny',
        Condition: { NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' }, StringEquals: { 'aws:username': 'bob' } },
      }),
    });
    const request = ask({ context: { 'aws:SourceIp': '192.0.2.1' } });
    assert.deepEqual(explanationText(explain(policies, request)), [
      'ALLOWED: a policy of the identity allows it',
      '  identity policy 1, statement 1 (read): allows it',
      '  identity policy 1, statement 2 (write): does not apply: it is about other actions; it is about other resources',
      '  resource policy 1, statement 1 (only from here): does not apply: StringEquals aws:username wants "bob", the request has no such key',
    ]);
  });

  it('names the principal that a statement means, and the reason of a denial', () => {
    const named = set({ resource: bucket({ Principal: { AWS: account } }) });
    assert.deepEqual(explanationText(explain(named, ask())), [
      "DENIED: the resource's policy allows it to the account, and no policy of the identity does",
      "  resource policy 1, statement 1: allows it, names the requester's account",
    ]);
    const others = set({ resource: bucket({ Principal: { AWS: otherAccount } }) });
    assert.equal(
      explanationText(explain(others, ask()))[1],
      '  resource policy 1, statement 1: does not apply: it is about other principals',
    );
    assert.deepEqual(explanationText(explain(set({}), ask())), [
      'DENIED: no policy allows it',
      '  there are no policies',
    ]);
  });

  it('has the whole as a structure', () => {
    const policies = set({ boundary: identity({ Effect: 'Deny', Condition: { Null: { 's3:prefix': true } } }) });
    assert.deepEqual(explain(policies, ask()), {
      allowed: false,
      reason: 'explicit-deny',
      sentence: 'a statement denies it, and that is final',
      statements: [
        {
          policy: 'boundary',
          policyIndex: 0,
          statement: 0,
          sid: undefined,
          effect: 'Deny',
          applies: true,
          action: true,
          resource: true,
          principal: undefined,
          conditions: [{ test: 'Null s3:prefix', wanted: ['true'], given: undefined, holds: true }],
        },
      ],
    });
  });
});

describe('the trust policy of a role', () => {
  const trusting = (Principal: unknown) =>
    set({
      identity: [identity({ Action: 'sts:*' })],
      resource: new CompiledPolicy(
        parsePolicy(JSON.stringify({ Statement: { Effect: 'Allow', Principal, Action: 'sts:AssumeRole' } }), {
          kind: 'trust',
        }),
      ),
    });
  const request = ask({ action: 'sts:AssumeRole', resource: `arn:aws:iam::${account}:role/reader` });

  it('must allow it, whatever the policies of the identity say', () => {
    assert.equal(decide(trusting({ AWS: account }), request).allowed, true);
    assert.equal(decide(trusting({ AWS: otherAccount }), request).reason, 'not-trusted');
    assert.equal(decide({ ...trusting({ AWS: account }), identity: [] }, request).allowed, false);
    const provider = { ...request, requester: { kind: 'provider', provider: 'accounts.example.com' } } as const;
    assert.equal(decide(trusting({ Federated: 'accounts.example.com' }), provider).allowed, true);
    assert.equal(decide(trusting({ Federated: 'accounts.example.org' }), provider).reason, 'not-trusted');
    assert.equal(decide(trusting({ Service: 's3.amazonaws.com' }), { ...request, requester: reader }).allowed, false);
  });
});
