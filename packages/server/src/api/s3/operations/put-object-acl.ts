import { keptGrants, requireLists, takeGrants } from '../acl-request.ts';
import { answerEmpty, answerHeaders, type S3Call } from '../call.ts';
import { pushVersionId } from '../object-headers.ts';

export async function putObjectAcl(call: S3Call): Promise<void> {
  const { objects } = call.service;
  const which = { bucket: call.bucket, key: call.key, versionId: call.query.get('versionId') };
  const { bucket, version } = objects.look(which);
  requireLists(bucket, call);
  const grants = await takeGrants(call, version.owner, bucket.owner);
  const changed = await objects.setAcl({ ...which, guard: undefined }, keptGrants(grants, version.owner));
  const headers = answerHeaders(call);
  pushVersionId(headers, bucket, changed);
  answerEmpty(call, 200, headers);
}
