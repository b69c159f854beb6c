import { hash, timingSafeEqual } from 'node:crypto';
import type { MacKey } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import type { Clock } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { AccessKeyRecord } from '../metadata/index.ts';
import { canonicalRequest, requireSignedHeaders } from './canonical.ts';
import { type Claim, type ClaimScope, claimOfHeader, claimOfQuery, header, type ScopeWish } from './claim.ts';
import { claimOfForm, type FormClaim, type FormFields } from './form.ts';
import type { Directory, Session, SessionTokens } from './identities/index.ts';
import { type Identity, identityOf } from './identity.ts';
import { Keyholder } from './keyholder.ts';
import { anonymousPayloadForm, payloadFormOf, payloadHashOf, unsignedPayloadForm } from './payload-form.ts';
import { algorithm, sameSignature } from './signature.ts';
import type { Authenticated, Authenticator, CredentialKind, Principal, SignedRequest } from './types.ts';

/*
 * Who asks: the one authentication function of every protocol.
 *
 * A request carries exactly one kind of credentials out of a closed list; the caller names those its path takes, and anything
 * else, known or not, is refused. Verification is ordered so that nothing is looked up for a request that is malformed,
 * too old, or holds headers its signature does not cover. The signature is computed from the same parsed query and
 * the same raw path that the handlers act on.
 *
 * The usual request waits for nothing: its signing key was derived before, and the answer is not a promise.
 */

export interface AuthenticatorOptions {
  /** The newest state of an access key; called for every request, so that a revoked key stops at once. */
  readonly lookup: (accessKeyId: string) => AccessKeyRecord | undefined;
  readonly openSecret: (record: AccessKeyRecord) => Promise<string>;
  readonly clock: Clock;
  readonly region: string;
  /** Told of each access key that somebody has signed with; not of temporary credentials. */
  readonly used?: (accessKeyId: string, service: string, region: string) => void;
  /** Users and roles, and the tokens of sessions. Absent: keys of users and temporary credentials are refused. */
  readonly accounts?: { readonly directory: Directory; readonly tokens: SessionTokens };
}

const notSupported = 'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.';

/** Which credentials a request carries. @throws StoreError when it is none of the known kinds, or several at once */
function kindOf(request: SignedRequest, authorization: string | undefined): CredentialKind {
  let signedQuery = false;
  let oldQuery = false;
  for (const [name] of request.query.pairs) {
    if (name === 'Signature' || name === 'AWSAccessKeyId') oldQuery = true;
    else if (/^x-amz-(algorithm|credential|signature)$/i.test(name)) signedQuery = true;
  }
  if (authorization !== undefined && (signedQuery || oldQuery)) {
    throw new StoreError('InvalidArgument', {
      message:
        'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
      detail: { ArgumentName: 'Authorization' },
    });
  }
  if (signedQuery) return 'query';
  if (oldQuery) throw new StoreError('InvalidRequest', { message: notSupported });
  if (authorization === undefined) return 'anonymous';
  if (authorization.startsWith(`${algorithm} `)) return 'header';
  if (/^Bearer /i.test(authorization)) return 'bearer';
  if (/^AWS(4-[^ ]*)? /i.test(authorization)) throw new StoreError('InvalidRequest', { message: notSupported });
  throw new StoreError('InvalidArgument', {
    message: 'Unsupported Authorization Type',
    detail: { ArgumentName: 'Authorization' },
  });
}

function requireFresh(claim: Claim, nowMs: number): void {
  const skew = claim.timeMs - nowMs;
  if (claim.expiresSeconds === undefined) {
    if (Math.abs(skew) <= limits.clockSkewMs) return;
    throw new StoreError('RequestTimeTooSkewed', {
      detail: {
        RequestTime: claim.timestamp,
        ServerTime: new Date(nowMs).toISOString(),
        MaxAllowedSkewMilliseconds: String(limits.clockSkewMs),
      },
    });
  }
  if (skew > limits.clockSkewMs) throw new StoreError('AccessDenied', { message: 'Request is not yet valid' });
  const endMs = claim.timeMs + claim.expiresSeconds * 1000;
  if (nowMs <= endMs) return;
  throw new StoreError('AccessDenied', {
    message: 'Request has expired',
    detail: {
      'X-Amz-Expires': String(claim.expiresSeconds),
      Expires: new Date(endMs).toISOString(),
      ServerTime: new Date(nowMs).toISOString(),
    },
  });
}

const invalidToken = (): StoreError =>
  new StoreError('InvalidToken', { message: 'The provided token is malformed or otherwise invalid.' });

/** The token of temporary credentials, in the header or, in presigned requests, in the query. @throws StoreError InvalidToken when it is in both */
function tokenOf(request: SignedRequest): string | undefined {
  const given = header(request, 'x-amz-security-token');
  const parameter = request.query.get('X-Amz-Security-Token');
  if (given !== undefined && parameter !== undefined) throw invalidToken();
  return given ?? parameter;
}

type Prove = (principal: Principal, key: MacKey) => Authenticated;

class SignatureAuthenticator implements Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #keys: Keyholder;
  readonly #scope: ScopeWish;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#keys = new Keyholder(options.openSecret);
    this.#scope = { services: ['s3'], region: options.region };
  }

  authenticate(request: SignedRequest, accepted: readonly CredentialKind[]): Authenticated | Promise<Authenticated> {
    const authorization = header(request, 'authorization');
    const kind = kindOf(request, authorization);
    if (!accepted.includes(kind)) {
      throw new StoreError('AccessDenied', { message: `Credentials of this kind (${kind}) are not accepted here.` });
    }
    switch (kind) {
      case 'anonymous':
        return { principal: { kind: 'anonymous' }, payload: anonymousPayloadForm(request), signature: undefined };
      case 'header':
        return this.#verify(request, claimOfHeader(request, authorization as string, this.#scope));
      case 'query':
        return this.#verify(request, claimOfQuery(request, this.#scope));
      case 'bearer':
        return this.#bearer(request, (authorization as string).slice(7));
      default:
        throw new StoreError('AccessDenied');
    }
  }

  authenticateCall(
    request: SignedRequest,
    services: readonly string[],
    payloadHash: string,
  ): Authenticated | Promise<Authenticated> {
    const authorization = header(request, 'authorization');
    if (kindOf(request, authorization) !== 'header') throw new StoreError('MissingAuthenticationToken');
    const claim = claimOfHeader(request, authorization as string, { services, region: undefined });
    return this.#verify(request, claim, payloadHash);
  }

  authenticateForm(fields: FormFields): Authenticated | Promise<Authenticated> {
    const claim = claimOfForm(fields, this.#options.region);
    if (!claim) return { principal: { kind: 'anonymous' }, payload: { kind: 'none' }, signature: undefined };
    const token = fields.get('x-amz-security-token');
    return this.#proven(claim.scope, token, (principal, key) => ofForm(claim, principal, key));
  }

  /** @param bodyHash of the body that came; absent: what the request says of it is signed */
  #verify(request: SignedRequest, claim: Claim, bodyHash?: string): Authenticated | Promise<Authenticated> {
    requireFresh(claim, this.#options.clock.now());
    requireSignedHeaders(request, claim);
    const payloadHash = bodyHash ?? payloadHashOf(request, claim);
    return this.#proven(claim.scope, tokenOf(request), (principal, key) =>
      compare(request, claim, payloadHash, principal, key),
    );
  }

  /** @param prove with who signs, and the key that he signs with */
  #proven(scope: ClaimScope, token: string | undefined, prove: Prove): Authenticated | Promise<Authenticated> {
    if (token !== undefined) return this.#provenSession(scope, token, prove);
    const { accessKeyId, region, service } = scope;
    const record = this.#options.lookup(accessKeyId);
    const principal = record && this.#principalOf(record);
    if (!record || !principal) throw new StoreError('InvalidAccessKeyId', { detail: { AWSAccessKeyId: accessKeyId } });
    const key = this.#keys.signingKey(record, scope);
    const proven = (opened: MacKey): Authenticated => {
      const verdict = prove(principal, opened);
      this.#options.used?.(accessKeyId, service, region);
      return verdict;
    };
    return key instanceof Promise ? key.then(proven) : proven(key);
  }

  /** Whose key it is; undefined when it is turned off, or its user is gone. */
  #principalOf(record: AccessKeyRecord): Principal | undefined {
    if (record.status === 'inactive') return undefined;
    if (record.user === undefined) return { kind: 'key', key: record };
    const identity = this.#options.accounts?.directory.ofKey(record);
    const credentials = { accessKeyId: record.id, origin: record.id, session: undefined };
    return identity && { kind: 'identity', identity, credentials };
  }

  #provenSession(scope: ClaimScope, token: string, prove: Prove): Authenticated | Promise<Authenticated> {
    const { accounts } = this.#options;
    const { accessKeyId } = scope;
    if (!accounts || this.#options.lookup(accessKeyId)) throw invalidToken();
    const verify = (session: Session): Authenticated => {
      const principal = this.#principalOfSession(session, accounts.directory);
      const key = this.#keys.sessionKey(session, scope);
      return prove(principal, key);
    };
    const opened = accounts.tokens.open(token, accessKeyId);
    return opened instanceof Promise ? opened.then(verify) : verify(opened);
  }

  /** A session holds no longer than it was made for, and than what it was made with: its access key, and its user or role. */
  #principalOfSession(session: Session, directory: Directory): Principal {
    if (session.expiresMs <= this.#options.clock.now()) throw new StoreError('ExpiredToken');
    const origin = this.#options.lookup(session.origin);
    const behind = origin && this.#principalOf(origin);
    if (!behind || behind.kind === 'anonymous') throw invalidToken();
    const root = (): Identity | undefined => {
      const identity = identityOf(behind);
      return identity.standing.requester.kind === 'root' && identity.account === session.account ? identity : undefined;
    };
    const identity = directory.ofSession(session, root);
    if (!identity) throw invalidToken();
    const credentials = { accessKeyId: session.accessKeyId, origin: session.origin, session };
    return { kind: 'identity', identity, credentials };
  }

  #bearer(request: SignedRequest, token: string): Authenticated | Promise<Authenticated> {
    const dot = token.indexOf('.');
    const record = dot > 0 ? this.#options.lookup(token.slice(0, dot)) : undefined;
    // One answer for an unknown id and a wrong secret: nobody learns which ids exist.
    const refused = () => new StoreError('AccessDenied', { message: 'The bearer key is not valid.' });
    const principal = record && this.#principalOf(record);
    if (!record || !principal) throw refused();
    const payload = unsignedPayloadForm(request);
    const given = hash('sha256', token.slice(dot + 1), 'buffer');
    const decide = (held: Buffer): Authenticated => {
      if (!timingSafeEqual(held, given)) throw refused();
      this.#options.used?.(record.id, 's3', this.#options.region);
      return { principal, payload, signature: undefined };
    };
    const held = this.#keys.bearerHash(record);
    return held instanceof Promise ? held.then(decide) : decide(held);
  }
}

/** Values of headers, and of the parameter of presigned requests, that an error answer must not repeat. */
const secretLine = /^((?:x-amz-security-token|[^\n:]*customer-key[^\n:]*):).*$|\b(X-Amz-Security-Token=)[^&\n]*/gm;

function compare(
  request: SignedRequest,
  claim: Claim,
  payloadHash: string,
  principal: Principal,
  key: MacKey,
): Authenticated {
  const canonical = canonicalRequest(request, claim, payloadHash);
  if (canonical !== undefined) {
    const digest = hash('sha256', Buffer.from(canonical, 'latin1'), 'hex');
    const stringToSign = `${algorithm}\n${claim.timestamp}\n${claim.scope.text}\n${digest}`;
    const expected = key.hex(stringToSign);
    if (sameSignature(expected, claim.signature)) {
      return {
        principal,
        payload: payloadFormOf(payloadHash, claim, key),
        signature: { where: claim.source, madeMs: claim.timeMs },
      };
    }
    throw new StoreError('SignatureDoesNotMatch', {
      detail: {
        AWSAccessKeyId: claim.scope.accessKeyId,
        StringToSign: stringToSign,
        SignatureProvided: claim.signature,
        CanonicalRequest: canonical.replace(secretLine, '$1$2(hidden)'),
      },
    });
  }
  throw new StoreError('SignatureDoesNotMatch', {
    message: 'A header named in SignedHeaders is not in the request.',
    detail: { AWSAccessKeyId: claim.scope.accessKeyId, SignatureProvided: claim.signature },
  });
}

function ofForm(claim: FormClaim, principal: Principal, key: MacKey): Authenticated {
  if (sameSignature(key.hexOfLong(claim.policy), claim.signature)) {
    return {
      principal,
      payload: { kind: 'none' },
      signature: { where: 'post', madeMs: claim.timeMs },
    };
  }
  throw new StoreError('SignatureDoesNotMatch', {
    detail: {
      AWSAccessKeyId: claim.scope.accessKeyId,
      StringToSign: claim.policy,
      SignatureProvided: claim.signature,
    },
  });
}

/** Verifies credentials against the access keys of this server. One per thread. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  return new SignatureAuthenticator(options);
}
