/*
 * The part of the protocol buffers encoding that etcd's messages need (https://protobuf.dev/programming-guides/encoding/): varints and
 * length-delimited fields. Numbers are whole and below 2^53; the ids of members are 64 bits and stay bigint.
 */

/** Builds one message. Fields that hold their default are left out, as proto3 wants it. */
export class MessageWriter {
  readonly #pieces: Uint8Array[] = [];
  #head: number[] = [];

  #varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#head.push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.#head.push(rest);
  }

  number(field: number, value: number): this {
    if (value === 0) return this;
    this.#varint(field * 8);
    this.#varint(value);
    return this;
  }

  /** Written although it is 0: a member of a `oneof`. */
  chosen(field: number, value: number): this {
    this.#varint(field * 8);
    this.#varint(value);
    return this;
  }

  id(field: number, value: bigint): this {
    this.#varint(field * 8);
    let rest = value;
    for (; rest >= 0x80n; rest >>= 7n) this.#head.push(Number(rest & 0x7fn) | 0x80);
    this.#head.push(Number(rest));
    return this;
  }

  flag(field: number, value: boolean): this {
    return this.number(field, value ? 1 : 0);
  }

  bytes(field: number, value: Uint8Array): this {
    this.#varint(field * 8 + 2);
    this.#varint(value.length);
    this.#pieces.push(Uint8Array.from(this.#head), value);
    this.#head = [];
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }

  message(field: number, value: MessageWriter): this {
    return this.bytes(field, value.finish());
  }

  finish(): Buffer {
    return Buffer.concat([...this.#pieces, Uint8Array.from(this.#head)]);
  }
}

/** One field of a message that was read. */
export interface Field {
  readonly field: number;
  /** Of a varint; loses precision beyond 2^53, where `id` does not. */
  readonly number: number;
  readonly id: bigint;
  /** Of a length-delimited field: a view. */
  readonly bytes: Buffer;
}

const none = Buffer.alloc(0);

/** The fields of a message in their order. Throws RangeError when it is not well formed. */
export function* fieldsOf(message: Buffer): Generator<Field, void, undefined> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value & 0xffffffffffffffffn;
    }
    throw new RangeError('a number in an answer of etcd does not end');
  };
  const small = (): number => {
    const byte = message[at] as number;
    if (byte < 0x80) {
      at++;
      return byte;
    }
    return Number(varint());
  };
  while (at < message.length) {
    const tag = small();
    const field = Math.floor(tag / 8);
    const kind = tag % 8;
    if (kind === 0) {
      const id = varint();
      yield { field, number: Number(BigInt.asIntN(64, id)), id, bytes: none };
    } else if (kind === 2) {
      const length = small();
      if (length > message.length - at) throw new RangeError('a field of an answer of etcd is longer than the answer');
      yield { field, number: 0, id: 0n, bytes: message.subarray(at, at + length) };
      at += length;
    } else if (kind === 1 || kind === 5) {
      at += kind === 1 ? 8 : 4;
    } else {
      throw new RangeError(`an answer of etcd has a field of unknown kind ${kind}`);
    }
  }
}
