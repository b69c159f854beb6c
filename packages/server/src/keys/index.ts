export { openBorrowedKey, sealBorrowedKey } from './borrowed.ts';
export { keyBytes, nonceBytes, openBox, sealBox } from './box.ts';
export { bucketKeys } from './bucket.ts';
export { type FrameKey, frameTagBytes, openFrame, saltBytes, sealFrame, sealFramePieces } from './frames.ts';
export { type Keyring, KeyringError, openKeyring } from './keyring.ts';
export { kmsKeys } from './kms.ts';
export { openSecret, openSource, openTarget, sealSecret, sealSource, sealTarget } from './secrets.ts';
export type { BucketKey, BucketKeys, KeyService, KmsKeys, ObjectKeys, OpenKmsKey } from './types.ts';
