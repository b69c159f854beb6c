import { invariant } from '../invariant.ts';
import type { Identity } from './identity.ts';
import { type CompiledPolicy, decide, type Outcome, type PrincipalMatch, type RequestContext } from './policy/index.ts';

/** What the resource says about who may. */
export interface ResourceRules {
  /** Account that owns it; undefined: nobody's yet, as a bucket that is not there. */
  readonly account: string | undefined;
  readonly policy: CompiledPolicy | undefined;
  /** Its policy is public, and such policies are restricted: it counts for nobody outside the account. */
  readonly restricted?: boolean | undefined;
  /** Access control lists count. */
  readonly acls?: boolean | undefined;
}

/** What nobody owns and nothing is said about: no bucket, or one that is not there. */
export const unowned: ResourceRules = { account: undefined, policy: undefined };

/** One thing that somebody wants to do. */
export interface Attempt {
  /** `s3:GetObject`, `dsom:GetStatus` */
  readonly action: string;
  /** ARN. */
  readonly resource: string;
  readonly rules: ResourceRules;
  readonly context: RequestContext;
  /** What its access control list grants, as if a policy did. */
  readonly granted?: PrincipalMatch | undefined;
  /** Account that owns an object that is not its bucket's owner's: the policy of the bucket may deny it, and cannot allow it. */
  readonly foreign?: string | undefined;
}

/** Whether nobody but the identity itself has a say in what it does there, and it has said yes to everything. */
export const isFree = (identity: Identity, { account, policy, acls }: ResourceRules): boolean =>
  identity.unlimited && policy === undefined && !acls && (account === undefined || account === identity.account);

/**
 * The one door: whatever somebody wants to do, over whatever protocol, is asked here, each thing for itself, the source of a copy as well as its
 * destination. Default is deny.
 */
export function authorize(
  identity: Identity,
  { action, resource, rules, context, granted, foreign }: Attempt,
): Outcome {
  invariant(action !== '' && resource !== '', 'a question names its action and its resource');
  const { requester } = identity.standing;
  const { account, policy, restricted } = rules;
  if (restricted && requester.kind !== 'service' && identity.account !== account)
    return { allowed: false, reason: 'no-resource-allow' };
  const policies = { ...identity.policies, resource: policy };
  return decide(policies, {
    requester,
    action,
    resource,
    resourceAccount: foreign ?? account,
    context,
    granted,
    foreign: foreign !== undefined,
  });
}

/**
 * Whether some statement could allow one of the actions on something: false refuses a request before its body is read, which names what it is about.
 * True allows nothing.
 */
export function mayAtAll(identity: Identity, actions: readonly string[], rules: ResourceRules): boolean {
  const { account, policy, acls } = rules;
  const own = account === undefined || account === identity.account;
  if (acls || (own && (identity.unlimited || identity.standing.requester.kind === 'root'))) return true;
  // What is another account's, its policy must allow whatever his own say.
  const lists = [...(own ? identity.policies.identity : []), ...(policy ? [policy] : [])];
  return lists.some((one) => actions.some((action) => one.about(action).some((statement) => !statement.denies)));
}
