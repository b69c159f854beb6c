import { CorruptionError } from '../errors.ts';

/** Writes the store's binary records: little-endian integers, LEB128 varints, length-prefixed bytes. Grows as needed. */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  /** @param room how many bytes to begin with, or where to write as long as they fit */
  constructor(room: number | Buffer = 256) {
    this.#buffer = typeof room === 'number' ? Buffer.allocUnsafe(room) : room;
  }

  get length(): number {
    return this.#length;
  }

  #room(bytes: number): number {
    const at = this.#length;
    if (at + bytes > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, at + bytes));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    this.#length = at + bytes;
    return at;
  }

  u8(value: number): this {
    const at = this.#room(1);
    this.#buffer[at] = value;
    return this;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#buffer.writeUInt32LE(value >>> 0, at);
    return this;
  }

  /** A whole number up to 2^53 - 1 in eight bytes. */
  u64(value: number): this {
    const at = this.#room(8);
    this.#buffer.writeUInt32LE(value >>> 0, at);
    this.#buffer.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
    return this;
  }

  /** A whole number up to 2^53 - 1 in one to eight bytes. */
  varint(value: number): this {
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    return this.u8(rest);
  }

  /** Bytes without their length. */
  raw(bytes: Uint8Array): this {
    const at = this.#room(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  /** Bytes with their length before them. */
  bytes(bytes: Uint8Array): this {
    return this.varint(bytes.length).raw(bytes);
  }

  /** UTF-8 text with its length in bytes before it. */
  string(text: string): this {
    const length = Buffer.byteLength(text);
    this.varint(length);
    const at = this.#room(length);
    this.#buffer.write(text, at, 'utf8');
    return this;
  }

  /** Takes back everything behind the first `length` bytes; what comes next is written in its place. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  /** What was written, as long as nothing else is. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}

/** Reads what {@link ByteWriter} wrote. Every read past the end throws a {@link CorruptionError}; lengths are never trusted. */
export class ByteReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#buffer.length - this.#at;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#buffer.length - at)
      throw new CorruptionError(`record ends ${bytes - this.remaining} bytes early`);
    this.#at = at + bytes;
    return at;
  }

  u8(): number {
    return this.#buffer[this.#take(1)] as number;
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4));
  }

  u64(): number {
    const at = this.#take(8);
    const value = this.#buffer.readUInt32LE(at) + this.#buffer.readUInt32LE(at + 4) * 2 ** 32;
    if (!Number.isSafeInteger(value)) throw new CorruptionError('number larger than 2^53 - 1');
    return value;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw new CorruptionError('varint larger than 2^53 - 1');
        return value;
      }
      scale *= 0x80;
    }
    throw new CorruptionError('varint longer than eight bytes');
  }

  /** A view, not a copy. */
  raw(length: number): Buffer {
    const at = this.#take(length);
    return this.#buffer.subarray(at, at + length);
  }

  /** A view, not a copy. */
  bytes(): Buffer {
    return this.raw(this.varint());
  }

  string(): string {
    const length = this.varint();
    const at = this.#take(length);
    return this.#buffer.toString('utf8', at, at + length);
  }
}
