import { builtInPolicy, isBuiltIn } from '../../../access/index.ts';
import { StoreError } from '../../../errors.ts';
import type { ManagedPolicyRecord } from '../../../metadata/index.ts';
import { policyArn } from '../../../metadata/index.ts';
import { element } from '../../s3/xml/writer.ts';
import { members, wrap } from '../answer.ts';
import { type Actions, type IdentityCall, iam } from '../call.ts';
import { managedDocument } from '../documents.ts';
import { pageOf } from '../pages.ts';
import { rules } from '../parameters.ts';
import {
  ownPolicy,
  policyOf,
  policyShape,
  type ShownPolicy,
  sharedPolicies,
  versionShape,
  wholePolicy,
} from '../shapes.ts';
import { all, policyTarget } from '../targets.ts';

const noSuchPolicy = (arn: string): StoreError =>
  new StoreError('NoSuchEntity', { message: `Policy ${arn} was not found.` });

/** The policy that a request names, in the caller's account or one that every account has. */
function shown(call: IdentityCall): ShownPolicy {
  const arn = call.name('PolicyArn', 'arn');
  const own = arn.startsWith(`arn:aws:iam::${call.account}:`) || isBuiltIn(arn);
  const found = own ? policyOf(call.administration.identities, arn) : undefined;
  if (!found) throw noSuchPolicy(arn);
  return found;
}

/** Changes the policy that a request names; those that every account has stay as they are. */
async function changePolicy(
  call: IdentityCall,
  next: (policy: ManagedPolicyRecord) => ManagedPolicyRecord,
): Promise<void> {
  const arn = call.name('PolicyArn', 'arn');
  if (builtInPolicy(arn))
    throw new StoreError('AccessDenied', {
      message: `Policy ${arn} belongs to every account and cannot be changed: make one of your own.`,
    });
  const { name } = shown(call);
  await call.change('policy', name, (policy) => {
    if (policyArn(policy) !== arn) throw noSuchPolicy(arn);
    return next({ ...policy, updatedMs: call.service.clock.now() });
  });
}

function versionNumber(call: IdentityCall): number {
  return Number(call.parameters.required('VersionId', { max: 16, form: /^v[1-9]\d*$/ }).slice(1));
}

const noVersion = (arn: string, number: number): StoreError =>
  new StoreError('NoSuchEntity', { message: `Policy ${arn} version v${number} does not exist or is not attachable.` });

export const policyActions: Actions = {
  CreatePolicy: iam(
    (call) => ({
      resource: policyArn({
        account: call.account,
        path: call.parameters.optional('Path', rules.path) ?? '/',
        name: call.name('PolicyName', 'policyName'),
      }),
      requestTags: call.parameters.tags(),
    }),
    async (call) => {
      const now = call.service.clock.now();
      const policy = await call.administration.create('policy', {
        account: call.account,
        name: call.name('PolicyName', 'policyName'),
        path: call.parameters.optional('Path', rules.path) ?? '/',
        tags: call.parameters.tags(),
        description: call.parameters.optional('Description', rules.description) ?? '',
        updatedMs: now,
        defaultVersion: 1,
        nextVersion: 2,
        versions: [{ number: 1, createdMs: now, document: managedDocument(call) }],
      });
      return wholePolicy(call.administration.identities, call.account, ownPolicy(policy));
    },
  ),
  GetPolicy: iam(policyTarget(), (call) => wholePolicy(call.administration.identities, call.account, shown(call))),
  ListPolicies: iam(all('policy'), (call) => {
    const { identities } = call.administration;
    const scope = call.parameters.choice('Scope', ['All', 'AWS', 'Local']) ?? 'All';
    const attachedOnly = call.parameters.choice('OnlyAttached', ['true', 'false']) === 'true';
    const prefix = call.parameters.optional('PathPrefix', rules.pathPrefix) ?? '/';
    const own =
      scope === 'AWS'
        ? []
        : identities.identities(call.account, 'policy', '', identities.count(call.account, 'policy') + 1).items;
    const found = [...(scope === 'Local' ? [] : sharedPolicies), ...own.map(ownPolicy)].filter(
      ({ arn, path }) =>
        path.startsWith(prefix) && (!attachedOnly || identities.users(call.account, arn, 'attached', 1).length > 0),
    );
    return pageOf(
      call,
      'Policies',
      found,
      ({ arn }) => arn,
      (policy) => policyShape(identities, call.account, policy),
    );
  }),
  DeletePolicy: iam(policyTarget(), async (call) => {
    if (builtInPolicy(call.name('PolicyArn', 'arn'))) await changePolicy(call, (policy) => policy);
    await call.administration.remove(call.account, 'policy', shown(call).name);
    return undefined;
  }),
  CreatePolicyVersion: iam(policyTarget(), async (call) => {
    const document = managedDocument(call);
    const isDefault = call.parameters.choice('SetAsDefault', ['true', 'false']) === 'true';
    let number = 0;
    await changePolicy(call, (policy) => {
      number = policy.nextVersion;
      return {
        ...policy,
        nextVersion: number + 1,
        defaultVersion: isDefault ? number : policy.defaultVersion,
        versions: [...policy.versions, { number, createdMs: policy.updatedMs, document }],
      };
    });
    const policy = shown(call);
    const made = policy.versions.find((version) => version.number === number);
    if (!made) throw noVersion(policy.arn, number);
    return wrap('PolicyVersion', versionShape(policy, made, false));
  }),
  GetPolicyVersion: iam(policyTarget(), (call) => {
    const policy = shown(call);
    const number = versionNumber(call);
    const version = policy.versions.find((one) => one.number === number);
    if (!version) throw noVersion(policy.arn, number);
    return wrap('PolicyVersion', versionShape(policy, version, true));
  }),
  ListPolicyVersions: iam(policyTarget(), (call) => {
    const policy = shown(call);
    const versions = [...policy.versions].reverse().map((version) => versionShape(policy, version, false));
    return `${members('Versions', versions)}${element('IsTruncated', false)}`;
  }),
  SetDefaultPolicyVersion: iam(policyTarget(), async (call) => {
    const number = versionNumber(call);
    await changePolicy(call, (policy) => {
      if (!policy.versions.some((version) => version.number === number)) throw noVersion(policyArn(policy), number);
      return { ...policy, defaultVersion: number };
    });
    return undefined;
  }),
  DeletePolicyVersion: iam(policyTarget(), async (call) => {
    const number = versionNumber(call);
    await changePolicy(call, (policy) => {
      if (!policy.versions.some((version) => version.number === number)) throw noVersion(policyArn(policy), number);
      if (policy.defaultVersion === number)
        throw new StoreError('DeleteConflict', { message: 'Cannot delete the default version of a policy.' });
      return { ...policy, versions: policy.versions.filter((version) => version.number !== number) };
    });
    return undefined;
  }),
  ListEntitiesForPolicy: iam(policyTarget(), (call) => {
    const { arn } = shown(call);
    const { identities } = call.administration;
    const usage = call.parameters.choice('PolicyUsageFilter', ['PermissionsPolicy', 'PermissionsBoundary']);
    const filter = call.parameters.choice('EntityFilter', [
      'User',
      'Role',
      'Group',
      'LocalManagedPolicy',
      'AWSManagedPolicy',
    ]);
    const ids = [
      ...(usage === 'PermissionsBoundary' ? [] : identities.users(call.account, arn, 'attached')),
      ...(usage === 'PermissionsPolicy' ? [] : identities.users(call.account, arn, 'boundary')),
    ];
    const found = [...new Set(ids)].flatMap((id) => identities.identity(id) ?? []);
    const of = (kind: 'User' | 'Role' | 'Group') =>
      members(
        `Policy${kind}s`,
        found
          .filter((one) => one.kind === kind.toLowerCase() && (filter === undefined || filter === kind))
          .map((one) => `${element(`${kind}Name`, one.name)}${element(`${kind}Id`, one.id)}`),
      );
    return `${of('Group')}${of('User')}${of('Role')}${element('IsTruncated', false)}`;
  }),
};
