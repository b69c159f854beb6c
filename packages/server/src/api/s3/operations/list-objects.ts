import { answerHeaders, answerXml, type S3Call } from '../call.ts';
import { pageXml } from '../listed-object.ts';
import { bytesOfParameter, echoed, keyElement, listingOf } from '../listing.ts';
import { pushPosition } from '../position.ts';
import { element, s3Document } from '../xml/writer.ts';

export function listObjects(call: S3Call): void {
  const listing = listingOf(call, 'max-keys', 'maxKeys');
  const { prefix, delimiter, limit, url } = listing;
  const marker = bytesOfParameter(call, 'marker');
  const { objects } = call.service;
  const bucket = objects.bucket(call.bucket);
  const page =
    limit === 0
      ? { items: [], truncated: false }
      : objects.list({ bucket: call.bucket, prefix, delimiter, after: marker, limit });
  const { rows, last } = pageXml(page.items, listing, true);
  // Without a delimiter the last key of the page is the next marker, so AWS leaves it out.
  const next = page.truncated && delimiter.length > 0 && last ? keyElement('NextMarker', last, url) : '';
  const headers = answerHeaders(call);
  headers.push('x-amz-bucket-region', bucket.region);
  if (call.service.position) pushPosition(headers, call.service.position());
  answerXml(
    call,
    s3Document(
      'ListBucketResult',
      `${element('Name', call.bucket)}${keyElement('Prefix', prefix, url)}${keyElement('Marker', marker, url)}${next}<MaxKeys>${limit}</MaxKeys>${echoed(listing)}<IsTruncated>${page.truncated}</IsTruncated>${rows}`,
    ),
    headers,
  );
}
