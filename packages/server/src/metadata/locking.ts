import type { BucketId, Retention } from './machine/records.ts';
import type { VersionSelector } from './types.ts';

/** null: the retention goes. What is left out stays. */
export interface LockChange {
  readonly retention?: Retention | null;
  readonly legalHold?: boolean;
}

/**
 * Changes what a version is locked by. Only in a bucket that locks.
 * @throws StoreError AccessDenied where the lock that is there does not give way
 */
export interface LockCommand {
  readonly type: 'object.lock';
  readonly bucket: BucketId;
  readonly key: Buffer;
  readonly version: VersionSelector;
  readonly change: LockChange;
  /** Governance gives way. */
  readonly bypasses: boolean;
}
