import { createSecretKey, type KeyObject } from 'node:crypto';
import { MacKey } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import type { Entropy } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import { isBlank, keyBytes, nonceBytes, openBox, sealBox } from './box.ts';
import { KeptKeys } from './kept.ts';
import type { BucketKey, BucketKeys, KeyService, ObjectKeys, OpenKmsKey } from './types.ts';

const objectContext = Buffer.from('dsom object key 1', 'latin1');
const customerContext = Buffer.from('dsom customer object key 1', 'latin1');
const seedBytes = 16;
const wrappedBytes = nonceBytes + keyBytes + 16;

/** What the key of a bucket is sealed with besides. */
export function bucketContext(bucketName: string): Buffer {
  return Buffer.from(`dsom bucket key 1\0${bucketName}`, 'utf8');
}

/**
 * Derives keys by HMAC-SHA256 in counter mode (NIST SP 800-108r1 §4.1), one block: counter ‖ label ‖ 0 ‖ context ‖ length in bits.
 * The context is written into a block that is kept, since every request derives a key.
 */
class Derivation {
  readonly #from: MacKey;
  readonly #block: Buffer;
  readonly #at: number;

  constructor(from: Buffer, label: string, contextBytes: number) {
    this.#from = new MacKey(from);
    const beginning = Buffer.from(`\0\0\0\x01${label}\0`, 'latin1');
    this.#at = beginning.length;
    this.#block = Buffer.concat([beginning, Buffer.alloc(contextBytes), Buffer.from([0, 0, 1, 0])]);
  }

  key(context: Buffer): Buffer {
    this.#block.set(context, this.#at);
    return this.#from.code(this.#block);
  }
}

/** Keys of objects under HMAC-SHA256 of a second key (a customer's, or a named one), whose own key is derived from that of the bucket. */
class TwofoldKeys implements ObjectKeys {
  readonly #key: KeyObject;
  readonly #context: Buffer;
  readonly #entropy: Entropy;

  constructor(key: Buffer, context: Buffer, entropy: Entropy) {
    this.#key = createSecretKey(key);
    this.#context = context;
    this.#entropy = entropy;
  }

  newObjectKey(): { readonly key: Buffer; readonly wrapped: Buffer } {
    const key = this.#entropy.bytes(keyBytes);
    return { key, wrapped: this.wrapObjectKey(key) };
  }

  wrapObjectKey(key: Buffer): Buffer {
    invariant(key.length === keyBytes && !isBlank(key), 'an object key is 32 random bytes');
    return sealBox(this.#key, this.#entropy.bytes(nonceBytes), key, this.#context);
  }

  unwrapObjectKey(wrapped: Buffer): Buffer {
    const key = wrapped.length === wrappedBytes ? openBox(this.#key, wrapped, this.#context) : undefined;
    if (!key || isBlank(key))
      throw new StoreError('AccessDenied', { message: 'The key of this object cannot be opened.' });
    return key;
  }
}

class OpenBucketKey implements BucketKey {
  readonly #key: KeyObject;
  readonly #derivation: Derivation;
  readonly #entropy: Entropy;
  readonly #customerSecret: Buffer;
  readonly #kmsSecret: Buffer;
  #forCustomers: MacKey | undefined;
  #forKms: MacKey | undefined;

  constructor(key: Buffer, entropy: Entropy) {
    this.#key = createSecretKey(key);
    this.#customerSecret = new Derivation(key, 'dsom customer keys 1', 0).key(Buffer.alloc(0));
    this.#kmsSecret = new Derivation(key, 'dsom kms keys 1', 0).key(Buffer.alloc(0));
    const seed = new Derivation(key, 'dsom object keys 1', 0).key(Buffer.alloc(0));
    this.#derivation = new Derivation(seed, 'dsom object key 2', seedBytes);
    this.#entropy = entropy;
  }

  withCustomerKey(customerKey: Uint8Array): ObjectKeys {
    invariant(customerKey.length === keyBytes, 'the key of a customer has 32 bytes');
    this.#forCustomers ??= new MacKey(this.#customerSecret);
    return new TwofoldKeys(this.#forCustomers.code(customerKey), customerContext, this.#entropy);
  }

  withKmsKey({ id, version, key }: OpenKmsKey, bound: Uint8Array): ObjectKeys {
    invariant(key.length === keyBytes && !isBlank(key), 'a version of a named key has 32 bytes');
    this.#forKms ??= new MacKey(this.#kmsSecret);
    const named = Buffer.from(`dsom kms object key 1\0${id}\0${version}\0`, 'utf8');
    return new TwofoldKeys(this.#forKms.code(key), Buffer.concat([named, bound]), this.#entropy);
  }

  newObjectKey(): { readonly key: Buffer; readonly wrapped: Buffer } {
    const wrapped = this.#entropy.bytes(seedBytes);
    return { key: this.#derivation.key(wrapped), wrapped };
  }

  wrapObjectKey(key: Buffer): Buffer {
    invariant(key.length === keyBytes && !isBlank(key), 'an object key is 32 random bytes');
    return sealBox(this.#key, this.#entropy.bytes(nonceBytes), key, objectContext);
  }

  unwrapObjectKey(wrapped: Buffer): Buffer {
    if (wrapped.length === seedBytes && !isBlank(wrapped)) return this.#derivation.key(wrapped);
    const key = wrapped.length === wrappedBytes ? openBox(this.#key, wrapped, objectContext) : undefined;
    if (!key || isBlank(key))
      throw new StoreError('AccessDenied', { message: 'The key of this object cannot be opened.' });
    return key;
  }
}

/** Bucket keys wrapped by `service`, the opened ones kept in memory up to `limits.openBucketKeys`. */
export function bucketKeys(service: KeyService, entropy: Entropy): BucketKeys {
  const kept = new KeptKeys<BucketKey>({ service, entropy, most: limits.openBucketKeys });
  const made = (plain: Buffer): BucketKey => {
    const key = new OpenBucketKey(plain, entropy);
    plain.fill(0);
    return key;
  };
  return {
    create: (bucketName) => kept.create(bucketContext(bucketName)),
    opened: (bucketName, wrapped) => kept.opened(bucketName, wrapped),
    open: (bucketName, wrapped) =>
      kept.open(
        bucketName,
        wrapped,
        bucketContext(bucketName),
        made,
        () =>
          new StoreError('AccessDenied', { message: 'The key of this bucket cannot be opened.', resource: bucketName }),
      ),
  };
}
