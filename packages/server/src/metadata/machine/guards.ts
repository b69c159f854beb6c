import { StoreError } from '../../errors.ts';
import type { Guard } from '../types.ts';
import type { VersionRow } from './versions.ts';

/** An ETag as clients see it, without the quotes. */
export const etagText = (etag: Buffer, parts: number): string =>
  parts > 0 ? `${etag.toString('hex')}-${parts}` : etag.toString('hex');

/**
 * Does a header's list of ETags name this one? `*` names any. Quotes may be left out, as S3 allows.
 * @param weak a `W/` before an ETag is looked through (If-None-Match); otherwise such an ETag names nothing
 */
export function namesEtag(list: string, etag: string, weak: boolean): boolean {
  for (const item of list.split(',')) {
    let text = item.trim();
    if (text === '*') return true;
    if (text.startsWith('W/')) {
      if (!weak) continue;
      text = text.slice(2);
    }
    if (text.length >= 2 && text.startsWith('"') && text.endsWith('"')) text = text.slice(1, -1);
    if (text === etag) return true;
  }
  return false;
}

/** Dates of HTTP have whole seconds. */
const seconds = (milliseconds: number): number => Math.floor(milliseconds / 1000);

/**
 * Checks a write's preconditions against the object that is there (S3: a delete marker is no object).
 * The order is that of RFC 9110, 13.2.2: If-Match wins over If-Unmodified-Since, If-None-Match over If-Modified-Since.
 * @param missing what a condition that needs the object answers without it
 * @throws StoreError PreconditionFailed, or `missing`
 */
export function checkGuard(
  guard: Guard | undefined,
  row: VersionRow | undefined,
  missing: 'NoSuchKey' | 'NoSuchVersion' = 'NoSuchKey',
): void {
  if (!guard) return;
  if (guard.ifUntouched && row) throw new StoreError('PreconditionFailed', { detail: { Condition: 'ifUntouched' } });
  const current = row?.isMarker ? undefined : row;
  const failed = (condition: string): never => {
    throw new StoreError('PreconditionFailed', { detail: { Condition: condition } });
  };
  if (guard.ifMatch !== undefined) {
    if (!current) throw new StoreError(missing);
    if (!namesEtag(guard.ifMatch, etagText(current.etag, current.etagParts), false)) failed('If-Match');
  } else if (guard.ifUnmodifiedSinceMs !== undefined && current) {
    if (seconds(current.modifiedMs) > seconds(guard.ifUnmodifiedSinceMs)) failed('If-Unmodified-Since');
  }
  if (guard.ifNoneMatch !== undefined) {
    if (current && namesEtag(guard.ifNoneMatch, etagText(current.etag, current.etagParts), true))
      failed('If-None-Match');
  } else if (guard.ifModifiedSinceMs !== undefined && current) {
    if (seconds(current.modifiedMs) <= seconds(guard.ifModifiedSinceMs)) failed('If-Modified-Since');
  }
  if (guard.ifModifiedAtMs !== undefined && current) {
    if (seconds(current.modifiedMs) !== seconds(guard.ifModifiedAtMs)) failed('x-amz-if-match-last-modified-time');
  }
  if (guard.ifSize !== undefined && current && current.size !== guard.ifSize) failed('x-amz-if-match-size');
}
