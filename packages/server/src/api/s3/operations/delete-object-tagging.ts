import { answerEmpty, answerHeaders, type S3Call } from '../call.ts';
import { pushVersionId } from '../object-headers.ts';

export async function deleteObjectTagging(call: S3Call): Promise<void> {
  const { objects } = call.service;
  const version = await objects.setTags(
    { bucket: call.bucket, key: call.key, versionId: call.query.get('versionId'), guard: undefined },
    [],
  );
  const headers = answerHeaders(call);
  pushVersionId(headers, objects.bucket(call.bucket), version);
  answerEmpty(call, 204, headers);
}
