export { openBorrowedKey, sealBorrowedKey } from './borrowed.ts';
export { keyBytes, nonceBytes, openBox, sealBox } from './box.ts';
export { bucketContext, bucketKeys } from './bucket.ts';
export { KeyringError } from './fitting.ts';
export { type FrameKey, frameTagBytes, openFrame, saltBytes, sealFrame, sealFramePieces } from './frames.ts';
export { type Keyring, type MasterKeyName, openKeyring } from './keyring.ts';
export { kmsContext, kmsKeys } from './kms.ts';
export {
  openSecret,
  openSource,
  openTarget,
  sealSecret,
  sealSource,
  sealTarget,
  secretContext,
  sourceContext,
  targetContext,
} from './secrets.ts';
export type { BucketKey, BucketKeys, KeyService, KmsKeys, ObjectKeys, OpenKmsKey } from './types.ts';
