import { aclDocument } from '../acl.ts';
import { answerHeaders, answerXml, type S3Call } from '../call.ts';
import { pushVersionId } from '../object-headers.ts';

export async function getObjectAcl(call: S3Call): Promise<void> {
  const { bucket, version } = await call.service.objects.read({
    bucket: call.bucket,
    key: call.key,
    versionId: call.query.get('versionId'),
    guard: undefined,
  });
  const headers = answerHeaders(call);
  pushVersionId(headers, bucket, version);
  // The bucket's owner owns every object in it, whoever wrote it: that is what ObjectOwnership says here.
  answerXml(call, aclDocument(bucket.owner), headers);
}
