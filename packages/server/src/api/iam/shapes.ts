import { builtInPolicies, builtInPolicy, groupArn, roleArn, userArn } from '../../access/index.ts';
import type {
  IdentityReader,
  ManagedPolicyRecord,
  PolicyVersion,
  RoleRecord,
  UserGroupRecord,
  UserRecord,
} from '../../metadata/index.ts';
import { policyArn } from '../../metadata/index.ts';
import { element } from '../s3/xml/writer.ts';
import { tagList, time, wrap } from './answer.ts';

/* Structures of IAM's answers. Documents are percent-encoded in them, as IAM does. */

/** RFC 3986: everything but unreserved characters. */
export const encoded = (document: string): string =>
  encodeURIComponent(document).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

const tags = (list: readonly (readonly [string, string])[]): string => (list.length === 0 ? '' : tagList(list));

const boundaryOf = (boundary: string | undefined): string =>
  boundary === undefined
    ? ''
    : wrap(
        'PermissionsBoundary',
        `${element('PermissionsBoundaryType', 'Policy')}${element('PermissionsBoundaryArn', boundary)}`,
      );

/** Without tags and boundary, as lists have them. */
export const userShape = (user: UserRecord): string =>
  `${element('Path', user.path)}${element('UserName', user.name)}${element('UserId', user.id)}${element('Arn', userArn(user))}${element('CreateDate', time(user.createdMs))}`;

export const wholeUser = (user: UserRecord): string =>
  wrap('User', `${userShape(user)}${boundaryOf(user.boundary)}${tags(user.tags)}`);

export const groupShape = (group: UserGroupRecord): string =>
  `${element('Path', group.path)}${element('GroupName', group.name)}${element('GroupId', group.id)}${element('Arn', groupArn(group))}${element('CreateDate', time(group.createdMs))}`;

export const roleShape = (role: RoleRecord): string =>
  `${element('Path', role.path)}${element('RoleName', role.name)}${element('RoleId', role.id)}${element('Arn', roleArn(role))}${element('CreateDate', time(role.createdMs))}${element('AssumeRolePolicyDocument', encoded(role.trust))}${role.description === '' ? '' : element('Description', role.description)}${element('MaxSessionDuration', role.maxSessionSeconds)}`;

export const wholeRole = (role: RoleRecord): string =>
  wrap('Role', `${roleShape(role)}${boundaryOf(role.boundary)}${tags(role.tags)}`);

/** A managed policy, of the account or of those that every account has. */
export interface ShownPolicy {
  readonly name: string;
  readonly id: string;
  readonly arn: string;
  readonly path: string;
  readonly description: string;
  readonly defaultVersion: number;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly tags: readonly (readonly [string, string])[];
  readonly versions: readonly PolicyVersion[];
}

export const ownPolicy = (policy: ManagedPolicyRecord): ShownPolicy => ({ ...policy, arn: policyArn(policy) });

export const sharedPolicies: readonly ShownPolicy[] = builtInPolicies.map((one) => ({
  ...one,
  path: '/',
  defaultVersion: 1,
  createdMs: 0,
  updatedMs: 0,
  tags: [],
  versions: [{ number: 1, createdMs: 0, document: one.document }],
}));

/** @returns undefined where there is none of this ARN */
export function policyOf(identities: IdentityReader, arn: string): ShownPolicy | undefined {
  if (builtInPolicy(arn)) return sharedPolicies.find((one) => one.arn === arn);
  const found = identities.policy(arn);
  return found && ownPolicy(found);
}

export function policyShape(identities: IdentityReader, account: string, policy: ShownPolicy): string {
  const { name, id, arn, path, defaultVersion, createdMs, updatedMs } = policy;
  const attached = identities.users(account, arn, 'attached').length;
  const bounding = identities.users(account, arn, 'boundary').length;
  return `${element('PolicyName', name)}${element('PolicyId', id)}${element('Arn', arn)}${element('Path', path)}${element('DefaultVersionId', `v${defaultVersion}`)}${element('AttachmentCount', attached)}${element('PermissionsBoundaryUsageCount', bounding)}${element('IsAttachable', true)}${element('CreateDate', time(createdMs))}${element('UpdateDate', time(updatedMs))}`;
}

export const wholePolicy = (identities: IdentityReader, account: string, policy: ShownPolicy): string =>
  wrap(
    'Policy',
    `${policyShape(identities, account, policy)}${policy.description === '' ? '' : element('Description', policy.description)}${tags(policy.tags)}`,
  );

export const versionShape = (
  policy: ShownPolicy,
  { number, createdMs, document }: PolicyVersion,
  whole: boolean,
): string =>
  `${whole ? element('Document', encoded(document)) : ''}${element('VersionId', `v${number}`)}${element('IsDefaultVersion', number === policy.defaultVersion)}${element('CreateDate', time(createdMs))}`;
