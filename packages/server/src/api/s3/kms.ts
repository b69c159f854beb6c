import { limits } from '../../limits.ts';
import type { KmsEncryption } from '../../metadata/index.ts';
import { type KmsChoice, kmsKeyArn } from '../../objects/index.ts';
import type { HeaderList } from '../http/exchange.ts';
import { header, type S3Call } from './call.ts';
import { encryptionForm } from './configurations/simple.ts';
import { invalidArgument } from './failure.ts';
import { parseXml } from './xml/parser.ts';

/* Named keys as S3 says them (https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-kms-encryption.html). */

const algorithmHeader = 'x-amz-server-side-encryption';
const keyHeader = `${algorithmHeader}-aws-kms-key-id`;
const contextHeader = `${algorithmHeader}-context`;
const bucketKeyHeader = `${algorithmHeader}-bucket-key-enabled`;

/** What the document of a bucket's default encryption says of a named key; undefined: nothing. */
export function defaultKmsOf(document: Buffer): KmsChoice | undefined {
  const { algorithm, key, bucketKey } = encryptionForm.parse(parseXml(document));
  return algorithm === 'AES256' ? undefined : { algorithm, key, context: Buffer.alloc(0), bucketKey };
}

/** Whether a text has the form that AWS asks for where a key can be named by nothing else. */
export const isKmsKeyArn = (text: string): boolean => /^arn:aws[-a-z0-9]*:kms:[-a-z0-9]*:[0-9]{12}:key\/.+$/.test(text);

/** @throws StoreError InvalidArgument unless it is base64 of a JSON object of strings */
function contextOf(text: string | undefined): Buffer {
  if (text === undefined) return Buffer.alloc(0);
  const bytes = Buffer.from(text, 'base64');
  let parsed: unknown;
  try {
    if (bytes.toString('base64') === text)
      parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    // Neither UTF-8 nor JSON: refused below.
  }
  const isMap =
    typeof parsed === 'object' &&
    parsed !== null &&
    !Array.isArray(parsed) &&
    Object.values(parsed).every((value) => typeof value === 'string');
  if (!isMap)
    throw invalidArgument(
      contextHeader,
      text,
      `The header '${contextHeader}' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map`,
    );
  if (bytes.length > limits.kmsContextBytes)
    throw invalidArgument(
      contextHeader,
      String(bytes.length),
      `The encryption context has ${limits.kmsContextBytes} bytes of JSON at most: leave pairs out.`,
    );
  return bytes;
}

/** @throws StoreError InvalidArgument */
function bucketKeyOf(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  const lower = text.toLowerCase();
  if (lower === 'true' || lower === 'false') return lower === 'true';
  throw invalidArgument(bucketKeyHeader, text, `The header ${bucketKeyHeader} is true or false.`);
}

/**
 * The named key that the headers of a write ask for; null: none; undefined: they leave it to the bucket.
 * @throws StoreError InvalidArgument
 */
export function kmsOf(call: S3Call): KmsChoice | null | undefined {
  const algorithm = header(call, algorithmHeader);
  const key = header(call, keyHeader);
  const context = header(call, contextHeader);
  const bucketKey = bucketKeyOf(header(call, bucketKeyHeader));
  if (algorithm !== 'aws:kms' && algorithm !== 'aws:kms:dsse') {
    const name = key === undefined ? contextHeader : keyHeader;
    if (key !== undefined || context !== undefined)
      throw invalidArgument(
        name,
        header(call, name),
        'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms or aws:kms:dsse',
      );
    if (algorithm !== undefined) return null;
    if (bucketKey === undefined) return undefined;
    const document = call.service.objects.configuration(call.bucket, 'encryption');
    const byDefault = document && defaultKmsOf(document);
    return byDefault && { ...byDefault, bucketKey };
  }
  if (key?.trim() === '') throw invalidArgument(keyHeader, key, `The header ${keyHeader} names a key, or is left out.`);
  return { algorithm, key, context: contextOf(context), bucketKey };
}

/** What an answer says of the named key of an object or upload. */
export function pushKms(headers: HeaderList, call: S3Call, { algorithm, key, bucketKey }: KmsEncryption): void {
  headers.push(algorithmHeader, algorithm, keyHeader, kmsKeyArn(call.service.region, key));
  if (bucketKey) headers.push(bucketKeyHeader, 'true');
}

/** The encryption context, in the answer to the write that gave it. */
export function pushContext(headers: HeaderList, { context }: KmsEncryption): void {
  if (context.length > 0) headers.push(contextHeader, context.toString('base64'));
}
