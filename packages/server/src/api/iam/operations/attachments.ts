import { builtInPolicy, readPolicyArn } from '../../../access/index.ts';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { element } from '../../s3/xml/writer.ts';
import { type Action, type IdentityCall, iam } from '../call.ts';
import { counted, identityDocument } from '../documents.ts';
import { pageOf } from '../pages.ts';
import { invalid, rules } from '../parameters.ts';
import { encoded, policyOf } from '../shapes.ts';
import { type HolderKind, holder, nameOf, nameParameters } from '../targets.ts';

/* Policies of users, groups and roles, managed and inline: the same for each kind. */

const cap = { user: 'User', group: 'Group', role: 'Role' } as const;

/** A managed policy that may be attached: of the account, or one that every account has. */
export function attachable(call: IdentityCall, arn: string, account = call.account): string {
  if (!readPolicyArn(arn)) throw invalid(`ARN ${arn} is not valid.`);
  const own = arn.startsWith(`arn:aws:iam::${account}:`);
  if (!builtInPolicy(arn) && !(own && call.administration.identities.policy(arn)))
    throw new StoreError('NoSuchEntity', { message: `Policy ${arn} does not exist or is not attachable.` });
  return arn;
}

/** What users and roles have in common when they are made. */
export function newBounded(call: IdentityCall, ...named: Parameters<IdentityCall['name']>) {
  const { parameters, account } = call;
  const boundary = parameters.optional('PermissionsBoundary', rules.arn);
  if (boundary !== undefined) attachable(call, boundary);
  return {
    account,
    name: call.name(...named),
    path: parameters.optional('Path', rules.path) ?? '/',
    tags: parameters.tags(),
    attached: [],
    inline: [],
    boundary,
  };
}

const policyKey = (call: IdentityCall) => ({ keys: { 'iam:policyarn': call.name('PolicyArn', 'arn') } });

const noInline = (kind: HolderKind, holderName: string, name: string): StoreError =>
  new StoreError('NoSuchEntity', { message: `The ${kind} policy with name ${name} cannot be found on ${holderName}.` });

function actionsOf(kind: HolderKind): Record<string, Action> {
  const Kind = cap[kind];
  return {
    [`Attach${Kind}Policy`]: iam(holder(kind, policyKey), async (call) => {
      const arn = attachable(call, call.name('PolicyArn', 'arn'));
      await call.change(kind, nameOf(call, kind), (before) =>
        before.attached.includes(arn) ? before : { ...before, attached: [...before.attached, arn] },
      );
      return undefined;
    }),
    [`Detach${Kind}Policy`]: iam(holder(kind, policyKey), async (call) => {
      const arn = call.name('PolicyArn', 'arn');
      await call.change(kind, nameOf(call, kind), (before) => {
        if (!before.attached.includes(arn))
          throw new StoreError('NoSuchEntity', { message: `Policy ${arn} was not found.` });
        return { ...before, attached: before.attached.filter((one) => one !== arn) };
      });
      return undefined;
    }),
    [`ListAttached${Kind}Policies`]: iam(holder(kind), (call) => {
      const prefix = call.parameters.optional('PathPrefix', rules.pathPrefix) ?? '/';
      const { attached } = call.get(kind, nameOf(call, kind));
      const found = attached.filter((arn) => arn.slice(arn.indexOf(':policy/') + 7).startsWith(prefix));
      return pageOf(
        call,
        'AttachedPolicies',
        found,
        (arn) => arn,
        (arn) => `${element('PolicyName', arn.slice(arn.lastIndexOf('/') + 1))}${element('PolicyArn', arn)}`,
      );
    }),
    [`Put${Kind}Policy`]: iam(holder(kind), async (call) => {
      const name = call.name('PolicyName', 'policyName');
      const document = identityDocument(call);
      await call.change(kind, nameOf(call, kind), (before) => {
        const others = before.inline.filter(([one]) => one !== name);
        const inline = [...others, [name, document] as const];
        if (inline.reduce((sum, [, text]) => sum + counted(text), 0) > limits.inlineChars[kind])
          throw new StoreError('LimitExceeded', {
            message: `Maximum policy size of ${limits.inlineChars[kind]} bytes exceeded for ${kind} ${before.name}`,
          });
        return { ...before, inline };
      });
      return undefined;
    }),
    [`Get${Kind}Policy`]: iam(holder(kind), (call) => {
      const name = call.name('PolicyName', 'policyName');
      const found = call.get(kind, nameOf(call, kind));
      const document = found.inline.find(([one]) => one === name)?.[1];
      if (document === undefined) throw noInline(kind, found.name, name);
      return `${element(nameParameters[kind], found.name)}${element('PolicyName', name)}${element('PolicyDocument', encoded(document))}`;
    }),
    [`Delete${Kind}Policy`]: iam(holder(kind), async (call) => {
      const name = call.name('PolicyName', 'policyName');
      await call.change(kind, nameOf(call, kind), (before) => {
        if (!before.inline.some(([one]) => one === name)) throw noInline(kind, before.name, name);
        return { ...before, inline: before.inline.filter(([one]) => one !== name) };
      });
      return undefined;
    }),
    [`List${Kind}Policies`]: iam(holder(kind), (call) => {
      const { inline } = call.get(kind, nameOf(call, kind));
      return pageOf(
        call,
        'PolicyNames',
        inline.map(([name]) => name),
        (name) => name,
        (name) => element('N', name).slice(3, -4),
      );
    }),
  };
}

const boundaryKey = (call: IdentityCall) => ({
  keys: { 'iam:permissionsboundary': call.name('PermissionsBoundary', 'arn') },
});

function boundariesOf(kind: 'user' | 'role'): Record<string, Action> {
  return {
    [`Put${cap[kind]}PermissionsBoundary`]: iam(holder(kind, boundaryKey), async (call) => {
      const boundary = attachable(call, call.name('PermissionsBoundary', 'arn'));
      await call.change(kind, nameOf(call, kind), (before) => ({ ...before, boundary }));
      return undefined;
    }),
    [`Delete${cap[kind]}PermissionsBoundary`]: iam(holder(kind), async (call) => {
      await call.change(kind, nameOf(call, kind), (before) => ({ ...before, boundary: undefined }));
      return undefined;
    }),
  };
}

export const attachmentActions: Readonly<Record<string, Action>> = {
  ...actionsOf('user'),
  ...actionsOf('group'),
  ...actionsOf('role'),
  ...boundariesOf('user'),
  ...boundariesOf('role'),
};

/** The document of a managed policy, for simulation. */
export const documentOf = (call: IdentityCall, arn: string): string | undefined => {
  const policy = policyOf(call.administration.identities, arn);
  return policy?.versions.find(({ number }) => number === policy.defaultVersion)?.document;
};
