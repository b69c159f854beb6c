import { DsomError } from './error.ts';

/** What can be uploaded. A Blob or bytes can be read again from any place; a stream is read once, a part at a time. */
export type Uploadable =
  | Blob
  | Uint8Array
  | ArrayBuffer
  | string
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

/** A source of known size, read by slices. */
export interface SlicedSource {
  readonly kind: 'sliced';
  readonly size: number;
  readonly contentType: string | undefined;
  /** True when a slice takes memory of its own. */
  readonly copies: boolean;
  slice(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** A source read from front to back. */
export interface StreamedSource {
  readonly kind: 'streamed';
  /** The next `length` bytes; fewer only at the end. */
  take(length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Lets go of the stream when its end was not reached. */
  cancel(): Promise<void>;
}

function ofBytes(bytes: Uint8Array<ArrayBuffer>, contentType?: string): SlicedSource {
  const slice = async (start: number, end: number) => bytes.subarray(start, end);
  return { kind: 'sliced', size: bytes.length, contentType, copies: false, slice };
}

function ofBlob(blob: Blob): SlicedSource {
  return {
    kind: 'sliced',
    size: blob.size,
    contentType: blob.type === '' ? undefined : blob.type,
    copies: true,
    async slice(start, end) {
      const bytes = new Uint8Array(await blob.slice(start, end).arrayBuffer());
      if (bytes.length !== end - start)
        throw new DsomError('InvalidArgument', {
          message: `The source gave ${bytes.length} bytes where ${end - start} were expected: it changed.`,
        });
      return bytes;
    },
  };
}

async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let done = false;
  try {
    for (;;) {
      const next = await reader.read();
      if (next.done) {
        done = true;
        return;
      }
      yield next.value;
    }
  } finally {
    // By hand, since not every browser lets one iterate over a stream.
    if (!done) await reader.cancel().catch(() => {});
    reader.releaseLock();
  }
}

function ofChunks(chunks: AsyncIterator<Uint8Array>): StreamedSource {
  let rest: Uint8Array = new Uint8Array(0);
  let ended = false;
  return {
    kind: 'streamed',
    async take(length) {
      const out = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        if (rest.length === 0) {
          const next = ended ? undefined : await chunks.next();
          if (!next || next.done) {
            ended = true;
            break;
          }
          if (!(next.value instanceof Uint8Array))
            throw new DsomError('InvalidArgument', { message: 'The stream must give Uint8Array chunks.' });
          rest = next.value;
          continue;
        }
        const some = rest.subarray(0, length - filled);
        out.set(some, filled);
        filled += some.length;
        rest = rest.subarray(some.length);
      }
      return filled === length ? out : out.slice(0, filled);
    },
    async cancel() {
      if (!ended) await chunks.return?.(undefined);
      ended = true;
    },
  };
}

/** Tells what can be done with an upload. @throws DsomError InvalidArgument for anything else */
export function sourceOf(body: Uploadable): SlicedSource | StreamedSource {
  if (typeof body === 'string') return ofBytes(new TextEncoder().encode(body), 'text/plain; charset=utf-8');
  if (body instanceof Uint8Array) return ofBytes(body as Uint8Array<ArrayBuffer>);
  if (body instanceof ArrayBuffer) return ofBytes(new Uint8Array(body));
  if (body instanceof Blob) return ofBlob(body);
  if (body instanceof ReadableStream) return ofChunks(chunksOf(body));
  if (typeof body === 'object' && body !== null && Symbol.asyncIterator in body)
    return ofChunks(body[Symbol.asyncIterator]());
  throw new DsomError('InvalidArgument', {
    message: 'The body must be a string, bytes, a Blob, or a stream of bytes.',
  });
}
