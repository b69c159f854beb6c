import type { KmsKeyRecord } from '../kms.ts';
import type { ConfigurationKind } from './configurations.ts';
import type { AccountRecord, IdentityRecord } from './identities.ts';
import type { MemoKind } from './memos.ts';
import type { Quota, QuotaSubject } from './quotas.ts';
import type { RateLimits } from './rates.ts';
import type {
  AccessKeyRecord,
  AuthorityRecord,
  BucketId,
  BucketShards,
  DeviceRecord,
  GroupRecord,
  IntentRecord,
  InvitationRecord,
  NodeRecord,
  StoredBucket,
  UploadRecord,
} from './records.ts';
import type { Hold, RenameRecord } from './renames.ts';
import type { RestoreDue } from './restores.ts';

/*
 * What a log entry holds. Each effect is fully decided: it names times, ids and sequences, and which version it replaces, so that every
 * replica applies it alike. What follows from it and the state alone (counts, references, garbage, the row of the GUK) is left to `apply`.
 * Rows of versions and pieces travel in their own byte form and are stored as they came.
 */

/** Adds a version or marker as the newest of its key. */
export interface VersionInsert {
  readonly type: 'version.insert';
  readonly bucket: BucketId;
  readonly key: Buffer;
  /** Encoded version. */
  readonly row: Buffer;
  /** Sequence of the version of this key that it takes the place of; 0: none, what is there becomes history. */
  readonly replaces: number;
  /**
   * `new`: the manifest belongs to this version alone. `publish`: the same, and the stripes of its embedded piece become known here.
   * `share`: some other version holds the first `sharedPieces` pieces of the manifest already. Markers and inline objects: `new`.
   */
  readonly manifest: 'new' | 'publish' | 'share';
  readonly sharedPieces: number;
}

/** Takes one version or marker away; the next older one becomes the newest where it was the newest. */
export interface VersionRemove {
  readonly type: 'version.remove';
  readonly bucket: BucketId;
  readonly key: Buffer;
  readonly sequence: number;
  /** What goes, for those who follow the log. */
  readonly nonce: Buffer;
  readonly isNull: boolean;
  readonly isMarker: boolean;
}

export type Effect =
  | { readonly type: 'bucket.write'; readonly bucket: StoredBucket }
  | { readonly type: 'bucket.remove'; readonly id: BucketId; readonly name: string }
  /** Where the objects of a bucket are, or up to which generation this shard has its record. */
  | { readonly type: 'bucket.shards'; readonly place: BucketShards }
  /** Drops what is kept of a bucket that is gone. */
  | { readonly type: 'bucket.forget'; readonly id: BucketId }
  | {
      readonly type: 'configuration.write';
      readonly bucket: BucketId;
      readonly kind: ConfigurationKind;
      readonly document: Buffer;
    }
  | { readonly type: 'configuration.remove'; readonly bucket: BucketId; readonly kind: ConfigurationKind }
  /** Where the objects of a bucket are read that are not here yet; what it says is known to whoever wrote it. */
  | { readonly type: 'source.write'; readonly bucket: BucketId; readonly document: Buffer }
  | { readonly type: 'source.remove'; readonly bucket: BucketId }
  | { readonly type: 'account.write'; readonly account: AccountRecord }
  | { readonly type: 'account.remove'; readonly id: string }
  /** A new identity, or one in the place of that with the same id, which may have had another name. */
  | { readonly type: 'identity.write'; readonly identity: IdentityRecord }
  | { readonly type: 'identity.remove'; readonly id: string }
  /** New limits of a subject, or those in the place of what it had. */
  | { readonly type: 'rates.write'; readonly rates: RateLimits }
  | { readonly type: 'rates.remove'; readonly subject: string }
  /** How late it is, for the time by which retentions run out. */
  | { readonly type: 'lock.clock'; readonly ms: number }
  | { readonly type: 'key.write'; readonly key: AccessKeyRecord }
  | { readonly type: 'key.remove'; readonly id: string }
  | VersionInsert
  | VersionRemove
  /** Changes a version in place; its manifest stays the same. */
  | { readonly type: 'version.update'; readonly bucket: BucketId; readonly key: Buffer; readonly row: Buffer }
  /** Adds a row to table `pieces`. `publish`: its stripes become known here (else they are already). */
  | {
      readonly type: 'piece.write';
      readonly manifest: Buffer;
      readonly index: number;
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly publish: boolean;
      readonly row: Buffer;
    }
  /** Begins manifest `manifest` with the first `pieces` pieces of `base`, which some version holds. */
  | { readonly type: 'piece.link'; readonly manifest: Buffer; readonly base: Buffer; readonly pieces: number }
  /**
   * The piece of a row in table `pieces` is kept with other stripes: `row` takes the place of what is there. Stripes that only the old row has become
   * garbage, those that only the new one has become known here.
   */
  | {
      readonly type: 'piece.swap';
      readonly manifest: Buffer;
      readonly index: number;
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly row: Buffer;
    }
  /**
   * The same for a piece in a version's own row. With another manifest id than before the version lets go of the old manifest, which others hold, and
   * nothing becomes garbage.
   */
  | { readonly type: 'version.swap'; readonly bucket: BucketId; readonly key: Buffer; readonly row: Buffer }
  | { readonly type: 'upload.create'; readonly upload: UploadRecord }
  /** A piece that an effect behind this one writes borrows the first `pieces` pieces of a manifest, of which a version holds `held`. */
  | { readonly type: 'manifest.hold'; readonly manifest: Buffer; readonly held: number; readonly pieces: number }
  | {
      readonly type: 'upload.part';
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly upload: Buffer;
      readonly index: number;
      readonly row: Buffer;
    }
  /**
   * Ends an upload; a version.insert follows. Rows `drops` become garbage, then rows move as `moves` say, in order; `embedded`: the one
   * row left goes, because the version holds it.
   */
  | {
      readonly type: 'upload.complete';
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly upload: Buffer;
      readonly drops: readonly number[];
      readonly moves: readonly (readonly [from: number, to: number])[];
      readonly embedded: boolean;
    }
  | { readonly type: 'upload.abort'; readonly bucket: BucketId; readonly key: Buffer; readonly upload: Buffer }
  | { readonly type: 'intent.write'; readonly intent: IntentRecord }
  | { readonly type: 'intent.remove'; readonly prefix: Buffer }
  /** Pieces of a garbage record below `end` are collected. */
  | { readonly type: 'garbage.remove'; readonly position: number; readonly ordinal: number; readonly end: number }
  | { readonly type: 'group.write'; readonly group: GroupRecord }
  | { readonly type: 'node.write'; readonly node: NodeRecord }
  | { readonly type: 'node.remove'; readonly id: string }
  | { readonly type: 'device.write'; readonly device: DeviceRecord }
  | { readonly type: 'device.remove'; readonly identity: string }
  /** From this entry on every node may count on it. */
  | { readonly type: 'feature.enable'; readonly feature: string }
  | { readonly type: 'setting.write'; readonly name: string; readonly value: string }
  | { readonly type: 'invitation.write'; readonly invitation: InvitationRecord }
  | { readonly type: 'invitation.remove'; readonly id: Buffer }
  | { readonly type: 'authority.write'; readonly authority: AuthorityRecord }
  | { readonly type: 'kmsKey.write'; readonly key: KmsKeyRecord }
  /** Something that a server notes of its own doings. */
  | { readonly type: 'memo.write'; readonly kind: MemoKind; readonly name: string; readonly value: Buffer }
  | { readonly type: 'memo.remove'; readonly kind: MemoKind; readonly name: string }
  /** A target of notifications; what its record means is known to whoever wrote it. */
  | { readonly type: 'target.write'; readonly name: string; readonly record: Buffer }
  | { readonly type: 'target.remove'; readonly name: string }
  /** All below `position` of this log has been dealt with for this follower. */
  | { readonly type: 'follower.write'; readonly name: string; readonly position: number }
  | { readonly type: 'follower.remove'; readonly name: string }
  /** What is to be told of the effects before it ({@link Notice}). Changes nothing. */
  | { readonly type: 'notice'; readonly notice: Buffer }
  /** null: it goes. */
  | { readonly type: 'quota.write'; readonly subject: QuotaSubject; readonly quota: Quota | null }
  /** The version or upload with this sequence, which an effect behind this one makes, counts for the user with this id. */
  | { readonly type: 'usage.charge'; readonly sequence: number; readonly user: string }
  /** From this entry on, what the buckets of this account hold in this shard is a row. */
  | { readonly type: 'usage.begin'; readonly account: string }
  /** When something is to be done about the restore of a version; without a place it was done. */
  | RestoreDue
  /** A rename from another shard, or what it is now. */
  | { readonly type: 'rename.write'; readonly rename: RenameRecord }
  | { readonly type: 'rename.remove'; readonly id: Buffer }
  /** Nothing changes the key, until it goes by its new name in another shard, or the hold is taken away. */
  | { readonly type: 'hold.write'; readonly bucket: BucketId; readonly key: Buffer; readonly hold: Hold }
  | { readonly type: 'hold.remove'; readonly bucket: BucketId; readonly key: Buffer }
  /** The proposal with this id is what the effects before it in the entry answer. Requests numbered below `below` are forgotten. */
  | { readonly type: 'request.done'; readonly request: Buffer; readonly outcome: Buffer; readonly below: number }
  /** The digest of the state below this entry. Changes nothing; who applies the entry compares. */
  | { readonly type: 'digest'; readonly digest: Buffer };

export type EffectType = Effect['type'];
