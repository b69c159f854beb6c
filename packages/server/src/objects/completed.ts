import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { type BucketRecord, type ObjectVersion, shardOfNumber } from '../metadata/index.ts';
import { etagOfParts, parsePartEtag } from './etag.ts';
import { written } from './publish.ts';
import type { Rooms } from './rooms.ts';
import type { ObjectService, WriteResult } from './types.ts';

type CompleteRequest = Parameters<ObjectService['completeUpload']>[0];

/**
 * A completion whose upload is not open: it is answered as before where the upload became an object of just these parts, and nothing is made.
 * No row says what an upload became. Its version does: it has the upload's id for its manifest. Copies onto the same key share the manifest,
 * so the oldest version that has it is the one (or, once that was deleted, stands for it: ETag and bytes are the same). Whoever asks again
 * does so soon, so that the newest versions of the key are enough. The owner looks alike at those that come while another one is decided.
 * @throws StoreError NoSuchUpload
 */
export function completedBefore(
  rooms: Rooms,
  bucket: BucketRecord,
  upload: Buffer,
  request: CompleteRequest,
): WriteResult {
  const { reader } = rooms;
  const { key, parts, uploadId } = request;
  const query = { bucket: bucket.id, prefix: key, delimiter: Buffer.alloc(0), start: key, after: undefined };
  let version: ObjectVersion | undefined;
  for (const item of reader.listVersions({ ...query, limit: 1 + limits.completedSought }).items) {
    if ('prefix' in item || !item.key.equals(key)) break;
    const { record } = item;
    if (record.kind === 'object' && record.manifest.id.equals(upload)) version = record;
  }
  const md5s = parts.flatMap(({ etag }) => parsePartEtag(etag) ?? []);
  if (!version || version.etagParts !== parts.length || !version.etag.equals(etagOfParts(md5s)))
    throw new StoreError('NoSuchUpload', { detail: { UploadId: uploadId } });
  return written(bucket, { version, position: reader.position(shardOfNumber(version.sequence)) });
}
