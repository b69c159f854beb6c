import type { IncomingHttpHeaders } from 'node:http';
import { parseDate } from './dates.ts';

/** Preconditions of a request (RFC 9110 §13.1). ETags as received; dates that do not parse count as absent. */
export interface Conditions {
  readonly ifMatch?: string;
  readonly ifNoneMatch?: string;
  readonly ifModifiedSinceMs?: number;
  readonly ifUnmodifiedSinceMs?: number;
}

/** The header names of one set of conditions: those of the request itself, or those on the source of a copy. */
export interface ConditionHeaders {
  readonly match: string;
  readonly noneMatch: string;
  readonly modifiedSince: string;
  readonly unmodifiedSince: string;
}

const ownConditions: ConditionHeaders = {
  match: 'if-match',
  noneMatch: 'if-none-match',
  modifiedSince: 'if-modified-since',
  unmodifiedSince: 'if-unmodified-since',
};

/** @returns undefined when the request has no condition, which is nearly always */
export function readConditions(
  headers: IncomingHttpHeaders,
  names: ConditionHeaders = ownConditions,
): Conditions | undefined {
  const ifMatch = headers[names.match] as string | undefined;
  const ifNoneMatch = headers[names.noneMatch] as string | undefined;
  const since = headers[names.modifiedSince] as string | undefined;
  const until = headers[names.unmodifiedSince] as string | undefined;
  if (ifMatch === undefined && ifNoneMatch === undefined && since === undefined && until === undefined)
    return undefined;
  const ifModifiedSinceMs = since === undefined ? undefined : parseDate(since);
  const ifUnmodifiedSinceMs = until === undefined ? undefined : parseDate(until);
  return {
    ...(ifMatch !== undefined && { ifMatch }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    ...(ifModifiedSinceMs !== undefined && { ifModifiedSinceMs }),
    ...(ifUnmodifiedSinceMs !== undefined && { ifUnmodifiedSinceMs }),
  };
}

/** True when `list` (an If-Match or If-None-Match value) is `*` or names `etag`, given without quotes. Quotes may be missing, as S3 allows. */
export function etagListed(list: string, etag: string): boolean {
  if (list === '*') return true;
  for (const item of list.split(',')) {
    let text = item.trim();
    if (text.startsWith('W/')) text = text.slice(2);
    if (text.length >= 2 && text.startsWith('"') && text.endsWith('"')) text = text.slice(1, -1);
    if (text === etag) return true;
  }
  return false;
}

/** Outcome of the conditions of a read: go on, answer 304, or answer 412 and say which header failed. */
export type Verdict = 'proceed' | 'not-modified' | 'If-Match' | 'If-Unmodified-Since';

/**
 * Decides the conditions of a GET or HEAD in the order of RFC 9110 §13.2.2. Dates are compared in whole seconds.
 * @param etag of the representation, without quotes
 */
export function judge(conditions: Conditions, etag: string, modifiedMs: number): Verdict {
  const modified = Math.floor(modifiedMs / 1000) * 1000;
  if (conditions.ifMatch !== undefined) {
    if (!etagListed(conditions.ifMatch, etag)) return 'If-Match';
  } else if (conditions.ifUnmodifiedSinceMs !== undefined && modified > conditions.ifUnmodifiedSinceMs) {
    return 'If-Unmodified-Since';
  }
  if (conditions.ifNoneMatch !== undefined) {
    if (etagListed(conditions.ifNoneMatch, etag)) return 'not-modified';
  } else if (conditions.ifModifiedSinceMs !== undefined && modified <= conditions.ifModifiedSinceMs) {
    return 'not-modified';
  }
  return 'proceed';
}

/** If-Range (RFC 9110 §13.1.5): true when the range may be served because the representation is still the named one. */
export function rangeStillHolds(header: string, etag: string, modifiedMs: number): boolean {
  if (header.startsWith('W/')) return false;
  if (header.startsWith('"')) return header === `"${etag}"`;
  const date = parseDate(header);
  return date !== undefined ? Math.floor(modifiedMs / 1000) * 1000 === date : header === etag;
}
