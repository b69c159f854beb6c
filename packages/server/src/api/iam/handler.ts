import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Administration,
  type AuthenticatedKey,
  type Authenticator,
  type Directory,
  identityOf,
  type Principal,
  parseTarget,
  type SessionTokens,
} from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import type { Clock } from '../../host/index.ts';
import { InvariantError } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { Position } from '../../log/index.ts';
import type { Admission } from '../http/admission.ts';
import { authenticated } from '../http/authentication.ts';
import { collect } from '../http/body.ts';
import { type Freshness, fresh } from '../http/consistency.ts';
import { Exchange, type ExchangeOptions } from '../http/exchange.ts';
import { generalContext } from '../s3/request-context.ts';
import { answerFailure, answerResult, type Service, versions } from './answer.ts';
import { IdentityCall } from './call.ts';
import { actions } from './operations.ts';
import { Parameters } from './parameters.ts';

/** What the IAM and STS APIs need. */
export interface IdentityApiOptions {
  readonly authenticator: Authenticator;
  readonly administration: Administration;
  readonly directory: Directory;
  readonly tokens: SessionTokens;
  readonly clock: Clock;
  readonly region: string;
  readonly position: (shard?: number) => Position;
  /** Where several nodes share the log: how this one gets as fresh as it must. */
  readonly shared?: Freshness['shared'];
  readonly exchange: ExchangeOptions;
  /** Who lets requests in. Absent: nobody is held back. */
  readonly admission?: Admission;
  readonly requestId: () => string;
  /** A failure that is no StoreError: a bug. */
  readonly unexpected: (error: unknown, operation: string) => void;
}

const services: readonly Service[] = ['iam', 'sts'];
const signedFor = /\/(iam|sts)\/aws4_request\b/;

/**
 * Whether a request is one of IAM or STS: a POST to the root that is signed for one of them, or a form that nobody signed. S3 knows no POST to the root.
 * @param baseDomains names below which a bucket may stand: a POST there is an upload
 */
export function isIdentityRequest(request: IncomingMessage, baseDomains: readonly string[]): boolean {
  if (request.method !== 'POST') return false;
  const { url = '', headers } = request;
  if (url !== '/' && !url.startsWith('/?')) return false;
  const { authorization } = headers;
  if (authorization !== undefined) return signedFor.test(authorization);
  if (!headers['content-type']?.toLowerCase().startsWith('application/x-www-form-urlencoded')) return false;
  return baseDomains.length === 0 || parseTarget(url, headers.host, baseDomains).bucket === undefined;
}

function credentialsOf(principal: Principal): AuthenticatedKey {
  if (principal.kind === 'identity') return principal.credentials;
  if (principal.kind === 'key') return { accessKeyId: principal.key.id, origin: principal.key.id, session: undefined };
  throw new StoreError('MissingAuthenticationToken');
}

/**
 * Sessions of a user do not reach IAM, for no second factor was shown; of STS they take roles and ask who they are, which is all that a federated
 * user asks. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_sts-comparison.html
 */
function screenSession({ session }: AuthenticatedKey, of: Service, action: string): void {
  if (session === undefined || session.kind === 'role' || action === 'GetCallerIdentity') return;
  if (of === 'sts' && (action === 'AssumeRole' ? session.kind === 'user' : action.startsWith('Get'))) return;
  throw new StoreError('AccessDenied', {
    message: `Cannot call ${of}:${action} with the credentials of GetSessionToken or GetFederationToken: use an access key, or take a role.`,
  });
}

/** Handles IAM and STS: body → signature → action → permission → run. */
export function createIdentityHandler(
  options: IdentityApiOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { authenticator, administration, directory, tokens, clock, region, position, shared } = options;
  const service = { administration, directory, tokens, clock };

  const run = async (exchange: Exchange): Promise<void> => {
    const { request } = exchange;
    const { headers, rawHeaders } = request;
    const body = await collect(
      exchange.body,
      limits.identityRequestBytes,
      () => new StoreError('MaxMessageLengthExceeded'),
    );
    const target = parseTarget(request.url as string, headers.host, []);
    const of = serviceOf(headers.authorization);
    const digest = hash('sha256', body, 'hex');
    const signed = { method: 'POST', ...target, headers, rawHeaders };
    const authenticate = () => authenticator.authenticateCall(signed, [of], digest);
    await authenticated({ position, shared }, authenticate);
    await fresh({ position, shared, shards: 1 }, undefined, undefined, { bucket: undefined, key: undefined });
    // As he is now, and not as he was before this node had caught up.
    const { principal, signature } = await authenticate();
    await options.admission?.enter(exchange, principal);
    const credentials = credentialsOf(principal);
    const parameters = new Parameters(body.toString('utf8'));
    const name = parameters.raw('Action');
    if (name === undefined)
      throw new StoreError('MissingAction', { message: 'The request names no Action: give one.' });
    const version = parameters.raw('Version') ?? versions[of];
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (!action || action.of !== of || version !== versions[of])
      throw new StoreError('InvalidAction', {
        message: `Could not find operation ${name.slice(0, 128)} for version ${version.slice(0, 32)}`,
      });
    exchange.operation = name;
    const caller = identityOf(principal);
    const { account } = caller;
    if (account === undefined) throw new StoreError('AccessDenied');
    screenSession(credentials, of, name);
    const call = new IdentityCall({
      service,
      exchange,
      action: name,
      of,
      caller,
      credentials,
      parameters,
      account,
      general: generalContext({
        standing: caller.standing,
        connection: exchange.connection,
        nowMs: clock.now(),
        region,
        header: (header) => headers[header] as string | undefined,
        signature,
        resourceAccount: account,
      }),
    });
    if (action.target) call.require(`${of}:${name}`, action.target(call));
    answerResult(exchange, of, name, await action.run(call));
  };

  return (request, response) => {
    const exchange = new Exchange(request, response, options.requestId(), options.exchange);
    run(exchange).catch(async (error: unknown) => {
      if (!(error instanceof StoreError)) options.unexpected(error, exchange.operation);
      let known = error instanceof StoreError ? error : new StoreError('InternalError', { cause: error });
      if (error === known) exchange.refused(known);
      if (options.admission) known = await options.admission.refuse(exchange, known);
      answerFailure(exchange, serviceOf(request.headers.authorization), known);
      if (error instanceof InvariantError) throw error;
    });
  };
}

/** By what the signature is for; a request without one is taken for one of STS, which unsigned requests mean more often. */
function serviceOf(authorization: string | undefined): Service {
  const found = signedFor.exec(authorization ?? '')?.[1];
  return services.find((one) => one === found) ?? 'sts';
}
