import { createReadStream, openAsBlob } from 'node:fs';
import {
  type DsomClient,
  DsomError,
  type ObjectDescription,
  type PartInfo,
  partSizeFor,
  type UploadName,
  type UploadOptions,
  type WriteResult,
} from '@dsom/sdk';
import { formatRemote } from './address.ts';
import { contentTypeOf } from './content-type.ts';
import type { Context } from './context.ts';
import { md5 } from './digest.ts';
import { escapePattern } from './glob.ts';

/** What uploads of one command have in common. */
export interface UploadSettings {
  readonly description: ObjectDescription;
  readonly ifAbsent?: boolean;
  readonly partSize: number | undefined;
  readonly resume: boolean;
}

/** Files up to this size go in one request. */
const wholeBytes = 16 * 1024 * 1024;

/** Whether every part that is there is made of the file's bytes, at the places where we would cut. */
async function fits(parts: readonly PartInfo[], blob: Blob, partSize: number): Promise<boolean> {
  for (const part of parts) {
    const start = (part.number - 1) * partSize;
    const end = Math.min(blob.size, start + partSize);
    if (end - start !== part.size || md5(new Uint8Array(await blob.slice(start, end).arrayBuffer())) !== part.etag)
      return false;
  }
  return parts.length > 0;
}

/**
 * An upload to this key that an earlier run left and that can be continued: all its parts are parts of this very file. One with other parts may be
 * somebody's who is at work right now, and is left alone.
 */
async function findUpload(
  client: DsomClient,
  bucket: string,
  key: string,
  blob: Blob,
  partSize: number,
  signal: AbortSignal,
): Promise<UploadName | undefined> {
  let best: { readonly upload: UploadName; readonly parts: number } | undefined;
  for await (const upload of client.uploads(bucket, { prefix: key, signal })) {
    if (upload.key !== key) continue;
    const parts = await client.uploadParts(upload, { signal });
    if (parts.length > (best?.parts ?? 0) && (await fits(parts, blob, partSize)))
      best = { upload, parts: parts.length };
  }
  return best?.upload;
}

/** Uploads a file, from where an earlier run stopped if there was one. */
export async function uploadFile(
  context: Context,
  client: DsomClient,
  file: string,
  bucket: string,
  key: string,
  settings: UploadSettings,
  onBytes: (bytes: number) => void,
): Promise<WriteResult> {
  const { signal } = context;
  const blob = await openAsBlob(file);
  const partSize = partSizeFor(blob.size, settings.partSize);
  let told = 0;
  let kept = false;
  const options: UploadOptions = {
    ...settings.description,
    ifAbsent: settings.ifAbsent,
    contentType: settings.description.contentType ?? contentTypeOf(file),
    partSize,
    threshold: wholeBytes,
    onFailure: settings.resume ? 'keep' : 'abort',
    onUpload: () => {
      kept = settings.resume;
    },
    signal,
    onProgress({ loaded }) {
      onBytes(loaded - told);
      told = loaded;
    },
  };
  const found =
    settings.resume && blob.size > wholeBytes
      ? await findUpload(client, bucket, key, blob, partSize, signal)
      : undefined;
  if (found) context.note(`continuing the upload of ${file}`);
  const anew = () => client.put(bucket, key, blob, options);
  const going = found ? client.put(bucket, key, blob, { ...options, resume: { uploadId: found.uploadId } }) : anew();
  try {
    return await going.catch((cause: unknown) => {
      // Somebody completed or aborted it meanwhile.
      if (!found || !(cause instanceof DsomError) || cause.code !== 'NoSuchUpload') throw cause;
      onBytes(-told);
      told = 0;
      return anew();
    });
  } catch (cause) {
    if (kept)
      context.note(
        `what was sent of ${file} is kept: the same command goes on with it; \`dsom rm --uploads ${formatRemote(bucket, escapePattern(key))}\` gives it up`,
      );
    throw cause;
  }
}

/** Uploads what comes through a pipe, or from a device. */
export function uploadStream(
  context: Context,
  client: DsomClient,
  file: string | undefined,
  bucket: string,
  key: string,
  settings: UploadSettings,
  onBytes: (bytes: number) => void,
): Promise<WriteResult> {
  const stream: AsyncIterable<Uint8Array> =
    file === undefined ? (context.terminal.stdin as AsyncIterable<Uint8Array>) : createReadStream(file);
  let told = 0;
  return client.put(bucket, key, stream, {
    ...settings.description,
    ifAbsent: settings.ifAbsent,
    contentType: settings.description.contentType ?? contentTypeOf(key),
    partSize: settings.partSize,
    signal: context.signal,
    onProgress({ loaded }) {
      onBytes(loaded - told);
      told = loaded;
    },
  });
}
