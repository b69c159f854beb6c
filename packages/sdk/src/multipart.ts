/*
 * Uploading something large or of unknown length: it is cut into parts that travel side by side, and becomes an object when all have arrived.
 *
 * Bounded memory: a part's bytes are read only when they may travel, and are counted in a budget that all uploads of a client share.
 * Failure: one part that fails for good stops the others; then the upload is aborted, or kept for `resume` when the caller wants that.
 * Resumption: the parts that the server has are listed; one that has the planned size (and, where the caller can check it, the same bytes) is not
 * sent again.
 * Completion whose answer was lost: the repeat finds no upload; then the object is looked at, and if it is the one these parts make, all is well.
 */
import { linkedController, orAbort } from './abort.ts';
import type { ByteBudget } from './budget.ts';
import { head } from './download.ts';
import { DsomError } from './error.ts';
import type { ObjectDescription, WriteConditions, WriteResult } from './put.ts';
import type { CallOptions, Transport } from './request.ts';
import type { SlicedSource, StreamedSource } from './source.ts';
import {
  abortUpload,
  completeUpload,
  createUpload,
  listParts,
  type PartInfo,
  putPart,
  type UploadName,
} from './uploads.ts';

export interface Progress {
  /** Bytes that the server has. */
  readonly loaded: number;
  /** undefined for a stream of unknown length. */
  readonly total: number | undefined;
}

export interface MultipartOptions {
  /** Bytes of a part; raised where 10,000 such parts would not hold the object. Default 8 MiB, at least 5 MiB. */
  readonly partSize?: number | undefined;
  /** Parts under way at the same time. Default 4. */
  readonly parallel?: number | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** An earlier upload to go on with. It must have been made with the same part size for the same bytes; `verify` can make sure. */
  readonly resume?: Resume | undefined;
  /** Called with the upload's id as soon as there is one, so that it can be resumed later. */
  readonly onUpload?: ((upload: UploadName) => void) | undefined;
  /** What happens to the upload when it fails. Default `abort`: nothing is left. */
  readonly onFailure?: 'abort' | 'keep' | undefined;
}

export interface Resume {
  readonly uploadId: string;
  /** Whether the server's part is made of these bytes; by default equal size is trusted. */
  verify?(part: PartInfo, bytes: Uint8Array): boolean | Promise<boolean>;
}

export const defaultPartSize = 8 * 1024 * 1024;
export const partSizeMin = 5 * 1024 * 1024;
const partsMax = 10_000;
const mebibyte = 1024 * 1024;

/** Bytes of a part of something of known size: the wish, raised to whole MiB where it needs more than 10,000 parts. */
export function partSizeFor(size: number, wish = defaultPartSize): number {
  const least = Math.ceil(size / partsMax / mebibyte) * mebibyte;
  return Math.max(wish, least, partSizeMin);
}

/** Bytes of part `number` of a stream of unknown length: doubles every 1,000 parts, so that 10,000 parts reach beyond 5 TiB. */
export function streamPartSize(number: number, wish = defaultPartSize): number {
  return Math.max(wish, partSizeMin) * 2 ** Math.floor((number - 1) / 1000);
}

/** A part that may be sent: its bytes are in memory, and counted. */
export interface Loaded {
  readonly number: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  release(): void;
}

type Parts = AsyncGenerator<Loaded, void, void>;

async function* cutSlices(source: SlicedSource, partSize: number, budget: ByteBudget, signal: AbortSignal): Parts {
  for (let number = 1, start = 0; start < source.size || number === 1; number++, start += partSize) {
    const end = Math.min(source.size, start + partSize);
    const release = source.copies ? await budget.take(end - start, signal) : () => {};
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = await source.slice(start, end);
    } catch (cause) {
      release();
      throw cause;
    }
    yield { number, bytes, release };
  }
}

async function* cutStream(
  source: StreamedSource,
  first: Loaded,
  partSize: number | undefined,
  budget: ByteBudget,
  signal: AbortSignal,
): Parts {
  yield first;
  for (let number = 2; ; number++) {
    const size = streamPartSize(number, partSize);
    const release = await budget.take(size, signal);
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = await source.take(size);
    } catch (cause) {
      release();
      throw cause;
    }
    if (bytes.length === 0) return release();
    if (number > partsMax) {
      release();
      throw new DsomError('EntityTooLarge', {
        message: `The stream needs more than ${partsMax} parts: give a larger partSize.`,
      });
    }
    yield { number, bytes, release };
    if (bytes.length < size) return;
  }
}

/** One multipart upload under way. */
interface Run {
  readonly transport: Transport;
  readonly upload: UploadName;
  readonly existing: ReadonlyMap<number, PartInfo>;
  readonly options: CallOptions & MultipartOptions;
  readonly total: number | undefined;
  readonly stop: AbortController;
}

async function sendPart(run: Run, part: Loaded): Promise<PartInfo> {
  const known = run.existing.get(part.number);
  if (known?.size === part.bytes.length && ((await run.options.resume?.verify?.(known, part.bytes)) ?? true))
    return known;
  return putPart(run.transport, run.upload, part.number, part.bytes, {
    signal: run.stop.signal,
    timeoutMs: run.options.timeoutMs,
  });
}

/** Sends all parts, `parallel` at a time; the first failure stops the rest. */
async function sendParts(run: Run, parts: Parts): Promise<PartInfo[]> {
  const { signal } = run.stop;
  const sent: PartInfo[] = [];
  let loaded = 0;
  const lane = async () => {
    try {
      for (;;) {
        // A stream may keep us waiting for ever: an abort must not.
        const next = await orAbort(parts.next(), signal, (late) => late.value?.release());
        if (next.done) return;
        try {
          const info = await sendPart(run, next.value);
          sent.push(info);
          loaded += info.size;
          run.options.onProgress?.({ loaded, total: run.total });
        } finally {
          next.value.release();
        }
      }
    } catch (cause) {
      run.stop.abort(cause);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, run.options.parallel ?? 4) }, lane));
  if (signal.aborted) throw signal.reason;
  return sent.sort((a, b) => a.number - b.number);
}

async function complete(
  run: Run,
  parts: readonly PartInfo[],
  conditions: WriteConditions,
  startedAt: number,
): Promise<WriteResult> {
  const { transport, upload, options } = run;
  try {
    return await completeUpload(transport, upload, parts, {
      ...conditions,
      signal: options.signal,
      timeoutMs: options.timeoutMs,
    });
  } catch (cause) {
    if (!(cause instanceof DsomError) || cause.code !== 'NoSuchUpload' || cause.attempts === 1) throw cause;
    const info = await head(transport, upload.bucket, upload.key, { signal: options.signal });
    const size = parts.reduce((sum, part) => sum + part.size, 0);
    // Times in headers are whole seconds.
    const recent = (info.modifiedAt?.getTime() ?? 0) >= startedAt - 1000;
    if (info.size !== size || !info.etag.endsWith(`-${parts.length}`) || !recent) throw cause;
    return info;
  }
}

export type PutOptions = CallOptions & ObjectDescription & WriteConditions & MultipartOptions;

/** Uploads in parts. `first` is the beginning of a stream, already read. */
export async function putParts(
  transport: Transport,
  budget: ByteBudget,
  bucket: string,
  key: string,
  source: { readonly sliced: SlicedSource } | { readonly streamed: StreamedSource; readonly first: Loaded },
  options: PutOptions,
): Promise<WriteResult> {
  const { resume } = options;
  const { controller: stop, unlink } = linkedController(options.signal);
  const startedAt = transport.now();
  let upload: UploadName | undefined;
  try {
    upload = resume
      ? { bucket, key, uploadId: resume.uploadId }
      : await createUpload(transport, bucket, key, { ...options, signal: stop.signal });
    options.onUpload?.(upload);
    const listed = resume ? await listParts(transport, upload, { signal: stop.signal }) : [];
    const existing = new Map(listed.map((part) => [part.number, part]));
    const total = 'sliced' in source ? source.sliced.size : undefined;
    const run: Run = { transport, upload, existing, options, total, stop };
    const parts =
      'sliced' in source
        ? cutSlices(source.sliced, partSizeFor(source.sliced.size, options.partSize), budget, stop.signal)
        : cutStream(source.streamed, source.first, options.partSize, budget, stop.signal);
    return await complete(run, await sendParts(run, parts), options, startedAt);
  } catch (cause) {
    stop.abort(cause);
    if (upload && options.onFailure !== 'keep')
      await abortUpload(transport, upload, { timeoutMs: 5000 }).catch(() => {});
    throw cause;
  } finally {
    unlink();
    if ('streamed' in source) source.first.release();
  }
}
