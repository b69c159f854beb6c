import type { PartRecord } from '../../metadata/index.ts';
import { etagText } from '../../objects/index.ts';
import type { S3Call } from './call.ts';
import { invalidArgument } from './failure.ts';

/** The upload that a request names. Whether it exists, the object service says. */
export function uploadIdOf(call: S3Call): string {
  const uploadId = call.query.get('uploadId');
  if (uploadId !== undefined && uploadId !== '') return uploadId;
  throw invalidArgument('uploadId', uploadId, 'This operation needs an uploadId.');
}

/** The ETag of a part: the MD5 of its bytes. */
export function partEtag(part: PartRecord): string {
  return etagText({ etag: part.piece.md5, etagParts: 0 });
}
