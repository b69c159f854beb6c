import type { AccessKeyRecord } from '../metadata/index.ts';

/** A request as authentication needs it: the raw target, never a decoded path. */
export interface SignedRequest {
  readonly method: string;
  /** Path exactly as received, without the query. */
  readonly rawPath: string;
  /** Query exactly as received, without the `?`. */
  readonly rawQuery: string;
  /** Lower-case names; values as received; repeated headers joined by `, ` (node:http's `headers` with `host` kept as is). */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** How the body is signed, found out from `x-amz-content-sha256`. */
export type PayloadForm =
  | { readonly kind: 'none' }
  /** The whole body has this SHA-256 (lower-case hex). */
  | { readonly kind: 'sha256'; readonly hex: string }
  | { readonly kind: 'unsigned' }
  /** aws-chunked: each chunk signed when `signing` is there, trailing headers when `trailer`. */
  | { readonly kind: 'chunked'; readonly signing: ChunkSigning | undefined; readonly trailer: boolean };

export interface ChunkSigning {
  readonly signingKey: Buffer;
  readonly scope: string;
  readonly timestamp: string;
  readonly seedSignature: string;
}

/** Who asks. Anonymous is a principal too, and is denied everything for now. */
export type Principal = { readonly kind: 'anonymous' } | { readonly kind: 'key'; readonly key: AccessKeyRecord };

export interface Authenticated {
  readonly principal: Principal;
  readonly payload: PayloadForm;
}

export interface Authenticator {
  /**
   * The only authentication function: every protocol calls it. Anything it does not know is refused.
   * @throws StoreError with the S3 code of the failure
   */
  authenticate(request: SignedRequest): Promise<Authenticated>;
}

/** What is done, to what. `action` is an S3 action name without prefix (GetObject, ListBucket…) or an admin action. */
export interface AccessQuestion {
  readonly principal: Principal;
  readonly action: string;
  readonly kind: 'read' | 'write' | 'admin';
  readonly bucket: string | undefined;
}
