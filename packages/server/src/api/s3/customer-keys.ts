import { createHash, timingSafeEqual } from 'node:crypto';
import { StoreError } from '../../errors.ts';
import type { CustomerKey } from '../../objects/index.ts';
import type { HeaderList } from '../http/exchange.ts';
import { header, type S3Call } from './call.ts';
import { encryptionForm } from './configurations/simple.ts';
import { invalidArgument, notImplemented } from './failure.ts';
import { parseXml } from './xml/parser.ts';

/*
 * Keys that the customer sends with each request (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html): an algorithm,
 * the key in base64, and the MD5 of the key, which tells a key that was damaged on its way from another one.
 */

/** Names of its headers, made once: every request is asked for them. */
const namesOf = (prefix: string) => ({
  algorithm: `${prefix}-algorithm`,
  key: `${prefix}-key`,
  md5: `${prefix}-key-md5`,
});
const target = namesOf('x-amz-server-side-encryption-customer');
const source = namesOf('x-amz-copy-source-server-side-encryption-customer');
const subject = 'Requests specifying Server Side Encryption with Customer provided keys must';

const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && /^(?:::ffff:)?127\.|^::1$/.test(address);

/** A key that travels in the clear is no secret: it comes over TLS, from this machine, or where the operator says that a proxy has it from TLS. */
function screenConnection(call: S3Call): void {
  const { secure, address } = call.exchange.connection;
  if (call.service.customerKeysOverHttp || secure || isLoopback(address)) return;
  throw new StoreError('InvalidRequest', { message: `${subject} be made over a secure connection.` });
}

function keyOf(call: S3Call, names: typeof target): CustomerKey | undefined {
  const [algorithm, key, md5] = [header(call, names.algorithm), header(call, names.key), header(call, names.md5)];
  if (algorithm === undefined && key === undefined && md5 === undefined) return undefined;
  screenConnection(call);
  if (call.exchange.request.headers[names.key] !== key)
    throw new StoreError('InvalidRequest', {
      message: 'The key of a customer is sent in a header: a URL ends up in logs and histories.',
    });
  if (algorithm === undefined)
    throw invalidArgument(names.algorithm, undefined, `${subject} provide a valid encryption algorithm.`);
  if (algorithm !== 'AES256')
    throw new StoreError('InvalidEncryptionAlgorithmError', {
      detail: { ArgumentName: names.algorithm, ArgumentValue: algorithm },
    });
  if (key === undefined) throw invalidArgument(names.key, undefined, `${subject} provide an appropriate secret key.`);
  if (md5 === undefined)
    throw invalidArgument(names.md5, undefined, `${subject} provide the client calculated MD5 of the secret key.`);
  const bytes = Buffer.from(key, 'base64');
  // What is not base64 is passed over by the decoder; a key that is written in another way is another key.
  if (bytes.length !== 32 || bytes.toString('base64') !== key)
    throw invalidArgument(names.key, undefined, 'The secret key was invalid for the specified algorithm.');
  const digest = createHash('md5').update(bytes).digest();
  const given = Buffer.from(md5, 'base64');
  if (given.toString('base64') !== md5 || given.length !== digest.length || !timingSafeEqual(given, digest))
    throw invalidArgument(
      names.md5,
      md5,
      'The calculated MD5 hash of the key did not match the hash that was provided.',
    );
  return bytes;
}

/**
 * The key of the object that a request reads, or of the upload that it adds to.
 * @throws StoreError InvalidArgument, InvalidEncryptionAlgorithmError, InvalidRequest without TLS
 */
export const customerKeyOf = (call: S3Call): CustomerKey | undefined => keyOf(call, target);

/** The key of an upload, for a part of it. @throws StoreError as {@link customerKeyOf}; NotImplemented where its bytes would not be encrypted */
export function partCustomerKeyOf(call: S3Call): CustomerKey | undefined {
  const key = customerKeyOf(call);
  if (key && call.service.objects.plain)
    throw notImplemented('Encryption by a server that was started with --encryption off', {
      Header: target.algorithm,
    });
  return key;
}

/** The key of the source of a copy. */
export const sourceKeyOf = (call: S3Call): CustomerKey | undefined => keyOf(call, source);

/**
 * The key for an object or upload that a request makes.
 * @throws StoreError as {@link customerKeyOf}, and AccessDenied where the bucket takes none
 */
export function newCustomerKeyOf(call: S3Call): CustomerKey | undefined {
  const key = partCustomerKeyOf(call);
  if (!key) return undefined;
  const other = header(call, 'x-amz-server-side-encryption');
  if (other !== undefined)
    throw invalidArgument(
      'x-amz-server-side-encryption',
      other,
      'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
    );
  const document = call.service.objects.configuration(call.bucket, 'encryption');
  if (document && encryptionForm.parse(parseXml(document)).blocked?.includes('SSE-C'))
    throw new StoreError('AccessDenied', {
      message: 'The bucket takes no objects with keys of the customer (BlockedEncryptionTypes of its encryption).',
    });
  return key;
}

/** What an answer says of the key that was used, which the request has named. */
export function pushCustomerKey(headers: HeaderList, call: S3Call): void {
  const md5 = header(call, target.md5);
  if (md5 !== undefined) headers.push(target.algorithm, 'AES256', 'x-amz-server-side-encryption-customer-key-MD5', md5);
}
