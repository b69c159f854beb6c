import type { MacKey } from '../codec/index.ts';
import type { AccessKeyRecord } from '../metadata/index.ts';
import type { Session } from './identities/index.ts';
import type { Identity } from './identity.ts';
import type { Query } from './query.ts';

/** A request as authentication needs it: the raw target, never a decoded path. Spread a `Target` into it. */
export interface SignedRequest {
  readonly method: string;
  /** Path exactly as received, without the query. */
  readonly rawPath: string;
  /** Query exactly as received, without the `?`. */
  readonly rawQuery: string;
  /** `rawQuery`, parsed by `parseTarget`: what is verified here is what the handler acts on. */
  readonly query: Query;
  /** Lower-case names; values as received; repeated headers joined by `, ` (node:http's `headers` with `host` kept as is). */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Names and values in turn, line by line as received (node:http's `rawHeaders`): a list that came in several lines is signed in another form than one of one line. */
  readonly rawHeaders: readonly string[];
}

/** Every way to say who one is. What is not in this list is refused. */
export type CredentialKind = 'anonymous' | 'header' | 'query' | 'bearer';

/** How the body is signed, found out from `x-amz-content-sha256`. */
export type PayloadForm =
  /** Nothing was said about the body. */
  | { readonly kind: 'none' }
  /** The whole body has this SHA-256 (lower-case hex). */
  | { readonly kind: 'sha256'; readonly hex: string }
  | { readonly kind: 'unsigned' }
  /** aws-chunked: each chunk signed when `signing` is there, trailing headers when `trailer`. */
  | { readonly kind: 'chunked'; readonly signing: ChunkSigning | undefined; readonly trailer: boolean };

export interface ChunkSigning {
  readonly signingKey: MacKey;
  readonly scope: string;
  readonly timestamp: string;
  readonly seedSignature: string;
}

/** The credentials with which a request was signed. */
export interface AuthenticatedKey {
  readonly accessKeyId: string;
  /** The access key for good that stands behind it: itself, or the one that its session was made with. */
  readonly origin: string;
  readonly session: Session | undefined;
}

/**
 * Who asks. Anonymous is a principal too. `key`: an access key that is its own scope, or that of the root of an account. `identity`: a user of an
 * account, or somebody with temporary credentials, as the rows of identities tell.
 */
export type Principal =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'key'; readonly key: AccessKeyRecord }
  | { readonly kind: 'identity'; readonly identity: Identity; readonly credentials: AuthenticatedKey };

/** Where the signature of a request stands, and when it was made. */
export interface SignedBy {
  readonly where: 'header' | 'query' | 'post';
  readonly madeMs: number;
}

export interface Authenticated {
  readonly principal: Principal;
  readonly payload: PayloadForm;
  /** undefined: nothing was signed. */
  readonly signature: SignedBy | undefined;
}

export interface Authenticator {
  /**
   * The only authentication function: every protocol calls it. Anything it does not know is refused.
   * @param accepted the kinds of credentials that this path takes; all others are refused
   * @returns at once when the key was used before, so that the usual request waits for nothing
   * @throws StoreError with the S3 code of the failure (or rejects with it)
   */
  authenticate(request: SignedRequest, accepted: readonly CredentialKind[]): Authenticated | Promise<Authenticated>;
  /**
   * The same for a service that signs the body itself and takes a signature for any region in the header only: IAM and STS.
   * @param payloadHash SHA-256 of the body that came, in lower-case hexadecimal digits
   */
  authenticateCall(
    request: SignedRequest,
    services: readonly string[],
    payloadHash: string,
  ): Authenticated | Promise<Authenticated>;
  /**
   * The same for an HTML form, whose policy is signed and nothing else: whoever calls this must hold the form against the policy. A form without a
   * policy is anonymous.
   * @param fields by their names in lower case, each given once
   * @throws StoreError (or rejects with it)
   */
  authenticateForm(fields: ReadonlyMap<string, string>): Authenticated | Promise<Authenticated>;
}
