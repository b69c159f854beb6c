import { answerXml, type S3Call } from '../call.ts';
import { s3Document } from '../xml/writer.ts';

/** Access by tags of buckets cannot be turned on (put-bucket-abac.ts), so it is off. */
export function getBucketAbac(call: S3Call): void {
  call.service.objects.bucket(call.bucket);
  answerXml(call, s3Document('AbacStatus', '<Status>Disabled</Status>'));
}
