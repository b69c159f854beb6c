import type { S3Call } from './call.ts';
import type { S3Operation } from './names.ts';

/** What is done with an object that must be here for it. Reads of it need not be; writes and copies see to it themselves. */
const needing: ReadonlySet<S3Operation> = new Set<S3Operation>([
  'GetObjectAcl',
  'GetObjectLegalHold',
  'GetObjectRetention',
  'GetObjectTagging',
  'PutObjectAcl',
  'PutObjectLegalHold',
  'PutObjectRetention',
  'RestoreObject',
]);

/** Has the object of a request here, where it has not moved yet from the source of its bucket. Undefined where there is nothing to wait for. */
export function arrive({ operation, service, bucket, key, query }: S3Call): Promise<void> | undefined {
  if (!needing.has(operation)) return undefined;
  return service.objects.arrive({ bucket, key: Buffer.from(key), versionId: query.get('versionId') });
}
