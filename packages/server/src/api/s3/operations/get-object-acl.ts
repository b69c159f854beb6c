import { grantsOf } from '../../../access/index.ts';
import { aclDocument, ownersList } from '../acl.ts';
import { ownershipOf } from '../bucket-rules.ts';
import { answerHeaders, answerXml, type S3Call } from '../call.ts';
import { pushVersionId } from '../object-headers.ts';

export function getObjectAcl(call: S3Call): void {
  const { objects } = call.service;
  const { bucket, version } = objects.look({
    bucket: call.bucket,
    key: call.key,
    versionId: call.query.get('versionId'),
  });
  const headers = answerHeaders(call);
  pushVersionId(headers, bucket, version);
  // With lists off the bucket's owner owns every object in it, whoever wrote it.
  const off = ownershipOf(objects, call.bucket) === 'BucketOwnerEnforced';
  const owner = off ? bucket.owner : version.owner;
  answerXml(call, aclDocument(owner, version.acl && !off ? grantsOf(version.acl) : ownersList(owner)), headers);
}
