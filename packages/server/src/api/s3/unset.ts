import { type ErrorCode, StoreError } from '../../errors.ts';
import type { S3Call } from './call.ts';
import type { UnsetOperation } from './names.ts';

/*
 * Answers of settings that nobody can make here. Tools ask for all of them when they look at a bucket; what AWS says of an
 * unset one is true of every bucket here, so it is said, and a tool that sets one is told by name that it cannot.
 */

const answers: Readonly<Record<UnsetOperation, ErrorCode>> = {
  GetBucketReplication: 'ReplicationConfigurationNotFoundError',
};

/** Answers for a bucket, or an object, that is there; one that is not is reported first. */
export function answerUnset(call: S3Call, operation: UnsetOperation): void {
  const { objects } = call.service;
  if (call.key.length > 0)
    objects.look({
      bucket: call.bucket,
      key: call.key,
      versionId: call.query.get('versionId'),
    });
  else objects.bucket(call.bucket);
  throw new StoreError(answers[operation]);
}
