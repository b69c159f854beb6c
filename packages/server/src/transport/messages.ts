import { ByteReader, ByteWriter } from '../codec/index.ts';
import { CorruptionError, type ErrorCode, errorTable, type Failure } from '../errors.ts';
import { limits } from '../limits.ts';
import { type FrameType, frameFlags, frameTypes, headerBytes, LinkError, putHeader } from './frames.ts';

/* What the payloads of frames hold, as docs/formats/link.md draws them. */

/** What opens a call. */
export interface CallMessage {
  readonly method: string;
  readonly head: Buffer;
  /** Milliseconds that are left; 0 when there is no deadline. */
  readonly deadlineMs: number;
  /** Bytes of the answer's body or stream that the caller takes before it asks for more. */
  readonly window: number;
  /** Bytes of the whole body. */
  readonly bodyBytes: number;
  /** The whole body, when it came with the frame; empty otherwise. */
  readonly inline: Buffer;
}

/** What begins an answer. */
export interface AnswerMessage {
  readonly head: Buffer;
  readonly bodyBytes: number;
  readonly inline: Buffer;
}

export const lengthOf = (pieces: readonly Uint8Array[]): number => {
  let total = 0;
  for (const piece of pieces) total += piece.length;
  return total;
};

/** Room in a frame for everything but method, head and body. */
const smallFields = 32;

/** A frame of which `writer` holds the header's place and the small fields; a body that fits goes along. */
function withBody(
  writer: ByteWriter,
  type: FrameType,
  flags: number,
  id: number,
  body: readonly Uint8Array[],
  bodyBytes: number,
): { readonly pieces: readonly Uint8Array[]; readonly whole: boolean } {
  const before = writer.length - headerBytes;
  const whole = bodyBytes > 0 && before + bodyBytes <= limits.linkFrameBytes;
  const gathered = whole && bodyBytes <= limits.linkGatherBytes;
  if (gathered) for (const piece of body) writer.raw(piece);
  const frame = writer.finish();
  putHeader(frame, 0, type, flags, id, before + (whole ? bodyBytes : 0));
  return { pieces: whole && !gathered ? [frame, ...body] : [frame], whole: whole || bodyBytes === 0 };
}

const blank = Buffer.alloc(headerBytes);

function begin(room: number): ByteWriter {
  return new ByteWriter(headerBytes + smallFields + room).raw(blank);
}

/** @returns the frame, and whether it holds the whole body */
export function encodeCall(
  id: number,
  stream: boolean,
  call: Omit<CallMessage, 'inline' | 'head'> & { readonly head: Uint8Array; readonly body: readonly Uint8Array[] },
) {
  const writer = begin(call.method.length + call.head.length + Math.min(call.bodyBytes, limits.linkGatherBytes));
  writer.string(call.method).varint(call.deadlineMs).varint(call.window).varint(call.bodyBytes).bytes(call.head);
  return withBody(writer, frameTypes.call, stream ? frameFlags.stream : 0, id, call.body, call.bodyBytes);
}

export function encodeAnswer(
  id: number,
  stream: boolean,
  head: Uint8Array,
  body: readonly Uint8Array[],
  bodyBytes: number,
) {
  const writer = begin(head.length + Math.min(bodyBytes, limits.linkGatherBytes))
    .varint(bodyBytes)
    .bytes(head);
  return withBody(writer, frameTypes.answer, stream ? frameFlags.stream : 0, id, body, bodyBytes);
}

/** Reads a payload; what is not well formed ends the link. */
function reading<Result>(payload: Buffer, read: (reader: ByteReader) => Result): Result {
  try {
    return read(new ByteReader(payload));
  } catch (error) {
    if (error instanceof CorruptionError)
      throw new LinkError(`a frame whose payload is not well formed: ${error.message}`);
    throw error;
  }
}

function headAndBody(reader: ByteReader, bodyBytes: number): { readonly head: Buffer; readonly inline: Buffer } {
  const head = reader.bytes();
  if (head.length > limits.linkHeadBytes) throw new LinkError(`a head of ${head.length} bytes`);
  if (bodyBytes > limits.linkBodyBytes) throw new LinkError(`a body of ${bodyBytes} bytes`);
  const inline = reader.raw(reader.remaining);
  if (inline.length !== 0 && inline.length !== bodyBytes) throw new LinkError('a frame with a part of a body');
  return { head, inline };
}

export function decodeCall(payload: Buffer): CallMessage {
  return reading(payload, (reader) => {
    const method = reader.string();
    if (method.length === 0 || method.length > limits.linkMethodBytes)
      throw new LinkError('a call without a valid method');
    const deadlineMs = reader.varint();
    const window = reader.varint();
    const bodyBytes = reader.varint();
    return { method, deadlineMs, window, bodyBytes, ...headAndBody(reader, bodyBytes) };
  });
}

export function decodeAnswer(payload: Buffer): AnswerMessage {
  return reading(payload, (reader) => {
    const bodyBytes = reader.varint();
    return { bodyBytes, ...headAndBody(reader, bodyBytes) };
  });
}

export function encodeCredit(id: number, bytes: number): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + 4);
  putHeader(frame, 0, frameTypes.credit, 0, id, 4);
  frame.writeUInt32LE(bytes, headerBytes);
  return frame;
}

/** Longest text of a failure that crosses a link; what is longer is cut. */
const textChars = 4096;
const details = 32;

export function encodeFailure(id: number, failure: Failure): Buffer {
  const writer = begin(failure.message.length);
  writer.string(failure.code ?? '').string(failure.message.slice(0, textChars));
  writer.string((failure.resource ?? '').slice(0, textChars)).varint(Math.ceil(Math.max(0, failure.retryAfter ?? 0)));
  const detail = Object.entries(failure.detail).slice(0, details);
  const fitting: [string, string][] = [];
  let bytes = writer.length;
  for (const [name, value] of detail) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value) + 8;
    if (bytes > limits.linkHeadBytes) break;
    fitting.push([name, value]);
  }
  writer.varint(fitting.length);
  for (const [name, value] of fitting) writer.string(name).string(value);
  const frame = writer.finish();
  putHeader(frame, 0, frameTypes.fail, 0, id, frame.length - headerBytes);
  return frame;
}

/** A code that this version does not know becomes that of an internal error; its message stays. */
export function decodeFailure(payload: Buffer): Failure {
  return reading(payload, (reader) => {
    const code = reader.string();
    const message = reader.string();
    const resource = reader.string();
    const retryAfter = reader.varint();
    const count = reader.varint();
    if (count > details) throw new LinkError(`a failure with ${count} details`);
    const detail: [string, string][] = [];
    for (let i = 0; i < count; i++) detail.push([reader.string(), reader.string()]);
    return {
      code: Object.hasOwn(errorTable, code) ? (code as ErrorCode) : undefined,
      message,
      resource: resource === '' ? undefined : resource,
      detail: Object.fromEntries(detail),
      retryAfter: retryAfter === 0 ? undefined : retryAfter,
    };
  });
}
