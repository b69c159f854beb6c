import { groupArn, rootArn } from '../../../access/index.ts';
import { StoreError } from '../../../errors.ts';
import type { KeyUse } from '../../../metadata/index.ts';
import { element } from '../../s3/xml/writer.ts';
import { time, wrap } from '../answer.ts';
import { type Actions, type IdentityCall, iam } from '../call.ts';
import { pageOf, pageOfIdentities } from '../pages.ts';
import { rules } from '../parameters.ts';
import { groupShape, userShape, wholeUser } from '../shapes.ts';
import { all, everything, holder, nameOf, newHolder } from '../targets.ts';
import { newBounded } from './attachments.ts';

/** A key that was never used has no date. */
const lastUsed = (use: KeyUse | undefined): string =>
  use
    ? `${element('LastUsedDate', time(use.ms))}${element('ServiceName', use.service)}${element('Region', use.region)}`
    : `${element('ServiceName', 'N/A')}${element('Region', 'N/A')}`;

/** The empty page of what nobody has here. */
const nothingOf = (list: string) => (call: IdentityCall) => pageOf(call, list, [], String, String);

/** The same, of a user who must be there. */
const nothingOfUser = (list: string) => (call: IdentityCall) => {
  call.get('user', nameOf(call, 'user', true));
  return nothingOf(list)(call);
};

/** Root asks who it is itself. */
const isRoot = (call: IdentityCall): boolean =>
  call.parameters.raw('UserName') === undefined && call.caller.standing.requester.kind === 'root';

/** Users, their keys, and the groups that they are in. */
export const userActions: Actions = {
  CreateUser: iam(newHolder('user'), async (call) => {
    const user = await call.administration.create('user', {
      ...newBounded(call, 'UserName', 'userName'),
      groups: [],
      email: '',
    });
    return wholeUser(user);
  }),
  GetUser: iam(
    (call) => (isRoot(call) ? { resource: rootArn(call.account) } : holder('user', undefined, true)(call)),
    (call) => {
      if (!isRoot(call)) return wholeUser(call.get('user', nameOf(call, 'user', true)));
      const { account } = call;
      return wrap(
        'User',
        `${element('UserId', account)}${element('Arn', rootArn(account))}${element('CreateDate', time(0))}`,
      );
    },
  ),
  ListUsers: iam(all('user'), (call) => pageOfIdentities(call, 'user', 'Users', userShape)),
  UpdateUser: iam(holder('user'), async (call) => {
    const path = call.parameters.optional('NewPath', rules.path);
    const name = call.parameters.optional('NewUserName', rules.userName);
    // A new name gives what is said of that name to this user: he who changes it must be allowed there too.
    if (name !== undefined || path !== undefined) {
      const user = call.get('user', nameOf(call, 'user'));
      const next = { ...user, name: name ?? user.name, path: path ?? user.path };
      call.require('iam:UpdateUser', {
        resource: `arn:aws:iam::${call.account}:user${next.path}${next.name}`,
        tags: user.tags,
      });
    }
    await call.change('user', nameOf(call, 'user'), (user) => ({
      ...user,
      name: name ?? user.name,
      path: path ?? user.path,
    }));
    return undefined;
  }),
  DeleteUser: iam(holder('user', undefined), async (call) => {
    await call.administration.remove(call.account, 'user', nameOf(call, 'user'));
    return undefined;
  }),
  ListGroupsForUser: iam(holder('user'), (call) => {
    const { groups } = call.get('user', nameOf(call, 'user'));
    const found = groups.flatMap((id) => {
      const group = call.administration.identities.identity(id);
      return group?.kind === 'group' ? [group] : [];
    });
    return pageOf(call, 'Groups', found, (group) => group.name, groupShape);
  }),

  CreateAccessKey: iam(holder('user', undefined, true), async (call) => {
    const name = nameOf(call, 'user', true);
    const { record, secretAccessKey } = await call.administration.createKey(call.account, name);
    return wrap(
      'AccessKey',
      `${element('UserName', name)}${element('AccessKeyId', record.id)}${element('Status', 'Active')}${element('SecretAccessKey', secretAccessKey)}${element('CreateDate', time(record.createdMs))}`,
    );
  }),
  ListAccessKeys: iam(holder('user', undefined, true), (call) => {
    const name = nameOf(call, 'user', true);
    return pageOf(
      call,
      'AccessKeyMetadata',
      call.administration.keysOf(call.account, name),
      (key) => key.id,
      (key) =>
        `${element('UserName', name)}${element('AccessKeyId', key.id)}${element('Status', key.status === 'inactive' ? 'Inactive' : 'Active')}${element('CreateDate', time(key.createdMs))}`,
    );
  }),
  UpdateAccessKey: iam(holder('user', undefined, true), async (call) => {
    const id = call.name('AccessKeyId', 'accessKeyId');
    call.name('Status', 'accessKeyId');
    const status = call.parameters.choice('Status', ['Active', 'Inactive']) === 'Active' ? 'active' : 'inactive';
    await call.administration.updateKey(call.account, nameOf(call, 'user', true), id, status);
    return undefined;
  }),
  DeleteAccessKey: iam(holder('user', undefined, true), async (call) => {
    const id = call.name('AccessKeyId', 'accessKeyId');
    await call.administration.deleteKey(call.account, nameOf(call, 'user', true), id);
    return undefined;
  }),
  /** Right to a quarter of an hour: uses are written now and then (access/key-uses.ts). */
  GetAccessKeyLastUsed: iam(
    (call) => ({ resource: `arn:aws:iam::${call.account}:user/${ownerOfKey(call) ?? '*'}` }),
    (call) => {
      const name = ownerOfKey(call);
      if (name === undefined)
        throw new StoreError('NoSuchEntity', {
          message: `The Access Key with id ${call.name('AccessKeyId', 'accessKeyId')} cannot be found.`,
        });
      return `${element('UserName', name)}${wrap('AccessKeyLastUsed', lastUsed(call.administration.keyUse(call.name('AccessKeyId', 'accessKeyId'))))}`;
    },
  ),

  // Nobody has passwords, certificates or second factors here; clients ask for them before they delete a user.
  ListMFADevices: iam(holder('user', undefined, true), nothingOfUser('MFADevices')),
  ListVirtualMFADevices: iam(everything, nothingOf('VirtualMFADevices')),
  ListSigningCertificates: iam(holder('user', undefined, true), nothingOfUser('Certificates')),
  ListSSHPublicKeys: iam(holder('user', undefined, true), nothingOfUser('SSHPublicKeys')),
  ListServiceSpecificCredentials: iam(holder('user', undefined, true), nothingOfUser('ServiceSpecificCredentials')),
  GetLoginProfile: iam(holder('user', undefined, true), (call) =>
    noLogin(call.get('user', nameOf(call, 'user', true)).name),
  ),
  DeleteLoginProfile: iam(holder('user', undefined, true), (call) =>
    noLogin(call.get('user', nameOf(call, 'user', true)).name),
  ),

  CreateGroup: iam(newHolder('group'), async (call) => {
    const { parameters, account } = call;
    const group = await call.administration.create('group', {
      account,
      name: call.name('GroupName', 'groupName'),
      path: parameters.optional('Path', rules.path) ?? '/',
      tags: [],
      attached: [],
      inline: [],
    });
    return wrap('Group', groupShape(group));
  }),
  GetGroup: iam(holder('group'), (call) => {
    const group = call.get('group', nameOf(call, 'group'));
    const { identities } = call.administration;
    const users = identities.users(call.account, group.id, 'member').flatMap((id) => {
      const user = identities.identity(id);
      return user?.kind === 'user' ? [user] : [];
    });
    return wrap('Group', groupShape(group)) + pageOf(call, 'Users', users, (user) => user.name, userShape);
  }),
  ListGroups: iam(all('group'), (call) => pageOfIdentities(call, 'group', 'Groups', groupShape)),
  UpdateGroup: iam(holder('group'), async (call) => {
    const path = call.parameters.optional('NewPath', rules.path);
    const name = call.parameters.optional('NewGroupName', rules.groupName);
    const group = call.get('group', nameOf(call, 'group'));
    call.require('iam:UpdateGroup', {
      resource: groupArn({ ...group, name: name ?? group.name, path: path ?? group.path }),
    });
    await call.change('group', nameOf(call, 'group'), (before) => ({
      ...before,
      name: name ?? before.name,
      path: path ?? before.path,
    }));
    return undefined;
  }),
  DeleteGroup: iam(holder('group'), async (call) => {
    await call.administration.remove(call.account, 'group', nameOf(call, 'group'));
    return undefined;
  }),
  AddUserToGroup: iam(holder('group'), async (call) => {
    const { id } = call.get('group', nameOf(call, 'group'));
    await call.change('user', nameOf(call, 'user'), (user) =>
      user.groups.includes(id) ? user : { ...user, groups: [...user.groups, id] },
    );
    return undefined;
  }),
  RemoveUserFromGroup: iam(holder('group'), async (call) => {
    const { id } = call.get('group', nameOf(call, 'group'));
    await call.change('user', nameOf(call, 'user'), (user) => {
      if (!user.groups.includes(id))
        throw new StoreError('NoSuchEntity', {
          message: `The user with name ${user.name} cannot be found in the group.`,
        });
      return { ...user, groups: user.groups.filter((one) => one !== id) };
    });
    return undefined;
  }),
};

function ownerOfKey(call: IdentityCall): string | undefined {
  const key = call.administration.key(call.name('AccessKeyId', 'accessKeyId'));
  const user = key?.user === undefined ? undefined : call.administration.identities.identity(key.user);
  return user?.account === call.account ? user.name : undefined;
}

function noLogin(name: string): never {
  throw new StoreError('NoSuchEntity', { message: `Login Profile for User ${name} cannot be found.` });
}
