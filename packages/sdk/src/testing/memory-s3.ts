/* The S3 side of a store in memory. */
import { elements, escapeXml, textOf } from '../xml.ts';
import { type MemoryState, nothing, Refusal, type StoredVersion, type StoreRequest } from './memory-state.ts';

const keptHeader =
  /^(content-(type|encoding|disposition|language)|cache-control|expires|x-amz-meta-.*|x-amz-storage-class)$/;
function kept(request: StoreRequest): Pick<StoredVersion, 'headers' | 'tags'> {
  const headers: Record<string, string> = {};
  for (const [name, value] of request.headers) if (keptHeader.test(name)) headers[name] = value;
  return { headers, tags: Object.fromEntries(new URLSearchParams(request.headers.get('x-amz-tagging') ?? '')) };
}

export function s3(store: MemoryState, request: StoreRequest): Response {
  const { method, query, segments } = request;
  const [bucket = '', ...rest] = segments;
  const key = rest.join('/');
  store.bucket(bucket);
  if (query.has('tagging')) return tagging(request, store.version(bucket, key, query.get('versionId')));
  if (method === 'POST' && query.has('uploads')) {
    const id = `upload${store.next()}`;
    store.uploads.set(id, { bucket, key, ...kept(request), parts: new Map() });
    return new Response(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
  }
  if (method === 'PUT' && query.has('partNumber')) {
    const part = { bytes: request.body, etag: store.options.md5(request.body) };
    store.upload(query.get('uploadId') ?? '').parts.set(Number(query.get('partNumber')), part);
    return new Response(null, { headers: { etag: `"${part.etag}"` } });
  }
  if (method === 'PUT') {
    store.guard(request, bucket, key);
    return new Response(null, {
      headers: describe(store.store(bucket, key, request.body, kept(request))),
    });
  }
  if (method === 'DELETE') {
    const { versionId, marker } = store.remove(bucket, key, query.get('versionId'));
    return nothing({
      ...(versionId && { 'x-amz-version-id': versionId }),
      ...(marker && { 'x-amz-delete-marker': 'true' }),
    });
  }
  return read(request, store.version(bucket, key, query.get('versionId')));
}

function describe(version: StoredVersion): Record<string, string> {
  const id: Record<string, string> = version.versionId === 'null' ? {} : { 'x-amz-version-id': version.versionId };
  return {
    ...version.headers,
    ...id,
    etag: `"${version.etag}"`,
    'last-modified': version.modifiedAt.toUTCString(),
    'x-dsom-guk': version.guk,
  };
}

function read(request: StoreRequest, version: StoredVersion): Response {
  const etag = `"${version.etag}"`;
  if (request.headers.get('if-match') && request.headers.get('if-match') !== etag)
    throw new Refusal(412, 'PreconditionFailed');
  if (request.headers.get('if-none-match') === etag) throw new Refusal(304, 'NotModified');
  const headers = describe(version);
  const size = version.bytes.length;
  const match = /^bytes=(\d*)-(\d*)$/.exec(request.headers.get('range') ?? '');
  if (!match) return body(request, version.bytes, 200, headers);
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = match[1] === '' || match[2] === '' ? size : Math.min(size, Number(match[2]) + 1);
  if (start >= size) throw new Refusal(416, 'InvalidRange');
  return body(request, version.bytes.subarray(start, end), 206, {
    ...headers,
    'content-range': `bytes ${start}-${end - 1}/${size}`,
  });
}

function body(
  request: StoreRequest,
  bytes: Uint8Array<ArrayBuffer>,
  status: number,
  headers: Record<string, string>,
): Response {
  const all = { ...headers, 'content-length': String(bytes.length) };
  return new Response(request.method === 'HEAD' ? null : bytes, { status, headers: all });
}

function tagging(request: StoreRequest, version: StoredVersion): Response {
  if (request.method === 'PUT') {
    const tags = elements(new TextDecoder().decode(request.body), 'Tag');
    version.tags = Object.fromEntries(tags.map((tag) => [textOf(tag, 'Key') ?? '', textOf(tag, 'Value') ?? '']));
    return new Response(null);
  }
  const rows = Object.entries(version.tags).map(
    ([k, v]) => `<Tag><Key>${escapeXml(k)}</Key><Value>${escapeXml(v)}</Value></Tag>`,
  );
  return new Response(`<Tagging><TagSet>${rows.join('')}</TagSet></Tagging>`);
}
