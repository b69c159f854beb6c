import { invariant } from '../invariant.ts';
import type { Identity } from './identity.ts';
import {
  type CompiledPolicy,
  decide,
  isDenied,
  type Outcome,
  outcomes,
  type PrincipalMatch,
  type RequestContext,
} from './policy/index.ts';

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

/** Whether it has said yes itself to everything of S3, and nobody else has a say there, unless the policy of the resource denies it. */
const mayUnlessDenied = (identity: Identity, { account, acls }: ResourceRules): boolean =>
  identity.unlimited && !acls && (account === undefined || account === identity.account);

/**
 * Whether the identity may do it since nobody but the policy of the resource could keep it from that, which does not deny it. False decides nothing: {@link authorize}
 * knows.
 */
export function isUndenied(identity: Identity, { action, resource, rules, context, foreign }: Attempt): boolean {
  if (foreign !== undefined || !mayUnlessDenied(identity, rules) || !action.startsWith('s3:')) return false;
  const { requester } = identity.standing;
  return !rules.policy || !isDenied(rules.policy, { requester, action, resource, context }, false);
}

/** Whether nothing can keep the identity from any action of S3 there. */
export const isFree = (identity: Identity, rules: ResourceRules): boolean =>
  mayUnlessDenied(identity, rules) && !rules.policy?.denies;

/**
 * The one door: whatever somebody wants to do, over whatever protocol, is asked here, each thing for itself, the source of a copy as well as its
 * destination. Default is deny.
 */
export function authorize(identity: Identity, attempt: Attempt): Outcome {
  const { action, resource, rules, context, granted, foreign } = attempt;
  invariant(action !== '' && resource !== '', 'a question names its action and its resource');
  const { requester } = identity.standing;
  const { account, policy, restricted } = rules;
  if (restricted && requester.kind !== 'service' && identity.account !== account)
    return { allowed: false, reason: 'no-resource-allow' };
  // Which statement allows it to one who may everything, nobody asks.
  if (isUndenied(identity, attempt)) return outcomes[requester.kind === 'root' ? 'root-of-account' : 'identity-policy'];
  // Written out: a copy of an object that is made in several places costs more than all that is decided.
  const { identity: own, boundary, session } = identity.policies;
  return decide(
    { identity: own, boundary, session, resource: policy },
    {
      requester,
      action,
      resource,
      resourceAccount: foreign ?? account,
      context,
      granted,
      foreign: foreign !== undefined,
    },
  );
}

/** Whether a policy that has a say may ask for a condition key, in lower case; what ends with a slash is the beginning of many. */
export function asksFor({ policies }: Identity, { policy }: ResourceRules, key: string): boolean {
  for (const one of policies.identity) if (one.asksFor(key)) return true;
  for (const one of policies.session ?? []) if (one.asksFor(key)) return true;
  return policies.boundary?.asksFor(key) === true || policy?.asksFor(key) === true;
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
