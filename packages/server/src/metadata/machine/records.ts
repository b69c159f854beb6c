import type { ManifestReference, Piece } from './bytes.ts';
import type { ReplicationNote } from './replicated.ts';
import type { Restore } from './restores.ts';

export type { Borrowed, ManifestReference, Piece, PieceRow, Stripe } from './bytes.ts';

/*
 * The rows of a metadata shard, as values. Their byte forms live in the codecs beside this file.
 * One object is one row in `objects` (its newest version, also when that is a delete marker); older versions are rows in
 * `history` below the object's GUK. An inline object is therefore one entry and one look-up.
 */

export type BucketId = number;
export type Versioning = 'off' | 'enabled' | 'suspended';
export type ChecksumAlgorithm =
  | 'CRC32'
  | 'CRC32C'
  | 'CRC64NVME'
  | 'SHA1'
  | 'SHA256'
  | 'SHA512'
  | 'MD5'
  | 'XXHASH64'
  | 'XXHASH3'
  | 'XXHASH128';
/** How bytes are kept: `copies` times over, or cut into `data` fragments with `parity` more, any `data` of which are enough. */
export type Redundancy = { readonly copies: number } | Code;

/** A systematic erasure code. */
export interface Code {
  readonly data: number;
  readonly parity: number;
}

/** Written with `hot`; kept with `cold` once it was neither read nor written for so long. */
export interface Hybrid {
  readonly hot: Redundancy;
  readonly cold: Redundancy;
  readonly afterIdleMs: number;
}

/** What bytes are to be kept with: always the same, or by how much they are used. */
export type Policy = Redundancy | Hybrid;

export interface BucketRecord {
  readonly id: BucketId;
  readonly name: string;
  readonly owner: string;
  readonly createdMs: number;
  readonly region: string;
  readonly versioning: Versioning;
  readonly tags: readonly (readonly [string, string])[];
  /** The bucket key, wrapped by the master key. */
  readonly wrappedKey: Buffer;
  readonly consistency: 'strong' | 'causal' | 'eventual';
  /** undefined: as many copies as the layout gives, two at most. */
  readonly redundancy: Policy | undefined;
  /** Rows kept for `dsom du` and for "is it empty": live objects (newest version is not a marker), all versions and markers, uploads, bytes of all versions. */
  readonly counts: BucketCounts;
}

/** The row of table `buckets`: counts change with every object and have a row of their own. */
export type StoredBucket = Omit<BucketRecord, 'counts'>;

export interface BucketCounts {
  readonly objects: number;
  readonly versions: number;
  readonly uploads: number;
  readonly bytes: number;
  /** Bytes of the parts of open uploads, since the feature `quotas` is on (quotas.ts); else 0. */
  readonly partBytes: number;
}

/**
 * A row of table `bucketShards`: where the objects of a bucket are. In the system shard it says which shards these are (none: the system shard itself,
 * as in every store with one shard). In each of them it says up to which generation of the bucket's record that shard has a copy.
 */
export interface BucketShards {
  readonly id: BucketId;
  /** Counts the changes of the bucket's record in the system shard, from 1. */
  readonly generation: number;
  /** Numbers of the shards, none of them 0; as many as a power of two. A key's place among them is a hash of bucket and key. */
  readonly shards: readonly number[];
  /** With how many of these, the first ones, the bucket was made, where that was fewer; keys may be where they were then (places.ts). Absent: with all. */
  readonly madeWith?: number;
  /** Object shards only: the entry since which the bucket takes nothing here, because it is being deleted or was; 0: it is open. */
  readonly sealedAt: number;
}

/** A checksum as S3 shows it: value is the raw digest; composite ones also carry the number of parts. */
export interface ObjectChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: 'FULL_OBJECT' | 'COMPOSITE';
  readonly value: Buffer;
}

/** Fields that the client gives and gets back unchanged. Absent ones are not stored. */
export interface ObjectHeaders {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly contentDisposition?: string;
  readonly contentLanguage?: string;
  readonly cacheControl?: string;
  readonly expires?: string;
  readonly websiteRedirectLocation?: string;
}

/** What every row of `objects` and `history` holds, whatever its kind. */
interface VersionIdentity {
  /** Globally unique key of the object (not of the version): 16 bytes, sortable by creation. */
  readonly guk: Buffer;
  /** Grows with every version of this shard; orders the versions of a key. */
  readonly sequence: number;
  /** 8 random bytes: with `sequence`, the version id. */
  readonly nonce: Buffer;
  /** The null version: written while versioning was off or suspended. */
  readonly isNull: boolean;
  readonly modifiedMs: number;
  readonly owner: string;
}

export interface DeleteMarker extends VersionIdentity {
  readonly kind: 'marker';
}

/** What a version may say besides, each with a bit and a feature of its own (extensions.ts). */
export interface Extensions {
  /** What it is to be kept with; absent: what its storage class and its bucket say. */
  readonly policy?: Policy;
  /** Absent: not read since it was written, or nobody has to know. */
  readonly use?: VersionUse;
  /** Absent: it was never retained. One that has run out stays until another takes its place. */
  readonly retention?: Retention;
  /** Absent: nobody ever said whether it is held. */
  readonly legalHold?: boolean;
  /** Its access control list, as access writes it; absent: its owner may everything, others nothing. */
  readonly acl?: Buffer;
  /** What wraps the key of its bytes; absent: the key of its bucket. */
  readonly encryption?: Encryption;
  /** Of an archived object: that it can be read for a while, or will be. */
  readonly restore?: Restore;
  /** That another store has written it here, or which are to have it (replicated.ts). */
  readonly replication?: ReplicationNote;
}

/** `customer`: a key that the customer sends with each request, and that is kept nowhere. `kms`: a named key. */
export type Encryption = { readonly kind: 'customer' } | KmsEncryption;

export interface KmsEncryption {
  readonly kind: 'kms';
  readonly algorithm: 'aws:kms' | 'aws:kms:dsse';
  /** Id of the named key. */
  readonly key: string;
  /** Which of its versions, from 1. */
  readonly version: number;
  /** Whether the request, or the bucket, asked for an S3 bucket key: kept to be answered. */
  readonly bucketKey: boolean;
  /** Encryption context: JSON as it was given; empty where none was. What is wrapped opens with the same one only. */
  readonly context: Buffer;
}

/** Until when a version cannot be taken away. */
export interface Retention {
  /** Governance gives way to who may bypass it; compliance to nobody. */
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE';
  /** ms since 1970; from then on it binds no more. */
  readonly untilMs: number;
}

/** Those that a version is made with. */
export type GivenExtensions = Omit<Extensions, 'use' | 'restore' | 'replication'>;

export interface ObjectVersion extends VersionIdentity, Extensions {
  readonly kind: 'object';
  readonly size: number;
  /** 16 bytes: MD5, or MD5 of the parts' MD5s when `etagParts` > 0. */
  readonly etag: Buffer;
  readonly etagParts: number;
  readonly storageClass: string;
  readonly headers: ObjectHeaders;
  readonly metadata: readonly (readonly [string, string])[];
  readonly tags: readonly (readonly [string, string])[];
  readonly checksum: ObjectChecksum | undefined;
  /** The object key, wrapped by the bucket key. */
  readonly wrappedKey: Buffer;
  readonly manifest: ManifestReference;
  /** Plaintext bytes of each part, for GET by part number; empty when not made of parts. Pieces appended later are no parts. */
  readonly partSizes: readonly number[];
}

/** How a version is used, where its policy asks for that: coarse, see `object.touch`. */
export interface VersionUse {
  /** When it was last read, about; wall clock of the owner, ms since 1970. */
  readonly readMs: number;
  /** Times that it was noted to be read with less than the idle time of its policy between two; 255 at most. */
  readonly heat: number;
}

export type VersionRecord = ObjectVersion | DeleteMarker;

/** With what the object will say besides; its policy is {@link UploadRecord.redundancy}. */
export interface UploadRecord extends Omit<GivenExtensions, 'policy'> {
  /** 16 bytes: sequence and nonce; the manifest of the future object takes this id. */
  readonly id: Buffer;
  readonly bucket: BucketId;
  readonly key: Buffer;
  readonly initiatedMs: number;
  readonly owner: string;
  readonly storageClass: string;
  readonly headers: ObjectHeaders;
  readonly metadata: readonly (readonly [string, string])[];
  readonly tags: readonly (readonly [string, string])[];
  readonly checksumAlgorithm: ChecksumAlgorithm | undefined;
  readonly checksumType: 'FULL_OBJECT' | 'COMPOSITE' | undefined;
  readonly wrappedKey: Buffer;
  /** What its parts and the object are kept with; absent: what the storage class or the bucket says when a part comes. */
  readonly redundancy?: Policy;
}

export interface PartRecord {
  readonly number: number;
  readonly modifiedMs: number;
  readonly piece: Piece;
}

/** A row of table `garbage`: rows [first, end) of a manifest in table `pieces` that no version can reach any more. */
export interface GarbageRecord {
  readonly manifest: Buffer;
  readonly first: number;
  readonly end: number;
}

/** A row of table `stripes`: what published the stripe first. Kept until the stripe is collected. */
export interface StripeRecord {
  readonly manifest: Buffer;
  readonly group: number;
  readonly bucket: BucketId;
  readonly key: Buffer;
}

/** A key pair that may sign requests. The secret is sealed under the master key. */
export interface AccessKeyRecord {
  readonly id: string;
  readonly sealedSecret: Buffer;
  readonly owner: string;
  readonly name: string;
  readonly createdMs: number;
  readonly role: 'root' | 'readwrite' | 'readonly';
  /** Buckets it may touch; empty: all. */
  readonly buckets: readonly string[];
  /** Account that it belongs to, 12 digits; absent: the first one, which owns what there was before accounts. */
  readonly account?: string;
  /** Id of the user whose key it is, who decides what it may; absent: its role does. Only with an account. */
  readonly user?: string;
  /** Only with an account; absent: it is active. */
  readonly status?: 'active' | 'inactive';
}

/** A range of stripe ids that one writer may use. Open until closed or expired by a log entry; then what it left unpublished is collected. */
export interface IntentRecord {
  /** 8 random bytes: the prefix of every stripe id of this intent. */
  readonly prefix: Buffer;
  readonly state: 'open' | 'closed';
  /** Log position of the entry that opened it. */
  readonly openedAt: number;
  /** Who opened it; undefined where there is one process only. */
  readonly opener: Opener | undefined;
}

/** One life of the process of a node. */
export interface Opener {
  /** Node id. */
  readonly node: string;
  /** 8 random bytes, drawn when the process started. */
  readonly incarnation: Buffer;
}

export type NodeState = 'joining' | 'active' | 'draining' | 'removed';
export type NodeRole = 'gateway' | 'metadata' | 'storage';

/** A machine of the cluster. */
export interface NodeRecord {
  readonly id: string;
  /** Where other nodes reach it, `host:port`. */
  readonly address: string;
  /** Where clients reach it. */
  readonly apiAddress: string;
  readonly zone: string;
  readonly roles: readonly NodeRole[];
  readonly state: NodeState;
  /** Of the program that it runs. */
  readonly version: string;
  /** What that version can do beyond what every version can. */
  readonly features: readonly string[];
  /** Of its process as last started, 8 bytes; see {@link Opener}. */
  readonly incarnation: Buffer;
}

export type DeviceState = 'active' | 'draining' | 'retired';

/** A device of a node. */
export interface DeviceRecord {
  readonly identity: string;
  /** Node id. */
  readonly node: string;
  /** As the device room tells it. */
  readonly class: string;
  readonly capacityBytes: number;
  /** Share of the data that it takes, relative to others; a whole number. */
  readonly weight: number;
  readonly state: DeviceState;
}

/** One node may join with it, once. The secret itself is known to whoever holds the line. */
export interface InvitationRecord {
  /** 16 random bytes. */
  readonly id: Buffer;
  /** SHA-256 of the secret. */
  readonly secretHash: Buffer;
  readonly createdMs: number;
  readonly untilMs: number;
  /** Node id of the one that made it. */
  readonly node: string;
}

/**
 * - `trusted`: every node comes to trust it beside those before it; certificates are still theirs.
 * - `issuing`: certificates are its own from now on, those of before are still good.
 * - `only`: those before it are trusted no more.
 */
export type AuthorityState = 'trusted' | 'issuing' | 'only';

/** An authority of the cluster that takes the place of those before it. */
export interface AuthorityRecord {
  /** Counted from 1, the one that took the place of the first. */
  readonly number: number;
  readonly state: AuthorityState;
  /** DER. */
  readonly certificate: Buffer;
  /** With its private key, sealed under the master key. */
  readonly sealed: Buffer;
  /** Certificates (DER) of those that it takes the place of. */
  readonly before: readonly Buffer[];
}

/** A row of table `requests`: what the proposal with this id was answered. */
export interface RequestRecord {
  readonly request: Buffer;
  /** As the owner encoded it. */
  readonly outcome: Buffer;
}

/** Devices that hold the fragments of a stripe, in order of fragment index. */
export interface GroupRecord {
  readonly id: number;
  readonly epoch: number;
  /** Device identities. */
  readonly devices: readonly string[];
  /** The code of its stripes, whose fragments are as many as the devices; absent: each device holds a copy. */
  readonly code?: Code;
}
