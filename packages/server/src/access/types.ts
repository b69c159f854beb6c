import type { MacKey } from '../codec/index.ts';
import type { AccessKeyRecord } from '../metadata/index.ts';
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

/** Who asks. Anonymous is a principal too. */
export type Principal = { readonly kind: 'anonymous' } | { readonly kind: 'key'; readonly key: AccessKeyRecord };

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
}
