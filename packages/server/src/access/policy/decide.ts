import { combine, type Findings, type Outcome } from './combine.ts';
import { type AccessRequest, type CompiledPolicy, holds } from './compile.ts';
import type { PrincipalMatch } from './principals.ts';

/** All policies that have a say in a request. */
export interface PolicySet {
  /** Of the identity and its groups, or of the role. */
  readonly identity: readonly CompiledPolicy[];
  readonly boundary: CompiledPolicy | undefined;
  /** Given with the session; undefined: none were. */
  readonly session: readonly CompiledPolicy[] | undefined;
  /** Of the bucket, or the trust policy of the role that is asked for. */
  readonly resource: CompiledPolicy | undefined;
}

const rank: Readonly<Record<PrincipalMatch, number>> = { none: 0, account: 1, origin: 2, direct: 3 };

/** The nearer of two ways to be named. */
export const nearer = (a: PrincipalMatch, b: PrincipalMatch): PrincipalMatch => (rank[b] > rank[a] ? b : a);

/** What one policy without principals says; denials come first, so the first that applies is the answer. */
function saysOfIdentity(
  policy: CompiledPolicy,
  { action, resource, context }: AccessRequest,
): 'deny' | 'allow' | 'none' {
  for (const one of policy.about(action)) {
    if (one.resource(resource, context) && holds(one, context)) return one.denies ? 'deny' : 'allow';
  }
  return 'none';
}

/** What several such policies say together. */
function saysAny(policies: readonly CompiledPolicy[], request: AccessRequest): 'deny' | 'allow' | 'none' {
  let allowed = false;
  for (const policy of policies) {
    const said = saysOfIdentity(policy, request);
    if (said === 'deny') return 'deny';
    if (said === 'allow') allowed = true;
  }
  return allowed ? 'allow' : 'none';
}

type Asked = Pick<AccessRequest, 'requester' | 'action' | 'resource' | 'context'>;

/** @param denialsAlone nobody wants to know what it allows */
function saysOfResource(
  policy: CompiledPolicy,
  { requester, action, resource, context }: Asked,
  bounded: boolean,
  denialsAlone: boolean,
): 'deny' | PrincipalMatch {
  let nearest: PrincipalMatch = 'none';
  for (const one of policy.about(action)) {
    // Denials come first.
    if (denialsAlone && !one.denies) break;
    const match = one.principal?.(requester, bounded) ?? 'none';
    if (match === 'none' || rank[match] <= rank[nearest]) continue;
    if (!one.resource(resource, context) || !holds(one, context)) continue;
    if (one.denies) return 'deny';
    nearest = match;
  }
  return nearest;
}

/** Whether a Deny in the policy of a resource applies. @param bounded whether the requester has a permissions boundary */
export const isDenied = (policy: CompiledPolicy, request: Asked, bounded: boolean): boolean =>
  saysOfResource(policy, request, bounded, true) === 'deny';

function findingsOf(policies: PolicySet, request: AccessRequest): Findings {
  const identity = saysAny(policies.identity, request);
  const boundary = policies.boundary && saysOfIdentity(policies.boundary, request);
  const session = policies.session && saysAny(policies.session, request);
  const resource = policies.resource
    ? saysOfResource(policies.resource, request, policies.boundary !== undefined, false)
    : 'none';
  return {
    denied: identity === 'deny' || boundary === 'deny' || session === 'deny' || resource === 'deny',
    identity: identity === 'allow',
    boundary: boundary && boundary === 'allow',
    session: session && session === 'allow',
    resource: resource === 'deny' ? 'none' : nearer(request.foreign ? 'none' : resource, request.granted ?? 'none'),
    trust: policies.resource?.policy.kind === 'trust',
  };
}

/** Whether policies of an identity allow it every action of S3 on everything, whatever is asked: false is always right. */
export const allowAllOfS3 = ({ identity, boundary, session }: Omit<PolicySet, 'resource'>): boolean =>
  boundary === undefined &&
  session === undefined &&
  identity.some((one) => one.allowsS3) &&
  !identity.some((one) => one.denies);

/**
 * The decision: every request, whatever protocol it came by, is answered here. Default is deny. {@link explain} says why, from the same
 * statements and the same rules.
 */
export function decide(policies: PolicySet, request: AccessRequest): Outcome {
  return combine(request, findingsOf(policies, request));
}
