import { limits } from '../../../limits.ts';
import { answerEmpty, answerHeaders, type S3Call } from '../call.ts';
import { factsOf } from '../facts.ts';
import { requireDocument } from '../incoming.ts';
import { pushVersionId } from '../object-headers.ts';
import { tagsOfDocument } from '../tags.ts';

export async function putObjectTagging(call: S3Call): Promise<void> {
  const versionId = call.query.get('versionId');
  const tags = tagsOfDocument(await requireDocument(call, 'Tagging'), limits.tags);
  await call.authorization.require('PutObjectTagging', { ...factsOf(call), said: { tags } });
  const { objects } = call.service;
  const version = await objects.setTags({ bucket: call.bucket, key: call.key, versionId, guard: undefined }, tags);
  const headers = answerHeaders(call);
  pushVersionId(headers, objects.bucket(call.bucket), version);
  answerEmpty(call, 200, headers);
}
