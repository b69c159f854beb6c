import { limits } from '../limits.ts';

/*
 * Frames: how calls share one stream of bytes. Pure: bytes in, frames out, and the other way round.
 *
 *   type u8 ‖ flags u8 ‖ zero u16 ‖ call id u32 ‖ length u32 ‖ payload        (little-endian)
 *
 * No checksum: the stream below is authenticated (TLS). No length is believed: each type has its bounds, and a frame outside of them ends the link.
 * Bodies are handed on as they arrive, without being gathered into frames first: who takes them copies each byte once, to where it belongs.
 */

/** The other side does not keep to the protocol, or speaks another one. The link ends. */
export class LinkError extends Error {
  override readonly name = 'LinkError';
}

export const headerBytes = 12;

export const frameTypes = {
  hello: 1,
  call: 2,
  answer: 3,
  body: 4,
  end: 5,
  fail: 6,
  cancel: 7,
  credit: 8,
  ping: 9,
  pong: 10,
  goodbye: 11,
} as const;

export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

export const frameFlags = {
  /** Of a call or answer: what follows the answer is a stream. */
  stream: 1,
  /** Of a body: the piece of the stream ends with this frame. */
  last: 2,
} as const;

interface Bounds {
  readonly least: number;
  readonly most: number;
  readonly flags: number;
  /** Belongs to a call. */
  readonly call: boolean;
}

const bounds: ReadonlyMap<number, Bounds> = new Map<FrameType, Bounds>([
  [frameTypes.hello, { least: 10, most: limits.linkHelloBytes, flags: 0, call: false }],
  [frameTypes.call, { least: 6, most: limits.linkFrameBytes, flags: frameFlags.stream, call: true }],
  [frameTypes.answer, { least: 2, most: limits.linkFrameBytes, flags: frameFlags.stream, call: true }],
  [frameTypes.body, { least: 0, most: limits.linkFrameBytes, flags: frameFlags.last, call: true }],
  [frameTypes.end, { least: 0, most: 0, flags: 0, call: true }],
  [frameTypes.fail, { least: 5, most: limits.linkFrameBytes, flags: 0, call: true }],
  [frameTypes.cancel, { least: 0, most: 0, flags: 0, call: true }],
  [frameTypes.credit, { least: 4, most: 4, flags: 0, call: true }],
  [frameTypes.ping, { least: 8, most: 8, flags: 0, call: false }],
  [frameTypes.pong, { least: 8, most: 8, flags: 0, call: false }],
  [frameTypes.goodbye, { least: 0, most: 0, flags: 0, call: false }],
]);

/** Writes the header of a frame at `at`. */
export function putHeader(into: Buffer, at: number, type: FrameType, flags: number, id: number, length: number): void {
  into[at] = type;
  into[at + 1] = flags;
  into.writeUInt16LE(0, at + 2);
  into.writeUInt32LE(id, at + 4);
  into.writeUInt32LE(length, at + 8);
}

/** A frame of a few bytes in one buffer. */
export function smallFrame(type: FrameType, id: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + payload.length);
  putHeader(frame, 0, type, 0, id, payload.length);
  frame.set(payload, headerBytes);
  return frame;
}

/** Who takes what a {@link FrameDecoder} finds. */
export interface FrameSink {
  /** A whole frame of any type but `body`. The payload may be a view of what was pushed. */
  frame(type: FrameType, flags: number, id: number, payload: Buffer): void;
  /** The next bytes of a `body` frame, a view of what was pushed; `rest` bytes of the same frame are still to come. */
  body(flags: number, id: number, bytes: Buffer, rest: number): void;
}

/** Cuts a stream of bytes into frames, however it arrives. */
export class FrameDecoder {
  readonly #sink: FrameSink;
  readonly #header = Buffer.allocUnsafe(headerBytes);
  #headerFilled = 0;
  /** Bytes of the payload that are still to come; undefined between two frames. */
  #rest: number | undefined;
  #type: FrameType = frameTypes.ping;
  #flags = 0;
  #id = 0;
  /** A payload that does not lie in one push. */
  #gathered: Buffer | undefined;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** @throws LinkError at a frame outside its bounds; nothing may be pushed after it */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length || this.#rest === 0) {
      if (this.#rest === undefined) at = this.#takeHeader(chunk, at);
      else if (this.#type === frameTypes.body) at = this.#takeBody(chunk, at);
      else at = this.#takePayload(chunk, at);
    }
  }

  #takeHeader(chunk: Buffer, at: number): number {
    if (this.#headerFilled === 0 && chunk.length - at >= headerBytes) {
      this.#read(chunk, at);
      return at + headerBytes;
    }
    const end = Math.min(chunk.length, at + headerBytes - this.#headerFilled);
    chunk.copy(this.#header, this.#headerFilled, at, end);
    this.#headerFilled += end - at;
    if (this.#headerFilled === headerBytes) {
      this.#headerFilled = 0;
      this.#read(this.#header, 0);
    }
    return end;
  }

  #read(bytes: Buffer, at: number): void {
    const type = bytes[at] as number;
    const flags = bytes[at + 1] as number;
    const id = bytes.readUInt32LE(at + 4);
    const length = bytes.readUInt32LE(at + 8);
    const known = bounds.get(type);
    if (!known) throw new LinkError(`a frame of type ${type}, which this version does not know`);
    if (bytes.readUInt16LE(at + 2) !== 0 || (flags & ~known.flags) !== 0)
      throw new LinkError(`a frame of type ${type} with flags that this version does not know`);
    if (length < known.least || length > known.most)
      throw new LinkError(`a frame of type ${type} with ${length} bytes: ${known.least} to ${known.most} are allowed`);
    if ((id !== 0) !== known.call) throw new LinkError(`a frame of type ${type} with the call id ${id}`);
    this.#type = type as FrameType;
    this.#flags = flags;
    this.#id = id;
    this.#rest = length;
  }

  #takeBody(chunk: Buffer, at: number): number {
    const wanted = this.#rest as number;
    const end = Math.min(chunk.length, at + wanted);
    const rest = wanted - (end - at);
    this.#rest = rest === 0 ? undefined : rest;
    this.#sink.body(this.#flags, this.#id, chunk.subarray(at, end), rest);
    return end;
  }

  #takePayload(chunk: Buffer, at: number): number {
    const wanted = this.#rest as number;
    const end = Math.min(chunk.length, at + wanted);
    let payload: Buffer;
    if (this.#gathered === undefined && end - at === wanted) {
      payload = chunk.subarray(at, end);
    } else {
      this.#gathered ??= Buffer.allocUnsafeSlow(wanted);
      chunk.copy(this.#gathered, this.#gathered.length - wanted, at, end);
      this.#rest = wanted - (end - at);
      if (this.#rest > 0) return end;
      payload = this.#gathered;
      this.#gathered = undefined;
    }
    this.#rest = undefined;
    this.#sink.frame(this.#type, this.#flags, this.#id, payload);
    return end;
  }
}
