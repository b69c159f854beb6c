import { type CipherKey, createCipheriv, createDecipheriv } from 'node:crypto';
import { CorruptionError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';

/*
 * Frames: how an object's bytes are sealed.
 *
 * A piece (one PUT, part or append) is a run of frames of 64 KiB of plaintext, each sealed by itself with AES-256-GCM under
 * the object key, so that a range costs only its own frames. The nonce is the piece's random salt and the frame's index: it
 * never repeats under one object key. The associated data fixes the index, the plaintext length and whether the
 * payload is compressed, so that no frame can stand in for another or be cut short.
 *
 * The nonce and the associated data are built in two scratch buffers of this thread: both are copied by the cipher
 * before the call returns. One cipher per frame is what AES-GCM asks for; with a fresh object it still runs at the speed of
 * the hardware at 64 KiB. Secrets stay out of every message.
 */

export const frameTagBytes = 16;
export const saltBytes = 8;

const options = { authTagLength: frameTagBytes } as const;
const domain = Buffer.from('dsom frame 1', 'latin1');
const associated = Buffer.alloc(domain.length + 9);
domain.copy(associated);
const nonce = Buffer.alloc(12);

function prepare(salt: Buffer, index: number, plainLength: number, compressed: boolean): void {
  invariant(salt.length === saltBytes, 'a salt has eight bytes');
  invariant(index >= 0 && index < 2 ** 32, 'a frame index fits 32 bits');
  salt.copy(nonce);
  nonce.writeUInt32BE(index, saltBytes);
  associated.writeUInt32BE(index, domain.length);
  associated.writeUInt32BE(plainLength, domain.length + 4);
  associated[domain.length + 8] = compressed ? 1 : 0;
}

/**
 * Writes ciphertext ‖ tag of one frame into `output` at `at`.
 * @param payload the plaintext, or its compressed form when that is shorter
 * @param plainLength plaintext bytes of the frame; a shorter payload counts as compressed
 * @returns bytes written: payload and tag
 */
export function sealFrame(
  key: CipherKey,
  salt: Buffer,
  index: number,
  payload: Uint8Array,
  plainLength: number,
  output: Buffer,
  at: number,
): number {
  const end = at + payload.length;
  invariant(
    plainLength <= limits.frameBytes && payload.length <= plainLength,
    'a payload is not longer than its frame',
  );
  invariant(end + frameTagBytes <= output.length, 'the sealed frame fits the output');
  prepare(salt, index, plainLength, payload.length < plainLength);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, options);
  cipher.setAAD(associated);
  output.set(cipher.update(payload), at);
  cipher.final();
  output.set(cipher.getAuthTag(), end);
  return payload.length + frameTagBytes;
}

/**
 * Seals one frame whose payload lies in several pieces, without copying: gives the ciphertext in as many pieces, and the tag.
 * The same bytes as {@link sealFrame} of the pieces put together.
 */
export function sealFramePieces(
  key: CipherKey,
  salt: Buffer,
  index: number,
  payload: readonly Uint8Array[],
  plainLength: number,
): Buffer[] {
  let length = 0;
  for (const piece of payload) length += piece.length;
  invariant(plainLength <= limits.frameBytes && length <= plainLength, 'a payload is not longer than its frame');
  prepare(salt, index, plainLength, length < plainLength);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, options);
  cipher.setAAD(associated);
  const sealed: Buffer[] = [];
  for (const piece of payload) sealed.push(cipher.update(piece));
  cipher.final();
  sealed.push(cipher.getAuthTag());
  return sealed;
}

/**
 * Opens one stored frame.
 * @returns its payload: the plaintext, or its compressed form when it is shorter than `plainLength`
 * @throws CorruptionError when a byte, the index, the length or the key differs from what was sealed
 */
export function openFrame(
  key: CipherKey,
  salt: Buffer,
  index: number,
  stored: Uint8Array,
  plainLength: number,
): Buffer {
  const length = stored.length - frameTagBytes;
  if (length < 0 || length > plainLength || plainLength > limits.frameBytes) {
    throw new CorruptionError(`frame ${index} has ${stored.length} stored bytes for ${plainLength}`);
  }
  prepare(salt, index, plainLength, length < plainLength);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, options);
  decipher.setAAD(associated);
  decipher.setAuthTag(stored.subarray(length));
  const payload = decipher.update(stored.subarray(0, length));
  try {
    decipher.final();
  } catch {
    throw new CorruptionError(`frame ${index} does not open: its bytes are not those that were sealed`);
  }
  return payload;
}
