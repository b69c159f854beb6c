import type { ListedObject } from '../../../metadata/index.ts';
import { answerHeaders, answerXml, type S3Call } from '../call.ts';
import { invalidArgument } from '../failure.ts';
import { contents } from '../listed-object.ts';
import { bytesOfParameter, echoed, emptyPage, keyElement, listingOf, pageXml, placeOf } from '../listing.ts';
import { pushPositions } from '../position.ts';
import { element, s3Document } from '../xml/writer.ts';

/*
 * A continuation token is the last key (or common prefix) of the page before, behind a format byte, in base64url. It is opaque
 * to clients and holds nothing that its holder may not ask for anyway.
 */
const tokenFormat = 1;

function tokenOf(last: Buffer): string {
  return Buffer.concat([Buffer.of(tokenFormat), last]).toString('base64url');
}

function keyOfToken(token: string): Buffer {
  const bytes = Buffer.from(token, 'base64url');
  if (bytes[0] !== tokenFormat || bytes.length < 2 || bytes.toString('base64url') !== token) {
    throw invalidArgument('continuation-token', token, 'The continuation token provided is incorrect');
  }
  return bytes.subarray(1);
}

export async function listObjectsV2(call: S3Call): Promise<void> {
  const listing = listingOf(call, 'max-keys', 'maxKeys');
  const { prefix, delimiter, limit, url, restores } = listing;
  const token = call.query.get('continuation-token');
  const startAfter = bytesOfParameter(call, 'start-after');
  const after = token === undefined || token === '' ? startAfter : keyOfToken(token);
  const owner = call.query.get('fetch-owner')?.toLowerCase() === 'true';
  const { objects } = call.service;
  const bucket = objects.bucket(call.bucket);
  const found =
    limit === 0 ? emptyPage : objects.listThrough({ bucket: call.bucket, prefix, delimiter, after, limit, restores });
  const page = found instanceof Promise ? await found : found;
  const { rows, last } = pageXml<ListedObject>(page, url, (object) => contents(object, url, owner));
  const next = last ? element('NextContinuationToken', tokenOf(placeOf(last))) : '';
  const start = startAfter.length > 0 ? keyElement('StartAfter', startAfter, url) : '';
  const headers = answerHeaders(call);
  headers.push('x-amz-bucket-region', bucket.region);
  if (call.service.position) pushPositions(headers, call, objects.positions(call.bucket));
  answerXml(
    call,
    s3Document(
      'ListBucketResult',
      `${element('Name', call.bucket)}${keyElement('Prefix', prefix, url)}${element('ContinuationToken', token)}${next}${start}<KeyCount>${page.items.length}</KeyCount><MaxKeys>${limit}</MaxKeys>${echoed(listing)}<IsTruncated>${page.truncated}</IsTruncated>${rows}`,
    ),
    headers,
  );
}
