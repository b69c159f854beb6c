import { StoreError } from '../errors.ts';
import type { BucketKey, ObjectKeys } from '../keys/index.ts';
import type { Encryption } from '../metadata/index.ts';

/*
 * Which key wraps the key of an object: the bucket's, or one that the customer sends with every request about the object and that is kept nowhere. What
 * of it is in the row of a version is that there is one; whether the right one was sent is known when the object's key opens.
 */

/** The key of a customer, 32 bytes. */
export type CustomerKey = Buffer;

/** What wraps the key of something new. */
export const wrappingKeys = (bucketKey: BucketKey, customerKey: CustomerKey | undefined): ObjectKeys =>
  customerKey ? bucketKey.withCustomerKey(customerKey) : bucketKey;

/** What the row of something new says of its key. */
export const encryptionBy = (customerKey: CustomerKey | undefined): { readonly encryption?: Encryption } =>
  customerKey ? { encryption: { kind: 'customer' } } : {};

const needed = (): StoreError =>
  new StoreError('InvalidRequest', {
    message:
      'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
  });
const notApplicable = (): StoreError =>
  new StoreError('InvalidRequest', { message: 'The encryption parameters are not applicable to this object.' });
const wrong = (cause: unknown): StoreError =>
  new StoreError('AccessDenied', {
    message: 'The key of the customer is not the one that the object was stored with: send that one.',
    cause,
  });

/**
 * The key of an object that is there.
 * @throws StoreError InvalidRequest where a customer's key is missing, or given for an object that has none; AccessDenied where it is another one, or
 * where what is kept cannot be opened
 */
export function objectKeyOf(
  bucketKey: BucketKey,
  { encryption, wrappedKey }: { readonly encryption?: Encryption; readonly wrappedKey: Buffer },
  customerKey: CustomerKey | undefined,
): Buffer {
  if (encryption?.kind !== 'customer') {
    if (customerKey) throw notApplicable();
    return bucketKey.unwrapObjectKey(wrappedKey);
  }
  if (!customerKey) throw needed();
  try {
    return bucketKey.withCustomerKey(customerKey).unwrapObjectKey(wrappedKey);
  } catch (cause) {
    throw cause instanceof StoreError ? wrong(cause) : cause;
  }
}
