import { groupArn, readPolicyArn, roleArn, userArn } from '../../access/index.ts';
import type { IdentityKind } from '../../metadata/index.ts';
import { policyArn } from '../../metadata/index.ts';
import type { IdentityCall, Target } from './call.ts';
import { invalid, rules } from './parameters.ts';

/* What actions are done to. An ARN is that of what is there; of what is not there, the one that it would have at the root of paths. */

const arns = { user: userArn, group: groupArn, role: roleArn, policy: policyArn } as const;
export const arnOf = (record: { kind: IdentityKind; account: string; path: string; name: string }): string =>
  arns[record.kind](record);

export const nameParameters = { user: 'UserName', group: 'GroupName', role: 'RoleName' } as const;
export type HolderKind = keyof typeof nameParameters;

/** The name that a request gives; of a user, when it gives none, his who asks. */
export function nameOf(call: IdentityCall, kind: HolderKind, own = false): string {
  const given = call.parameters.optional(nameParameters[kind], rules[`${kind}Name`]);
  if (given !== undefined) return given;
  const { requester } = call.caller.standing;
  if (own && kind === 'user' && requester.kind === 'user')
    return requester.arn.slice(requester.arn.lastIndexOf('/') + 1);
  if (own && kind === 'user') throw invalid('Must specify userName when calling with non-User credentials');
  return call.name(nameParameters[kind], `${kind}Name`);
}

/** The user, group or role that a request names. `more`: condition keys of the action. */
export function holder(
  kind: HolderKind,
  more: (call: IdentityCall) => Partial<Target> = () => ({}),
  own = false,
): (call: IdentityCall) => Target {
  return (call) => {
    const name = nameOf(call, kind, own);
    const found = call.administration.find(call.account, kind, name);
    const resource = arnOf(found ?? { kind, account: call.account, path: '/', name });
    const boundary = found && 'boundary' in found ? found.boundary : undefined;
    const { keys, ...rest } = more(call);
    return {
      resource,
      tags: found?.tags ?? [],
      ...rest,
      keys: { 'iam:permissionsboundary': boundary, ...keys },
    };
  };
}

/** A user, group or role that is to be made. */
export function newHolder(kind: HolderKind): (call: IdentityCall) => Target {
  return (call) => {
    const path = call.parameters.optional('Path', rules.path) ?? '/';
    const resource = arnOf({ kind, account: call.account, path, name: call.name(nameParameters[kind], `${kind}Name`) });
    const boundary = call.parameters.optional('PermissionsBoundary', rules.arn);
    return { resource, requestTags: call.parameters.tags(), keys: { 'iam:permissionsboundary': boundary } };
  };
}

/** The managed policy that a request names by its ARN. */
export function policyTarget(
  more: (call: IdentityCall) => Partial<Target> = () => ({}),
): (call: IdentityCall) => Target {
  return (call) => {
    const arn = call.name('PolicyArn', 'arn');
    if (!readPolicyArn(arn)) throw invalid(`ARN ${arn} is not valid.`);
    return { resource: arn, tags: call.administration.identities.policy(arn)?.tags ?? [], ...more(call) };
  };
}

/** All of a kind in the account of the caller. */
export const all =
  (kind: string) =>
  (call: IdentityCall): Target => ({ resource: `arn:aws:iam::${call.account}:${kind}/` });

/** Everything. */
export const everything = (): Target => ({ resource: '*' });
