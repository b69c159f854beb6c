import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

export const algorithm = 'AWS4-HMAC-SHA256';

/** Lower-case hex of HMAC-SHA256. */
export function sign(key: KeyObject, text: string): string {
  return createHmac('sha256', key).update(text, 'latin1').digest('hex');
}

/** Compares two signatures in constant time. */
export function sameSignature(expected: string, claimed: string): boolean {
  if (claimed.length !== expected.length) return false;
  return timingSafeEqual(Buffer.from(expected, 'latin1'), Buffer.from(claimed, 'latin1'));
}

function derive(key: KeyObject | string, text: string): KeyObject {
  return createSecretKey(createHmac('sha256', key).update(text).digest());
}

/** The signing key of one day and region (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html). */
export function deriveSigningKey(secret: string, date: string, region: string): KeyObject {
  return derive(derive(derive(derive(`AWS4${secret}`, date), region), 's3'), 'aws4_request');
}
