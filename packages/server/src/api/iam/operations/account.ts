import { isBuiltIn } from '../../../access/index.ts';
import { limits } from '../../../limits.ts';
import type { IdentityKind, IdentityOf, RoleRecord, UserGroupRecord, UserRecord } from '../../../metadata/index.ts';
import { element, escapeXml } from '../../s3/xml/writer.ts';
import { members, tagList, wrap } from '../answer.ts';
import { type Actions, type IdentityCall, iam } from '../call.ts';
import { pageOf } from '../pages.ts';
import {
  encoded,
  groupShape,
  ownPolicy,
  policyShape,
  roleShape,
  type ShownPolicy,
  sharedPolicies,
  userShape,
  versionShape,
} from '../shapes.ts';
import { everything } from '../targets.ts';

/* The account as a whole. */

const allOf = <Kind extends IdentityKind>(call: IdentityCall, kind: Kind): readonly IdentityOf<Kind>[] => {
  const { identities } = call.administration;
  return identities.identities(call.account, kind, '', identities.count(call.account, kind) + 1).items;
};

function summary(call: IdentityCall): string {
  const { identities } = call.administration;
  const count = (kind: IdentityKind) => identities.count(call.account, kind);
  const entries: Readonly<Record<string, number>> = {
    Users: count('user'),
    UsersQuota: limits.users,
    Groups: count('group'),
    GroupsQuota: limits.userGroups,
    Roles: count('role'),
    RolesQuota: limits.roles,
    Policies: count('policy'),
    PoliciesQuota: limits.managedPolicies,
    PolicySizeQuota: limits.managedPolicyChars,
    UserPolicySizeQuota: limits.inlineChars.user,
    GroupPolicySizeQuota: limits.inlineChars.group,
    VersionsPerPolicyQuota: limits.policyVersions,
    AccessKeysPerUserQuota: limits.userAccessKeys,
    GroupsPerUserQuota: limits.groupsOfUser,
    AttachedPoliciesPerUserQuota: limits.attachedPolicies,
    AttachedPoliciesPerGroupQuota: limits.attachedPolicies,
    AttachedPoliciesPerRoleQuota: limits.attachedPolicies,
    MFADevices: 0,
    MFADevicesInUse: 0,
    AccountMFAEnabled: 0,
  };
  const entry = ([key, value]: readonly [string, number]) =>
    wrap('entry', `${element('key', key)}${element('value', value)}`);
  return wrap('SummaryMap', Object.entries(entries).map(entry).join(''));
}

const attachedList = (attached: readonly string[]): string =>
  members(
    'AttachedManagedPolicies',
    attached.map((arn) => `${element('PolicyName', arn.slice(arn.lastIndexOf('/') + 1))}${element('PolicyArn', arn)}`),
  );

const inlineList = (name: string, { inline }: { readonly inline: UserRecord['inline'] }): string =>
  members(
    name,
    inline.map(
      ([policy, document]) => `${element('PolicyName', policy)}${element('PolicyDocument', encoded(document))}`,
    ),
  );

function userDetail(call: IdentityCall, user: UserRecord): string {
  const groups = user.groups.flatMap((id) => call.administration.identities.identity(id)?.name ?? []);
  const list = members(
    'GroupList',
    groups.map((name) => element('N', name).slice(3, -4)),
  );
  return `${userShape(user)}${inlineList('UserPolicyList', user)}${list}${attachedList(user.attached)}${tagList(user.tags)}`;
}

const groupDetail = (group: UserGroupRecord): string =>
  `${groupShape(group)}${inlineList('GroupPolicyList', group)}${attachedList(group.attached)}`;

const roleDetail = (role: RoleRecord): string =>
  `${roleShape(role)}${inlineList('RolePolicyList', role)}${attachedList(role.attached)}${members('InstanceProfileList', [])}${tagList(role.tags)}`;

const policyDetail = (call: IdentityCall, policy: ShownPolicy): string =>
  `${policyShape(call.administration.identities, call.account, policy)}${members(
    'PolicyVersionList',
    policy.versions.map((version) => versionShape(policy, version, true)),
  )}`;

const lists = ['UserDetailList', 'GroupDetailList', 'RoleDetailList', 'Policies'] as const;
const filters = ['User', 'Group', 'Role', 'LocalManagedPolicy', 'AWSManagedPolicy'] as const;

/** One list after the other, over as many pages as asked for. */
function details(call: IdentityCall): string {
  const filter = call.parameters.list('Filter', filters.length);
  const wants = (name: (typeof filters)[number]) => filter.length === 0 || filter.includes(name);
  type Item = { readonly list: (typeof lists)[number]; readonly name: string; readonly xml: () => string };
  const items: Item[] = [];
  if (wants('User'))
    for (const one of allOf(call, 'user'))
      items.push({ list: lists[0], name: one.name, xml: () => userDetail(call, one) });
  if (wants('Group'))
    for (const one of allOf(call, 'group')) items.push({ list: lists[1], name: one.name, xml: () => groupDetail(one) });
  if (wants('Role'))
    for (const one of allOf(call, 'role')) items.push({ list: lists[2], name: one.name, xml: () => roleDetail(one) });
  const policies = [
    ...(wants('LocalManagedPolicy') ? allOf(call, 'policy').map(ownPolicy) : []),
    ...(wants('AWSManagedPolicy') ? sharedPolicies.filter(({ arn }) => isBuiltIn(arn)) : []),
  ];
  for (const one of policies) items.push({ list: lists[3], name: one.arn, xml: () => policyDetail(call, one) });
  const place = (item: Item) => `${lists.indexOf(item.list)} ${item.name}`;
  const shown = new Map<string, string[]>(lists.map((list) => [list, []]));
  const page = pageOf(call, 'Page', items, place, (item) => {
    shown.get(item.list)?.push(item.xml());
    return '';
  });
  return lists.map((list) => members(list, shown.get(list) ?? [])).join('') + page.slice(page.indexOf('</Page>') + 7);
}

export const accountActions: Actions = {
  GetAccountSummary: iam(everything, summary),
  GetAccountAuthorizationDetails: iam(everything, details),
  ListAccountAliases: iam(everything, (call) => {
    const name = call.administration.identities.account(call.account)?.name;
    return pageOf(call, 'AccountAliases', name === undefined ? [] : [name], String, escapeXml);
  }),
};
