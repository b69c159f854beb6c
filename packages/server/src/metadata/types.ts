import type { Position } from '../log/index.ts';
import type { Announcement, DeleteCommand, NoticeReader, NotificationCommand } from './announcing.ts';
import type {
  Expectation,
  HolderReader,
  PlacedPiece,
  RecodeCommand,
  StripeOwner,
  TouchCommand,
  UpkeepCommand,
} from './keeping.ts';
import type { KmsKeyCommand, KmsKeyReader, RewrapCommand } from './kms.ts';
import type { LockCommand } from './locking.ts';
import type { BucketCommand } from './machine/bucket-commands.ts';
import type { DocumentReader } from './machine/bucket-documents.ts';
import type { IdentityCommand } from './machine/identity-commands.ts';
import type { IdentityReader } from './machine/identity-view.ts';
import type { QuotaCommand, QuotaReader } from './machine/quotas.ts';
import type { RateReader } from './machine/rates.ts';
import type {
  AccessKeyRecord,
  AuthorityRecord,
  BucketId,
  BucketRecord,
  ChecksumAlgorithm,
  DeviceRecord,
  GivenExtensions,
  GroupRecord,
  IntentRecord,
  InvitationRecord,
  ManifestReference,
  NodeRecord,
  ObjectChecksum,
  ObjectHeaders,
  ObjectVersion,
  PartRecord,
  Piece,
  Policy,
  UploadRecord,
  VersionRecord,
} from './machine/records.ts';
import type { ReplicatedCommand } from './machine/replicated.ts';
import type { MasterKeyCommand } from './master-key.ts';
import type { KeyUse } from './memos.ts';
import type { ShardPlaces } from './placing.ts';
import type { RenameReader, RenamingCommand } from './renaming.ts';
import type { Restore, RestoringCommand } from './restoring.ts';

export type * from './announcing.ts';
export type * from './keeping.ts';
export type * from './locking.ts';
export type * from './renaming.ts';
export type * from './restoring.ts';

/** Preconditions on the object as it is when the owner decides. An ETag is quoted as in HTTP, `*` stands for any. */
export interface Guard {
  readonly ifMatch?: string;
  readonly ifNoneMatch?: string;
  readonly ifModifiedSinceMs?: number;
  readonly ifUnmodifiedSinceMs?: number;
  /** Deletes only: the size the object must have. */
  readonly ifSize?: number;
  /** Deletes only: the second in which the object must have been modified (both floored to whole seconds). */
  readonly ifModifiedAtMs?: number;
  /** Nothing is here of the key: no version, and no marker either. */
  readonly ifUntouched?: true;
}

/** What a put, copy or completed upload gives its new version, before the owner adds ids and times. */
export interface VersionDraft extends GivenExtensions {
  readonly size: number;
  readonly etag: Buffer;
  readonly etagParts: number;
  readonly storageClass: string;
  readonly headers: ObjectHeaders;
  readonly metadata: readonly (readonly [string, string])[];
  readonly tags: readonly (readonly [string, string])[];
  readonly checksum: ObjectChecksum | undefined;
  readonly wrappedKey: Buffer;
  readonly partSizes: readonly number[];
}

/** A change of named texts: each is set, or with null goes; with `clear`, all that it does not name go. */
export interface TextChange {
  readonly clear: boolean;
  readonly set: readonly (readonly [string, string | null])[];
}

/** A change of what is said of a version. What it leaves out stays. Headers go by their fields in {@link ObjectHeaders}. */
export interface DescriptionChange {
  readonly headers?: TextChange;
  readonly metadata?: TextChange;
  readonly tags?: TextChange;
  readonly storageClass?: string;
  /** null: what the storage class and the bucket say. */
  readonly policy?: Policy | null;
  /** null: that of its owner alone. */
  readonly acl?: Buffer | null;
}

/** A version by its id; `null` is the null version, undefined the newest. */
export type VersionSelector = { readonly sequence: number; readonly nonce: Buffer } | 'null' | undefined;

/**
 * What stays as the owner knows it when the record of a node or device that is known is written again: `state` when the node tells of itself, for an
 * operator may have changed that meanwhile; `self`, all but state and zone, when an operator says what shall become of it, for it may have started
 * anew meanwhile. Left out: nothing.
 */
export type Keeps = 'state' | 'self';

/**
 * What a room may ask of the shard's owner. The owner decides it against the newest state, stamps times and ids, and logs the effects.
 * Every command is plain data: it crosses threads. `writer`: id of the user for whom what it makes counts, if he has a quota.
 */
export type Command =
  | BucketCommand
  | IdentityCommand
  | QuotaCommand
  /** A new object whose bytes are `pieces` (one for a PUT), under a new manifest. */
  | {
      readonly type: 'object.put';
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly owner: string;
      readonly guard: Guard | undefined;
      readonly announce?: Announcement;
      readonly writer?: string;
      readonly draft: VersionDraft;
      readonly pieces: readonly Piece[];
    }
  /** A new version that shares the bytes of `source` (which must still be that version: its manifest id is compared). Serves copies. */
  | {
      readonly type: 'object.share';
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly owner: string;
      readonly guard: Guard | undefined;
      readonly announce?: Announcement;
      readonly writer?: string;
      readonly draft: VersionDraft;
      readonly source: {
        readonly bucket: BucketId;
        readonly key: Buffer;
        readonly version: VersionSelector;
        readonly manifest: Buffer;
      };
    }
  /**
   * Adds a piece behind the newest version, or makes the object when there is none (then `draft` says what it is). `offset` is the size the
   * object must have. The piece is sealed under the key that the draft wraps, which must still be that of the object. ETag and checksum of
   * the result are decided by the owner.
   */
  | {
      readonly type: 'object.append';
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly owner: string;
      readonly guard: Guard | undefined;
      readonly offset: number | undefined;
      readonly piece: Piece;
      readonly announce?: Announcement;
      readonly writer?: string;
      readonly draft: VersionDraft;
    }
  | RenamingCommand
  | DeleteCommand
  /**
   * Changes what is said of a version, in place (S3 PutObjectTagging; REST PATCH of a version), or, with `renew`, makes a new version of the
   * newest one that shares its bytes and says something else (REST PATCH of an object). The owner works the change out over the version as
   * it is when he decides.
   */
  | {
      readonly type: 'object.annotate';
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly version: VersionSelector;
      readonly guard: Guard | undefined;
      readonly announce?: Announcement;
      readonly writer?: string;
      readonly change: DescriptionChange;
      /** Owner of the new version. Only without a version. */
      readonly renew?: string;
      readonly expected?: Expectation;
    }
  | LockCommand
  /** What has become of a version that was to be replicated. What is not there any more is no error. */
  | ReplicatedCommand
  | RewrapCommand
  | RestoringCommand
  | RecodeCommand
  | TouchCommand
  | (Omit<GivenExtensions, 'policy'> & {
      readonly type: 'upload.create';
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly owner: string;
      readonly writer?: string;
      readonly storageClass: string;
      readonly headers: ObjectHeaders;
      readonly metadata: readonly (readonly [string, string])[];
      readonly tags: readonly (readonly [string, string])[];
      readonly checksumAlgorithm: ChecksumAlgorithm | undefined;
      readonly checksumType: 'FULL_OBJECT' | 'COMPOSITE' | undefined;
      readonly wrappedKey: Buffer;
      readonly redundancy?: Policy;
    })
  | {
      readonly type: 'upload.part';
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly upload: Buffer;
      readonly number: number;
      readonly piece: Piece;
      /** Only with a piece that borrows: a version that has what it borrows. */
      readonly source?: { readonly bucket: BucketId; readonly key: Buffer; readonly version: VersionSelector };
    }
  | {
      readonly type: 'upload.complete';
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly upload: Buffer;
      readonly guard: Guard | undefined;
      readonly parts: readonly { readonly number: number; readonly md5: Buffer }[];
      readonly announce?: Announcement;
      readonly etag: Buffer;
      readonly size: number;
      readonly checksum: ObjectChecksum | undefined;
    }
  | { readonly type: 'upload.abort'; readonly bucket: BucketId; readonly key: Buffer; readonly upload: Buffer }
  | UpkeepCommand
  | { readonly type: 'group.define'; readonly groups: readonly GroupRecord[] }
  /**
   * A node joins, starts (with a new incarnation, which closes the intents of the one before), changes, drains, or is removed (which closes
   * all its intents; its devices must be retired). Refused for a node that does not know a feature that is turned on.
   */
  | { readonly type: 'node.write'; readonly node: NodeRecord; readonly keeps?: Keeps }
  /** Forgets a removed node and its devices. */
  | { readonly type: 'node.remove'; readonly id: string }
  | { readonly type: 'device.write'; readonly device: DeviceRecord; readonly keeps?: Keeps }
  /** Turns a feature on for good; refused as long as a node that is not removed does not know it. */
  | { readonly type: 'feature.enable'; readonly feature: string }
  /** Something that holds for the whole cluster; {@link MetadataReader.setting}. */
  | { readonly type: 'setting.write'; readonly name: string; readonly value: string }
  | NotificationCommand
  | KmsKeyCommand
  | MasterKeyCommand
  /** `createdMs` is decided. Refused when {@link limits.invitations} are open; those that have expired go. */
  | { readonly type: 'invitation.write'; readonly invitation: Omit<InvitationRecord, 'createdMs'> }
  /** It was used or revoked. NotFound when it is not there: it can be used once. */
  | { readonly type: 'invitation.remove'; readonly id: Buffer }
  /** A new authority, or its next state; one at a time, one state after the other. */
  | { readonly type: 'authority.write'; readonly authority: AuthorityRecord }
  /** Writes the state digest into the log, so that every replica compares. */
  | { readonly type: 'digest' };

/** What a command answers when it was accepted. */
export type Reply =
  | { readonly type: 'done' }
  | { readonly type: 'bucket'; readonly bucket: BucketRecord }
  | { readonly type: 'version'; readonly version: ObjectVersion; readonly replacedNull: boolean }
  | { readonly type: 'deleted'; readonly results: readonly DeleteResult[] }
  | { readonly type: 'upload'; readonly upload: UploadRecord }
  | { readonly type: 'part'; readonly part: PartRecord };

/** Outcome of one item of `object.delete`; a missing key is not an error. */
export interface DeleteResult {
  /** The version that went away or, with `marker`, the marker that was written (or removed). */
  readonly version: VersionRecord | undefined;
  readonly marker: boolean;
  readonly error:
    | { readonly code: 'PreconditionFailed' | 'NoSuchKey' | 'NoSuchVersion' | 'AccessDenied'; readonly message: string }
    | undefined;
}

/** Sends commands to the shard's owner. */
export interface Proposer {
  /**
   * Resolves when the decision is durable and visible to readers of the owner's replica; rejects with the StoreError that the owner decided.
   * @param request 16 random bytes: as long as it is among the newest {@link limits.requests}, a command with the id of one that was
   * accepted changes nothing and is answered as that one was (what was deleted comes without its description and bytes)
   */
  propose(command: Command, request?: Buffer): Promise<{ readonly reply: Reply; readonly position: Position }>;
}

/** A page of rows in order. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** True when rows remain. */
  readonly truncated: boolean;
}

/** The newest version of a key, as a listing needs it: decoded without the rest of the record. */
export interface ListedObject {
  readonly key: Buffer;
  readonly size: number;
  readonly etag: Buffer;
  readonly etagParts: number;
  readonly modifiedMs: number;
  readonly storageClass: string;
  readonly owner: string;
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly type: 'FULL_OBJECT' | 'COMPOSITE' } | undefined;
  /** Given where the query asks for it. */
  readonly restore?: Restore;
}

/** Reads of one shard's replica. Every call sees the newest applied state and never waits. */
export interface MetadataReader extends ShardPlaces, DocumentReader, HolderReader, NoticeReader, RateReader {
  bucket(name: string): BucketRecord | undefined;
  bucketById(id: BucketId): BucketRecord | undefined;
  /** In order of name. */
  buckets(start: string, limit: number): Page<BucketRecord>;
  accessKey(id: string): AccessKeyRecord | undefined;
  accessKeys(): readonly AccessKeyRecord[];
  /** Accounts, users, groups, roles and managed policies. */
  readonly identities: IdentityReader;
  readonly quotas: QuotaReader;
  /** Renames between two shards. */
  readonly renames: RenameReader;
  groups(): readonly GroupRecord[];
  group(id: number): GroupRecord | undefined;
  /** The selected version or marker; undefined when it does not exist. */
  version(bucket: BucketId, key: Buffer, version: VersionSelector): VersionRecord | undefined;
  /** The object's bucket and key, by GUK. */
  byGuk(guk: Buffer): { readonly bucket: BucketId; readonly key: Buffer } | undefined;
  /** Which piece of a version holds the byte at `offset` (below its size), and where that piece starts. */
  locate(version: ObjectVersion, offset: number): { readonly index: number; readonly start: number };
  /** Pieces of a manifest from `first` on (the embedded one included). */
  pieces(manifest: ManifestReference, first: number, limit: number): readonly Piece[];
  /**
   * Live objects (newest version is not a marker) of a bucket, in key order, from `start` (inclusive) below `prefix`.
   * With a delimiter, keys that share prefix + … + delimiter come as one item {prefix}.
   */
  list(query: ListQuery): Page<ListedObject | { readonly prefix: Buffer }>;
  /** All versions and markers, keys in order, newest first. `after` is the last version already seen. */
  listVersions(
    query: ListQuery & { readonly after: { readonly key: Buffer; readonly sequence: number } | undefined },
  ): Page<ListedVersion | { readonly prefix: Buffer }>;
  listUploads(
    query: ListQuery & { readonly after: { readonly key: Buffer; readonly upload: Buffer } | undefined },
  ): Page<UploadRecord | { readonly prefix: Buffer }>;
  upload(bucket: BucketId, key: Buffer, upload: Buffer): UploadRecord | undefined;
  part(upload: Buffer, number: number): PartRecord | undefined;
  /** Parts with a number above `after`. */
  parts(upload: Buffer, after: number, limit: number): Page<PartRecord>;
  /** What a stripe was published for; undefined when it was not, or is collected. Garbage still has an owner until then. */
  stripeOwner(stripe: Buffer): StripeOwner | undefined;
  /** Rows of table `stripes` in order of id, from `start` (inclusive). */
  stripes(start: Buffer, limit: number): readonly (StripeOwner & { readonly stripe: Buffer })[];
  intents(): readonly IntentRecord[];
  intent(prefix: Buffer): IntentRecord | undefined;
  nodes(): readonly NodeRecord[];
  devices(): readonly DeviceRecord[];
  /** Features that are turned on. */
  features(): readonly string[];
  setting(name: string): string | undefined;
  /** Named keys. */
  readonly kms: KmsKeyReader;
  /** When an access key was used last, as far as that was noted. */
  keyUse(id: string): KeyUse | undefined;
  /** Open ones, and those that have expired and were not taken away yet. */
  invitations(): readonly InvitationRecord[];
  /** The newest authority; undefined while the cluster has its first one. */
  authority(): AuthorityRecord | undefined;
  /**
   * As {@link pieces}, with the row that has each, and whether versions or links besides this one hold it. A piece that stands in the version's own
   * row has no place.
   */
  placedPieces(manifest: ManifestReference, first: number, limit: number): readonly PlacedPiece[];
  /** The piece of a row; undefined when there is none, or a link. */
  placed(place: { readonly manifest: Buffer; readonly index: number }): Piece | undefined;
  /** The versions of a key, about `limits.recodeTogether` at most, that have the piece of this very manifest in their own rows. */
  embeddings(bucket: BucketId, key: Buffer, manifest: Buffer): readonly ObjectVersion[];
  /** Position of the last `object.recode`: what was decoded of a manifest before it may be out of date. */
  recodedAt(): Position;
}

export interface ListQuery {
  readonly bucket: BucketId;
  readonly prefix: Buffer;
  readonly delimiter: Buffer;
  /** First key that may be given; a page goes on at the successor of the last key (or prefix) of the page before. */
  readonly start: Buffer;
  readonly limit: number;
  /** Whether each object says how it is restored. */
  readonly restores?: boolean;
}

export interface ListedVersion {
  readonly key: Buffer;
  readonly record: VersionRecord;
  readonly isLatest: boolean;
}
