import type { Position } from '../log/index.ts';
import type {
  BucketRecord,
  ChecksumAlgorithm,
  ConfigurationKind,
  DeleteResult,
  DescriptionChange,
  GivenExtensions,
  Guard,
  ListedObject,
  ListedVersion,
  LockChange,
  ObjectChecksum,
  ObjectHeaders,
  ObjectVersion,
  Page,
  PartRecord,
  Policy,
  Redundancy,
  RestoreTier,
  TextChange,
  UploadRecord,
  Versioning,
} from '../metadata/index.ts';
import type { Announcer } from './announce.ts';
import type { CustomerKey } from './encryption.ts';
import type { KmsAdministration, KmsChoice } from './kms.ts';

export type Tags = readonly (readonly [string, string])[];
type Consistency = 'strong' | 'causal' | 'eventual';

/** A body on its way in: chunks of plaintext, after the protocol's own framing was taken off. */
export interface Incoming {
  /** The whole body, when the protocol has it in hand already: then `stream` is not touched, and a small put costs no iteration. */
  readonly whole?: Uint8Array;
  /** MD5 of `whole`, where the protocol has it made together with those of other bodies. Absent: it is not made yet. */
  readonly md5?: (() => Buffer) | undefined;
  /** Chunks must not be changed after they were given: they are encrypted from where they lie. */
  readonly stream: AsyncIterable<Uint8Array>;
  /** Called with each chunk of `stream` that is not needed any more: whoever made them may use their memory again. */
  readonly release?: ((chunk: Uint8Array) => void) | undefined;
  /** Plaintext bytes when known beforehand. */
  readonly length: number | undefined;
  /** The tenant whose request brings it: bodies of one share what memory is his. Absent: the server's own. */
  readonly whose?: string | undefined;
}

/** Digests that the bytes must have. All are checked before anything becomes visible. Checksums in a trailer are known only at the end. */
export interface Expected {
  readonly md5?: Buffer;
  readonly sha256?: Buffer;
  /** Computed and stored; compared when a value is given or comes with `trailer`. */
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: Buffer | undefined };
  /** Called when the stream ended: a checksum that came behind it. */
  readonly trailer?: () => { readonly algorithm: ChecksumAlgorithm; readonly value: Buffer } | undefined;
}

/** What a new version is locked by, where its bucket locks; what it does not say, the bucket does. */
export type Lock = Pick<GivenExtensions, 'retention' | 'legalHold'>;

export interface Describing {
  readonly headers: ObjectHeaders;
  readonly metadata: Tags;
  readonly tags: Tags;
  readonly storageClass: string;
  /** Access control list, as access writes it; absent: its owner may everything, others nothing. */
  readonly acl?: Buffer | undefined;
}

export interface PutRequest extends Describing {
  readonly bucket: string;
  readonly key: Buffer;
  readonly owner: string;
  readonly body: Incoming;
  readonly expected: Expected;
  readonly guard: Guard | undefined;
  /** undefined: what the storage class or the bucket says. */
  readonly redundancy: Policy | undefined;
  readonly lock?: Lock;
  readonly customerKey?: CustomerKey | undefined;
  /** A named key; null: none. Absent: what the bucket says by default. */
  readonly kms?: KmsChoice | null | undefined;
}

/** Which version to read. `partNumber` starts at 1. */
export interface ReadRequest {
  readonly bucket: string;
  readonly key: Buffer;
  /** Version id as clients see it; `null`; undefined for the newest. */
  readonly versionId: string | undefined;
  readonly guard: Guard | undefined;
  /** Where the object was stored with one. */
  readonly customerKey?: CustomerKey | undefined;
  /** No bytes will be read, so a named key need not open. */
  readonly withoutBytes?: boolean;
}

/** Which version to restore, for how many days, and how soon. */
export interface RestoreRequest extends Omit<ReadRequest, 'guard' | 'customerKey'> {
  readonly days: number;
  readonly tier: RestoreTier;
  /** Length of a day, ms. */
  readonly dayMs: number;
}

/** A slice of an object; both in bytes, `end` exclusive. */
export interface Slice {
  readonly start: number;
  readonly end: number;
}

/** Plaintext on its way out. */
export interface Outgoing extends AsyncIterable<Buffer> {
  /**
   * Takes back a chunk that the receiver is done with, once and as it was given, so that its memory is used again at once. Need not be
   * called.
   */
  release?(chunk: Uint8Array): void;
  /** The next chunk where it can be given at once, once the iteration has given one. undefined: ask the iteration. */
  ready?(): Buffer | undefined;
  /** Bytes that may wait for the receiver now; absent: as many as the receiver likes. */
  window?(): number;
  /** The tenant whose request is answered, to be said before the first byte is asked for. Unsaid: the server's own. */
  whose?: string | undefined;
}

export interface ReadResult {
  readonly bucket: BucketRecord;
  readonly version: ObjectVersion;
  readonly position: Position;
  /** It has to be restored before it is read: `open` and `immediate` throw InvalidObjectState. */
  readonly archived: boolean;
  /** Plaintext of the slice; every byte verified before it is given. */
  open(slice: Slice): Outgoing;
  /** The whole plaintext when it is at hand without waiting (inline objects, cached small ones), else undefined. */
  immediate(slice: Slice): Buffer | undefined;
  /** Parts of a multipart object with a number above `after`, in order; empty when it was not made of parts. Numbers count from 1 over `partSizes`. */
  parts(
    after: number,
    limit: number,
  ): readonly { readonly number: number; readonly size: number; readonly checksum: ObjectChecksum | undefined }[];
}

/** How redundant bytes are. */
export interface Stored {
  /** Copies, or fragments of a code, that they are meant to have. */
  readonly redundancy: Redundancy;
  /** How many of those are not there now; undefined where too many stripes would have to be looked at. */
  readonly missing: number | undefined;
}

export interface WriteResult {
  readonly bucket: BucketRecord;
  readonly version: ObjectVersion;
  readonly position: Position;
}

/** Headers are named as the fields of {@link ObjectHeaders}, in wire form. */
export interface PatchRequest extends ReadRequest, DescriptionChange {
  readonly owner: string;
}

/** Where a copy's bytes come from. */
export interface CopySource extends ReadRequest {}

export interface CopyRequest extends Partial<Describing> {
  readonly source: CopySource;
  readonly bucket: string;
  readonly key: Buffer;
  readonly owner: string;
  readonly guard: Guard | undefined;
  readonly storageClass: string;
  /** What the copy is to be kept with. Absent: what its storage class or its bucket says. */
  readonly redundancy?: Policy | undefined;
  /** That of the source is its own. */
  readonly lock?: Lock;
  /** For the copy; that of the source is with the source. */
  readonly customerKey?: CustomerKey | undefined;
  readonly kms?: KmsChoice | null | undefined;
  /** Website redirect of the copy, where the other headers are the source's; null: none. Absent: the source's too. */
  readonly redirect?: string | null;
  /** That the request says how the copy is to be encrypted counts as a change of an object that is copied onto itself. */
  readonly encryptionSaid?: boolean;
  /** undefined keeps the source's checksum (and its algorithm). */
  readonly checksumAlgorithm: ChecksumAlgorithm | undefined;
}

/** Both names are in one bucket. */
export interface RenameRequest {
  readonly bucket: string;
  /** The new name. */
  readonly key: Buffer;
  readonly owner: string;
  /** Of what has the new name already. */
  readonly guard: Guard | undefined;
  readonly source: { readonly key: Buffer; readonly guard: Guard | undefined };
  /** Who asks again with the same one changes nothing more. */
  readonly token: string | undefined;
}

export interface ObjectListQuery {
  readonly bucket: string;
  readonly prefix: Buffer;
  readonly delimiter: Buffer;
  /** Keys above this one (exclusive); with a delimiter, a common prefix that equals it is passed over too. Empty: from the start. */
  readonly after: Buffer;
  /** First key that may be given (inclusive) — continuation tokens; wins over `after`. */
  readonly from?: Buffer;
  readonly limit: number;
  /** Whether each object of a list of objects says how it is restored. */
  readonly restores?: boolean;
}

/**
 * Everything one can do with objects, whatever the protocol. All methods throw StoreError with the code to answer.
 * Keys are UTF-8 bytes, already screened for length; buckets are named.
 */
export interface ObjectService {
  /** True when new bytes are stored without encryption. */
  readonly plain?: boolean;
  readonly kms: KmsAdministration;
  createBucket(request: {
    readonly name: string;
    readonly owner: string;
    readonly region: string;
    readonly versioning?: Versioning;
    /** With object lock, and so with versioning. */
    readonly locks?: boolean;
  }): Promise<BucketRecord>;
  deleteBucket(name: string): Promise<void>;
  bucket(name: string): BucketRecord;
  buckets(start: string, limit: number): Page<BucketRecord>;
  updateBucket(
    name: string,
    change: {
      readonly versioning?: Versioning;
      /** All tags, in place of those that are there. */
      readonly tags?: Tags;
      /** Over those that are there, or over `tags`; changes of the same moment are all kept. */
      readonly tagChange?: TextChange;
      readonly consistency?: Consistency;
      /** null: back to as many copies as the layout gives. */
      readonly redundancy?: Policy | null;
    },
  ): Promise<BucketRecord>;

  /**
   * The document of a bucket's configuration, as it was given to {@link configure}; undefined when there is none. What it says is the protocol's.
   * @throws StoreError NoSuchBucket
   */
  configuration(name: string, kind: ConfigurationKind): Buffer | undefined;
  /**
   * The configuration of this kind becomes the document, or with null goes. Doing it again changes nothing.
   * @param expected what {@link configuration} gave when the change was worked out, null for none; left out: whatever is there is replaced
   * @throws StoreError NoSuchBucket; ConditionalRequestConflict when it is not as expected; InvalidRequest beyond the bytes of its kind; NotImplemented in a cluster of which not every node knows configurations
   */
  configure(name: string, kind: ConfigurationKind, document: Buffer | null, expected?: Buffer | null): Promise<void>;

  put(request: PutRequest): Promise<WriteResult>;
  /** Applies read conditions: throws NotModified or PreconditionFailed, NoSuchKey, NoSuchVersion, MethodNotAllowed for a marker named by id (detail `DeleteMarker`). */
  read(request: ReadRequest): ReadResult | Promise<ReadResult>;
  /**
   * What is said of a version, without its bytes: no key is needed, and no condition looked at.
   * @throws StoreError as {@link read} where there is none
   */
  look(request: Omit<ReadRequest, 'guard' | 'customerKey'>): Pick<ReadResult, 'bucket' | 'version' | 'position'>;
  copy(request: CopyRequest): Promise<WriteResult & { readonly source: ObjectVersion }>;
  append(request: PutRequest & { readonly offset: number | undefined }): Promise<WriteResult>;
  /** Another name for an object, in one change. @throws StoreError NotImplemented where the names are in different shards */
  rename(request: RenameRequest): Promise<WriteResult>;
  /** A new version with other metadata and the same bytes; in a bucket without versioning the object itself changes. */
  patch(request: PatchRequest): Promise<WriteResult>;
  setTags(request: ReadRequest, tags: Tags): Promise<ObjectVersion>;
  /** @param acl as access writes it; null: its owner may everything, others nothing */
  setAcl(request: ReadRequest, acl: Buffer | null): Promise<ObjectVersion>;
  /**
   * Changes what a version is locked by.
   * @param bypasses governance gives way
   * @throws StoreError AccessDenied where the lock that is there does not give way; InvalidRequest where the bucket does not lock; InvalidArgument at a time that is not ahead
   */
  setLock(request: Omit<ReadRequest, 'guard'>, change: LockChange, bypasses: boolean): Promise<ObjectVersion>;
  /** Another named key for a version, where it is. @throws StoreError as `rewrap` in rewrap.ts says */
  rewrap(request: Pick<ReadRequest, 'bucket' | 'key' | 'versionId'>, kms: KmsChoice): Promise<ObjectVersion>;
  /**
   * Has an archived version restored for a while, done so faster, or stay restored for longer.
   * @returns the version: `ongoing`, or `restored` where it was so before
   * @throws StoreError InvalidObjectState where it is not archived; RestoreAlreadyInProgress; InvalidArgument for a tier that its class does not have
   */
  restore(request: RestoreRequest): Promise<ObjectVersion>;
  /** @param bypasses governance gives way; no locked version goes otherwise */
  delete(
    bucket: string,
    owner: string,
    items: readonly {
      readonly key: Buffer;
      readonly versionId: string | undefined;
      readonly guard: Guard | undefined;
    }[],
    bypasses?: boolean,
  ): Promise<readonly DeleteResult[]>;
  byGuk(guk: Buffer): { readonly bucket: string; readonly key: Buffer };

  list(query: ObjectListQuery): Page<ListedObject | { readonly prefix: Buffer }>;
  /** {@link list} of what is here and of what has not moved here yet, where the bucket has a source. @param query goes on after a key */
  listThrough(
    query: Omit<ObjectListQuery, 'from'>,
  ): Page<ListedObject | { readonly prefix: Buffer }> | Promise<Page<ListedObject | { readonly prefix: Buffer }>>;
  /**
   * Has the newest version of a key here, where it is at the source of the bucket and nothing of it is here. Undefined where there is nothing to wait for.
   * @throws StoreError InvalidRequest where it cannot be kept here; ServiceUnavailable when the source fails
   */
  arrive(which: Pick<ReadRequest, 'bucket' | 'key' | 'versionId'>): Promise<void> | undefined;
  listVersions(
    query: ObjectListQuery & { readonly versionMarker: string | undefined },
  ): Page<ListedVersion | { readonly prefix: Buffer }>;

  createUpload(
    request: Describing & {
      readonly bucket: string;
      readonly key: Buffer;
      readonly owner: string;
      readonly checksumAlgorithm: ChecksumAlgorithm | undefined;
      readonly checksumType: 'FULL_OBJECT' | 'COMPOSITE' | undefined;
      readonly redundancy?: Policy | undefined;
      readonly lock?: Lock;
      readonly customerKey?: CustomerKey | undefined;
      readonly kms?: KmsChoice | null | undefined;
    },
  ): Promise<UploadRecord>;
  upload(bucket: string, key: Buffer, uploadId: string): UploadRecord;
  putPart(request: {
    readonly bucket: string;
    readonly key: Buffer;
    readonly uploadId: string;
    readonly number: number;
    readonly body: Incoming;
    readonly expected: Expected;
    /** That of the upload. */
    readonly customerKey?: CustomerKey | undefined;
  }): Promise<PartRecord>;
  copyPart(request: {
    readonly bucket: string;
    readonly key: Buffer;
    readonly uploadId: string;
    readonly number: number;
    readonly source: CopySource;
    readonly slice: Slice | undefined;
    /** That of the upload. */
    readonly customerKey?: CustomerKey | undefined;
  }): Promise<{ readonly part: PartRecord; readonly source: ObjectVersion }>;
  completeUpload(request: {
    readonly bucket: string;
    readonly key: Buffer;
    readonly uploadId: string;
    readonly guard: Guard | undefined;
    readonly parts: readonly {
      readonly number: number;
      readonly etag: string;
      readonly checksum: Buffer | undefined;
    }[];
    /** What the whole object must have, and how it was made: as the upload says where the request does not. */
    readonly checksum: Omit<ObjectChecksum, 'type'> | undefined;
    readonly checksumType?: ObjectChecksum['type'] | undefined;
    readonly size: number | undefined;
  }): Promise<WriteResult>;
  abortUpload(bucket: string, key: Buffer, uploadId: string): Promise<void>;
  listUploads(
    query: Omit<ObjectListQuery, 'from'> & { readonly uploadIdMarker: string | undefined },
  ): Page<UploadRecord | { readonly prefix: Buffer }>;
  listParts(
    bucket: string,
    key: Buffer,
    uploadId: string,
    after: number,
    limit: number,
  ): { readonly upload: UploadRecord; readonly page: Page<PartRecord> };

  /** The same service for one request: what it changes is announced, in the entry of the change. */
  announcing(announcer: Announcer): ObjectService;
  /** The same service for the requests of a user, by his id: what they write counts for him. Undefined where he has no quota. */
  by(user: string): ObjectService | undefined;

  /** Storage classes that can be asked for: those of S3 that stand for something here, and the operator's own. */
  storageClasses(): readonly string[];
  /** How redundant the bytes of a version, or of a part, are now. */
  stored(what: ObjectVersion | PartRecord): Stored;

  /** Where the shards of a bucket are as this replica has them, the system shard last. @throws StoreError NoSuchBucket */
  positions(bucket: string): readonly Position[];
  /** Position, in a shard, of the oldest read whose bytes are still on their way out: what was garbage before it may be removed. */
  oldestRead(shard?: number): Position | undefined;
}
