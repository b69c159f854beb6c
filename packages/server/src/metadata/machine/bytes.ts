import type { ObjectChecksum } from './records.ts';

/* Where the bytes of versions and parts are. Their byte forms: pieces.ts. */

/** The unit of encoding on devices: the stored (compressed, sealed) bytes of up to 8 MiB of plaintext. */
export interface Stripe {
  /** 16 bytes; the last is 0 and becomes the fragment's index. */
  readonly id: Buffer;
  readonly group: number;
  /** Plaintext bytes. */
  readonly length: number;
  /** Stored bytes of each frame, when compressed; undefined when every frame is its plaintext plus the tag. */
  readonly frames: readonly number[] | undefined;
}

/** One run of an object's bytes, sealed under the object key with its own salt: a whole PUT, a part, or an append. */
export interface Piece {
  /** 8 random bytes: the high part of every frame's nonce. */
  readonly salt: Buffer;
  /** Plaintext bytes. */
  readonly size: number;
  /** MD5 of the plaintext, 16 bytes; of borrowed bytes that nobody has read, of what they are borrowed from. */
  readonly md5: Buffer;
  readonly checksum: ObjectChecksum | undefined;
  /** Frames hold zstd where they shrank. */
  readonly compressed: boolean;
  /** False: frames are not encrypted, and a CRC32C stands in the place of each tag. */
  readonly sealed: boolean;
  /** Sealed bytes of a small piece, or the stripes of a large one, or whose bytes they are. */
  readonly body:
    | { readonly inline: Buffer }
    | { readonly stripes: readonly Stripe[] }
    | { readonly borrowed: Borrowed };
}

/**
 * Pieces `first` to `end` (exclusive) of another manifest of the same shard, from byte `offset` of the first of them on, as many bytes as the piece that
 * borrows them has. It holds the first `end` pieces of that manifest, until it is collected.
 */
export interface Borrowed {
  readonly manifest: Buffer;
  readonly first: number;
  readonly end: number;
  readonly offset: number;
  /** 1: what it borrows is not itself borrowed; each layer between costs a read one look-up more. */
  readonly depth: number;
  /** The key that they are sealed with, sealed under that of the object that borrows them. */
  readonly key: Buffer;
}

/**
 * Where a version's bytes are. A manifest is an append-only list of pieces and a version sees a prefix of it, so copy, metadata patch and
 * append share it (counted by `references`). A manifest of one small piece is embedded in the version; longer ones are rows in `pieces`.
 */
export interface ManifestReference {
  /** 16 bytes. */
  readonly id: Buffer;
  readonly pieces: number;
  readonly embedded: Piece | undefined;
  /** Every piece is encrypted. */
  readonly sealed: boolean;
}

/**
 * A row of table `pieces`: one piece of a manifest, or (at index 0 only) a link that stands for the first `pieces` pieces of another
 * manifest. Parts of an upload are rows of the manifest that the upload will become; part n has index n - 1.
 */
export type PieceRow =
  | {
      readonly kind: 'piece';
      readonly modifiedMs: number;
      /** Offset of its first byte in the object, when that was known as it was written (parts: 0). */
      readonly start: number;
      readonly piece: Piece;
    }
  | { readonly kind: 'link'; readonly manifest: Buffer; readonly pieces: number };
