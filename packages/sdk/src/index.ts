export { type CreatedUser, type CreateUserRequest, type Tenant, Tenants, type User, Users } from './accounts.ts';
export {
  Admin,
  type BucketSource,
  type DeviceChange,
  type FsckLine,
  type Health,
  type NamedPolicy,
  type NodeChange,
  type RebalanceChange,
  type RestoreTimes,
} from './admin.ts';
export { type BucketChange, type BucketInfo, type BucketSettings, Buckets, type Versioning } from './buckets.ts';
export { type ClientOptions, DsomClient, DsomSession } from './client.ts';
export type { Checksum, ContentFields, ObjectInfo } from './description.ts';
export { type ByteRange, type GetOptions, ObjectBody, type ReadConditions } from './download.ts';
export { type Edges, platformEdges } from './edges.ts';
export { DsomError, type DsomErrorCode } from './error.ts';
export { type AccessKey, type CreatedKey, type CreateKeyRequest, Keys } from './keys.ts';
export { type KmsKey, KmsKeys, type MasterKeyStatus } from './kms.ts';
export { type Limit, type LimitFigures, type LimitSubject, Limits } from './limits.ts';
export {
  compareKeys,
  type ListedObject,
  type ListedPrefix,
  type ListedVersion,
  type ListOptions,
  type ListPage,
} from './listing.ts';
export {
  defaultPartSize,
  type MultipartOptions,
  type Progress,
  partSizeFor,
  partSizeMin,
  type Resume,
} from './multipart.ts';
export type { NotificationTarget } from './notifications.ts';
export type {
  AppendOptions,
  CopyOptions,
  CopySource,
  DeleteFailure,
  DeleteItem,
  DeleteOptions,
  DeleteResult,
  PatchRequest,
  VersionOptions,
} from './objects.ts';
export { type PresignOptions, presignSecondsMax } from './presign.ts';
export type { ObjectDescription, Policy, Redundancy, WriteConditions, WriteResult } from './put.ts';
export { type Quota, type QuotaHolder, type QuotaStatus, Quotas } from './quotas.ts';
export type { CallOptions } from './request.ts';
export type { Consistency } from './session.ts';
export type { Uploadable } from './source.ts';
export type { UploadOptions } from './upload.ts';
export type { ListUploadsOptions, PartInfo, UploadInfo, UploadName } from './uploads.ts';
