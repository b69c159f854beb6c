import type { CipherKey } from 'node:crypto';
import { CorruptionError, StoreError } from '../errors.ts';
import { type FrameKey, frameTagBytes, openFrame, sealFrame } from '../keys/index.ts';
import { limits } from '../limits.ts';
import type { Piece } from '../metadata/index.ts';
import { packSmall, unpack } from './compression.ts';

/*
 * Objects that live in their metadata: one frame, packed where that saves much, then sealed. docs/decisions/0006-inline-compression.md has
 * the measurements behind the bounds.
 */

/** A packed body is kept when it is at most this share of the plain one: opening it costs every read. */
const worth = 0.75;
/** Bytes looked at, and how many different ones there may be: of noise about 100, of text and numbers 60 at most. */
const samples = 128;
const mostValues = 85;
const seen = new Uint8Array(256);

/** A look at a few bytes: ten times cheaper than trying in vain. */
function looksRandom(plain: Uint8Array): boolean {
  seen.fill(0);
  const step = Math.floor(plain.length / samples);
  let values = 0;
  for (let at = 0; at < samples; at++) {
    const value = plain[at * step]!;
    if (seen[value] === 0) values++;
    seen[value] = 1;
  }
  return values > mostValues;
}

/** An inline piece is one frame; an empty one is none. */
export function sealInline(key: FrameKey, salt: Buffer, plain: Uint8Array, pack: boolean): Buffer {
  if (plain.length === 0) return Buffer.alloc(0);
  let payload = plain;
  if (pack && plain.length >= limits.inlinePackBytes && !looksRandom(plain)) {
    const packed = packSmall(plain);
    if (packed.length <= plain.length * worth) payload = packed;
  }
  const sealed = Buffer.allocUnsafe(payload.length + frameTagBytes);
  sealFrame(key, salt, 0, payload, plain.length, sealed, 0);
  return sealed;
}

/**
 * The plain bytes of an inline piece.
 * @throws StoreError Damaged
 */
export function openInline(piece: Piece, key: CipherKey): Buffer {
  const sealed = 'inline' in piece.body ? piece.body.inline : undefined;
  if (!sealed) throw new CorruptionError('a piece is not inline');
  if (piece.size === 0 && sealed.length === 0) return sealed;
  try {
    const packed = sealed.length < piece.size + frameTagBytes;
    if (packed !== piece.compressed) throw new CorruptionError('an inline piece has another length');
    const payload = openFrame(piece.sealed ? key : undefined, piece.salt, 0, sealed, piece.size);
    if (packed) return unpack(payload, piece.size);
    // Without a cipher between them the payload is still a part of the row.
    return piece.sealed ? payload : Buffer.from(payload);
  } catch (cause) {
    if (cause instanceof CorruptionError) throw new StoreError('Damaged', { cause });
    throw cause;
  }
}
