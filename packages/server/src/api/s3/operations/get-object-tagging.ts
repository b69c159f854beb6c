import { answerHeaders, answerXml, type S3Call } from '../call.ts';
import { pushVersionId } from '../object-headers.ts';
import { taggingDocument } from '../tags.ts';

export function getObjectTagging(call: S3Call): void {
  const { bucket, version } = call.service.objects.look({
    bucket: call.bucket,
    key: call.key,
    versionId: call.query.get('versionId'),
  });
  const headers = answerHeaders(call);
  pushVersionId(headers, bucket, version);
  answerXml(call, taggingDocument(version.tags), headers);
}
