import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { policies, policy, request } from './generate.support.ts';
import {
  CompiledPolicy,
  canonicalPolicy,
  contextOf,
  decide,
  explain,
  type PolicySet,
  parsePolicy,
  type Requester,
} from './index.ts';
import { type NaivePolicies, type NaiveRequest, naiveDecide } from './naive.support.ts';

const runs = Number(process.env['DSOM_POLICY_RUNS'] ?? 8000);
const seed = Number(process.env['DSOM_PLANT_SEED'] ?? 5);

const compiled = (json: unknown, kind: 'identity' | 'resource') =>
  new CompiledPolicy(parsePolicy(JSON.stringify(json), { kind }));

function setOf({ identity, boundary, session, resource }: NaivePolicies): PolicySet {
  return {
    identity: identity.map((one) => compiled(one, 'identity')),
    boundary: boundary && compiled(boundary, 'identity'),
    session: session?.map((one) => compiled(one, 'identity')),
    resource: resource && compiled(resource, 'resource'),
  };
}

const asked = (naive: NaiveRequest) => ({
  ...naive,
  requester: naive.requester as Requester,
  context: contextOf(naive.context),
});

describe('the compiled evaluator and the naive one', () => {
  it('decide every generated request alike, and explain says the same', () => {
    let allowed = 0;
    fc.assert(
      fc.property(policies, fc.array(request, { minLength: 4, maxLength: 4 }), (given, requests) => {
        const set = setOf(given);
        for (const one of requests) {
          const expected = naiveDecide(given, one);
          const outcome = decide(set, asked(one));
          assert.equal(outcome.allowed, expected, outcome.reason);
          const why = explain(set, asked(one));
          assert.deepEqual({ allowed: why.allowed, reason: why.reason }, { ...outcome });
          if (expected) allowed++;
        }
      }),
      { numRuns: runs, seed },
    );
    // Of four requests for each set; a generator that never lets anybody in would compare nothing.
    assert.ok(allowed > runs / 4 && allowed < runs * 3, `${allowed} of ${runs * 4} allowed`);
  });

  it('decide alike what a policy says and what its canonical form says', () => {
    fc.assert(
      fc.property(fc.boolean(), policy(false), policy(true), request, (own, first, second, one) => {
        const [json, kind] = own ? ([first, 'identity'] as const) : ([second, 'resource'] as const);
        const read = parsePolicy(JSON.stringify(json), { kind });
        const text = canonicalPolicy(read);
        const again = parsePolicy(text, { kind });
        assert.equal(canonicalPolicy(again), text);
        const set = (policy: typeof read): PolicySet => ({
          identity: own ? [new CompiledPolicy(policy)] : [],
          boundary: undefined,
          session: undefined,
          resource: own ? undefined : new CompiledPolicy(policy),
        });
        assert.deepEqual(decide(set(again), asked(one)), decide(set(read), asked(one)));
      }),
      { numRuns: runs / 4, seed },
    );
  });
});
