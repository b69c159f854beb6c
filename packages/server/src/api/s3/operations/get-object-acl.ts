import { aclDocument } from '../acl.ts';
import { answerHeaders, answerXml, type S3Call } from '../call.ts';
import { pushVersionId } from '../object-headers.ts';

export function getObjectAcl(call: S3Call): void {
  const { bucket, version } = call.service.objects.look({
    bucket: call.bucket,
    key: call.key,
    versionId: call.query.get('versionId'),
  });
  const headers = answerHeaders(call);
  pushVersionId(headers, bucket, version);
  // The bucket's owner owns every object in it, whoever wrote it: that is what ObjectOwnership says here.
  answerXml(call, aclDocument(bucket.owner), headers);
}
