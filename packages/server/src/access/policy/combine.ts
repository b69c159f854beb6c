import type { AccessRequest } from './compile.ts';
import { isAccount, type PrincipalMatch } from './principals.ts';

/*
 * From what each kind of policy says to one answer. Default is deny, and an explicit deny anywhere is final.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
 */

/** What the policies say, kind by kind. */
export interface Findings {
  /** A Deny that applies, in any policy. */
  readonly denied: boolean;
  /** Some policy of the identity allows it. */
  readonly identity: boolean;
  /** undefined: there is none, and it limits nothing. */
  readonly boundary: boolean | undefined;
  readonly session: boolean | undefined;
  /** The nearest way in which an Allow of the resource's policy names the requester. */
  readonly resource: PrincipalMatch;
  /** The resource's policy must allow it, whatever others say: it is the trust policy of a role. */
  readonly trust: boolean;
}

/** Why it was decided so, each with a sentence of its own. */
export const reasons = {
  'explicit-deny': 'a statement denies it, and that is final',
  'root-of-account': 'root may do everything with what its account owns',
  'root-keeps-bucket-policy': "root of the bucket's account can always read, replace and remove the bucket's policy",
  'resource-policy': 'the policy of the resource allows it to the requester',
  'identity-policy': 'a policy of the identity allows it',
  'both-accounts': "the identity's account and the resource's policy allow it",
  'no-allow': 'no policy allows it',
  'not-in-boundary': 'the permissions boundary does not allow it',
  'not-in-session': 'the session does not allow it',
  'no-resource-allow': 'the resource belongs to another account, and its policy does not allow it',
  'no-identity-allow': "the resource's policy allows it to the account, and no policy of the identity does",
  'not-trusted': 'the trust policy of the role does not allow it',
  'resource-account-unknown': 'the owner of the resource is not known',
} as const;

export type Reason = keyof typeof reasons;

export interface Outcome {
  readonly allowed: boolean;
  readonly reason: Reason;
}

/** Each reason with what it comes to. */
export const outcomes = Object.fromEntries(
  (Object.keys(reasons) as Reason[]).map((reason) => [
    reason,
    Object.freeze({ allowed: !/^(?:explicit-deny|no-|not-|resource-account)/.test(reason), reason }),
  ]),
) as Readonly<Record<Reason, Outcome>>;

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html: so that nobody locks himself out for good. */
const keptByRoot = new Set(['s3:getbucketpolicy', 's3:putbucketpolicy', 's3:deletebucketpolicy']);

/** What stands between a requester and what his own policies give him; undefined when nothing does. */
function limitOf({ boundary, session }: Findings, federated: boolean): Outcome | undefined {
  if (boundary === false) return outcomes['not-in-boundary'];
  // A federated session has what its policy gives, and without a policy nothing; a role's session without one has all of the role.
  if (session === false || (session === undefined && federated)) return outcomes['not-in-session'];
  return undefined;
}

export function combine(request: AccessRequest, found: Findings): Outcome {
  const { requester, resourceAccount } = request;
  const { resource } = found;
  const refused = found.trust ? outcomes['not-trusted'] : outcomes['no-allow'];
  switch (requester.kind) {
    case 'anonymous':
    case 'provider':
    case 'service':
      if (found.denied) return outcomes['explicit-deny'];
      return resource === 'direct' ? outcomes['resource-policy'] : refused;
    case 'root':
    case 'user':
    case 'role':
    case 'federated':
      break;
    default:
      return outcomes['no-allow'];
  }
  if (resourceAccount !== undefined && !isAccount(resourceAccount)) return outcomes['resource-account-unknown'];
  const own = resourceAccount === undefined || resourceAccount === requester.account;
  const root = requester.kind === 'root';
  if (root && own && keptByRoot.has(request.action.toLowerCase())) return outcomes['root-keeps-bucket-policy'];
  if (found.denied) return outcomes['explicit-deny'];
  if (found.trust && resource === 'none') return outcomes['not-trusted'];
  if (own) {
    if (root) return outcomes['root-of-account'];
    if (resource === 'direct') return outcomes['resource-policy'];
    const granted = found.identity || resource === 'origin';
    if (!granted) return resource === 'account' ? outcomes['no-identity-allow'] : outcomes['no-allow'];
    return (
      limitOf(found, requester.kind === 'federated') ??
      (found.identity ? outcomes['identity-policy'] : outcomes['resource-policy'])
    );
  }
  if (resource === 'none') return outcomes['no-resource-allow'];
  if (root) return outcomes['both-accounts'];
  if (!found.identity) return outcomes['no-identity-allow'];
  return limitOf(found, requester.kind === 'federated') ?? outcomes['both-accounts'];
}
