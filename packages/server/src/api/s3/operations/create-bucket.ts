import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { Tags } from '../../../objects/index.ts';
import { grantsOfRequest, keptGrants } from '../acl-request.ts';
import { answerEmpty, answerHeaders, header, type S3Call } from '../call.ts';
import { documentOf } from '../configurations/form.ts';
import { type ObjectOwnership, ownershipForm, ownershipOfHeader } from '../configurations/simple.ts';
import { factsOf } from '../facts.ts';
import { invalidArgument } from '../failure.ts';
import { takeDocument } from '../incoming.ts';
import { screenWrite } from '../screen.ts';
import { tagsOfSet } from '../tags.ts';
import { allowOnly, childOf, textOf, type XmlElement } from '../xml/parser.ts';

/** The one region of this store, or none said. */
function screenLocation(call: S3Call, location: string | undefined): void {
  if (location === undefined || location === call.service.region) return;
  throw new StoreError('InvalidLocationConstraint', { detail: { LocationConstraint: location } });
}

function tagsOf(document: XmlElement): Tags {
  const tags = childOf(document, 'Tags');
  return tags ? tagsOfSet(tags, limits.bucketTags) : [];
}

/** x-amz-bucket-object-lock-enabled. */
function locksOf(call: S3Call): boolean {
  const name = 'x-amz-bucket-object-lock-enabled';
  const text = header(call, name);
  const value = text?.toLowerCase();
  if (value === undefined || value === 'false') return false;
  if (value === 'true') return true;
  throw invalidArgument(name, text, 'The value is true or false.');
}

/** @throws StoreError InvalidBucketAclWithObjectOwnership for grants where lists are off, which they are unless it is said otherwise */
function listsOf(call: S3Call): { readonly ownership: ObjectOwnership; readonly acl: Buffer | null } {
  const said = header(call, 'x-amz-object-ownership');
  const ownership = said === undefined ? 'BucketOwnerEnforced' : ownershipOfHeader('x-amz-object-ownership', said);
  const name = header(call, 'x-amz-acl');
  // These are of objects; S3 passes them over here.
  const passed = name === 'bucket-owner-read' || name === 'bucket-owner-full-control';
  const grants = passed ? undefined : grantsOfRequest(call, call.owner, call.owner);
  const acl = grants ? keptGrants(grants, call.owner) : null;
  if (acl && ownership === 'BucketOwnerEnforced') throw new StoreError('InvalidBucketAclWithObjectOwnership');
  return { ownership, acl };
}

export async function createBucket(call: S3Call): Promise<void> {
  screenWrite(call.headers);
  const document = await takeDocument(call, 'CreateBucketConfiguration');
  const locks = locksOf(call);
  let tags: Tags = [];
  let location: string | undefined;
  if (document) {
    allowOnly(document, ['LocationConstraint', 'Tags']);
    location = textOf(document, 'LocationConstraint')?.trim() || undefined;
    screenLocation(call, location);
    tags = tagsOf(document);
  }
  const facts = factsOf(call);
  await call.authorization.require('CreateBucket', { ...facts, said: { location } });
  if (tags.length > 0) await call.authorization.require('PutBucketTagging', { ...facts, said: { tags } });
  const { ownership, acl } = listsOf(call);
  const { objects, region } = call.service;
  await objects.createBucket({ name: call.bucket, owner: call.owner, region, ...(locks && { locks }) });
  if (ownership !== 'BucketOwnerEnforced')
    await objects.configure(call.bucket, ownershipForm.kind, documentOf(ownershipForm, ownership));
  if (acl) await objects.configure(call.bucket, 'acl', acl);
  if (tags.length > 0) await objects.updateBucket(call.bucket, { tags });
  const headers = answerHeaders(call);
  headers.push('Location', `/${call.bucket}`);
  answerEmpty(call, 200, headers);
}
