import { StoreError } from '../../../errors.ts';
import { configurationBytes } from '../../../metadata/index.ts';
import { bucketNamed } from '../bucket-rules.ts';
import { answerEmpty, type S3Call } from '../call.ts';
import { documentOf } from '../configurations/form.ts';
import { loggingForm as form } from '../configurations/logging.ts';
import { requireDocument } from '../incoming.ts';

export async function putBucketLogging(call: S3Call): Promise<void> {
  const { objects } = call.service;
  const document = await requireDocument(call, form.root, form.digest, configurationBytes(form.kind));
  const logging = form.parse(document);
  const source = objects.bucket(call.bucket);
  if (logging) {
    const target = bucketNamed(objects, logging.bucket);
    if (!target)
      throw new StoreError('InvalidTargetBucketForLogging', {
        message: 'The target bucket for logging does not exist',
        detail: { TargetBucket: logging.bucket },
      });
    if (target.owner !== source.owner)
      throw new StoreError('InvalidTargetBucketForLogging', {
        message: 'The owner for the bucket to be logged and the target bucket must be the same.',
        detail: { TargetBucket: logging.bucket },
      });
  }
  await objects.configure(call.bucket, form.kind, logging ? documentOf(form, logging) : null);
  answerEmpty(call, 200);
}
