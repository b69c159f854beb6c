import { StoreError } from '../errors.ts';
import { etagText as bareEtag, type Guard, namesEtag, type ObjectVersion } from '../metadata/index.ts';
import { etagText } from './etag.ts';

/**
 * What the read conditions say, in the order of RFC 9110 §13.2.2 (which S3 follows): If-Match hides If-Unmodified-Since, and
 * If-None-Match hides If-Modified-Since. Times are compared in whole seconds, as Last-Modified shows them.
 */
export function readOutcome(
  guard: Guard,
  version: Pick<ObjectVersion, 'etag' | 'etagParts' | 'modifiedMs'>,
): 'read' | 'not modified' | 'failed' {
  const etag = bareEtag(version.etag, version.etagParts);
  const modifiedMs = Math.floor(version.modifiedMs / 1000) * 1000;
  if (guard.ifMatch !== undefined) {
    if (!namesEtag(guard.ifMatch, etag, false)) return 'failed';
  } else if (guard.ifUnmodifiedSinceMs !== undefined && modifiedMs > guard.ifUnmodifiedSinceMs) return 'failed';
  if (guard.ifNoneMatch !== undefined) {
    if (namesEtag(guard.ifNoneMatch, etag, true)) return 'not modified';
  } else if (guard.ifModifiedSinceMs !== undefined && modifiedMs <= guard.ifModifiedSinceMs) return 'not modified';
  return 'read';
}

/** @throws StoreError NotModified, PreconditionFailed */
export function checkRead(guard: Guard | undefined, version: ObjectVersion): void {
  if (!guard) return;
  const outcome = readOutcome(guard, version);
  if (outcome === 'not modified') throw new StoreError('NotModified', { detail: { ETag: etagText(version) } });
  if (outcome === 'failed') throw new StoreError('PreconditionFailed');
}

/** The conditions on a copy's source: whatever does not hold is a failed precondition, for there is nothing to be unmodified. */
export function checkSource(guard: Guard | undefined, version: ObjectVersion): void {
  if (guard && readOutcome(guard, version) !== 'read') throw new StoreError('PreconditionFailed');
}
