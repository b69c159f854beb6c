import { encodeAcl, type Grant, isPublicAcl } from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import type { BucketRecord } from '../../metadata/index.ts';
import { cannedGrants, grantsOfDocument, grantsOfHeaders, ownersList } from './acl.ts';
import { bucketNamed, ownershipOf, publicAccessOf } from './bucket-rules.ts';
import { header, type S3Call } from './call.ts';
import type { ObjectOwnership } from './configurations/simple.ts';
import { takeDocument } from './incoming.ts';

/* What a request asks for as an access control list, and whether it may be had. */

const notSupported = (name: string) => new StoreError('AccessControlListNotSupported', { detail: { Header: name } });

/** The grants that headers name; undefined: none do. @throws StoreError InvalidArgument, InvalidRequest, UnresolvableGrantByEmailAddress */
export function grantsOfRequest(call: S3Call, owner: string, bucketOwner: string): readonly Grant[] | undefined {
  const name = header(call, 'x-amz-acl');
  const listed = grantsOfHeaders((one) => header(call, one));
  if (name === undefined) return listed;
  if (listed)
    throw new StoreError('InvalidRequest', {
      message: 'Specifying both Canned ACLs and Header Grants is not allowed',
    });
  return cannedGrants(name, owner, bucketOwner);
}

function screenPublic(call: S3Call, grants: readonly Grant[]): readonly Grant[] {
  if (isPublicAcl(grants) && publicAccessOf(call.service.objects, call.bucket).BlockPublicAcls)
    throw new StoreError('AccessDenied', {
      message: 'The access control list is public, and BlockPublicAcls is on for the bucket.',
    });
  return grants;
}

/** @throws StoreError AccessControlListNotSupported where lists are off */
export function requireLists({ name }: BucketRecord, call: S3Call): void {
  if (ownershipOf(call.service.objects, name) === 'BucketOwnerEnforced')
    throw new StoreError('AccessControlListNotSupported');
}

/**
 * The list that PutBucketAcl or PutObjectAcl sets, from headers or from its document.
 * @param owner whose the thing is
 */
export async function takeGrants(call: S3Call, owner: string, bucketOwner: string): Promise<readonly Grant[]> {
  const given = grantsOfRequest(call, owner, bucketOwner);
  const document = await takeDocument(call, 'AccessControlPolicy');
  if (given && document) throw new StoreError('UnexpectedContent');
  if (given) return screenPublic(call, given);
  if (!document) throw new StoreError('MissingSecurityHeader', { detail: { MissingHeaderName: 'x-amz-acl' } });
  return screenPublic(call, grantsOfDocument(document, owner));
}

/** The bytes that are kept; null where only the owner has anything, which is said by saying nothing. */
export const keptGrants = (grants: readonly Grant[], owner: string): Buffer | null => {
  const bytes = encodeAcl(grants);
  return bytes.equals(encodeAcl(ownersList(owner))) ? null : bytes;
};

/** With lists off, these say what is so anyway. */
const harmless: ReadonlySet<string> = new Set(['private', 'bucket-owner-full-control']);

function screenOff(call: S3Call): void {
  const name = header(call, 'x-amz-acl');
  if (grantsOfHeaders((one) => header(call, one))) throw notSupported('x-amz-grant');
  if (name === undefined) return;
  cannedGrants(name, '', '');
  if (!harmless.has(name)) throw notSupported('x-amz-acl');
}

/**
 * Whose a new object is, and what it grants: with lists off always the owner of the bucket's; else its writer's, but for what was given to the
 * owner of the bucket where he prefers that. What nobody in particular writes is the bucket's owner's.
 * @throws StoreError AccessControlListNotSupported, AccessDenied, InvalidArgument, InvalidRequest, UnresolvableGrantByEmailAddress
 */
export function ownedAs(call: S3Call): { readonly owner: string; readonly acl: Buffer | undefined } {
  const { objects } = call.service;
  const bucket = bucketNamed(objects, call.bucket);
  const ownership: ObjectOwnership = bucket ? ownershipOf(objects, call.bucket) : 'BucketOwnerEnforced';
  if (!bucket || ownership === 'BucketOwnerEnforced') {
    screenOff(call);
    return { owner: bucket?.owner ?? call.owner, acl: undefined };
  }
  const given = header(call, 'x-amz-acl') === 'bucket-owner-full-control';
  const owner = ownership === 'BucketOwnerPreferred' && given ? bucket.owner : call.owner;
  const grants = grantsOfRequest(call, owner, bucket.owner);
  const kept = grants && keptGrants(screenPublic(call, grants), owner);
  return { owner, acl: kept ?? undefined };
}
