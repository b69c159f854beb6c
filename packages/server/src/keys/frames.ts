import { type CipherKey, createCipheriv, createDecipheriv } from 'node:crypto';
import { crc32c } from '../codec/index.ts';
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
 *
 * A server that is told not to encrypt stores the same frames without a key: the payload as it is, and in the place of the tag a CRC32C
 * of all that a tag vouches for. So both kinds have one layout, and both tell damaged and misplaced bytes.
 */

/** undefined: the frame is not sealed. */
export type FrameKey = CipherKey | undefined;

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

/** What stands in the place of the tag of a frame that is not sealed; after {@link prepare}. */
function plainTag(salt: Buffer, payload: readonly Uint8Array[]): Buffer {
  let crc = crc32c(associated, crc32c(salt));
  for (const piece of payload) crc = crc32c(piece, crc);
  const tag = Buffer.alloc(frameTagBytes);
  tag.writeUInt32LE(crc, 0);
  return tag;
}

/**
 * Writes ciphertext ‖ tag of one frame into `output` at `at`.
 * @param payload the plaintext, or its compressed form when that is shorter
 * @param plainLength plaintext bytes of the frame; a shorter payload counts as compressed
 * @returns bytes written: payload and tag
 */
export function sealFrame(
  key: FrameKey,
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
  if (key === undefined) {
    output.set(payload, at);
    output.set(plainTag(salt, [payload]), end);
    return payload.length + frameTagBytes;
  }
  const cipher = createCipheriv('aes-256-gcm', key, nonce, options);
  cipher.setAAD(associated);
  output.set(cipher.update(payload), at);
  cipher.final();
  output.set(cipher.getAuthTag(), end);
  return payload.length + frameTagBytes;
}

/**
 * Seals one frame whose payload lies in several pieces, without copying: gives the ciphertext in as many pieces, and the tag.
 * The same bytes as {@link sealFrame} of the pieces put together. Without a key the payload itself is given, and what stands for the tag.
 */
export function sealFramePieces(
  key: FrameKey,
  salt: Buffer,
  index: number,
  payload: readonly Uint8Array[],
  plainLength: number,
): Uint8Array[] {
  let length = 0;
  for (const piece of payload) length += piece.length;
  invariant(plainLength <= limits.frameBytes && length <= plainLength, 'a payload is not longer than its frame');
  prepare(salt, index, plainLength, length < plainLength);
  if (key === undefined) return [...payload, plainTag(salt, payload)];
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
 * @returns its payload: the plaintext, or its compressed form when it is shorter than `plainLength`; without a key, a view of `stored`
 * @throws CorruptionError when a byte, the index, the length or the key differs from what was sealed
 */
export function openFrame(key: FrameKey, salt: Buffer, index: number, stored: Uint8Array, plainLength: number): Buffer {
  const length = stored.length - frameTagBytes;
  if (length < 0 || length > plainLength || plainLength > limits.frameBytes) {
    throw new CorruptionError(`frame ${index} has ${stored.length} stored bytes for ${plainLength}`);
  }
  prepare(salt, index, plainLength, length < plainLength);
  if (key === undefined) {
    const payload = Buffer.from(stored.buffer, stored.byteOffset, length);
    if (!plainTag(salt, [payload]).equals(stored.subarray(length)))
      throw new CorruptionError(`frame ${index} is damaged: its bytes are not those that were stored`);
    return payload;
  }
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
