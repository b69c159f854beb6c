export { type ShortReply, shortReply, wholeReply } from './answers.ts';
export type { Change, ChangeEvent, Feed } from './feed.ts';
export { checkHeaders, checkMetadata, checkTags } from './machine/descriptions.ts';
export { etagText, namesEtag } from './machine/guards.ts';
export type {
  AccessKeyRecord,
  BucketCounts,
  BucketId,
  BucketRecord,
  ChecksumAlgorithm,
  DeleteMarker,
  GroupRecord,
  IntentRecord,
  ManifestReference,
  ObjectChecksum,
  ObjectHeaders,
  ObjectVersion,
  PartRecord,
  Piece,
  Redundancy,
  StoredBucket,
  Stripe,
  UploadRecord,
  Versioning,
  VersionRecord,
} from './machine/records.ts';
export { type Metadata, type MetadataOptions, type MetadataStatistics, openMetadata } from './owner.ts';
export { openMetadataReader } from './reader.ts';
export { StateDamaged } from './replica.ts';
export { restoreSnapshot, writeSnapshot } from './snapshot.ts';
export { findSnapshot, type StoredSnapshot, storeSnapshot } from './stored.ts';
export type * from './types.ts';
