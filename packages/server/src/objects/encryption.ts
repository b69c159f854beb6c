import { StoreError } from '../errors.ts';
import type { BucketKey, ObjectKeys } from '../keys/index.ts';
import type { BucketRecord, Encryption } from '../metadata/index.ts';
import { boundTo, type KmsChoice, kmsKeyOf, newKmsKey } from './kms.ts';
import { bucketKey, type Rooms } from './rooms.ts';

/*
 * Which key wraps the key of an object: the bucket's; that and one that the customer sends with every request about the object and that is kept nowhere; or
 * that and a named key (kms.ts). What of a customer's key is in the row of a version is that there is one; whether the right one was sent is known when the
 * object's key opens.
 */

/** The key of a customer, 32 bytes. */
export type CustomerKey = Buffer;

/** How something new is to be encrypted. */
export interface AskedEncryption {
  /** Absent: no key of a customer. */
  readonly customerKey?: CustomerKey | undefined;
  /** null: with no named key. Absent: what the bucket says by default. */
  readonly kms?: KmsChoice | null | undefined;
}

/** What wraps the key of something new, and what its row says of that. */
export interface Wrapping {
  readonly keys: ObjectKeys;
  readonly said: { readonly encryption?: Encryption };
}

/** What wraps without a named key. */
const wrappingKeys = (bucketKey: BucketKey, customerKey: CustomerKey | undefined): ObjectKeys =>
  customerKey ? bucketKey.withCustomerKey(customerKey) : bucketKey;

/** The named key that is asked for, or that the bucket says where the request says nothing. */
function chosenKms(rooms: Rooms, bucket: BucketRecord, { customerKey, kms }: AskedEncryption): KmsChoice | undefined {
  if (customerKey || kms === null) return undefined;
  if (kms && kms.bucketKey !== undefined) return kms;
  const document = rooms.reader.configuration(bucket.id, 'encryption');
  const byDefault = document && rooms.defaultKms?.(document);
  return kms ? { ...kms, bucketKey: byDefault?.bucketKey } : byDefault;
}

/**
 * The keys for something new; without a promise where all that is needed is open.
 * @throws StoreError KMS.NotFoundException, KMS.DisabledException; NotImplemented where a named key is asked for and nothing is encrypted
 */
export function wrappingFor(rooms: Rooms, bucket: BucketRecord, asked: AskedEncryption): Wrapping | Promise<Wrapping> {
  const { customerKey } = asked;
  const opened = bucketKey(rooms, bucket);
  const kms = chosenKms(rooms, bucket, asked);
  if (kms) return wrappingByKms(rooms, bucket, opened, kms);
  const said = encryptionBy(customerKey);
  if (opened instanceof Promise) return opened.then((key) => ({ keys: wrappingKeys(key, customerKey), said }));
  return { keys: wrappingKeys(opened, customerKey), said };
}

async function wrappingByKms(
  rooms: Rooms,
  bucket: BucketRecord,
  opened: BucketKey | Promise<BucketKey>,
  choice: KmsChoice,
): Promise<Wrapping> {
  if (rooms.plain)
    throw new StoreError('NotImplemented', {
      message:
        'The bucket encrypts with a named key, and this server was started with --encryption off: start it without.',
    });
  const bucketKey = await opened;
  const { key, encryption } = await newKmsKey(rooms, bucket, choice);
  return { keys: bucketKey.withKmsKey(key, boundTo(encryption)), said: { encryption } };
}

/** What the row of something new says of a key of a customer. */
const encryptionBy = (customerKey: CustomerKey | undefined): { readonly encryption?: Encryption } =>
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

/** What the row of an object or of an upload says of its key. */
interface Sealed {
  readonly encryption?: Encryption;
  readonly wrappedKey: Buffer;
}

/**
 * The key of an object that is there, whatever wraps it.
 * @throws StoreError as {@link objectKeyOf}; KMS.DisabledException, KMS.NotFoundException
 */
export async function openedKeyOf(
  rooms: Rooms,
  bucketKey: BucketKey,
  row: Sealed,
  customerKey: CustomerKey | undefined,
): Promise<Buffer> {
  const { encryption } = row;
  if (encryption?.kind !== 'kms') return objectKeyOf(bucketKey, row, customerKey);
  if (customerKey) throw notApplicable();
  const key = await kmsKeyOf(rooms, encryption);
  return bucketKey.withKmsKey(key, boundTo(encryption)).unwrapObjectKey(row.wrappedKey);
}

/**
 * The key of an object that no named key wraps.
 * @throws StoreError InvalidRequest where a customer's key is missing, or given for an object that has none; AccessDenied where it is another one, or
 * where what is kept cannot be opened
 */
export function objectKeyOf(
  bucketKey: BucketKey,
  { encryption, wrappedKey }: Sealed,
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
