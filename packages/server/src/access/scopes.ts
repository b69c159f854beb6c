import { FifoMap } from '../fifo.ts';
import { limits } from '../limits.ts';
import type { AccessKeyRecord } from '../metadata/index.ts';
import { CompiledPolicy, type Policy, type PolicySet } from './policy/index.ts';

/* The roles and buckets of access keys, said as policies: what lets keys of today and policies of tomorrow be decided in one place. */

const actions: Readonly<Record<AccessKeyRecord['role'], readonly string[]>> = {
  root: ['*'],
  // Consistency and redundancy of a bucket, which S3 has no actions for.
  readwrite: ['s3:*', 'dsom:PutBucketSettings'],
  readonly: ['s3:Get*', 's3:List*'],
};

/** The name of a bucket is data: what would be a wildcard or a variable in a policy is written as itself. */
const literally = (name: string): string => name.replace(/[*?$]/g, (char) => `\${${char}}`);

function policyOf({ role, buckets }: Pick<AccessKeyRecord, 'role' | 'buckets'>): Policy {
  const allow = (list: readonly string[], resources: readonly string[]): Policy['statements'][number] => ({
    sid: undefined,
    effect: 'Allow',
    principals: undefined,
    actions: { not: false, list },
    resources: { not: false, list: resources },
    conditions: [],
  });
  const named = buckets.map(literally).flatMap((name) => [`arn:aws:s3:::${name}`, `arn:aws:s3:::${name}/*`]);
  const statements = Object.hasOwn(actions, role)
    ? [
        allow(actions[role], buckets.length === 0 ? ['*'] : named),
        // A listing of buckets shows those that the key may list.
        allow(['s3:ListAllMyBuckets'], ['*']),
      ]
    : [];
  return { kind: 'identity', version: '2012-10-17', id: undefined, statements };
}

const known = new FifoMap<string, PolicySet>(limits.scopesCompiled);

/** What an access key may do on its own, as policies. A role that is not known may nothing. */
export function scopeOf(key: Pick<AccessKeyRecord, 'role' | 'buckets'>): PolicySet {
  const name = JSON.stringify([key.role, key.buckets]);
  const held = known.get(name);
  if (held) return held;
  const set: PolicySet = {
    identity: [new CompiledPolicy(policyOf(key))],
    boundary: undefined,
    session: undefined,
    resource: undefined,
  };
  known.set(name, set);
  return set;
}
