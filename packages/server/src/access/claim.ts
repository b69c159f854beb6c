import { type ErrorCode, StoreError } from '../errors.ts';
import { FifoMap } from '../fifo.ts';
import { limits } from '../limits.ts';
import { algorithm, signatureChars } from './signature.ts';
import { parseTimestamp, timestampOfHttpDate } from './timestamp.ts';
import type { SignedRequest } from './types.ts';

/** What a client says alike in all its requests of a day. */
export interface ClaimScope {
  readonly accessKeyId: string;
  /** `yyyyMMdd`. */
  readonly date: string;
  readonly region: string;
  readonly service: string;
  /** `date/region/service/aws4_request`. */
  readonly text: string;
  /** Name of the key that signs: `date/region/service/` and the id of the access key. */
  readonly signer: string;
  /** As given: lower-case names joined by `;`. */
  readonly signedHeaders: string;
  /** The same, one by one and in that order. */
  readonly headers: readonly string[];
}

/** What a signed request says about itself, syntax checked, nothing verified. */
export interface Claim {
  readonly source: 'header' | 'query';
  readonly scope: ClaimScope;
  /** 64 hexadecimal digits. */
  readonly signature: string;
  /** `yyyyMMddTHHmmssZ` and the same in milliseconds. */
  readonly timestamp: string;
  readonly timeMs: number;
  /** How long a presigned URL holds. */
  readonly expiresSeconds: number | undefined;
}

const signatureForm = /^[0-9a-f]{64}$/;
const signedHeadersForm = /^[a-z0-9!#$%&'*+.^_`|~-]+(;[a-z0-9!#$%&'*+.^_`|~-]+)*$/;
const dateForm = /^\d{8}$/;
const queryNames = [
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Expires',
  'X-Amz-SignedHeaders',
  'X-Amz-Signature',
];
const queryNamesLower = new Set(
  [...queryNames, 'X-Amz-Content-Sha256', 'X-Amz-Security-Token'].map((name) => name.toLowerCase()),
);

type Fail = (reason: string, detail?: Record<string, string>) => StoreError;

function failing(code: ErrorCode, beginning: string): Fail {
  return (reason, detail) => new StoreError(code, { message: beginning + reason, ...(detail ? { detail } : {}) });
}

const headerFails = failing('AuthorizationHeaderMalformed', 'The authorization header is malformed; ');
const queryFails = failing('AuthorizationQueryParametersError', '');
const credentialFails = failing('AuthorizationQueryParametersError', 'Error parsing the X-Amz-Credential parameter; ');

export function header(request: SignedRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** What a signature may be for. `region` undefined: any. */
export interface ScopeWish {
  readonly services: readonly string[];
  readonly region: string | undefined;
}

/** An access key id may hold slashes: the scope is the last four parts. */
export function readScope(credential: string, signedHeaders: string, wanted: ScopeWish, fail: Fail): ClaimScope {
  const parts = credential.split('/');
  const terminal = parts.pop();
  const service = parts.pop();
  const ofRegion = parts.pop();
  const date = parts.pop();
  const accessKeyId = parts.join('/');
  if (accessKeyId === '' || date === undefined || ofRegion === undefined || service === undefined) {
    throw fail('the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".');
  }
  if (terminal !== 'aws4_request') throw fail(`incorrect terminal "${terminal}". This endpoint uses "aws4_request".`);
  if (!wanted.services.includes(service))
    throw fail(`incorrect service "${service}". This endpoint belongs to "${wanted.services[0]}".`);
  if (!dateForm.test(date))
    throw fail(`incorrect date format "${date}". This date in the credential must be in the format "yyyyMMdd".`);
  if (wanted.region !== undefined && ofRegion !== wanted.region)
    throw fail(`the region '${ofRegion}' is wrong; expecting '${wanted.region}'`, { Region: wanted.region });
  return {
    accessKeyId,
    date,
    region: ofRegion,
    service,
    text: `${date}/${ofRegion}/${service}/aws4_request`,
    signer: `${date}/${ofRegion}/${service}/${accessKeyId}`,
    signedHeaders,
    headers: signedHeaders.split(';'),
  };
}

/** Scopes that were read, by all of the header up to the signature. */
const knownScopes = new FifoMap<string, ClaimScope>(limits.scopesKept);

/** The components of an Authorization header, in any order. */
function readAuthorization(authorization: string, wanted: ScopeWish): { scope: ClaimScope; signature: string } {
  let credential: string | undefined;
  let signedHeaders: string | undefined;
  let signature: string | undefined;
  for (const piece of authorization.slice(algorithm.length).split(',')) {
    const component = piece.replace(/^[ \t]+|[ \t]+$/g, '');
    const equals = component.indexOf('=');
    const value = component.slice(equals + 1);
    const name = component.slice(0, Math.max(equals, 0));
    if (name === 'Credential' && credential === undefined) credential = value;
    else if (name === 'SignedHeaders' && signedHeaders === undefined) signedHeaders = value;
    else if (name === 'Signature' && signature === undefined) signature = value;
    else throw headerFails(`the authorization component "${component.slice(0, 64)}" is malformed.`);
  }
  if (!credential || !signedHeaders || !signature) {
    throw headerFails('the authorization header requires three components: Credential, SignedHeaders, and Signature.');
  }
  if (!signedHeadersForm.test(signedHeaders))
    throw headerFails('SignedHeaders must be lower-case names joined by ";".');
  return { scope: readScope(credential, signedHeaders, wanted, headerFails), signature };
}

/**
 * Reads `Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html). A client sends the same but for the
 * signature, which comes last, all day: that part is read once.
 */
export function claimOfHeader(request: SignedRequest, authorization: string, wanted: ScopeWish): Claim {
  const end = authorization.length - signatureChars;
  const beginning = end > 0 && authorization.endsWith('Signature=', end) ? authorization.slice(0, end) : undefined;
  const known = beginning === undefined ? undefined : knownScopes.get(beginning);
  let scope: ClaimScope;
  let signature: string;
  if (known !== undefined && known.region === wanted.region && known.service === wanted.services[0]) {
    scope = known;
    signature = authorization.slice(end);
  } else {
    ({ scope, signature } = readAuthorization(authorization, wanted));
    const last = beginning !== undefined && authorization.slice(end) === signature;
    if (last && beginning.length <= limits.scopeTextChars) knownScopes.set(beginning, scope);
  }
  if (!signatureForm.test(signature)) throw headerFails('the Signature must be 64 lower-case hexadecimal digits.');

  const amzDate = header(request, 'x-amz-date');
  const plainDate = amzDate === undefined ? header(request, 'date') : undefined;
  const timestamp = amzDate ?? (plainDate === undefined ? undefined : timestampOfHttpDate(plainDate));
  const timeMs = timestamp === undefined ? undefined : parseTimestamp(timestamp);
  if (timestamp === undefined || timeMs === undefined) {
    throw new StoreError('AccessDenied', { message: 'AWS authentication requires a valid Date or x-amz-date header' });
  }
  if (!timestamp.startsWith(scope.date)) {
    throw headerFails(
      `Invalid credential date "${scope.date}". This date is not the same as X-Amz-Date: "${timestamp.slice(0, 8)}".`,
    );
  }
  return { source: 'header', scope, signature, timestamp, timeMs, expiresSeconds: undefined };
}

/**
 * Reads the parameters of a presigned URL
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
 */
export function claimOfQuery(request: SignedRequest, wanted: ScopeWish): Claim {
  const seen = new Set<string>();
  for (const [name] of request.query.pairs) {
    const lower = name.toLowerCase();
    if (!queryNamesLower.has(lower)) continue;
    if (seen.has(lower)) throw queryFails(`The query parameter ${name} was given more than once.`);
    seen.add(lower);
  }
  const [given, credential, timestamp, expires, signedHeaders, signature] = queryNames.map((name) =>
    request.query.get(name),
  ) as (string | undefined)[];
  if (!given || !credential || !timestamp || !expires || !signedHeaders || !signature) {
    throw queryFails(
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    );
  }
  if (given !== algorithm) throw queryFails(`X-Amz-Algorithm only supports "${algorithm}"`);
  if (!signedHeadersForm.test(signedHeaders))
    throw queryFails('X-Amz-SignedHeaders must be lower-case names joined by ";".');
  if (!signatureForm.test(signature)) throw queryFails('X-Amz-Signature must be 64 lower-case hexadecimal digits.');
  const scope = readScope(credential, signedHeaders, wanted, credentialFails);
  const timeMs = parseTimestamp(timestamp);
  if (timeMs === undefined) throw queryFails(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`);
  if (!timestamp.startsWith(scope.date)) {
    throw credentialFails(
      `Invalid credential date "${scope.date}". This date is not the same as X-Amz-Date: "${timestamp.slice(0, 8)}".`,
    );
  }
  if (!/^\d{1,10}$/.test(expires)) throw queryFails('X-Amz-Expires should be a number');
  const expiresSeconds = Number(expires);
  if (expiresSeconds < 1) throw queryFails('X-Amz-Expires must be at least one second');
  if (expiresSeconds > limits.presignSecondsMax) {
    throw queryFails(
      `X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than ${limits.presignSecondsMax} seconds`,
    );
  }
  return { source: 'query', scope, signature, timestamp, timeMs, expiresSeconds };
}
