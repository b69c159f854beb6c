import { answerXml, type S3Call } from '../call.ts';
import { invalidArgument } from '../failure.ts';
import { pageSize } from '../listing.ts';
import { s3Document } from '../xml/writer.ts';

/** Every bucket here is one of general purpose, so the list is empty. */
export function listDirectoryBuckets(call: S3Call): void {
  pageSize(call.query.get('max-directory-buckets'), 'max-directory-buckets');
  const token = call.query.get('continuation-token');
  if (token !== undefined && token !== '')
    throw invalidArgument('continuation-token', token, 'The continuation token provided is incorrect');
  answerXml(call, s3Document('ListAllMyDirectoryBucketsResult', '<Buckets/>'));
}
