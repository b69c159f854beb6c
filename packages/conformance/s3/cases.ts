import { aclAccessCases } from './areas/acl-access.ts';
import { aclCases } from './areas/acls.ts';
import { announcementCases } from './areas/announcements.ts';
import { appendCases } from './areas/append.ts';
import { attributeCases } from './areas/attributes.ts';
import { bucketCases } from './areas/buckets.ts';
import { checksumCases } from './areas/checksums.ts';
import { completionCases } from './areas/completions.ts';
import { readConditionCases } from './areas/conditions.ts';
import { configurationCases } from './areas/configurations.ts';
import { copyCases } from './areas/copy.ts';
import { corsCases } from './areas/cors.ts';
import { customerKeyCases } from './areas/customer-keys.ts';
import { deleteManyCases } from './areas/delete-many.ts';
import { deleteMarkerCases } from './areas/delete-markers.ts';
import { documentCases } from './areas/documents.ts';
import { everywhereCases } from './areas/everywhere.ts';
import { formCases } from './areas/forms.ts';
import { hostCases } from './areas/hosts.ts';
import { identityCases } from './areas/identities.ts';
import { keyCases } from './areas/keys.ts';
import { lifecycleCases } from './areas/lifecycle.ts';
import { bucketListingCases } from './areas/list-buckets.ts';
import { listedConfigurationCases } from './areas/listed-configurations.ts';
import { listingCases } from './areas/listing.ts';
import { lockedVersionCases } from './areas/locked-versions.ts';
import { multipartCases } from './areas/multipart.ts';
import { namedKeyCases } from './areas/named-keys.ts';
import { objectLockCases } from './areas/object-lock.ts';
import { objectCases } from './areas/objects.ts';
import { pageCases } from './areas/pages.ts';
import { policyCases } from './areas/policies.ts';
import { policyAccessCases } from './areas/policy-access.ts';
import { statementCases } from './areas/policy-statements.ts';
import { presignedCases } from './areas/presigned.ts';
import { rangeCases } from './areas/ranges.ts';
import { renameCases } from './areas/rename.ts';
import { replicationCases } from './areas/replication.ts';
import { restoringCases } from './areas/restoring.ts';
import { sessionCases } from './areas/sessions.ts';
import { headerSignatureCases } from './areas/signatures.ts';
import { streamingCases } from './areas/streaming.ts';
import { taggingCases } from './areas/tagging.ts';
import { uploadListCases } from './areas/upload-lists.ts';
import { versionIdCases } from './areas/version-ids.ts';
import { versioningCases } from './areas/versioning.ts';
import { versionListingCases } from './areas/versions.ts';
import { websiteCases } from './areas/websites.ts';
import { writeConditionCases } from './areas/write-conditions.ts';
import type { Case } from './case.ts';

/** All cases. */
export const cases: readonly Case[] = [
  aclAccessCases,
  aclCases,
  announcementCases,
  appendCases,
  attributeCases,
  bucketCases,
  checksumCases,
  completionCases,
  readConditionCases,
  configurationCases,
  copyCases,
  corsCases,
  customerKeyCases,
  deleteManyCases,
  deleteMarkerCases,
  documentCases,
  everywhereCases,
  formCases,
  hostCases,
  identityCases,
  keyCases,
  lifecycleCases,
  bucketListingCases,
  listedConfigurationCases,
  listingCases,
  lockedVersionCases,
  multipartCases,
  namedKeyCases,
  objectLockCases,
  objectCases,
  pageCases,
  policyCases,
  policyAccessCases,
  statementCases,
  presignedCases,
  rangeCases,
  renameCases,
  replicationCases,
  restoringCases,
  sessionCases,
  headerSignatureCases,
  streamingCases,
  taggingCases,
  uploadListCases,
  versioningCases,
  versionIdCases,
  versionListingCases,
  websiteCases,
  writeConditionCases,
].flat();
