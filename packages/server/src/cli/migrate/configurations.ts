/* The configurations of a bucket that are the same document at both stores: read as they are, written as they are. */
import { createHash } from 'node:crypto';
import { DsomError } from '@dsom/sdk';
import type { S3Connection } from './connection.ts';

/** How the document of each begins: stores that do not have a subresource may answer the request as if it were not there, with a list of objects. */
const begins = {
  tagging: /<Tagging\b/,
  ownershipControls: /<OwnershipControls\b/,
  encryption: /<ServerSideEncryptionConfiguration\b/,
  cors: /<CORSConfiguration\b/,
  website: /<WebsiteConfiguration\b/,
  publicAccessBlock: /<PublicAccessBlockConfiguration\b/,
  'object-lock': /<ObjectLockConfiguration\b/,
  lifecycle: /<LifecycleConfiguration\b/,
  policy: /^\s*\{/,
} as const;
export type Configuration = keyof typeof begins;

/** By subresource, in the order in which they are set. */
export const configurations = Object.keys(begins) as Configuration[];

/** What stores say of a configuration that is not set (404), or that they do not have. */
const absent = new Set([404, 405, 501]);

export type Read = { readonly state: 'set'; readonly text: string } | { readonly state: 'unset' | 'unknown' };

/** A configuration as its document. `unknown`: the store does not have such configurations. @throws DsomError when it may not be read */
export async function readConfiguration(store: S3Connection, bucket: string, name: Configuration): Promise<Read> {
  try {
    const { text } = await store.send({ method: 'GET', bucket, query: { [name]: '' } });
    if (text.trim() === '') return { state: 'unset' };
    return begins[name].test(text.slice(0, 1024)) ? { state: 'set', text } : { state: 'unknown' };
  } catch (cause) {
    if (!(cause instanceof DsomError) || !absent.has(cause.status) || cause.code === 'NoSuchBucket') throw cause;
    return { state: cause.status === 404 ? 'unset' : 'unknown' };
  }
}

export async function writeConfiguration(
  store: S3Connection,
  bucket: string,
  name: Configuration,
  body: string,
): Promise<void> {
  const md5 = createHash('md5').update(body).digest('base64');
  await store.send({ method: 'PUT', bucket, query: { [name]: '' }, headers: { 'content-md5': md5 }, body });
}
