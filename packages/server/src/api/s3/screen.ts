import type { IncomingHttpHeaders } from 'node:http';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isConsistency } from '../http/consistency.ts';
import type { S3Call } from './call.ts';
import { invalidArgument, notImplemented } from './failure.ts';

/*
 * What a request may say before any operation looks at it. Whatever asks for something that this store does not do is
 * refused by name: a header that is passed over in silence would be a promise broken in silence.
 */

const fourNumbers = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;

/**
 * True for what a bucket may be called (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html), reserved
 * words aside. On the path of every request, so it looks at each character once.
 */
export function isBucketName(name: string): boolean {
  if (name.length < limits.bucketNameMin || name.length > limits.bucketNameMax) return false;
  let previous = 0x2e;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    const plain = (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39);
    if (!plain && code !== 0x2d && code !== 0x2e) return false;
    if (previous === 0x2e && !plain) return false;
    previous = code;
  }
  if (previous === 0x2e || previous === 0x2d) return false;
  return !(name.includes('.') && fourNumbers.test(name));
}

export function screenKey(key: Buffer): void {
  if (key.length > limits.keyBytes) {
    throw new StoreError('KeyTooLongError', {
      detail: { Size: String(key.length), MaxSizeAllowed: String(limits.keyBytes) },
    });
  }
}

const kmsForms = ['aws:kms', 'aws:kms:dsse'];

/** A part has the encryption of its upload, and a bucket says its own by PutBucketEncryption. */
const notHere = (name: string, value: string): StoreError =>
  invalidArgument(name, value, `${name} header is not supported for this operation.`);

function screenEncryption(value: string, isMaking: boolean): void {
  if (value === 'AES256' || (isMaking && kmsForms.includes(value))) return;
  if (kmsForms.includes(value)) throw notHere('x-amz-server-side-encryption', value);
  if (value === 'aws:fsx') throw notImplemented(`Encryption with ${value}`, { Header: 'x-amz-server-side-encryption' });
  throw new StoreError('InvalidEncryptionAlgorithmError', {
    detail: { ArgumentName: 'x-amz-server-side-encryption', ArgumentValue: value },
  });
}

/**
 * Checks one `x-amz-` header of a write. Those that operations read themselves pass.
 * @param isMaking it makes an object or an upload, which may have a named key
 */
function screenWriteHeader(name: string, value: string, isMaking: boolean): void {
  switch (name) {
    case 'x-amz-server-side-encryption':
      screenEncryption(value, isMaking);
      return;
    case 'x-amz-server-side-encryption-bucket-key-enabled':
      if (!isMaking && value.toLowerCase() !== 'false') throw notHere(name, value);
      return;
    case 'x-amz-write-offset-bytes':
      throw new StoreError('InvalidRequest', {
        message: 'Bytes are appended by PutObject only: leave the header out, or use PutObject.',
        detail: { Header: name },
      });
    default:
      if (!isMaking && name.startsWith('x-amz-server-side-encryption-') && !name.includes('-customer-'))
        throw notHere(name, value);
  }
}

/**
 * Screens the headers of an operation that creates a bucket, an object, an upload or a part.
 * @param own a header that the operation reads itself, and no other does
 */
export function screenWrite(headers: IncomingHttpHeaders, own?: string, isMaking = false): void {
  for (const name in headers)
    if (name.startsWith('x-amz-') && name !== own) screenWriteHeader(name, headers[name] as string, isMaking);
}

/** The same where an object or an upload is made, which may have a named key (kms.ts). */
export const screenMaking = (headers: IncomingHttpHeaders, own?: string): void => screenWrite(headers, own, true);

/** What every request of a bucket must say well, whatever it asks for. */
export function screenCall({
  bucket,
  key,
  headers,
  service,
}: Pick<S3Call, 'bucket' | 'key' | 'headers' | 'service'>): void {
  if (!isBucketName(bucket)) throw new StoreError('InvalidBucketName');
  screenKey(key);
  screenConsistency(headers);
  if (service.objects.plain && headers['x-amz-server-side-encryption'] !== undefined) {
    const what = 'Encryption by a server that was started with --encryption off';
    throw notImplemented(what, { Header: 'x-amz-server-side-encryption' });
  }
}

export function screenConsistency(headers: IncomingHttpHeaders): void {
  const value = headers['x-dsom-consistency'] as string | undefined;
  if (value !== undefined && !isConsistency(value)) {
    throw invalidArgument('x-dsom-consistency', value, 'The consistency is one of strong, causal, eventual.');
  }
}

/** These decide who asks and what for; more than one of them leaves open which one counts. */
const single: Readonly<Record<number, readonly string[]>> = {
  4: ['host'],
  10: ['x-amz-date'],
  13: ['authorization'],
  17: ['x-amz-copy-source'],
  20: ['x-amz-content-sha256'],
};

/** Refuses a repeated header that must be single. @param raw names and values in turn, as they came */
export function screenRepeated(raw: readonly string[]): void {
  let seen: string[] | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const candidates = single[name.length];
    if (candidates === undefined) continue;
    const lower = name.toLowerCase();
    if (!candidates.includes(lower)) continue;
    if (seen?.includes(lower))
      throw new StoreError('InvalidRequest', { message: `The header ${lower} is given more than once.` });
    (seen ??= []).push(lower);
  }
}
