import type { Actions } from './call.ts';
import { accountActions } from './operations/account.ts';
import { attachmentActions } from './operations/attachments.ts';
import { policyActions } from './operations/policies.ts';
import { roleActions } from './operations/roles.ts';
import { simulateActions } from './operations/simulate.ts';
import { stsActions } from './operations/sts.ts';
import { tagActionsOfAll } from './operations/tags.ts';
import { userActions } from './operations/users.ts';

/** All actions of IAM and STS that there are, by name. */
export const actions: Actions = {
  ...userActions,
  ...roleActions,
  ...policyActions,
  ...attachmentActions,
  ...tagActionsOfAll,
  ...simulateActions,
  ...accountActions,
  ...stsActions,
};
