import { StoreError } from '../../errors.ts';
import type { Authorization } from './authorization.ts';
import type { S3Call } from './call.ts';
import { factsOf } from './facts.ts';
import type { S3Operation } from './names.ts';
import { permissionsOf } from './permissions.ts';

/** Operations whose documents say what these conditions ask about: they ask for themselves, once they have read them. */
const inDocument: Partial<Record<S3Operation, readonly string[]>> = {
  CreateBucket: ['s3:locationconstraint'],
  PutBucketTagging: ['aws:requesttag/', 'aws:tagkeys'],
  PutObjectTagging: ['s3:requestobjecttag/', 's3:requestobjecttagkeys'],
};

/** Whether a request may go on to its operation. What only its document names, the operation asks about itself. */
export function mayBegin(call: S3Call): boolean | Promise<boolean> {
  const { authorization, operation, bucket } = call;
  authorization.renew();
  // Who sent a form is known once it was read: it is asked about then.
  if (operation === 'PostObject') return true;
  const { needs, copies, document } = permissionsOf(operation);
  // Refused by name, to whoever has a name himself.
  if (needs.length === 0) return call.principal.kind !== 'anonymous';
  if (!copies && authorization.freeIn(operation, bucket)) return true;
  const later = inDocument[operation];
  if (document || (later && authorization.wants(bucket, ...later))) return authorization.mayAtAll(operation, bucket);
  return authorization.allows(operation, factsOf(call));
}

const missing: ReadonlySet<string> = new Set(['NoSuchKey', 'NoSuchVersion']);

/**
 * The failure of an operation as its requester may know it: who may not list a bucket does not learn which keys it has, so that what is missing is
 * denied (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, "Permissions").
 */
export function concealed(authorization: Authorization, buckets: readonly string[], error: unknown): unknown {
  if (!(error instanceof StoreError) || !missing.has(error.code)) return error;
  return buckets.every((one) => authorization.mayList(one)) ? error : new StoreError('AccessDenied', { cause: error });
}

/** The buckets that an operation looks into. */
export function bucketsOf(call: S3Call): string[] {
  const { target, source } = factsOf(call);
  return source === undefined ? [target.bucket] : [target.bucket, source.bucket];
}
