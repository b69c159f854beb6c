import { bucketCases } from './areas/buckets.ts';
import { completionCases } from './areas/completions.ts';
import { readConditionCases } from './areas/conditions.ts';
import { deleteMarkerCases } from './areas/delete-markers.ts';
import { keyCases } from './areas/keys.ts';
import { bucketListingCases } from './areas/list-buckets.ts';
import { listingCases } from './areas/listing.ts';
import { multipartCases } from './areas/multipart.ts';
import { objectCases } from './areas/objects.ts';
import { pageCases } from './areas/pages.ts';
import { rangeCases } from './areas/ranges.ts';
import { uploadListCases } from './areas/upload-lists.ts';
import { versioningCases } from './areas/versioning.ts';
import { versionListingCases } from './areas/versions.ts';
import { writeConditionCases } from './areas/write-conditions.ts';
import type { Case } from './case.ts';

/** All cases. */
export const cases: readonly Case[] = [
  bucketCases,
  completionCases,
  readConditionCases,
  deleteMarkerCases,
  keyCases,
  bucketListingCases,
  listingCases,
  multipartCases,
  objectCases,
  pageCases,
  rangeCases,
  uploadListCases,
  versioningCases,
  versionListingCases,
  writeConditionCases,
].flat();
