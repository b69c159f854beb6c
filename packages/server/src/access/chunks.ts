import { createHash, type Hash } from 'node:crypto';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { sameSignature } from './signature.ts';
import { readTrailers } from './trailers.ts';
import type { ChunkSigning } from './types.ts';

/*
 * The aws-chunked framing inside a request body, in its three forms
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html):
 *
 *     size in hex [;chunk-signature=64 hex] CRLF data CRLF … 0[;chunk-signature=…] CRLF [trailers] CRLF
 *
 * Data is handed on as slices of what came in, never copied and never gathered: the signature of a chunk is checked when its last
 * byte has passed. So bytes of a forged chunk do reach the writer, but the stream then fails before its end, and a
 * body that fails before its end becomes nothing. Each signature covers the one before it, up to the request's own.
 *
 * Only sizes, one kind of extension and CRLF are understood; everything else is refused, as is a byte more or less than
 * x-amz-decoded-content-length. The trailer section alone is read leniently about line ends and empty lines, because clients
 * differ there and nothing follows it in the body.
 */

const sha256OfNothing = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

const plainHeader = /^([0-9a-f]{1,16})\r\n$/i;
const signedHeader = /^([0-9a-fA-F]{1,16});chunk-signature=([0-9a-f]{64})\r\n$/;

export interface ChunkedBody {
  readonly signing: ChunkSigning | undefined;
  readonly trailer: boolean;
  /** Bytes of the body without its framing: `x-amz-decoded-content-length`. */
  readonly decodedLength: number;
  /** Lower-case names out of `x-amz-trailer`. */
  readonly announced: readonly string[];
}

type State = 'header' | 'data' | 'afterData' | 'trailer' | 'end' | 'over';

function malformed(message: string): StoreError {
  return new StoreError('InvalidRequest', { message: `The aws-chunked body is malformed: ${message}.` });
}

/** Takes the framing off, piece by piece. Synchronous; after it threw it must not be used. */
export class ChunkDecoder {
  readonly #body: ChunkedBody;
  #state: State = 'header';
  /** Characters of a header, line end or trailer that came in pieces. */
  #text = '';
  /** Bytes still to come: of this chunk, and of the whole body. */
  #chunk = 0;
  #rest: number;
  #small = false;
  #hash: Hash | undefined;
  #claimed = '';
  #previous: string;
  #trailers: ReadonlyMap<string, string> = new Map();

  constructor(body: ChunkedBody) {
    this.#body = body;
    this.#rest = body.decodedLength;
    this.#previous = body.signing?.seedSignature ?? '';
  }

  /** Names and values that came behind the data; complete after {@link finish}. */
  get trailers(): ReadonlyMap<string, string> {
    return this.#trailers;
  }

  /** Appends to `out` the data in `bytes`, as views. @throws StoreError */
  push(bytes: Uint8Array, out: Uint8Array[]): void {
    let at = 0;
    while (at < bytes.length) {
      switch (this.#state) {
        case 'header':
          at = this.#line(bytes, at, limits.chunkHeaderBytes);
          if (this.#text.endsWith('\n')) this.#begin(this.#takeText());
          break;
        case 'data': {
          const end = Math.min(bytes.length, at + this.#chunk);
          const slice = bytes.subarray(at, end);
          this.#hash?.update(slice);
          out.push(slice);
          this.#chunk -= end - at;
          this.#rest -= end - at;
          at = end;
          if (this.#chunk === 0) {
            this.#verify(this.#hash?.digest('hex'));
            this.#state = 'afterData';
          }
          break;
        }
        case 'afterData':
        case 'end': {
          at = this.#line(bytes, at, 2);
          if (this.#text.length < 2) break;
          if (this.#takeText() !== '\r\n') throw malformed('a chunk is longer than its size says');
          this.#state = this.#state === 'end' ? 'over' : 'header';
          break;
        }
        case 'trailer':
          this.#append(bytes, at, bytes.length, limits.trailerBytes);
          at = bytes.length;
          break;
        case 'over':
          throw malformed('it goes on after its last chunk');
      }
    }
  }

  /** Must be called at the end of the body. @throws StoreError when something is missing */
  finish(): void {
    if (this.#state === 'trailer') {
      this.#trailers = readTrailers(this.#takeText(), this.#body, this.#previous);
      return;
    }
    if (this.#state !== 'over') {
      throw new StoreError('IncompleteBody', {
        message: 'The aws-chunked body ended before its last chunk was complete.',
      });
    }
  }

  /** Gathers up to and including a line feed. */
  #line(bytes: Uint8Array, at: number, maximum: number): number {
    const feed = bytes.indexOf(0x0a, at);
    const end = feed < 0 ? Math.min(bytes.length, at + maximum + 1) : feed + 1;
    this.#append(bytes, at, end, maximum);
    return end;
  }

  #append(bytes: Uint8Array, at: number, end: number, maximum: number): void {
    if (this.#text.length + end - at > maximum) throw malformed('a line of the framing is too long');
    this.#text += Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString('latin1');
  }

  #takeText(): string {
    const text = this.#text;
    this.#text = '';
    return text;
  }

  #begin(line: string): void {
    const { signing, trailer } = this.#body;
    const parts = (signing ? signedHeader : plainHeader).exec(line);
    if (!parts) throw malformed(signing ? 'a chunk has no size and signature' : 'a chunk has no plain size');
    const size = Number.parseInt(parts[1] as string, 16);
    if (size > this.#rest || (size === 0 && this.#rest > 0)) {
      throw new StoreError('IncompleteBody', {
        message: 'The aws-chunked body does not have the length that x-amz-decoded-content-length announced.',
      });
    }
    this.#claimed = parts[2] ?? '';
    if (size === 0) {
      this.#verify(sha256OfNothing);
      this.#state = trailer ? 'trailer' : 'end';
      return;
    }
    if (this.#small) throw new StoreError('InvalidChunkSizeError');
    if (signing && size > limits.chunkBytes)
      throw malformed(`a signed chunk is larger than ${limits.chunkBytes} bytes`);
    this.#small = size < limits.chunkBytesMin;
    this.#chunk = size;
    this.#hash = signing ? createHash('sha256') : undefined;
    this.#state = 'data';
  }

  #verify(digest: string | undefined): void {
    const { signing } = this.#body;
    if (!signing || digest === undefined) return;
    const { signingKey, timestamp, scope } = signing;
    const expected = signingKey.hex(
      `AWS4-HMAC-SHA256-PAYLOAD\n${timestamp}\n${scope}\n${this.#previous}\n${sha256OfNothing}\n${digest}`,
    );
    if (!sameSignature(expected, this.#claimed)) {
      throw new StoreError('SignatureDoesNotMatch', { message: 'The signature of a chunk does not match.' });
    }
    this.#previous = expected;
  }
}
