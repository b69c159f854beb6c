import {
  builtInPolicy,
  CompiledPolicy,
  type Explanation,
  explain,
  PolicyError,
  type PolicySet,
  parsePolicy,
  type RequestContext,
  type Requester,
  type Standing,
} from '../../../access/index.ts';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { RoleRecord, UserGroupRecord, UserRecord } from '../../../metadata/index.ts';
import { principalContext } from '../../s3/request-context.ts';
import { element } from '../../s3/xml/writer.ts';
import { members, wrap } from '../answer.ts';
import { type Actions, type IdentityCall, iam } from '../call.ts';
import { checkDocument } from '../documents.ts';
import { invalid, rules } from '../parameters.ts';
import { arnOf, everything } from '../targets.ts';
import { documentOf } from './attachments.ts';

/*
 * What policies would say, and why: decided by the same code that decides requests. Of who would ask, what is kept of him is known; everything else is
 * absent unless the request names it, and what it names counts.
 */

interface Source {
  readonly id: string;
  readonly type: 'user' | 'group' | 'role' | 'aws-managed' | 'user-managed' | 'none';
  readonly document: string;
}

const compiled = (document: string): CompiledPolicy => new CompiledPolicy(parsePolicy(document, { kind: 'identity' }));

function listOf(call: IdentityCall, name: string): Source[] {
  const documents = call.parameters.list(name, limits.inlinePolicies);
  return documents.map((document, at) => {
    checkDocument(document, 'identity');
    return { id: `${name}.${at + 1}`, type: 'none', document };
  });
}

function managed(call: IdentityCall, arn: string): Source {
  const document = documentOf(call, arn);
  if (document === undefined) throw new StoreError('NoSuchEntity', { message: `Policy ${arn} was not found.` });
  const type = builtInPolicy(arn) ? 'aws-managed' : 'user-managed';
  return { id: arn.slice(arn.lastIndexOf('/') + 1), type, document };
}

/** All policies of a user, group or role, those of a user's groups with them. */
function sourcesOf(call: IdentityCall, holder: UserRecord | UserGroupRecord | RoleRecord): Source[] {
  const own = [
    ...holder.inline.map(
      ([name, document]): Source => ({ id: `${holder.kind}_${holder.name}_${name}`, type: holder.kind, document }),
    ),
    ...holder.attached.map((arn) => managed(call, arn)),
  ];
  for (const id of holder.kind === 'user' ? holder.groups : []) {
    const group = call.administration.identities.identity(id);
    if (group?.kind === 'group') own.push(...sourcesOf(call, group));
  }
  return own;
}

function contextEntries(call: IdentityCall, known: RequestContext): RequestContext {
  const held = new Map<string, readonly string[]>();
  const entries = call.parameters.structures(
    'ContextEntries',
    ['ContextKeyName', 'ContextKeyType'],
    limits.identityTags,
  );
  for (const [at, { ContextKeyName: key }] of entries.entries()) {
    if (key === undefined) throw invalid('A context entry has no ContextKeyName: give it one.');
    const values = call.parameters.list(`ContextEntries.member.${at + 1}.ContextKeyValues`, limits.identityTags);
    if (values.length > 0) held.set(key.toLowerCase(), values);
  }
  return {
    values: (key) => {
      const found = held.get(key);
      return found === undefined ? known.values(key) : found.length === 1 ? found[0] : found;
    },
  };
}

const decisions = (outcome: Explanation): 'allowed' | 'explicitDeny' | 'implicitDeny' =>
  outcome.allowed ? 'allowed' : outcome.reason === 'explicit-deny' ? 'explicitDeny' : 'implicitDeny';

/** Positions of a whole document: which statement it was is said by the order of the results. */
function matched(outcome: Explanation, sources: readonly Source[]): string {
  const effect = decisions(outcome) === 'explicitDeny' ? 'Deny' : 'Allow';
  const found = outcome.statements.filter(
    (one) => one.applies && one.effect === effect && one.policy === 'identity' && sources[one.policyIndex],
  );
  return members(
    'MatchedStatements',
    found.map((one) => {
      const { id, type } = sources[one.policyIndex] as Source;
      return `${element('SourcePolicyId', id)}${element('SourcePolicyType', type)}`;
    }),
  );
}

function simulate(
  call: IdentityCall,
  standing: Standing,
  sources: readonly Source[],
  boundaries: readonly Source[],
): string {
  const actions = call.parameters.list('ActionNames', limits.identityTags);
  if (actions.length === 0) throw invalid('ActionNames names no action: give at least one, as s3:GetObject.');
  const given = call.parameters.list('ResourceArns', limits.identityTags);
  const resources = given.length === 0 ? ['*'] : given;
  const { requester } = standing;
  const context = contextEntries(call, principalContext(standing));
  const text = call.parameters.optional('ResourcePolicy', rules.document);
  if (text !== undefined) checkDocument(text, 'resource');
  const owner = call.parameters.optional('ResourceOwner', { max: 2048 });
  const resourceAccount = owner === undefined ? undefined : (/\d{12}/.exec(owner)?.[0] ?? invalidOwner(owner));
  const [boundary] = boundaries;
  const policies: PolicySet = {
    identity: sources.map(({ document }) => compiled(document)),
    boundary: boundary && compiled(boundary.document),
    session: undefined,
    resource: text === undefined ? undefined : new CompiledPolicy(parsePolicy(text, { kind: 'resource' })),
  };
  const results = actions.flatMap((action) =>
    resources.map((resource) => {
      if (!/^(?:\*|[a-z0-9-]+:[A-Za-z0-9*?]+)$/.test(action))
        throw invalid(`${action} is no action: write SERVICE:ACTION.`);
      const outcome = explain(policies, { requester, action, resource, resourceAccount, context });
      const bounded =
        boundary === undefined
          ? ''
          : wrap(
              'PermissionsBoundaryDecisionDetail',
              element('AllowedByPermissionsBoundary', outcome.reason !== 'not-in-boundary'),
            );
      return `${element('EvalActionName', action)}${element('EvalResourceName', resource)}${element('EvalDecision', decisions(outcome))}${matched(outcome, sources)}${members('MissingContextValues', [])}${bounded}`;
    }),
  );
  return `${members('EvaluationResults', results)}${element('IsTruncated', false)}`;
}

const invalidOwner = (owner: string): never => {
  throw invalid(`ResourceOwner ${owner} is no ARN of an account: write arn:aws:iam::123456789012:root.`);
};

const sourceForm = /^arn:aws:iam::(\d{12}):(user|group|role)\/(?:.*\/)?([\w+=,.@-]+)$/;

function findHolder(call: IdentityCall, arn: string): UserRecord | UserGroupRecord | RoleRecord | undefined {
  const [, account, kind, name = ''] = sourceForm.exec(arn) ?? [];
  const found = account === call.account ? call.administration.find(account, kind as 'user', name) : undefined;
  return found && arnOf(found) === arn ? found : undefined;
}

function sourceOf(call: IdentityCall): UserRecord | UserGroupRecord | RoleRecord {
  const arn = call.name('PolicySourceArn', 'arn');
  const found = findHolder(call, arn);
  if (!found)
    throw new StoreError('NoSuchEntity', {
      message: `The source ${arn} cannot be found: give the ARN of a user, group or role.`,
    });
  return found;
}

/** Somebody of whom no more is known than his name. */
const userStanding = (account: string, arn: string): Standing => ({
  requester: { kind: 'user', account, arn },
  userId: undefined,
  tags: new Map(),
  session: undefined,
});

/** Who asks, where the policies of `holder` are simulated: a caller who is named, else the user, a session of the role, or some user of the group. */
function standingOf(call: IdentityCall, holder: UserRecord | UserGroupRecord | RoleRecord): Standing {
  const named = call.parameters.optional('CallerArn', rules.arn);
  const { account, name, id } = holder;
  if (named !== undefined) {
    const user = findHolder(call, named);
    return user?.kind === 'user' ? standingOfUser(user) : userStanding(account, named);
  }
  if (holder.kind === 'user') return standingOfUser(holder);
  if (holder.kind === 'group') return userStanding(account, `arn:aws:iam::${account}:user/simulated`);
  const requester: Requester = {
    kind: 'role',
    account,
    arn: `arn:aws:sts::${account}:assumed-role/${name}/simulated`,
    role: arnOf(holder),
  };
  return { requester, userId: `${id}:simulated`, tags: new Map(holder.tags), session: undefined };
}

const standingOfUser = (user: UserRecord): Standing => ({
  ...userStanding(user.account, arnOf(user)),
  userId: user.id,
  tags: new Map(user.tags),
});

export const simulateActions: Actions = {
  SimulateCustomPolicy: iam(everything, (call) => {
    const sources = listOf(call, 'PolicyInputList');
    if (sources.length === 0) throw invalid('PolicyInputList is empty: give at least one policy.');
    const arn = call.parameters.optional('CallerArn', rules.arn) ?? `arn:aws:iam::${call.account}:user/simulated`;
    return simulate(call, userStanding(call.account, arn), sources, listOf(call, 'PermissionsBoundaryPolicyInputList'));
  }),
  SimulatePrincipalPolicy: iam(
    (call) => ({ resource: call.name('PolicySourceArn', 'arn') }),
    (call) => {
      const holder = sourceOf(call);
      const given = listOf(call, 'PermissionsBoundaryPolicyInputList');
      const own = 'boundary' in holder && holder.boundary !== undefined ? [managed(call, holder.boundary)] : [];
      const sources = [...sourcesOf(call, holder), ...listOf(call, 'PolicyInputList')];
      try {
        return simulate(call, standingOf(call, holder), sources, given.length > 0 ? given : own);
      } catch (error) {
        if (error instanceof PolicyError)
          throw new StoreError('MalformedPolicyDocument', {
            message: `A policy of ${arnOf(holder)} cannot be read: ${error.message}`,
          });
        throw error;
      }
    },
  ),
};
