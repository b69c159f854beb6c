import type { ListedObject } from '../../../metadata/index.ts';
import { answerHeaders, answerXml, type S3Call } from '../call.ts';
import { contents } from '../listed-object.ts';
import { bytesOfParameter, echoed, emptyPage, keyElement, listingOf, pageXml, placeOf } from '../listing.ts';
import { pushPositions } from '../position.ts';
import { element, s3Document } from '../xml/writer.ts';

export async function listObjects(call: S3Call): Promise<void> {
  const listing = listingOf(call, 'max-keys', 'maxKeys');
  const { prefix, delimiter, limit, url, restores } = listing;
  const marker = bytesOfParameter(call, 'marker');
  const { objects } = call.service;
  const bucket = objects.bucket(call.bucket);
  const found =
    limit === 0
      ? emptyPage
      : objects.listThrough({ bucket: call.bucket, prefix, delimiter, after: marker, limit, restores });
  const page = found instanceof Promise ? await found : found;
  const { rows, last } = pageXml<ListedObject>(page, url, (object) => contents(object, url, true));
  // Without a delimiter the last key of the page is the next marker, so AWS leaves it out.
  const next = delimiter.length > 0 && last ? keyElement('NextMarker', placeOf(last), url) : '';
  const headers = answerHeaders(call);
  headers.push('x-amz-bucket-region', bucket.region);
  if (call.service.position) pushPositions(headers, call, objects.positions(call.bucket));
  answerXml(
    call,
    s3Document(
      'ListBucketResult',
      `${element('Name', call.bucket)}${keyElement('Prefix', prefix, url)}${keyElement('Marker', marker, url)}${next}<MaxKeys>${limit}</MaxKeys>${echoed(listing)}<IsTruncated>${page.truncated}</IsTruncated>${rows}`,
    ),
    headers,
  );
}
