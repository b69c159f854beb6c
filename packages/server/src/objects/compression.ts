import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { CorruptionError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { ObjectHeaders } from '../metadata/index.ts';

/*
 * Adaptive compression, frame by frame.
 *
 * A frame is stored as zstd only when that saves a tenth, because opening it costs three times what decrypting does. Whether it is tried
 * at all is decided anew for each stripe by two sampled frames, so an archive that turns from text into pictures stops paying
 * soon, and goes on saving later. Level 1: level 3 saved 6 % more on prose at the same cost per frame, and cost more on the rest.
 */

/** A frame is kept compressed when it shrinks at least to this share. */
const worth = 0.9;
/** Frames of a stripe (by index) that are tried whatever happened before. */
const samples: readonly number[] = [0, 2];
/** So many frames in a row that did not shrink end the trying until the next stripe. */
const patience = 3;

const params = { [constants.ZSTD_c_compressionLevel]: 1 };
/** One output chunk holds any result, so nothing is put together from pieces. */
const chunkSize = limits.frameBytes + 1024;
const whole = { params, chunkSize, pledgedSrcSize: limits.frameBytes };
const scratch = Buffer.allocUnsafeSlow(limits.frameBytes);

const packedTypes =
  /^(?:image\/(?!svg|bmp|tiff)|video\/|audio\/(?!wav|x-wav)|font\/woff|application\/(?:(?:x-)?(?:zip|gzip|bzip2?|7z|xz|zstd|rar|lz4|lzma|brotli)(?:-compressed)?$|vnd\.rar|vnd\.(?:openxmlformats|oasis)|epub|java-archive|pdf$))/i;

/** False for content that says of itself that it is packed already. */
export function mayShrink(headers: ObjectHeaders): boolean {
  const encoding = headers.contentEncoding;
  if (encoding && /\b(?:gzip|br|zstd|deflate|compress)\b/i.test(encoding)) return false;
  return !(headers.contentType && packedTypes.test(headers.contentType));
}

/** Packs the frames of one piece, in order. */
export class FramePacker {
  #trying = false;
  #failures = 0;
  readonly #enabled: boolean;

  constructor(enabled: boolean) {
    this.#enabled = enabled;
  }

  /**
   * @param chunks plaintext of the frame
   * @param length its bytes
   * @param index the frame's place in its stripe
   * @returns the packed frame, or undefined when it is better stored as it is
   */
  pack(chunks: readonly Uint8Array[], length: number, index: number): Buffer | undefined {
    if (!this.#enabled) return undefined;
    if (index === 0) {
      this.#trying = false;
      this.#failures = 0;
    }
    if (!this.#trying && !samples.includes(index)) return undefined;
    const packed = zstdCompressSync(
      together(chunks, length),
      length === limits.frameBytes ? whole : { params, chunkSize, pledgedSrcSize: length },
    );
    if (packed.length <= length * worth) {
      this.#trying = true;
      this.#failures = 0;
      return packed;
    }
    if (++this.#failures >= patience) this.#trying = false;
    return undefined;
  }
}

/** Packs a body of less than a frame. */
export function packSmall(plain: Uint8Array): Buffer {
  return zstdCompressSync(plain, { params, chunkSize: plain.length + 512, pledgedSrcSize: plain.length });
}

function together(chunks: readonly Uint8Array[], length: number): Uint8Array {
  if (chunks.length === 1) return chunks[0] as Uint8Array;
  let at = 0;
  for (const chunk of chunks) {
    scratch.set(chunk, at);
    at += chunk.length;
  }
  return scratch.subarray(0, length);
}

/** @throws CorruptionError when the packed frame does not give exactly `length` bytes */
export function unpack(packed: Buffer, length: number): Buffer {
  let plain: Buffer;
  try {
    plain = zstdDecompressSync(packed, { chunkSize: Math.max(64, length), maxOutputLength: length });
  } catch {
    throw new CorruptionError('a packed frame does not unpack');
  }
  if (plain.length !== length) throw new CorruptionError(`a packed frame gives ${plain.length} bytes for ${length}`);
  return plain;
}
