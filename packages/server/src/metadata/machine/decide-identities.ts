import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Command } from '../types.ts';
import { type Decision, done, type Stamp } from './deciding.ts';
import type { Effect } from './effects.ts';
import { encodeIdentity, type IdentityRecord, identityUses, policyArn, usesOf } from './identities.ts';
import { IdentityView } from './identity-view.ts';
import { withoutRates } from './rates.ts';
import type { AccessKeyRecord, StoredBucket } from './records.ts';
import { decodeAccessKey, decodeBucket } from './rows.ts';
import type { View } from './view.ts';

/*
 * Accounts, users, groups, roles, managed policies and the keys of users. Whoever speaks IAM works out the next record of an identity and
 * proposes it with the revision that it was made from; here it is decided whether that still holds, so that no two changes are mixed, whether
 * what the record names is there, and whether what goes is in use. Refusals have the codes and words of IAM.
 */

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;

const conflict = (message: string): StoreError => new StoreError('DeleteConflict', { message });
const limit = (message: string): StoreError => new StoreError('LimitExceeded', { message });

const most = {
  user: limits.users,
  group: limits.userGroups,
  role: limits.roles,
  policy: limits.managedPolicies,
} as const;

const kindNames = { user: 'User', group: 'Group', role: 'Role', policy: 'Policy' } as const;
const quotas = {
  user: 'UsersPerAccount',
  group: 'GroupsPerAccount',
  role: 'RolesPerAccount',
  policy: 'PoliciesPerAccount',
} as const;

export function createAccount(view: View, { account }: Of<'account.create'>, stamp: Stamp): Decision {
  const { id, canonicalId, name } = account;
  const bytes = Buffer.byteLength(name);
  if (!/^\d{12}$/.test(id) || !/^[0-9a-f]{64}$/.test(canonicalId) || bytes === 0 || bytes > 4 * limits.userNameChars)
    throw new StoreError('InvalidArgument', {
      message: 'An account has an id of 12 digits, a canonical id, and a name.',
    });
  const all = new IdentityView(view.rows).accounts();
  const same = all.find((one) => one.id === id || one.canonicalId === canonicalId || one.name === name);
  if (same)
    throw new StoreError('EntityAlreadyExists', {
      message: `Account with name ${same.name} already exists. Choose another name.`,
    });
  if (all.length >= limits.accounts)
    throw limit(`Cannot exceed quota for Accounts: ${limits.accounts}. Remove one with \`dsom tenant delete\`.`);
  return done({ type: 'account.write', account: { id, canonicalId, name, createdMs: stamp.now } });
}

export function removeAccount(view: View, { id }: Of<'account.remove'>): Decision {
  const identities = new IdentityView(view.rows);
  if (!identities.account(id))
    throw new StoreError('NoSuchEntity', { message: `The account with id ${id} cannot be found.` });
  for (const kind of ['user', 'group', 'role', 'policy'] as const)
    if (identities.count(id, kind) > 0)
      throw conflict(
        `Cannot delete the account, must delete its ${kind === 'policy' ? 'policies' : `${kind}s`} first.`,
      );
  const named = (key: AccessKeyRecord): boolean => key.account === id;
  if (view.all('accessKeys', decodeAccessKey).some(named))
    throw conflict('Cannot delete the account, must delete its access keys first.');
  const owned = (bucket: StoredBucket): boolean => bucket.owner === id;
  if (view.all('buckets', decodeBucket).some(owned))
    throw conflict('Cannot delete the account, must delete its buckets first.');
  return done(...withoutRates(view, `tenant/${id}`), { type: 'account.remove', id });
}

/** What an identity names must be there; what it named before is not looked at again. */
function checkUses(identities: IdentityView, next: IdentityRecord, before: IdentityRecord | undefined): void {
  const known = new Set(before ? usesOf(before).map(([use, target]) => `${use} ${target}`) : []);
  for (const [use, target] of usesOf(next)) {
    if (known.has(`${use} ${target}`)) continue;
    if (use === 'member') {
      const group = identities.identity(target);
      if (group?.kind !== 'group' || group.account !== next.account)
        throw new StoreError('NoSuchEntity', { message: 'The group cannot be found.' });
    } else if (target.startsWith('arn:aws:iam::aws:policy/')) {
      // Part of every version of the program: it is known to whoever proposes.
    } else if (!target.startsWith(`arn:aws:iam::${next.account}:`) || !identities.policy(target)) {
      throw new StoreError('NoSuchEntity', { message: `Policy ${target} does not exist or is not attachable.` });
    }
  }
}

function checkQuotas(identity: IdentityRecord): void {
  if (identity.tags.length > limits.identityTags)
    throw limit(`Cannot exceed quota for TagsPerResource: ${limits.identityTags}`);
  if (identity.kind === 'policy') {
    if (identity.versions.length > limits.policyVersions)
      throw limit(
        `A managed policy can have up to ${limits.policyVersions} versions. Before you create a new version, you must delete an existing version.`,
      );
  } else {
    if (identity.attached.length > limits.attachedPolicies)
      throw limit(`Cannot exceed quota for PoliciesPer${kindNames[identity.kind]}: ${limits.attachedPolicies}`);
    if (identity.inline.length > limits.inlinePolicies)
      throw limit(`Cannot exceed quota for inline policies: ${limits.inlinePolicies}`);
    if (identity.kind === 'user' && identity.groups.length > limits.groupsOfUser)
      throw limit(`Cannot exceed quota for GroupsPerUser: ${limits.groupsOfUser}`);
  }
  if (encodeIdentity(identity).length > limits.identityBytes)
    throw limit(
      `The ${identity.kind} would need more than ${limits.identityBytes} bytes: shorten its policies and tags.`,
    );
}

export function writeIdentity(view: View, command: Of<'identity.write'>, stamp: Stamp): Decision {
  const { identity } = command;
  const { id, account, kind, name, revision } = identity;
  const identities = new IdentityView(view.rows);
  const before = identities.identity(id);
  const holder = identities.named(account, kind, name);
  if (holder && holder.id !== id)
    throw new StoreError('EntityAlreadyExists', { message: `${kindNames[kind]} with name ${name} already exists.` });
  if (revision === 0) {
    if (before) throw new StoreError('EntityAlreadyExists', { message: `The id ${id} is taken. Try again.` });
    if (!isFirst(account) && !identities.account(account))
      throw new StoreError('NoSuchEntity', { message: `The account with id ${account} cannot be found.` });
    if (identities.count(account, kind) >= most[kind])
      throw limit(`Cannot exceed quota for ${quotas[kind]}: ${most[kind]}`);
  } else {
    if (!before) throw new StoreError('NoSuchEntity', { message: `The ${kind} with name ${name} cannot be found.` });
    if (before.revision !== revision || before.kind !== kind || before.account !== account)
      throw new StoreError('ConcurrentModification');
    // Others know a policy or role by its ARN: under another one it would be lost to them.
    if ((kind === 'policy' || kind === 'role') && (before.name !== name || before.path !== identity.path))
      throw new StoreError('ValidationError', {
        message: `The ${kind} ${before.name} keeps its name and path: make another one, and delete this one.`,
      });
  }
  checkUses(identities, identity, before);
  const keys = before?.kind === 'user' ? before.accessKeys : [];
  const next: IdentityRecord = {
    ...identity,
    ...(identity.kind === 'user' && { accessKeys: keys }),
    createdMs: before?.createdMs ?? stamp.now,
    revision: revision + 1,
  };
  checkQuotas(next);
  return done({ type: 'identity.write', identity: next });
}

/** The first account is there without a row. */
const isFirst = (account: string): boolean => account === firstAccount;

/** What owns all that was there before accounts. */
export const firstAccount = '000000000000';

function checkUnused(identities: IdentityView, identity: IdentityRecord): void {
  const { account, kind, id } = identity;
  if (kind === 'policy') {
    const arn = policyArn(identity);
    for (const use of identityUses)
      if (identities.users(account, arn, use, 1).length > 0)
        throw conflict('Cannot delete a policy attached to entities.');
    if (identity.versions.length > 1)
      throw conflict(
        "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
      );
    return;
  }
  if (identity.attached.length > 0) throw conflict('Cannot delete entity, must detach all policies first.');
  if (identity.inline.length > 0) throw conflict('Cannot delete entity, must delete policies first.');
  if (kind === 'group' && identities.users(account, id, 'member', 1).length > 0)
    throw conflict('Cannot delete entity, must remove users from group first.');
  if (kind !== 'user') return;
  if (identity.groups.length > 0) throw conflict('Cannot delete entity, must remove user from all groups first.');
  if (identity.accessKeys.length > 0) throw conflict('Cannot delete entity, must delete access keys first.');
}

export function removeIdentity(view: View, { id, revision }: Of<'identity.remove'>): Decision {
  const identities = new IdentityView(view.rows);
  const found = identities.identity(id);
  if (!found) throw new StoreError('NoSuchEntity', { message: 'It cannot be found: it was deleted meanwhile.' });
  if (found.revision !== revision) throw new StoreError('ConcurrentModification');
  checkUnused(identities, found);
  return done({ type: 'identity.remove', id });
}

/** The user of a new key, with that key; effects of key.create. */
export function withKey(view: View, key: AccessKeyRecord): Effect[] {
  if (key.user === undefined) return [];
  const user = new IdentityView(view.rows).identity(key.user);
  if (user?.kind !== 'user' || user.account !== key.account)
    throw new StoreError('NoSuchEntity', { message: 'The user of the access key cannot be found.' });
  if (user.accessKeys.length >= limits.userAccessKeys)
    throw limit(`Cannot exceed quota for AccessKeysPerUser: ${limits.userAccessKeys}`);
  return [{ type: 'identity.write', identity: { ...user, accessKeys: [...user.accessKeys, key.id] } }];
}

/** The user of a key that goes, without it. */
export function withoutKey(view: View, key: AccessKeyRecord): Effect[] {
  const user = key.user === undefined ? undefined : new IdentityView(view.rows).identity(key.user);
  if (user?.kind !== 'user') return [];
  return [{ type: 'identity.write', identity: { ...user, accessKeys: user.accessKeys.filter((id) => id !== key.id) } }];
}

export function updateKey(view: View, { id, status }: Of<'key.update'>): Decision {
  const key = view.accessKey(id);
  if (key?.account === undefined)
    throw new StoreError('NoSuchEntity', { message: `The Access Key with id ${id} cannot be found.` });
  return done({ type: 'key.write', key: { ...key, status } });
}
