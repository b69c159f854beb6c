import { type CipherKey, createCipheriv, createDecipheriv } from 'node:crypto';
import { invariant } from '../invariant.ts';

const cipher = 'aes-256-gcm';
const options = { authTagLength: 16 } as const;

export const keyBytes = 32;
export const nonceBytes = 12;
const tagBytes = 16;

/**
 * Seals a small secret with AES-256-GCM: nonce ‖ ciphertext ‖ tag.
 * @param nonce 12 random bytes, never used before under this key; @param context associated data, needed again to open
 */
export function sealBox(key: CipherKey, nonce: Buffer, plain: Uint8Array, context: Uint8Array): Buffer {
  invariant(nonce.length === nonceBytes, 'a nonce has twelve bytes');
  const sealing = createCipheriv(cipher, key, nonce, options);
  sealing.setAAD(context);
  const out = Buffer.allocUnsafe(nonceBytes + plain.length + tagBytes);
  nonce.copy(out, 0);
  sealing.update(plain).copy(out, nonceBytes);
  sealing.final();
  sealing.getAuthTag().copy(out, nonceBytes + plain.length);
  return out;
}

/** Opens {@link sealBox}. @returns undefined when key, context or bytes are not those it was sealed with */
export function openBox(key: CipherKey, box: Uint8Array, context: Uint8Array): Buffer | undefined {
  const end = box.length - tagBytes;
  if (end < nonceBytes) return undefined;
  const opening = createDecipheriv(cipher, key, box.subarray(0, nonceBytes), options);
  opening.setAAD(context);
  opening.setAuthTag(box.subarray(end));
  const plain = opening.update(box.subarray(nonceBytes, end));
  try {
    opening.final();
  } catch {
    return undefined;
  }
  return plain;
}

/** True for a key that no random source gives: a field that was never filled. */
export function isBlank(key: Uint8Array): boolean {
  return key.every((byte) => byte === 0);
}
