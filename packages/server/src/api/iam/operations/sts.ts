import {
  authorize,
  CompiledPolicy,
  parsePolicy,
  readRoleArn,
  roleArn,
  type Session,
  sessionArn,
} from '../../../access/index.ts';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { RoleRecord } from '../../../metadata/index.ts';
import { element } from '../../s3/xml/writer.ts';
import { time, wrap } from '../answer.ts';
import type { Actions, IdentityCall, Target } from '../call.ts';
import { checkDocument, counted } from '../documents.ts';
import { invalid, rules } from '../parameters.ts';
import { attachable } from './attachments.ts';

/* Temporary credentials. https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html */

type Tags = readonly (readonly [string, string])[];

/** Session policies that a request gives; managed ones are those of the account that the session will be in. */
function sessionPolicies(call: IdentityCall, account = call.account): Pick<Session, 'documents' | 'policyArns'> {
  const document = call.parameters.optional('Policy', { max: limits.sessionPolicyChars });
  const arns = call.parameters.structures('PolicyArns', ['arn'], limits.sessionPolicyArns);
  if (document !== undefined) {
    checkDocument(document, 'identity');
    if (counted(document) > limits.sessionPolicyChars) throw new StoreError('PackedPolicyTooLarge');
  }
  return {
    documents: document === undefined ? [] : [document],
    policyArns: arns.map(({ arn = '' }) => attachable(call, arn, account)),
  };
}

async function credentials(
  call: IdentityCall,
  about: Omit<Session, 'accessKeyId' | 'secretAccessKey' | 'origin' | 'issuedMs' | 'expiresMs'>,
  seconds: number,
): Promise<string> {
  const { administration, tokens, clock } = call.service;
  const issuedMs = clock.now();
  const session: Session = {
    ...about,
    accessKeyId: `ASIA${administration.random(16)}`,
    secretAccessKey: administration.random(40),
    origin: call.credentials.origin,
    issuedMs,
    expiresMs: issuedMs + seconds * 1000,
  };
  const token = await tokens.seal(session);
  const packed = Math.ceil((100 * token.length) / limits.sessionTokenBytes);
  const shown = `${element('AccessKeyId', session.accessKeyId)}${element('SecretAccessKey', session.secretAccessKey)}${element('SessionToken', token)}${element('Expiration', time(session.expiresMs))}`;
  const restricted = about.documents.length + about.policyArns.length + about.tags.length > 0;
  return wrap('Credentials', shown) + (restricted ? element('PackedPolicySize', packed) : '');
}

/** The trust policy of a role; one that cannot be read trusts nobody. */
function trustOf(role: RoleRecord): CompiledPolicy | undefined {
  try {
    return new CompiledPolicy(parsePolicy(role.trust, { kind: 'trust' }));
  } catch {
    return undefined;
  }
}

/** Tags of the new session: those given, over those that the caller's own session hands on. */
function sessionTags(call: IdentityCall, given: Tags): { readonly tags: Tags; readonly inherited: readonly string[] } {
  const own = call.credentials.session;
  const handed = new Set((own?.transitive ?? []).map((key) => key.toLowerCase()));
  const inherited = (own?.tags ?? []).filter(([key]) => handed.has(key.toLowerCase()));
  const clash = given.find(([key]) => handed.has(key.toLowerCase()));
  if (clash)
    throw invalid(
      `One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session: ${clash[0]}`,
    );
  return { tags: [...inherited, ...given], inherited: inherited.map(([key]) => key) };
}

/** Says what must allow it, the same whether or not there is such a role: whoever may not take it does not learn that. */
function notTrusted(call: IdentityCall, action: string, arn: string): StoreError {
  const { requester } = call.caller.standing;
  if (requester.kind === 'root')
    return new StoreError('AccessDenied', {
      message: 'Roles may not be assumed by root accounts: ask as a user, or as a session of a role.',
    });
  return call.denied(
    action,
    arn,
    ': the trust policy of the role has to allow it, under its conditions, and so has a policy of the one who asks unless that trust policy names him and he is of the same account',
  );
}

async function assumeRole(call: IdentityCall): Promise<string> {
  const { parameters, caller } = call;
  const arn = call.name('RoleArn', 'arn');
  const name = call.name('RoleSessionName', 'sessionName');
  const wanted = readRoleArn(arn);
  if (!wanted) throw invalid(`${arn} is invalid`);
  const chained = call.credentials.session !== undefined;
  const seconds = parameters.number('DurationSeconds', limits.sessionSecondsMin, limits.roleSessionSecondsMax);
  const externalId = parameters.optional('ExternalId', { min: 2, max: 1224, form: /^[\w+=,.@:/-]+$/ });
  const identity = parameters.optional('SourceIdentity', rules.sessionName);
  const given = parameters.tags();
  const transitive = parameters.list('TransitiveTagKeys', limits.identityTags);
  const keys = new Set(given.map(([key]) => key.toLowerCase()));
  const loose = transitive.find((key) => !keys.has(key.toLowerCase()));
  if (loose !== undefined)
    throw invalid(`The specified transitive tag key must be included in the requested tags: ${loose}`);
  const found = call.administration.find(wanted.account, 'role', wanted.name);
  const role = found && roleArn(found) === arn ? found : undefined;
  const trust = role && trustOf(role);
  const own = call.credentials.session?.sourceIdentity;
  if (own !== undefined && identity !== undefined && own !== identity)
    throw new StoreError('AccessDenied', {
      message: 'The source identity of a session cannot be changed: leave it out.',
    });
  const target: Target = {
    resource: arn,
    tags: role?.tags ?? [],
    requestTags: given,
    keys: {
      'sts:externalid': externalId,
      'sts:rolesessionname': name,
      'sts:sourceidentity': identity,
      'sts:durationseconds': seconds === undefined ? undefined : String(seconds),
      'sts:transitivetagkeys': transitive.length === 0 ? undefined : transitive,
    },
  };
  const needs = [
    'sts:AssumeRole',
    ...(given.length + transitive.length > 0 ? ['sts:TagSession'] : []),
    ...(identity !== undefined && own === undefined ? ['sts:SetSourceIdentity'] : []),
  ];
  for (const action of needs) {
    const allowed =
      role !== undefined &&
      trust !== undefined &&
      caller.standing.requester.kind !== 'root' &&
      authorize(caller, {
        action,
        resource: arn,
        rules: { account: role.account, policy: trust },
        context: call.context(target),
      }).allowed;
    if (!allowed) throw notTrusted(call, action, arn);
  }
  if (!role) throw notTrusted(call, 'sts:AssumeRole', arn);
  const most = chained ? limits.chainedSessionSeconds : role.maxSessionSeconds;
  const lasts = seconds ?? Math.min(3600, most);
  if (lasts > most)
    throw invalid(
      chained
        ? 'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining'
        : 'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
    );
  const policies = sessionPolicies(call, role.account);
  const { tags, inherited } = sessionTags(call, given);
  const sourceIdentity = identity ?? own;
  const made = await credentials(
    call,
    {
      kind: 'role',
      account: role.account,
      principal: role.id,
      name,
      ...policies,
      tags,
      transitive: [...inherited, ...transitive],
      sourceIdentity,
    },
    lasts,
  );
  const user = `${element('AssumedRoleId', `${role.id}:${name}`)}${element('Arn', sessionArn(role, name))}`;
  return `${made}${wrap('AssumedRoleUser', user)}${element('SourceIdentity', sourceIdentity)}`;
}

/** Only an access key for good asks for these. Keys that are their own scope belong to no user whose session it could be. */
function principalOf(call: IdentityCall): string {
  const { standing } = call.caller;
  if (call.credentials.session)
    throw new StoreError('AccessDenied', { message: `Cannot call ${call.action} with session credentials` });
  if (standing.requester.kind === 'root') return '';
  const user = call.administration.identities.identity(standing.userId ?? '');
  if (user?.kind === 'user') return user.id;
  throw new StoreError('AccessDenied', {
    message: `Cannot call ${call.action} with an access key that is no user's: make a user and use a key of his.`,
  });
}

function userSeconds(call: IdentityCall, usual: number): number {
  const most = call.caller.standing.requester.kind === 'root' ? 3600 : limits.userSessionSecondsMax;
  const wanted = call.parameters.number('DurationSeconds', limits.sessionSecondsMin, limits.userSessionSecondsMax);
  // Root asks for more than it gets, as with AWS.
  return Math.min(wanted ?? usual, most);
}

const usualSeconds = 12 * 3600;

export const stsActions: Actions = {
  GetCallerIdentity: {
    of: 'sts',
    target: undefined,
    run({ caller, account }) {
      const { requester, userId } = caller.standing;
      const arn = 'arn' in requester ? requester.arn : undefined;
      return `${element('Arn', arn)}${element('UserId', userId)}${element('Account', account)}`;
    },
  },
  // The role's own policy says who may take it: it is asked in the action, together with the caller's.
  AssumeRole: { of: 'sts', target: undefined, run: assumeRole },
  GetSessionToken: {
    of: 'sts',
    target: undefined,
    run(call) {
      const principal = principalOf(call);
      if (call.parameters.raw('SerialNumber') !== undefined || call.parameters.raw('TokenCode') !== undefined)
        throw new StoreError('AccessDenied', {
          message:
            'MultiFactorAuthentication failed: there are no second factors here; leave out SerialNumber and TokenCode.',
        });
      const nothing = { name: '', documents: [], policyArns: [], tags: [], transitive: [], sourceIdentity: undefined };
      const about = { kind: 'user', account: call.account, principal, ...nothing } as const;
      return credentials(call, about, userSeconds(call, usualSeconds));
    },
  },
  GetFederationToken: {
    of: 'sts',
    target: (call) => ({
      resource: federatedArn(call),
      requestTags: call.parameters.tags(),
      keys: { 'sts:durationseconds': call.parameters.raw('DurationSeconds') },
    }),
    async run(call) {
      const principal = principalOf(call);
      const name = federatedName(call);
      const tags = call.parameters.tags();
      if (tags.length > 0) call.require('sts:TagSession', { resource: federatedArn(call), requestTags: tags });
      const made = await credentials(
        call,
        {
          kind: 'federated',
          account: call.account,
          principal,
          name,
          ...sessionPolicies(call),
          tags,
          transitive: [],
          sourceIdentity: undefined,
        },
        userSeconds(call, usualSeconds),
      );
      const user = `${element('FederatedUserId', `${call.account}:${name}`)}${element('Arn', federatedArn(call))}`;
      return made + wrap('FederatedUser', user);
    },
  },
};

const federatedName = (call: IdentityCall): string =>
  call.parameters.required('Name', { min: 2, max: 32, form: /^[\w+=,.@-]+$/ });

const federatedArn = (call: IdentityCall): string =>
  `arn:aws:sts::${call.account}:federated-user/${federatedName(call)}`;
