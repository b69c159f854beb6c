import { grantsOf } from '../../../access/index.ts';
import { aclDocument, ownersList } from '../acl.ts';
import { ownershipOf } from '../bucket-rules.ts';
import { answerXml, type S3Call } from '../call.ts';

/** With lists off: its owner has everything. */
export function getBucketAcl(call: S3Call): void {
  const { objects } = call.service;
  const { owner } = objects.bucket(call.bucket);
  const bytes = objects.configuration(call.bucket, 'acl');
  const off = ownershipOf(objects, call.bucket) === 'BucketOwnerEnforced';
  answerXml(call, aclDocument(owner, bytes && !off ? grantsOf(bytes) : ownersList(owner)));
}
