import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { checkHeaders, checkMetadata, checkTags } from '../metadata/index.ts';
import type { Describing } from './types.ts';

/** Classes that can be read at once. Archive classes would need a restore, which is not offered. */
const storageClasses = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
]);

/** @throws StoreError InvalidStorageClass */
export function checkStorageClass(name: string): void {
  if (!storageClasses.has(name)) throw new StoreError('InvalidStorageClass', { detail: { StorageClass: name } });
}

/** @throws StoreError InvalidStorageClass, MetadataTooLarge, InvalidTag */
export function checkDescribing(describing: Describing): void {
  checkStorageClass(describing.storageClass);
  checkHeaders(describing.headers);
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
