import { limits } from '../../../limits.ts';
import { element } from '../../s3/xml/writer.ts';
import { members } from '../answer.ts';
import { type Actions, type IdentityCall, iam } from '../call.ts';
import { trustDocument } from '../documents.ts';
import { pageOfIdentities } from '../pages.ts';
import { rules } from '../parameters.ts';
import { roleShape, wholeRole } from '../shapes.ts';
import { all, holder, nameOf, newHolder } from '../targets.ts';
import { newBounded } from './attachments.ts';

const usualSeconds = 3600;

const seconds = (call: IdentityCall): number | undefined =>
  call.parameters.number('MaxSessionDuration', 3600, limits.roleSessionSecondsMax);

const description = (call: IdentityCall): string | undefined =>
  call.parameters.optional('Description', rules.description);

export const roleActions: Actions = {
  CreateRole: iam(newHolder('role'), async (call) => {
    const role = await call.administration.create('role', {
      ...newBounded(call, 'RoleName', 'roleName'),
      trust: trustDocument(call, 'AssumeRolePolicyDocument'),
      description: description(call) ?? '',
      maxSessionSeconds: seconds(call) ?? usualSeconds,
    });
    return wholeRole(role);
  }),
  GetRole: iam(holder('role'), (call) => wholeRole(call.get('role', nameOf(call, 'role')))),
  ListRoles: iam(all('role'), (call) => pageOfIdentities(call, 'role', 'Roles', roleShape)),
  UpdateRole: iam(holder('role'), async (call) => {
    const [text, most] = [description(call), seconds(call)];
    await call.change('role', nameOf(call, 'role'), (role) => ({
      ...role,
      description: text ?? role.description,
      maxSessionSeconds: most ?? role.maxSessionSeconds,
    }));
    return '';
  }),
  UpdateRoleDescription: iam(holder('role'), async (call) => {
    const text = call.name('Description', 'description');
    await call.change('role', nameOf(call, 'role'), (role) => ({ ...role, description: text }));
    return wholeRole(call.get('role', nameOf(call, 'role')));
  }),
  UpdateAssumeRolePolicy: iam(holder('role'), async (call) => {
    const trust = trustDocument(call, 'PolicyDocument');
    await call.change('role', nameOf(call, 'role'), (role) => ({ ...role, trust }));
    return undefined;
  }),
  DeleteRole: iam(holder('role'), async (call) => {
    await call.administration.remove(call.account, 'role', nameOf(call, 'role'));
    return undefined;
  }),
  // There are no machines that could have a role; clients ask before they delete one.
  ListInstanceProfilesForRole: iam(holder('role'), (call) => {
    call.get('role', nameOf(call, 'role'));
    return `${members('InstanceProfiles', [])}${element('IsTruncated', false)}`;
  }),
};
