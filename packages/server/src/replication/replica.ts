import {
  childOf,
  describedHeaders,
  describedMetadata,
  describingHeaders,
  element,
  encodeHeader,
  encodeWords,
  parseXml,
  type ReplicationRule,
  textOf,
} from '../api/index.ts';
import type { ObjectVersion } from '../metadata/index.ts';
import { RefusalError } from '../notifications/index.ts';
import { etagText } from '../objects/index.ts';
import type { StoreAnswer } from './store.ts';

/* What is said of a version to the store that gets it, and whether that store has it. */

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const wire = /^[\t\x20-\x7e\x80-\xff]*$/;

/** As in `x-amz-tagging`. */
const tagsText = (tags: ObjectVersion['tags']): string =>
  tags.map((pair) => pair.map(encodeURIComponent).join('=')).join('&');

export const taggingDocument = (tags: ObjectVersion['tags']): Buffer =>
  Buffer.from(
    `<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>${tags
      .map(([key, value]) => `<Tag>${element('Key', key)}${element('Value', value)}</Tag>`)
      .join('')}</TagSet></Tagging>`,
    'utf8',
  );

/**
 * Headers of the request that writes a version.
 * @returns undefined: it is encrypted with a named key, and the rule does not say that such are replicated
 * @throws RefusalError where it cannot be written there as it is
 */
export function replicaHeaders(
  version: ObjectVersion,
  rule: ReplicationRule,
  nowMs: number,
): Record<string, string> | undefined {
  const { encryption, retention } = version;
  if (encryption?.kind === 'customer')
    throw new RefusalError(
      'it is encrypted with a key of its customer (SSE-C), which only the customer has: write it there yourself',
    );
  if (encryption?.kind === 'kms' && rule.kmsKey === undefined) return undefined;
  const headers: Record<string, string> = { 'x-dsom-replica': 'true' };
  for (const [field, name] of describingHeaders) {
    const value = version.headers[field];
    if (value !== undefined) headers[name] = wire.test(value) ? value : encodeHeader(value);
  }
  // What other protocols have named as no header can be stays here.
  for (const [name, value] of version.metadata)
    if (token.test(name)) headers[`x-amz-meta-${name}`] = encodeWords(value);
  if (version.tags.length > 0) headers['x-amz-tagging'] = tagsText(version.tags);
  const storageClass = rule.storageClass ?? version.storageClass;
  if (storageClass !== 'STANDARD') headers['x-amz-storage-class'] = storageClass;
  if (encryption?.kind === 'kms' && rule.kmsKey !== undefined) {
    headers['x-amz-server-side-encryption'] = 'aws:kms';
    headers['x-amz-server-side-encryption-aws-kms-key-id'] = rule.kmsKey;
  }
  if (retention && retention.untilMs > nowMs) {
    headers['x-amz-object-lock-mode'] = retention.mode;
    headers['x-amz-object-lock-retain-until-date'] = new Date(retention.untilMs).toISOString();
  }
  if (version.legalHold) headers['x-amz-object-lock-legal-hold'] = 'ON';
  return headers;
}

const sorted = (pairs: Iterable<readonly [string, string | undefined]>): string =>
  JSON.stringify([...pairs].filter(([, value]) => value !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Whether a document of tags has these. @throws StoreError at what is no document */
export const hasTags = ({ text }: StoreAnswer, tags: ObjectVersion['tags']): boolean => {
  const set = childOf(parseXml(Buffer.from(text, 'utf8')), 'TagSet');
  const there = set?.children.map((tag) => [textOf(tag, 'Key') ?? '', textOf(tag, 'Value')] as const) ?? [];
  return sorted(there) === sorted(tags);
};

/** Whether the newest version of a key at the store, as HEAD tells of it, has the bytes, headers and metadata of this one, and a lock where it has one. */
export function isThere({ status, headers }: StoreAnswer, version: ObjectVersion, nowMs: number): boolean {
  if (status !== 200 || headers.etag !== etagText(version) || Number(headers['content-length']) !== version.size)
    return false;
  const { retention, legalHold } = version;
  if (retention && retention.untilMs > nowMs && headers['x-amz-object-lock-mode'] === undefined) return false;
  if (legalHold && headers['x-amz-object-lock-legal-hold'] !== 'ON') return false;
  const described: Record<string, string | undefined> = { ...describedHeaders(headers) };
  // What says nothing of its type is given one.
  if (version.headers.contentType === undefined) delete described['contentType'];
  if (sorted(Object.entries(described)) !== sorted(Object.entries(version.headers))) return false;
  return sorted(describedMetadata(headers)) === sorted(version.metadata.filter(([name]) => token.test(name)));
}
