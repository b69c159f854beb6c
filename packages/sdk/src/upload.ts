import { orAbort } from './abort.ts';
import type { ByteBudget } from './budget.ts';
import { type PutOptions, putParts, streamPartSize } from './multipart.ts';
import { putBytes, type WriteResult } from './put.ts';
import type { Transport } from './request.ts';
import { type SlicedSource, type StreamedSource, sourceOf, type Uploadable } from './source.ts';

/** Objects up to this size go in one request unless `threshold` says otherwise. */
const defaultThreshold = 16 * 1024 * 1024;

export interface UploadOptions extends PutOptions {
  /** Objects of more bytes than this go in parts. Default 16 MiB, or one part for a stream. */
  readonly threshold?: number | undefined;
}

async function putSliced(
  transport: Transport,
  budget: ByteBudget,
  bucket: string,
  key: string,
  source: SlicedSource,
  options: UploadOptions,
) {
  const described = { ...options, contentType: options.contentType ?? source.contentType };
  const whole = Math.max(options.threshold ?? defaultThreshold, 0);
  if (options.resume || source.size > whole)
    return putParts(transport, budget, bucket, key, { sliced: source }, described);
  const release = source.copies ? await budget.take(source.size, options.signal) : () => {};
  try {
    const result = await putBytes(transport, bucket, key, await source.slice(0, source.size), described);
    options.onProgress?.({ loaded: source.size, total: source.size });
    return result;
  } finally {
    release();
  }
}

async function putStreamed(
  transport: Transport,
  budget: ByteBudget,
  bucket: string,
  key: string,
  source: StreamedSource,
  options: UploadOptions,
) {
  const size = streamPartSize(1, options.partSize);
  const release = await budget.take(size, options.signal);
  try {
    const bytes = await orAbort(source.take(size), options.signal);
    if (bytes.length === size || options.resume)
      return await putParts(
        transport,
        budget,
        bucket,
        key,
        { streamed: source, first: { number: 1, bytes, release } },
        options,
      );
    const result = await putBytes(transport, bucket, key, bytes, options);
    options.onProgress?.({ loaded: bytes.length, total: bytes.length });
    return result;
  } finally {
    release();
    // Not waited for: a source that hangs must not hold the caller.
    source.cancel().catch(() => {});
  }
}

/** Writes an object from anything that holds or brings bytes; in parts when it is large. */
export async function put(
  transport: Transport,
  budget: ByteBudget,
  bucket: string,
  key: string,
  body: Uploadable,
  options: UploadOptions = {},
): Promise<WriteResult> {
  const source = sourceOf(body);
  return source.kind === 'sliced'
    ? putSliced(transport, budget, bucket, key, source, options)
    : putStreamed(transport, budget, bucket, key, source, options);
}
