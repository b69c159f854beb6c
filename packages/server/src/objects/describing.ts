import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { checkAcl, checkHeaders, checkMetadata, checkTags } from '../metadata/index.ts';
import { checkStorageClass } from './policy.ts';
import type { Rooms } from './rooms.ts';
import type { Describing } from './types.ts';

/** @throws StoreError InvalidStorageClass, MetadataTooLarge, InvalidTag */
export function checkDescribing(rooms: Pick<Rooms, 'reader'>, describing: Describing): void {
  checkStorageClass(rooms, describing.storageClass);
  checkHeaders(describing.headers);
  checkMetadata(describing.metadata);
  checkTags(describing.tags, limits.tags);
  if (describing.acl) checkAcl(describing.acl);
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
