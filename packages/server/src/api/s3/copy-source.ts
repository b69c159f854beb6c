import { StoreError } from '../../errors.ts';
import type { CopySource } from '../../objects/index.ts';
import { type ConditionHeaders, readConditions } from '../http/conditions.ts';
import { decodeHeader } from '../http/header-text.ts';
import { checkOwner } from './bucket-rules.ts';
import { header, type S3Call } from './call.ts';
import { sourceKeyOf } from './customer-keys.ts';
import { invalidArgument, notImplemented } from './failure.ts';
import { isBucketName, screenKey } from './screen.ts';

const name = 'x-amz-copy-source';

const sourceConditions: ConditionHeaders = {
  match: 'x-amz-copy-source-if-match',
  noneMatch: 'x-amz-copy-source-if-none-match',
  modifiedSince: 'x-amz-copy-source-if-modified-since',
  unmodifiedSince: 'x-amz-copy-source-if-unmodified-since',
};

/** `[/]bucket/key[?versionId=id]`, percent-encoded as in a form, where a plus is a space, into its parts. */
export function parseCopySource(value: string): Omit<CopySource, 'guard' | 'customerKey'> {
  if (value.startsWith('arn:')) throw notImplemented('Copying from an access point', { Header: name });
  const refuse = (message: string) => invalidArgument(name, value, message);
  let path = decodeHeader(value);
  let versionId: string | undefined;
  const mark = path.lastIndexOf('?versionId=');
  if (mark >= 0) {
    versionId = path.slice(mark + '?versionId='.length);
    path = path.slice(0, mark);
    if (versionId === '') throw refuse('Version id cannot be the empty string');
  }
  try {
    // S3 takes a plus for a space, as Go's url.QueryEscape writes it; the plus of a key is %2B.
    path = decodeURIComponent(path.replaceAll('+', ' '));
  } catch {
    throw refuse('The copy source is not percent-encoded UTF-8.');
  }
  if (path.startsWith('/')) path = path.slice(1);
  const slash = path.indexOf('/');
  if (slash < 0 || slash === path.length - 1) throw refuse('The copy source names a bucket and a key: bucket/key.');
  const bucket = path.slice(0, slash);
  if (!isBucketName(bucket)) throw refuse('The copy source names no valid bucket.');
  const key = Buffer.from(path.slice(slash + 1), 'utf8');
  screenKey(key);
  return { bucket, key, versionId };
}

/**
 * The source of a copy, which its reader may read: that was asked before the operation began, with the same words (`facts.ts`).
 * @throws StoreError AccessDenied for another owner than the one expected, InvalidBucketOwnerAWSAccountID for none; InvalidArgument, KeyTooLongError, NotImplemented
 */
export function copySourceOf(call: S3Call): CopySource {
  const source = parseCopySource(header(call, name) ?? '');
  const expectedOwner = header(call, 'x-amz-source-expected-bucket-owner');
  if (expectedOwner !== undefined) checkOwner(call.service.objects.bucket(source.bucket), expectedOwner);
  return { ...source, guard: readConditions(call.headers, sourceConditions), customerKey: sourceKeyOf(call) };
}

/** A failed condition on the source is 412, also where a read would answer 304. */
export async function copying<Result>(copy: Promise<Result>): Promise<Result> {
  try {
    return await copy;
  } catch (error) {
    if (error instanceof StoreError && error.code === 'NotModified')
      throw new StoreError('PreconditionFailed', { detail: error.detail });
    throw error;
  }
}
