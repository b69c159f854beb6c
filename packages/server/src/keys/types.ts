/** Wraps small secrets with a key that never leaves it: a local keyring, or an external key service. */
export interface KeyService {
  /** @param context bound to the result as associated data: unwrapping needs the same */
  wrap(plain: Uint8Array, context: Uint8Array): Promise<Buffer>;
  /** @throws StoreError AccessDenied when the key is unknown or the bytes were changed: unreadable means deny */
  unwrap(wrapped: Uint8Array, context: Uint8Array): Promise<Buffer>;
}

/** Bucket keys kept open in memory (bounded), so that an object costs no call to the key service. */
export interface BucketKeys {
  /** A new bucket key, wrapped by the master key. */
  create(bucketName: string): Promise<Buffer>;
  /** @throws StoreError AccessDenied when it cannot be unwrapped */
  open(bucketName: string, wrapped: Buffer): Promise<BucketKey>;
  /** The key when it is open already: reads then need no promise. */
  opened(bucketName: string, wrapped: Buffer): BucketKey | undefined;
}

/**
 * One bucket's key: derives and wraps the keys of its objects. What a version keeps of its key is the random seed that it was derived from
 * (16 bytes), or, where the key came from another bucket, the key itself, wrapped (60 bytes: nonce 12, key 32, tag 16). Synchronous: it is on the
 * path of every request.
 */
export interface BucketKey extends ObjectKeys {
  /**
   * Wraps keys of objects so that they open only with this key as well: what is kept opens neither with the bucket's key alone, nor with the customer's.
   * @param key 32 bytes of the customer; not kept
   */
  withCustomerKey(key: Uint8Array): ObjectKeys;
  /**
   * The same with one version of a named key.
   * @param bound what else has to be the same when it opens: the encryption context
   */
  withKmsKey(key: OpenKmsKey, bound: Uint8Array): ObjectKeys;
}

/** Makes, wraps and unwraps the keys of objects. */
export interface ObjectKeys {
  /** A new object key and what is kept of it. */
  newObjectKey(): { readonly key: Buffer; readonly wrapped: Buffer };
  wrapObjectKey(key: Buffer): Buffer;
  /** @throws StoreError AccessDenied when a wrapped key was changed; a changed seed gives a key that opens nothing */
  unwrapObjectKey(wrapped: Buffer): Buffer;
}

/** One version of a named key, opened: never leaves the server. */
export interface OpenKmsKey {
  /** A UUID. */
  readonly id: string;
  /** From 1. */
  readonly version: number;
  /** 32 bytes. */
  readonly key: Buffer;
}

/** Versions of named keys, kept open in memory (bounded by `limits.openKmsKeys`). */
export interface KmsKeys {
  /** 32 new random bytes, wrapped by the master key for this version of this key alone. */
  create(id: string, version: number): Promise<Buffer>;
  /** @throws StoreError AccessDenied when it cannot be unwrapped: changed, or of another key or version */
  open(id: string, version: number, wrapped: Buffer): Promise<OpenKmsKey>;
  /** The same where it is open already. */
  opened(id: string, version: number, wrapped: Buffer): OpenKmsKey | undefined;
}
