/* All that a client can see of a store, as plain data: taken from an old version, and compared with what a new one answers over the same bytes. */
import { createHash } from 'node:crypto';
import { pathOf, send } from '../src/request.ts';
import { cold } from './named.ts';
import { lockedBucket } from './whole.ts';

/** Headers of an answer to GET that say something of the object, and not of the server. */
const telling =
  /^(etag|content-(type|length|encoding|language|disposition)|cache-control|expires|last-modified|x-amz-(version-id|storage-class|tagging-count|mp-parts-count|replication-status|meta-.*|checksum-.*))$/;

interface SeenVersion {
  readonly key: string;
  readonly versionId: string;
  readonly isLatest: string;
  readonly lastModified: string;
  readonly marker: boolean;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly sha256?: string;
  readonly tags?: readonly (readonly [string, string])[];
}

export interface Inventory {
  readonly buckets: readonly {
    readonly name: string;
    readonly created: string;
    readonly versioning: string;
    readonly tags: readonly (readonly [string, string])[];
    /** As they are listed: keys in order, newest first. */
    readonly versions: readonly SeenVersion[];
    readonly uploads: readonly {
      readonly key: string;
      readonly uploadId: string;
      readonly parts: readonly (readonly [number: string, etag: string, size: string])[];
    }[];
  }[];
}

const blocks = (xml: string, name: string): string[] =>
  [...xml.matchAll(new RegExp(`<(${name})>(.*?)</\\1>`, 'gs'))].map(([whole]) => whole);
const text = (xml: string, name: string): string =>
  (new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? '').replaceAll('&quot;', '"');

const tagsOf = (xml: string): (readonly [string, string])[] =>
  blocks(xml, 'Tag').map((tag) => [text(tag, 'Key'), text(tag, 'Value')] as const);

async function ask(endpoint: string, path: string, query: Readonly<Record<string, string>> = {}): Promise<string> {
  const answer = await send(endpoint, 'GET', path, { query });
  if (answer.status === 404 && /NoSuchTagSet/.test(answer.text())) return '';
  if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.text()}`);
  return answer.text();
}

async function seen(endpoint: string, bucket: string, block: string): Promise<SeenVersion> {
  const [key, versionId] = [text(block, 'Key'), text(block, 'VersionId')];
  const about = { key, versionId, isLatest: text(block, 'IsLatest'), lastModified: text(block, 'LastModified') };
  if (block.startsWith('<DeleteMarker>')) return { ...about, marker: true };
  const query = { versionId };
  const got = await send(endpoint, 'GET', pathOf(bucket, key), {
    query,
    headers: { 'x-amz-checksum-mode': 'ENABLED' },
  });
  if (got.status !== 200) throw new Error(`GET ${bucket}/${key} ${versionId}: ${got.status} ${got.text()}`);
  const headers = Object.fromEntries(Object.entries(got.headers).filter(([name]) => telling.test(name)));
  const sha256 = createHash('sha256').update(got.body).digest('hex');
  const tags = tagsOf(await ask(endpoint, pathOf(bucket, key), { tagging: '', versionId }));
  return { ...about, marker: false, headers, sha256, tags };
}

export async function inventoryOf(endpoint: string): Promise<Inventory> {
  const buckets: Inventory['buckets'][number][] = [];
  for (const bucket of blocks(await ask(endpoint, '/'), 'Bucket')) {
    const name = text(bucket, 'Name');
    if (name === lockedBucket || name === cold) continue;
    const at = pathOf(name);
    const versions: SeenVersion[] = [];
    for (const block of blocks(await ask(endpoint, at, { versions: '' }), 'Version|DeleteMarker'))
      versions.push(await seen(endpoint, name, block));
    const uploads: Inventory['buckets'][number]['uploads'][number][] = [];
    for (const block of blocks(await ask(endpoint, at, { uploads: '' }), 'Upload')) {
      const [key, uploadId] = [text(block, 'Key'), text(block, 'UploadId')];
      const parts = blocks(await ask(endpoint, pathOf(name, key), { uploadId }), 'Part');
      uploads.push({
        key,
        uploadId,
        parts: parts.map((part) => [text(part, 'PartNumber'), text(part, 'ETag'), text(part, 'Size')] as const),
      });
    }
    buckets.push({
      name,
      created: text(bucket, 'CreationDate'),
      versioning: text(await ask(endpoint, at, { versioning: '' }), 'Status'),
      tags: tagsOf(await ask(endpoint, at, { tagging: '' })),
      versions,
      uploads,
    });
  }
  return { buckets };
}
