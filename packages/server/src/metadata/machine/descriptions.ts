import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { DescriptionChange, TextChange } from '../types.ts';
import type { ObjectHeaders, ObjectVersion } from './records.ts';

/* What is said of an object: its bounds, and how it changes. */

type Pairs = readonly (readonly [string, string])[];

/** @throws StoreError InvalidTag */
export function checkTags(tags: Pairs, maximum: number): void {
  if (tags.length === 0) return;
  if (tags.length > maximum) throw new StoreError('InvalidTag', { message: `At most ${maximum} tags are allowed.` });
  const seen = new Set<string>();
  for (const [key, value] of tags) {
    if (key.length === 0 || key.length > limits.tagKeyChars) {
      throw new StoreError('InvalidTag', { message: `A tag key has 1 to ${limits.tagKeyChars} characters.` });
    }
    if (value.length > limits.tagValueChars) {
      throw new StoreError('InvalidTag', { message: `A tag value has at most ${limits.tagValueChars} characters.` });
    }
    if (seen.has(key))
      throw new StoreError('InvalidTag', { message: 'Cannot provide multiple Tags with the same key' });
    seen.add(key);
  }
}

function tooLarge(bytes: number, maximum: number, message?: string): StoreError {
  const detail = { Size: String(bytes), MaxSizeAllowed: String(maximum) };
  return new StoreError('MetadataTooLarge', message === undefined ? { detail } : { detail, message });
}

/** @throws StoreError MetadataTooLarge */
export function checkMetadata(metadata: Pairs): void {
  let bytes = 0;
  for (const [name, value] of metadata) bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  if (bytes > limits.metadataBytes) throw tooLarge(bytes, limits.metadataBytes);
}

/** @throws StoreError MetadataTooLarge */
export function checkHeaders(headers: ObjectHeaders): void {
  let bytes = 0;
  // In wire form: one character is one byte.
  for (const name in headers) bytes += headers[name as keyof ObjectHeaders]?.length ?? 0;
  if (bytes <= limits.systemMetadataBytes) return;
  throw tooLarge(bytes, limits.systemMetadataBytes, 'The headers kept with the object are too large together.');
}

/** @throws StoreError InvalidRequest */
export function checkAcl(acl: Buffer): void {
  if (acl.length <= limits.aclBytes) return;
  throw new StoreError('InvalidRequest', { message: 'The access control list is too large: grant to fewer.' });
}

/** `change` over `before`, in the order in which names came. */
export function changed(before: Pairs, change: TextChange | undefined): Pairs {
  if (!change) return before;
  const next = new Map<string, string>(change.clear ? [] : before);
  for (const [name, value] of change.set) {
    if (value === null) next.delete(name);
    else next.set(name, value);
  }
  return [...next];
}

/**
 * What a version says after a change of it.
 * @throws StoreError InvalidTag, MetadataTooLarge when the result is out of bounds; what is not changed is not checked
 */
export function described(
  before: ObjectVersion,
  change: DescriptionChange,
): Pick<ObjectVersion, 'headers' | 'metadata' | 'tags' | 'storageClass' | 'policy' | 'acl'> {
  const storageClass = change.storageClass ?? before.storageClass;
  const policy = change.policy === undefined ? before.policy : (change.policy ?? undefined);
  const acl = change.acl === undefined ? before.acl : (change.acl ?? undefined);
  if (change.acl) checkAcl(change.acl);
  const kept = { storageClass, ...(policy && { policy }), ...(acl && { acl }) };
  const tags = changed(before.tags, change.tags);
  if (change.tags) checkTags(tags, limits.tags);
  const metadata = changed(before.metadata, change.metadata);
  if (change.metadata) checkMetadata(metadata);
  if (!change.headers) return { tags, metadata, headers: before.headers, ...kept };
  const headers: ObjectHeaders = Object.fromEntries(changed(Object.entries(before.headers), change.headers));
  checkHeaders(headers);
  return { tags, metadata, headers, ...kept };
}
