import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { type DsomClient, DsomError, type ObjectBody } from '@dsom/sdk';
import type { Context } from './context.ts';
import { isPlainMd5 } from './digest.ts';
import { CommandError, exitCode } from './exit.ts';
import { lookAt, partSuffix } from './local.ts';

export interface RemoteSource {
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string | undefined;
  readonly size: number;
  readonly etag: string;
  readonly modifiedAt: Date | undefined;
}

/** The unfinished file of a download: its name tells of which content, so that another content never continues it. */
function partName(target: string, etag: string): string {
  const name = path.basename(target);
  const mark = createHash('sha256').update(`${name}\n${etag}`).digest('hex').slice(0, 12);
  // File systems allow 255 bytes.
  return path.join(
    path.dirname(target),
    `${Buffer.from(name)
      .subarray(0, 200)
      .toString()
      .replace(/\ufffd$/, '')}.${mark}${partSuffix}`,
  );
}

async function hashOf(file: string, size: number): Promise<Hash> {
  const hash = createHash('md5');
  if (size > 0)
    for await (const chunk of createReadStream(file, { end: size - 1, highWaterMark: 1 << 20 }))
      hash.update(chunk as Buffer);
  return hash;
}

async function append(
  file: FileHandle,
  position: number,
  body: ObjectBody,
  hash: Hash | undefined,
  onBytes: (bytes: number) => void,
): Promise<void> {
  let at = position;
  for await (const chunk of body.body as unknown as AsyncIterable<Uint8Array>) {
    hash?.update(chunk);
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await file.write(chunk, done, chunk.length - done, at);
      done += bytesWritten;
      at += bytesWritten;
    }
    onBytes(chunk.length);
  }
}

/**
 * Downloads an object into a file beside the target and puts it in the target's place when it is whole and its MD5 is right, so that nobody ever sees
 * half of it. What an earlier run left is continued, if the object is still the same.
 */
export async function downloadFile(
  context: Context,
  client: DsomClient,
  source: RemoteSource,
  target: string,
  { resume, preserve }: { readonly resume: boolean; readonly preserve: boolean },
  onBytes: (bytes: number) => void,
): Promise<void> {
  const { signal } = context;
  if (lookAt(target)?.isDirectory()) throw new CommandError(exitCode.conflict, `${target} is a folder`);
  await mkdir(path.dirname(target), { recursive: true });
  const part = partName(target, source.etag);
  const left = resume ? await stat(part).catch(() => undefined) : undefined;
  const begun = left?.isFile() && left.size <= source.size ? left.size : 0;
  if (begun > 0) context.note(`continuing the download of ${target} at ${Math.floor((begun / source.size) * 100)} %`);
  onBytes(begun);
  const hash = isPlainMd5(source.etag) ? await hashOf(part, begun) : undefined;
  const file = await open(part, begun > 0 ? 'r+' : 'w');
  let { modifiedAt } = source;
  try {
    if (begun < source.size || source.size === 0) {
      const body = await client.get(source.bucket, source.key, {
        versionId: source.versionId,
        ifMatch: source.etag,
        ...(begun > 0 && { range: { start: begun, end: source.size } }),
        signal,
      });
      await append(file, begun, body, hash, onBytes);
      const kept = Number(preserve ? body.info.metadata['mtime'] : undefined);
      if (Number.isFinite(kept)) modifiedAt = new Date(kept * 1000);
    }
  } catch (cause) {
    if (cause instanceof DsomError && cause.code === 'PreconditionFailed')
      throw new CommandError(exitCode.conflict, 'the object was replaced while it was read', 'Run the command again.');
    throw cause;
  } finally {
    await file.close();
    if (!resume && signal.aborted) await rm(part, { force: true });
  }
  const { size } = await stat(part);
  if (size !== source.size || (hash && hash.digest('hex') !== source.etag)) {
    await rm(part, { force: true });
    throw new CommandError(
      exitCode.damaged,
      'the bytes that arrived are not those of the object',
      'Run the command again; if it stays, run `dsom fsck`.',
    );
  }
  if (modifiedAt) await utimes(part, modifiedAt, modifiedAt);
  await rename(part, target);
}
