export { type ShortReply, shortReply, wholeReply } from './answers.ts';
export { auditState, type StateAudit } from './audit.ts';
export { type FailureKind, ReplicaError } from './failure.ts';
export type { Change, ChangeEvent, Feed } from './feed.ts';
export type { KmsKeyRecord } from './kms.ts';
export { lenderOf, lentBy, lentTo } from './lending.ts';
export { type ConfigurationKind, configurationBytes, configurationKinds } from './machine/configurations.ts';
export { firstAccount } from './machine/decide-identities.ts';
export { checkQuotas } from './machine/decide-quotas.ts';
export { lastUseMs, mayBeEmbedded } from './machine/decide-recode.ts';
export { checkAcl, checkHeaders, checkMetadata, checkTags } from './machine/descriptions.ts';
export {
  archivesSetting,
  type Feature,
  featureOfChecksum,
  features,
  isKnownFeature,
  unknownFeature,
} from './machine/features.ts';
export { etagText, namesEtag } from './machine/guards.ts';
export {
  type AccountRecord,
  type IdentityKind,
  type IdentityRecord,
  type IdentityUse,
  type ManagedPolicyRecord,
  type PolicyVersion,
  policyArn,
  type RoleRecord,
  type UserGroupRecord,
  type UserRecord,
} from './machine/identities.ts';
export type { IdentityOf, IdentityReader } from './machine/identity-view.ts';
export {
  checkDefaultRetention,
  type DefaultRetention,
  decodeLockConfiguration,
  encodeLockConfiguration,
  type LockConfiguration,
} from './machine/locks.ts';
export { type Destination, type Notice, type NoticeEvent, noticeEvents, type Origin } from './machine/notices.ts';
export { localNumber, numberOf, shardOfNumber } from './machine/numbering.ts';
export {
  type OtherShards,
  type Quota,
  type QuotaReader,
  type QuotaSubject,
  tenantOf,
  type Usage,
} from './machine/quotas.ts';
export { type RateFigures, type RateLimits, rateFigures } from './machine/rates.ts';
export type {
  AccessKeyRecord,
  AuthorityRecord,
  AuthorityState,
  BucketCounts,
  BucketId,
  BucketRecord,
  BucketShards,
  ChecksumAlgorithm,
  Code,
  DeleteMarker,
  DeviceRecord,
  DeviceState,
  Encryption,
  GivenExtensions,
  GroupRecord,
  Hybrid,
  IntentRecord,
  InvitationRecord,
  KmsEncryption,
  ManifestReference,
  NodeRecord,
  NodeRole,
  NodeState,
  ObjectChecksum,
  ObjectHeaders,
  ObjectVersion,
  Opener,
  PartRecord,
  Piece,
  Policy,
  Redundancy,
  Retention,
  StoredBucket,
  Stripe,
  UploadRecord,
  Versioning,
  VersionRecord,
  VersionUse,
} from './machine/records.ts';
export { renameId } from './machine/renames.ts';
export { type ReplicationOutcome, replicatedTo, replicationStatus } from './machine/replicated.ts';
export { sequenceOf } from './machine/usage.ts';
export {
  checkMayRotate,
  type MasterKeyRecord,
  type MasterKeyState,
  masterKeyOf,
  masterKeySetting,
  type SealedAnew,
  type SealedKind,
  sealedInDocument,
  stateAfter,
} from './master-key.ts';
export type { KeyUse } from './memos.ts';
export { NearQuotas } from './near-quotas.ts';
export {
  type MetadataOptions,
  openMetadata,
  openShardReplica,
  type ReplicaOptions,
  type ReplicaStatistics,
  type ShardReplica,
  type Term,
} from './open.ts';
export type { Metadata, MetadataStatistics } from './owner.ts';
export { openMetadataReader } from './reader.ts';
export { dueRestores } from './restores.ts';
export { type ScanCursor, type ScannedPlace, type VersionRow, type VersionScan, versionScan } from './scan.ts';
export { otherShards } from './sharded/quotas.ts';
export { shardedReader } from './sharded/reader.ts';
export { doubled, objectShardsName, shardNotOpen, shardsInUse, shardsInUseName } from './sharded/routing.ts';
export { type GrowingMetadata, joinGrowing, joinShards } from './sharded/shards.ts';
export { checkSnapshot, type InstallOptions, installSnapshot, restoreSnapshot, writeSnapshot } from './snapshot.ts';
export { findSnapshot, type StoredSnapshot, storeSnapshot } from './stored.ts';
export type * from './types.ts';
