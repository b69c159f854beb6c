import type { Announcement } from './announcing.ts';
import type { BucketId } from './machine/records.ts';
import type { RestoreTier } from './machine/restores.ts';
import type { VersionSelector } from './types.ts';

export type { Restore, RestoreTier } from './machine/restores.ts';

/** What may be asked about archived objects that are restored for a while. The lengths of times are the asker's, the moments the owner's. */
export type RestoringCommand =
  /**
   * Restores a version of this storage class, asks for the same to be done faster, or has what is restored stay for longer.
   * @throws StoreError RestoreAlreadyInProgress; ConditionalRequestConflict where its class is another one by now
   */
  | {
      readonly type: 'object.restore';
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly version: VersionSelector;
      readonly storageClass: string;
      readonly days: number;
      readonly tier: RestoreTier;
      /** How long the tier takes, ms. */
      readonly delayMs: number;
      readonly dayMs: number;
      readonly announce?: Announcement;
    }
  /** Of one shard: what is due there by its owner's clock is restored, or is archived again. Doing it twice does nothing more. */
  | {
      readonly type: 'restore.advance';
      readonly shard: number;
      readonly dayMs: number;
      readonly items: readonly (DueRestore & { readonly announce?: Announcement })[];
    };

/** A row of table `restores`. The version may have gone, or its restore may be due at another time by now. */
export interface DueRestore {
  /** ms since 1970. */
  readonly dueMs: number;
  readonly sequence: number;
  readonly bucket: BucketId;
  readonly key: Buffer;
}
