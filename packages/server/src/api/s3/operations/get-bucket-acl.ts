import { aclDocument } from '../acl.ts';
import { answerXml, type S3Call } from '../call.ts';

export function getBucketAcl(call: S3Call): void {
  answerXml(call, aclDocument(call.service.objects.bucket(call.bucket).owner));
}
