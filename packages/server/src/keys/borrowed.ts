import type { CipherKey } from 'node:crypto';
import { CorruptionError } from '../errors.ts';
import type { Entropy } from '../host/index.ts';
import { keyBytes, nonceBytes, openBox, sealBox } from './box.ts';

const context = Buffer.from('dsom borrowed key 1', 'latin1');

/**
 * The key of an object whose bytes another one borrows, sealed under the key of the one that borrows.
 * @returns nonce ‖ ciphertext ‖ tag, 60 bytes
 */
export const sealBorrowedKey = (key: CipherKey, lender: Buffer, entropy: Entropy): Buffer =>
  sealBox(key, entropy.bytes(nonceBytes), lender, context);

/** @throws CorruptionError when it was sealed under another key, or is damaged */
export function openBorrowedKey(key: CipherKey, sealed: Buffer): Buffer {
  const lender = openBox(key, sealed, context);
  if (lender?.length === keyBytes) return lender;
  throw new CorruptionError('the key of borrowed bytes does not open');
}
