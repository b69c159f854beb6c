/* The native side of a store in memory. */
import { compareKeys } from '../listing.ts';
import {
  join,
  json,
  type MemoryState,
  nothing,
  Refusal,
  type StoredBucket,
  type StoredVersion,
  type StoreRequest,
} from './memory-state.ts';

function objectJson(bucket: string, key: string, version: StoredVersion): Record<string, unknown> {
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(version.headers))
    if (name.startsWith('x-amz-meta-')) metadata[name.slice(11)] = value;
  const { guk, versionId, etag, tags } = version;
  const modifiedAt = version.modifiedAt.toISOString();
  return {
    bucket,
    key,
    guk,
    versionId,
    size: version.bytes.length,
    etag,
    modifiedAt,
    contentType: version.headers['content-type'],
    metadata,
    tags,
  };
}

function bucketJson(bucket: StoredBucket): Record<string, unknown> {
  const all = [...bucket.objects.values()];
  const { name, createdAt } = bucket;
  return {
    name,
    createdAt: createdAt.toISOString(),
    versioning: 'off',
    consistency: 'strong',
    redundancy: null,
    tags: {},
    ...bucket.settings,
    objects: all.filter((versions) => !versions[0]!.marker).length,
    versions: all.flat().length,
    bytes: all.flat().reduce((sum, one) => sum + one.bytes.length, 0),
  };
}

export function rest(store: MemoryState, request: StoreRequest): Response {
  const { method, query } = request;
  const [, , kind, name = '', part, ...rest] = request.segments;
  const document = () => JSON.parse(new TextDecoder().decode(request.body)) as Record<string, never>;
  if (kind === 'keys') return keys(store, method, name, method === 'POST' ? document() : {});
  if (kind === 'guks') {
    for (const bucket of store.buckets.values())
      for (const [key, [newest]] of bucket.objects)
        if (newest?.guk === name) return json(objectJson(bucket.name, key, newest));
    throw new Refusal(404, 'NotFound');
  }
  if (name === '') return json({ buckets: [...store.buckets.values()].map((one) => bucketJson(one)) });
  if (part === undefined)
    return bucketRequest(store, method, name, method === 'DELETE' || method === 'GET' ? {} : document());
  if (part === 'objects' && rest.length === 0) return list(store, name, query);
  if (part === 'objects') return object(store, request, name, rest.join('/'));
  if (part === 'versions') return listVersions(store, name, query);
  if (part === 'uploads') return uploads(store, request, name, rest);
  if (part === 'delete') {
    const { items } = document() as unknown as { items: { key: string; versionId?: string }[] };
    const deleted = items.map((item) => ({ key: item.key, ...store.remove(name, item.key, item.versionId ?? null) }));
    return json({ deleted, errors: [] });
  }
  const { source, key, metadata } = document() as unknown as {
    source: { bucket: string; key: string; versionId?: string };
    key: string;
    metadata?: Record<string, string>;
  };
  const { bytes, etag, headers, tags } = store.version(source.bucket, source.key, source.versionId);
  const given = Object.fromEntries(Object.entries(metadata ?? {}).map(([k, v]) => [`x-amz-meta-${k}`, v]));
  return json(
    objectJson(name, key, store.store(name, key, bytes, { etag, headers: metadata ? given : headers, tags })),
  );
}

function bucketRequest(store: MemoryState, method: string, name: string, settings: StoredBucket['settings']): Response {
  if (method === 'PUT') {
    if (store.buckets.has(name)) throw new Refusal(409, 'BucketAlreadyOwnedByYou');
    store.buckets.set(name, { name, createdAt: new Date(store.now()), settings, objects: new Map() });
  }
  const bucket = store.bucket(name);
  if (method === 'PATCH') bucket.settings = { ...bucket.settings, ...settings };
  if (method !== 'DELETE') return json(bucketJson(bucket));
  if (bucket.objects.size > 0) throw new Refusal(409, 'BucketNotEmpty');
  store.buckets.delete(name);
  return nothing();
}

function merge(
  into: Record<string, string>,
  change: Readonly<Record<string, string | null>> | undefined,
  named: (name: string) => string,
): Record<string, string> {
  for (const [name, value] of Object.entries(change ?? {}))
    if (value === null) delete into[named(name)];
    else into[named(name)] = value;
  return into;
}

function object(store: MemoryState, request: StoreRequest, bucket: string, key: string): Response {
  if (request.method === 'PATCH') {
    const version = store.version(bucket, key, request.query.get('versionId'));
    const change = JSON.parse(new TextDecoder().decode(request.body)) as {
      metadata?: Record<string, string | null>;
      tags?: Record<string, string | null>;
    };
    merge(version.headers, change.metadata, (name) => `x-amz-meta-${name}`);
    version.tags = merge({ ...version.tags }, change.tags, (name) => name);
    return json(objectJson(bucket, key, version));
  }
  if (!request.query.has('append')) throw new Refusal(501, 'NotImplemented');
  const old = store.bucket(bucket).objects.get(key)?.[0]?.bytes ?? new Uint8Array(0);
  const offset = request.query.get('offset');
  if (offset !== null && Number(offset) !== old.length) throw new Refusal(412, 'PreconditionFailed');
  return json(objectJson(bucket, key, store.store(bucket, key, join([old, request.body]))));
}

/** Names in order below a prefix, from the page's start; with a delimiter folded. */
function page(
  store: MemoryState,
  names: Iterable<string>,
  query: URLSearchParams,
): { keys: string[]; prefixes: string[]; next: string | undefined } {
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const limit = Math.min(store.pageSize, Number(query.get('limit') ?? store.pageSize));
  const from = query.get('from') ?? '';
  const after = query.get('after') ?? '';
  const keys: string[] = [];
  const prefixes: string[] = [];
  for (const name of [...names].sort(compareKeys)) {
    if (!name.startsWith(prefix) || compareKeys(name, from) < 0 || compareKeys(name, after) <= 0) continue;
    const cut = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length);
    const folded = cut === -1 ? undefined : name.slice(0, cut + delimiter.length);
    if (folded !== undefined && prefixes.at(-1) === folded) continue;
    if (keys.length + prefixes.length === limit) return { keys, prefixes, next: name };
    if (folded === undefined) keys.push(name);
    else prefixes.push(folded);
  }
  return { keys, prefixes, next: undefined };
}

function list(store: MemoryState, name: string, query: URLSearchParams): Response {
  const { objects } = store.bucket(name);
  const live = [...objects].filter(([, versions]) => !versions[0]!.marker).map(([key]) => key);
  const { keys, prefixes, next } = page(store, live, query);
  return json({ objects: keys.map((key) => objectJson(name, key, objects.get(key)![0]!)), prefixes, next });
}

function listVersions(store: MemoryState, name: string, query: URLSearchParams): Response {
  const { objects } = store.bucket(name);
  const { keys, prefixes, next } = page(store, objects.keys(), query);
  const rows = (key: string) =>
    objects
      .get(key)!
      .map((one, index) => ({ ...objectJson(name, key, one), isLatest: index === 0, deleteMarker: one.marker }));
  return json({ versions: keys.flatMap(rows), prefixes, next });
}

function uploads(store: MemoryState, request: StoreRequest, bucket: string, [id, action]: readonly string[]): Response {
  const { method, query } = request;
  if (id === undefined) {
    const all = [...store.uploads].filter(
      ([, one]) => one.bucket === bucket && one.key.startsWith(query.get('prefix') ?? ''),
    );
    return json({
      uploads: all.map(([uploadId, { key }]) => ({
        uploadId,
        key,
        initiatedAt: new Date(store.now()).toISOString(),
      })),
    });
  }
  const upload = store.upload(id);
  if (method === 'DELETE') {
    store.uploads.delete(id);
    return nothing();
  }
  if (action === 'parts') {
    const parts = [...upload.parts].sort(([a], [b]) => a - b);
    return json({ parts: parts.map(([number, one]) => ({ number, size: one.bytes.length, etag: `"${one.etag}"` })) });
  }
  const { parts } = JSON.parse(new TextDecoder().decode(request.body)) as {
    parts: { number: number; etag: string }[];
  };
  const chosen = parts.map(({ number, etag }) => {
    const part = upload.parts.get(number);
    if (part?.etag !== etag) throw new Refusal(400, 'InvalidPart');
    return part;
  });
  store.guard(request, upload.bucket, upload.key);
  const digests = chosen.map((part) => Uint8Array.from(part.etag.match(/../g)!, (pair) => Number.parseInt(pair, 16)));
  const etag = `${store.options.md5(join(digests))}-${parts.length}`;
  const version = store.store(upload.bucket, upload.key, join(chosen.map((part) => part.bytes)), {
    etag,
    headers: upload.headers,
    tags: upload.tags,
  });
  store.uploads.delete(id);
  return json(objectJson(upload.bucket, upload.key, version));
}

function keys(store: MemoryState, method: string, id: string, request: Record<string, unknown>): Response {
  if (method === 'GET') return json({ keys: [...store.keys.values()] });
  if (method === 'DELETE') {
    if (!store.keys.delete(id)) throw new Refusal(404, 'NotFound');
    return nothing();
  }
  const accessKeyId = typeof request['accessKeyId'] === 'string' ? request['accessKeyId'] : `key${store.next()}`;
  const key = {
    accessKeyId,
    name: request['name'],
    role: request['role'] ?? 'readwrite',
    buckets: request['buckets'] ?? [],
  };
  store.keys.set(accessKeyId, key);
  return json({ ...key, secretAccessKey: 'secret-once' }, 201);
}

export function admin(store: MemoryState, { method, segments, body }: StoreRequest): Response {
  if (segments[3] === 'fsck')
    return new Response(
      '{"type":"progress","phase":"fragments","done":1,"total":2,"bytes":5}\n{"type":"summary","counts":{},"totals":{"objects":2}}\n',
    );
  if (segments[3] === 'status') return json({ devices: [{ identity: 'd1', health: 'good', total: 1000, free: 900 }] });
  if (method === 'POST')
    store.scrubbing =
      (JSON.parse(new TextDecoder().decode(body)) as { action: string }).action === 'start' ? 'running' : 'idle';
  return json({
    running: store.scrubbing === 'running',
    progress: { phase: 'read', done: 1, total: 2, bytes: 3 },
    lastFullAt: null,
    lastReport: null,
  });
}
