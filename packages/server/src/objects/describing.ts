import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Describing, Tags } from './types.ts';

/** Classes that can be read at once. Archive classes would need a restore, which is not offered. */
const storageClasses = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
]);

/** @throws StoreError InvalidTag */
export function checkTags(tags: Tags, maximum: number): void {
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

/** @throws StoreError MetadataTooLarge */
export function checkMetadata(metadata: Tags): void {
  let bytes = 0;
  for (const [name, value] of metadata) bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  if (bytes > limits.metadataBytes) {
    throw new StoreError('MetadataTooLarge', {
      detail: { Size: String(bytes), MaxSizeAllowed: String(limits.metadataBytes) },
    });
  }
}

/** @throws StoreError InvalidStorageClass */
export function checkStorageClass(name: string): void {
  if (!storageClasses.has(name)) throw new StoreError('InvalidStorageClass', { detail: { StorageClass: name } });
}

/** @throws StoreError InvalidStorageClass, MetadataTooLarge, InvalidTag */
export function checkDescribing(describing: Describing): void {
  checkStorageClass(describing.storageClass);
  checkMetadata(describing.metadata);
  checkTags(describing.tags, limits.tags);
}

/** @throws StoreError KeyTooLongError, InvalidArgument */
export function checkKey(key: Buffer): void {
  if (key.length > limits.keyBytes) {
    throw new StoreError('KeyTooLongError', {
      detail: { Size: String(key.length), MaxSizeAllowed: String(limits.keyBytes) },
    });
  }
  if (key.length === 0) throw new StoreError('InvalidArgument', { message: 'A key has at least one byte.' });
}
