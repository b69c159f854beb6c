import { timingSafeEqual } from 'node:crypto';
import { MacKey } from '../codec/index.ts';

export const algorithm = 'AWS4-HMAC-SHA256';
/** A signature is so many hexadecimal digits. */
export const signatureChars = 64;

const expectedText = Buffer.alloc(signatureChars);
const claimedText = Buffer.alloc(signatureChars);

/** Compares two signatures in constant time. */
export function sameSignature(expected: string, claimed: string): boolean {
  if (expected.length !== signatureChars || claimed.length !== signatureChars) return false;
  expectedText.write(expected, 'latin1');
  claimedText.write(claimed, 'latin1');
  return timingSafeEqual(expectedText, claimedText);
}

/** The signing key of one day, region and service (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html). */
export function deriveSigningKey(secret: string, date: string, region: string, service = 's3'): MacKey {
  let key = new MacKey(Buffer.from(`AWS4${secret}`));
  for (const text of [date, region, service, 'aws4_request']) key = new MacKey(key.code(text));
  return key;
}
