import type { S3Call } from './call.ts';
import { refusedOperations, type S3Operation, type SupportedOperation, supportedOperations } from './names.ts';
import { abortMultipartUpload } from './operations/abort-multipart-upload.ts';
import { completeMultipartUpload } from './operations/complete-multipart-upload.ts';
import { copyObject } from './operations/copy-object.ts';
import { createBucket } from './operations/create-bucket.ts';
import { createMultipartUpload } from './operations/create-multipart-upload.ts';
import { deleteBucket } from './operations/delete-bucket.ts';
import { deleteBucketAnalyticsConfiguration } from './operations/delete-bucket-analytics-configuration.ts';
import { deleteBucketCors } from './operations/delete-bucket-cors.ts';
import { deleteBucketEncryption } from './operations/delete-bucket-encryption.ts';
import { deleteBucketIntelligentTieringConfiguration } from './operations/delete-bucket-intelligent-tiering-configuration.ts';
import { deleteBucketInventoryConfiguration } from './operations/delete-bucket-inventory-configuration.ts';
import { deleteBucketLifecycle } from './operations/delete-bucket-lifecycle.ts';
import { deleteBucketMetricsConfiguration } from './operations/delete-bucket-metrics-configuration.ts';
import { deleteBucketOwnershipControls } from './operations/delete-bucket-ownership-controls.ts';
import { deleteBucketPolicy } from './operations/delete-bucket-policy.ts';
import { deleteBucketReplication } from './operations/delete-bucket-replication.ts';
import { deleteBucketTagging } from './operations/delete-bucket-tagging.ts';
import { deleteBucketWebsite } from './operations/delete-bucket-website.ts';
import { deleteObject } from './operations/delete-object.ts';
import { deleteObjectTagging } from './operations/delete-object-tagging.ts';
import { deleteObjects } from './operations/delete-objects.ts';
import { deletePublicAccessBlock } from './operations/delete-public-access-block.ts';
import { getBucketAbac } from './operations/get-bucket-abac.ts';
import { getBucketAccelerateConfiguration } from './operations/get-bucket-accelerate-configuration.ts';
import { getBucketAcl } from './operations/get-bucket-acl.ts';
import { getBucketAnalyticsConfiguration } from './operations/get-bucket-analytics-configuration.ts';
import { getBucketCors } from './operations/get-bucket-cors.ts';
import { getBucketEncryption } from './operations/get-bucket-encryption.ts';
import { getBucketIntelligentTieringConfiguration } from './operations/get-bucket-intelligent-tiering-configuration.ts';
import { getBucketInventoryConfiguration } from './operations/get-bucket-inventory-configuration.ts';
import { getBucketLifecycleConfiguration } from './operations/get-bucket-lifecycle-configuration.ts';
import { getBucketLocation } from './operations/get-bucket-location.ts';
import { getBucketLogging } from './operations/get-bucket-logging.ts';
import { getBucketMetricsConfiguration } from './operations/get-bucket-metrics-configuration.ts';
import { getBucketNotificationConfiguration } from './operations/get-bucket-notification-configuration.ts';
import { getBucketOwnershipControls } from './operations/get-bucket-ownership-controls.ts';
import { getBucketPolicy } from './operations/get-bucket-policy.ts';
import { getBucketPolicyStatus } from './operations/get-bucket-policy-status.ts';
import { getBucketReplication } from './operations/get-bucket-replication.ts';
import { getBucketRequestPayment } from './operations/get-bucket-request-payment.ts';
import { getBucketTagging } from './operations/get-bucket-tagging.ts';
import { getBucketVersioning } from './operations/get-bucket-versioning.ts';
import { getBucketWebsite } from './operations/get-bucket-website.ts';
import { getObject } from './operations/get-object.ts';
import { getObjectAcl } from './operations/get-object-acl.ts';
import { getObjectAttributes } from './operations/get-object-attributes.ts';
import { getObjectLegalHold } from './operations/get-object-legal-hold.ts';
import { getObjectLockConfiguration } from './operations/get-object-lock-configuration.ts';
import { getObjectRetention } from './operations/get-object-retention.ts';
import { getObjectTagging } from './operations/get-object-tagging.ts';
import { getPublicAccessBlock } from './operations/get-public-access-block.ts';
import { headBucket } from './operations/head-bucket.ts';
import { headObject } from './operations/head-object.ts';
import { listBucketAnalyticsConfigurations } from './operations/list-bucket-analytics-configurations.ts';
import { listBucketIntelligentTieringConfigurations } from './operations/list-bucket-intelligent-tiering-configurations.ts';
import { listBucketInventoryConfigurations } from './operations/list-bucket-inventory-configurations.ts';
import { listBucketMetricsConfigurations } from './operations/list-bucket-metrics-configurations.ts';
import { listBuckets } from './operations/list-buckets.ts';
import { listDirectoryBuckets } from './operations/list-directory-buckets.ts';
import { listMultipartUploads } from './operations/list-multipart-uploads.ts';
import { listObjectVersions } from './operations/list-object-versions.ts';
import { listObjects } from './operations/list-objects.ts';
import { listObjectsV2 } from './operations/list-objects-v2.ts';
import { listParts } from './operations/list-parts.ts';
import { postObject } from './operations/post-object.ts';
import { putBucketAbac } from './operations/put-bucket-abac.ts';
import { putBucketAccelerateConfiguration } from './operations/put-bucket-accelerate-configuration.ts';
import { putBucketAcl } from './operations/put-bucket-acl.ts';
import { putBucketAnalyticsConfiguration } from './operations/put-bucket-analytics-configuration.ts';
import { putBucketCors } from './operations/put-bucket-cors.ts';
import { putBucketEncryption } from './operations/put-bucket-encryption.ts';
import { putBucketIntelligentTieringConfiguration } from './operations/put-bucket-intelligent-tiering-configuration.ts';
import { putBucketInventoryConfiguration } from './operations/put-bucket-inventory-configuration.ts';
import { putBucketLifecycleConfiguration } from './operations/put-bucket-lifecycle-configuration.ts';
import { putBucketLogging } from './operations/put-bucket-logging.ts';
import { putBucketMetricsConfiguration } from './operations/put-bucket-metrics-configuration.ts';
import { putBucketNotificationConfiguration } from './operations/put-bucket-notification-configuration.ts';
import { putBucketOwnershipControls } from './operations/put-bucket-ownership-controls.ts';
import { putBucketPolicy } from './operations/put-bucket-policy.ts';
import { putBucketReplication } from './operations/put-bucket-replication.ts';
import { putBucketRequestPayment } from './operations/put-bucket-request-payment.ts';
import { putBucketTagging } from './operations/put-bucket-tagging.ts';
import { putBucketVersioning } from './operations/put-bucket-versioning.ts';
import { putBucketWebsite } from './operations/put-bucket-website.ts';
import { putObject } from './operations/put-object.ts';
import { putObjectAcl } from './operations/put-object-acl.ts';
import { putObjectLegalHold } from './operations/put-object-legal-hold.ts';
import { putObjectLockConfiguration } from './operations/put-object-lock-configuration.ts';
import { putObjectRetention } from './operations/put-object-retention.ts';
import { putObjectTagging } from './operations/put-object-tagging.ts';
import { putPublicAccessBlock } from './operations/put-public-access-block.ts';
import { renameObject } from './operations/rename-object.ts';
import { restoreObject } from './operations/restore-object.ts';
import { updateObjectEncryption } from './operations/update-object-encryption.ts';
import { uploadPart } from './operations/upload-part.ts';
import { uploadPartCopy } from './operations/upload-part-copy.ts';

type Handle = (call: S3Call) => void | Promise<void>;

/** What does an operation. What it needs to be allowed is in permissions.ts. */
export interface OperationRow {
  /** undefined: refused by name. */
  readonly handle: Handle | undefined;
}

const supported = {
  AbortMultipartUpload: abortMultipartUpload,
  CompleteMultipartUpload: completeMultipartUpload,
  CopyObject: copyObject,
  CreateBucket: createBucket,
  CreateMultipartUpload: createMultipartUpload,
  DeleteBucket: deleteBucket,
  DeleteBucketTagging: deleteBucketTagging,
  DeleteObject: deleteObject,
  DeleteObjectTagging: deleteObjectTagging,
  DeleteObjects: deleteObjects,
  GetBucketAcl: getBucketAcl,
  GetBucketLocation: getBucketLocation,
  GetBucketTagging: getBucketTagging,
  GetBucketVersioning: getBucketVersioning,
  GetObject: getObject,
  GetObjectAcl: getObjectAcl,
  GetObjectAttributes: getObjectAttributes,
  GetObjectTagging: getObjectTagging,
  HeadBucket: headBucket,
  HeadObject: headObject,
  ListBuckets: listBuckets,
  ListMultipartUploads: listMultipartUploads,
  ListObjectVersions: listObjectVersions,
  ListObjects: listObjects,
  ListObjectsV2: listObjectsV2,
  ListParts: listParts,
  PutBucketTagging: putBucketTagging,
  PutBucketVersioning: putBucketVersioning,
  PutObject: putObject,
  PutObjectTagging: putObjectTagging,
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
  DeleteBucketCors: deleteBucketCors,
  GetBucketCors: getBucketCors,
  PutBucketCors: putBucketCors,
  DeleteBucketEncryption: deleteBucketEncryption,
  GetBucketEncryption: getBucketEncryption,
  PutBucketEncryption: putBucketEncryption,
  DeleteBucketOwnershipControls: deleteBucketOwnershipControls,
  GetBucketOwnershipControls: getBucketOwnershipControls,
  PutBucketOwnershipControls: putBucketOwnershipControls,
  DeletePublicAccessBlock: deletePublicAccessBlock,
  GetPublicAccessBlock: getPublicAccessBlock,
  PutPublicAccessBlock: putPublicAccessBlock,
  GetBucketAccelerateConfiguration: getBucketAccelerateConfiguration,
  PutBucketAccelerateConfiguration: putBucketAccelerateConfiguration,
  GetBucketRequestPayment: getBucketRequestPayment,
  PutBucketRequestPayment: putBucketRequestPayment,
  DeleteBucketMetricsConfiguration: deleteBucketMetricsConfiguration,
  GetBucketMetricsConfiguration: getBucketMetricsConfiguration,
  ListBucketMetricsConfigurations: listBucketMetricsConfigurations,
  PutBucketMetricsConfiguration: putBucketMetricsConfiguration,
  DeleteBucketAnalyticsConfiguration: deleteBucketAnalyticsConfiguration,
  GetBucketAnalyticsConfiguration: getBucketAnalyticsConfiguration,
  ListBucketAnalyticsConfigurations: listBucketAnalyticsConfigurations,
  PutBucketAnalyticsConfiguration: putBucketAnalyticsConfiguration,
  DeleteBucketIntelligentTieringConfiguration: deleteBucketIntelligentTieringConfiguration,
  GetBucketIntelligentTieringConfiguration: getBucketIntelligentTieringConfiguration,
  ListBucketIntelligentTieringConfigurations: listBucketIntelligentTieringConfigurations,
  PutBucketIntelligentTieringConfiguration: putBucketIntelligentTieringConfiguration,
  GetBucketAbac: getBucketAbac,
  PutBucketAbac: putBucketAbac,
  ListDirectoryBuckets: listDirectoryBuckets,
  RenameObject: renameObject,
  DeleteBucketPolicy: deleteBucketPolicy,
  GetBucketPolicy: getBucketPolicy,
  GetBucketPolicyStatus: getBucketPolicyStatus,
  PutBucketPolicy: putBucketPolicy,
  DeleteBucketLifecycle: deleteBucketLifecycle,
  GetBucketLifecycleConfiguration: getBucketLifecycleConfiguration,
  PutBucketLifecycleConfiguration: putBucketLifecycleConfiguration,
  RestoreObject: restoreObject,
  GetObjectLegalHold: getObjectLegalHold,
  GetObjectLockConfiguration: getObjectLockConfiguration,
  GetObjectRetention: getObjectRetention,
  PutObjectLegalHold: putObjectLegalHold,
  PutObjectLockConfiguration: putObjectLockConfiguration,
  PutObjectRetention: putObjectRetention,
  UpdateObjectEncryption: updateObjectEncryption,
  DeleteBucketInventoryConfiguration: deleteBucketInventoryConfiguration,
  GetBucketInventoryConfiguration: getBucketInventoryConfiguration,
  ListBucketInventoryConfigurations: listBucketInventoryConfigurations,
  PutBucketInventoryConfiguration: putBucketInventoryConfiguration,
  DeleteBucketReplication: deleteBucketReplication,
  GetBucketReplication: getBucketReplication,
  PutBucketReplication: putBucketReplication,
  GetBucketLogging: getBucketLogging,
  PutBucketLogging: putBucketLogging,
  GetBucketNotificationConfiguration: getBucketNotificationConfiguration,
  PutBucketNotificationConfiguration: putBucketNotificationConfiguration,
  PutBucketAcl: putBucketAcl,
  PutObjectAcl: putObjectAcl,
  PostObject: postObject,
  DeleteBucketWebsite: deleteBucketWebsite,
  GetBucketWebsite: getBucketWebsite,
  PutBucketWebsite: putBucketWebsite,
  // Answered before anybody is asked who he is: handler.ts.
  OptionsObject: () => undefined,
} satisfies Record<SupportedOperation, Handle>;

/** Every operation there is, each with exactly one row. */
export const operations: ReadonlyMap<S3Operation, OperationRow> = new Map<S3Operation, OperationRow>([
  ...supportedOperations.map((name) => [name, { handle: supported[name] }] as const),
  ...refusedOperations.map((name) => [name, { handle: undefined }] as const),
]);
