import { StoreError } from '../../../errors.ts';
import { element } from '../../s3/xml/writer.ts';
import { tagList } from '../answer.ts';
import { type Action, type IdentityCall, iam } from '../call.ts';
import { type HolderKind, holder, nameOf, policyTarget } from '../targets.ts';

type Tags = readonly (readonly [string, string])[];
type Tagged = 'user' | 'role' | 'policy';

/** New tags over those that are there; keys that differ in case only are one. */
function tagged(before: Tags, given: Tags): Tags {
  const named = new Set(given.map(([key]) => key.toLowerCase()));
  return [...before.filter(([key]) => !named.has(key.toLowerCase())), ...given];
}

function tagName(call: IdentityCall, kind: Tagged): string {
  if (kind !== 'policy') return nameOf(call, kind as HolderKind);
  const arn = call.name('PolicyArn', 'arn');
  const policy = arn.startsWith(`arn:aws:iam::${call.account}:`)
    ? call.administration.identities.policy(arn)
    : undefined;
  if (!policy) throw new StoreError('NoSuchEntity', { message: `Policy ${arn} was not found.` });
  return policy.name;
}

function tagActions(kind: Tagged, name: string): Record<string, Action> {
  const on = (more: (call: IdentityCall) => object) =>
    kind === 'policy' ? policyTarget(more) : holder(kind as HolderKind, more);
  return {
    [`Tag${name}`]: iam(
      on((call) => ({ requestTags: call.parameters.someTags() })),
      async (call) => {
        const given = call.parameters.someTags();
        await call.change(kind, tagName(call, kind), (before) => ({ ...before, tags: tagged(before.tags, given) }));
        return undefined;
      },
    ),
    [`Untag${name}`]: iam(
      on((call) => ({ tagKeys: call.parameters.tagKeys() })),
      async (call) => {
        const gone = new Set(call.parameters.tagKeys().map((key) => key.toLowerCase()));
        await call.change(kind, tagName(call, kind), (before) => ({
          ...before,
          tags: before.tags.filter(([key]) => !gone.has(key.toLowerCase())),
        }));
        return undefined;
      },
    ),
    [`List${name}Tags`]: iam(
      on(() => ({})),
      (call) => {
        const { tags } = call.get(kind, tagName(call, kind));
        return `${tagList(tags)}${element('IsTruncated', false)}`;
      },
    ),
  };
}

export const tagActionsOfAll: Readonly<Record<string, Action>> = {
  ...tagActions('user', 'User'),
  ...tagActions('role', 'Role'),
  ...tagActions('policy', 'Policy'),
};
