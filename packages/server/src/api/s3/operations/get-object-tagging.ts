import { answerHeaders, answerXml, type S3Call } from '../call.ts';
import { pushVersionId } from '../object-headers.ts';
import { taggingDocument } from '../tags.ts';

export async function getObjectTagging(call: S3Call): Promise<void> {
  const { bucket, version } = await call.service.objects.read({
    bucket: call.bucket,
    key: call.key,
    versionId: call.query.get('versionId'),
    guard: undefined,
  });
  const headers = answerHeaders(call);
  pushVersionId(headers, bucket, version);
  answerXml(call, taggingDocument(version.tags), headers);
}
