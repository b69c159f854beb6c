import { createHash, hash } from 'node:crypto';
import { StoreError } from '../errors.ts';
import { ChunkDecoder } from './chunks.ts';
import { announcedTrailers } from './trailers.ts';
import type { PayloadForm } from './types.ts';

export interface PayloadOptions {
  /** `x-amz-decoded-content-length`, a whole number; needed for aws-chunked bodies. */
  readonly decodedLength: number | undefined;
  /** The `x-amz-trailer` header as received. */
  readonly announced: string | undefined;
}

export interface DecodedPayload {
  /** Plain bytes, as views of what came in. It throws before its end when the body is not the one that was signed. */
  readonly stream: AsyncIterable<Uint8Array>;
  /** Headers that came behind the body, by lower-case name; empty until the stream has ended. */
  trailers(): ReadonlyMap<string, string>;
}

const noTrailers: ReadonlyMap<string, string> = new Map();

function decoderOf(form: PayloadForm & { kind: 'chunked' }, options: PayloadOptions): ChunkDecoder {
  const { decodedLength, announced } = options;
  if (decodedLength === undefined) {
    throw new StoreError('MissingContentLength', {
      message: 'An aws-chunked body needs the header x-amz-decoded-content-length.',
    });
  }
  if (!form.trailer) requireNoTrailer(options);
  return new ChunkDecoder({
    signing: form.signing,
    trailer: form.trailer,
    decodedLength,
    announced: announcedTrailers(announced),
  });
}

/** A checksum that the client means to send but that has no place to come in must not be forgotten silently. */
function requireNoTrailer(options: PayloadOptions): void {
  if (options.announced === undefined) return;
  throw new StoreError('InvalidRequest', {
    message: 'x-amz-trailer needs an x-amz-content-sha256 whose form ends with TRAILER.',
  });
}

function requireSame(expected: string, actual: string): void {
  if (expected === actual) return;
  throw new StoreError('XAmzContentSHA256Mismatch', {
    detail: { ClientComputedContentSHA256: expected, S3ComputedContentSHA256: actual },
  });
}

async function* verified(
  source: AsyncIterable<Uint8Array>,
  expected: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const running = createHash('sha256');
  for await (const bytes of source) {
    running.update(bytes);
    yield bytes;
  }
  requireSame(expected, running.digest('hex'));
}

async function* unframed(
  source: AsyncIterable<Uint8Array>,
  decoder: ChunkDecoder,
): AsyncGenerator<Uint8Array, void, undefined> {
  const data: Uint8Array[] = [];
  for await (const bytes of source) {
    decoder.push(bytes, data);
    yield* data;
    data.length = 0;
  }
  decoder.finish();
}

/**
 * Takes the framing off a body and verifies what its form says. Nothing of the body may become visible before the stream has
 * ended without an error.
 * @throws StoreError at once for headers that do not fit the form; from the stream: SignatureDoesNotMatch,
 * XAmzContentSHA256Mismatch, IncompleteBody, InvalidRequest, InvalidChunkSizeError, MalformedTrailerError
 */
export function decodePayload(
  form: PayloadForm,
  source: AsyncIterable<Uint8Array>,
  options: PayloadOptions,
): DecodedPayload {
  if (form.kind === 'chunked') {
    const decoder = decoderOf(form, options);
    return { stream: unframed(source, decoder), trailers: () => decoder.trailers };
  }
  requireNoTrailer(options);
  const stream = form.kind === 'sha256' ? verified(source, form.hex) : source;
  return { stream, trailers: () => noTrailers };
}

/** {@link decodePayload} for a body that is all at hand: no waiting, and no copy unless it came in several chunks. */
export function decodeWhole(
  form: PayloadForm,
  body: Uint8Array,
  options: PayloadOptions,
): { readonly body: Uint8Array; readonly trailers: ReadonlyMap<string, string> } {
  if (form.kind === 'chunked') {
    const decoder = decoderOf(form, options);
    const data: Uint8Array[] = [];
    decoder.push(body, data);
    decoder.finish();
    return { body: data.length === 1 ? (data[0] as Uint8Array) : Buffer.concat(data), trailers: decoder.trailers };
  }
  requireNoTrailer(options);
  if (form.kind === 'sha256') requireSame(form.hex, hash('sha256', body, 'hex'));
  return { body, trailers: noTrailers };
}
