import type { AccessQuestion } from '../../access/index.ts';
import type { S3Call } from './call.ts';
import {
  refusedOperations,
  type S3Operation,
  type SupportedOperation,
  supportedOperations,
  type UnsetOperation,
  unsetOperations,
} from './names.ts';
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
import { deleteBucketMetricsConfiguration } from './operations/delete-bucket-metrics-configuration.ts';
import { deleteBucketOwnershipControls } from './operations/delete-bucket-ownership-controls.ts';
import { deleteBucketTagging } from './operations/delete-bucket-tagging.ts';
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
import { getBucketLocation } from './operations/get-bucket-location.ts';
import { getBucketMetricsConfiguration } from './operations/get-bucket-metrics-configuration.ts';
import { getBucketOwnershipControls } from './operations/get-bucket-ownership-controls.ts';
import { getBucketRequestPayment } from './operations/get-bucket-request-payment.ts';
import { getBucketTagging } from './operations/get-bucket-tagging.ts';
import { getBucketVersioning } from './operations/get-bucket-versioning.ts';
import { getObject } from './operations/get-object.ts';
import { getObjectAcl } from './operations/get-object-acl.ts';
import { getObjectAttributes } from './operations/get-object-attributes.ts';
import { getObjectTagging } from './operations/get-object-tagging.ts';
import { getPublicAccessBlock } from './operations/get-public-access-block.ts';
import { headBucket } from './operations/head-bucket.ts';
import { headObject } from './operations/head-object.ts';
import { listBucketAnalyticsConfigurations } from './operations/list-bucket-analytics-configurations.ts';
import { listBucketIntelligentTieringConfigurations } from './operations/list-bucket-intelligent-tiering-configurations.ts';
import { listBucketMetricsConfigurations } from './operations/list-bucket-metrics-configurations.ts';
import { listBuckets } from './operations/list-buckets.ts';
import { listDirectoryBuckets } from './operations/list-directory-buckets.ts';
import { listMultipartUploads } from './operations/list-multipart-uploads.ts';
import { listObjectVersions } from './operations/list-object-versions.ts';
import { listObjects } from './operations/list-objects.ts';
import { listObjectsV2 } from './operations/list-objects-v2.ts';
import { listParts } from './operations/list-parts.ts';
import { putBucketAbac } from './operations/put-bucket-abac.ts';
import { putBucketAccelerateConfiguration } from './operations/put-bucket-accelerate-configuration.ts';
import { putBucketAnalyticsConfiguration } from './operations/put-bucket-analytics-configuration.ts';
import { putBucketCors } from './operations/put-bucket-cors.ts';
import { putBucketEncryption } from './operations/put-bucket-encryption.ts';
import { putBucketIntelligentTieringConfiguration } from './operations/put-bucket-intelligent-tiering-configuration.ts';
import { putBucketMetricsConfiguration } from './operations/put-bucket-metrics-configuration.ts';
import { putBucketOwnershipControls } from './operations/put-bucket-ownership-controls.ts';
import { putBucketRequestPayment } from './operations/put-bucket-request-payment.ts';
import { putBucketTagging } from './operations/put-bucket-tagging.ts';
import { putBucketVersioning } from './operations/put-bucket-versioning.ts';
import { putObject } from './operations/put-object.ts';
import { putObjectTagging } from './operations/put-object-tagging.ts';
import { putPublicAccessBlock } from './operations/put-public-access-block.ts';
import { uploadPart } from './operations/upload-part.ts';
import { uploadPartCopy } from './operations/upload-part-copy.ts';
import { answerUnset } from './unset.ts';

type Kind = Exclude<AccessQuestion['kind'], 'admin'>;

/** How an operation is authorised, and what does it. */
export interface OperationRow {
  readonly kind: Kind;
  /** The action that access is asked about (https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html). */
  readonly action: string;
  /** The action when the request names a version. */
  readonly versionAction: string;
  /** undefined: refused by name. */
  readonly handle: ((call: S3Call) => void | Promise<void>) | undefined;
}

type Handle = (call: S3Call) => void | Promise<void>;

const row = (kind: Kind, action: string, handle: Handle, versionAction = action): OperationRow => ({
  kind,
  action,
  handle,
  versionAction,
});

const supported = {
  AbortMultipartUpload: row('write', 'AbortMultipartUpload', abortMultipartUpload),
  CompleteMultipartUpload: row('write', 'PutObject', completeMultipartUpload),
  CopyObject: row('write', 'PutObject', copyObject),
  CreateBucket: row('write', 'CreateBucket', createBucket),
  CreateMultipartUpload: row('write', 'PutObject', createMultipartUpload),
  DeleteBucket: row('write', 'DeleteBucket', deleteBucket),
  DeleteBucketTagging: row('write', 'PutBucketTagging', deleteBucketTagging),
  DeleteObject: row('write', 'DeleteObject', deleteObject, 'DeleteObjectVersion'),
  DeleteObjectTagging: row('write', 'DeleteObjectTagging', deleteObjectTagging, 'DeleteObjectVersionTagging'),
  DeleteObjects: row('write', 'DeleteObject', deleteObjects),
  GetBucketAcl: row('read', 'GetBucketAcl', getBucketAcl),
  GetBucketLocation: row('read', 'GetBucketLocation', getBucketLocation),
  GetBucketTagging: row('read', 'GetBucketTagging', getBucketTagging),
  GetBucketVersioning: row('read', 'GetBucketVersioning', getBucketVersioning),
  GetObject: row('read', 'GetObject', getObject, 'GetObjectVersion'),
  GetObjectAcl: row('read', 'GetObjectAcl', getObjectAcl, 'GetObjectVersionAcl'),
  GetObjectAttributes: row('read', 'GetObjectAttributes', getObjectAttributes, 'GetObjectVersionAttributes'),
  GetObjectTagging: row('read', 'GetObjectTagging', getObjectTagging, 'GetObjectVersionTagging'),
  HeadBucket: row('read', 'ListBucket', headBucket),
  HeadObject: row('read', 'GetObject', headObject, 'GetObjectVersion'),
  ListBuckets: row('read', 'ListAllMyBuckets', listBuckets),
  ListMultipartUploads: row('read', 'ListBucketMultipartUploads', listMultipartUploads),
  ListObjectVersions: row('read', 'ListBucketVersions', listObjectVersions),
  ListObjects: row('read', 'ListBucket', listObjects),
  ListObjectsV2: row('read', 'ListBucket', listObjectsV2),
  ListParts: row('read', 'ListMultipartUploadParts', listParts),
  PutBucketTagging: row('write', 'PutBucketTagging', putBucketTagging),
  PutBucketVersioning: row('write', 'PutBucketVersioning', putBucketVersioning),
  PutObject: row('write', 'PutObject', putObject),
  PutObjectTagging: row('write', 'PutObjectTagging', putObjectTagging, 'PutObjectVersionTagging'),
  UploadPart: row('write', 'PutObject', uploadPart),
  UploadPartCopy: row('write', 'PutObject', uploadPartCopy),
  DeleteBucketCors: row('write', 'PutBucketCORS', deleteBucketCors),
  GetBucketCors: row('read', 'GetBucketCORS', getBucketCors),
  PutBucketCors: row('write', 'PutBucketCORS', putBucketCors),
  DeleteBucketEncryption: row('write', 'PutEncryptionConfiguration', deleteBucketEncryption),
  GetBucketEncryption: row('read', 'GetEncryptionConfiguration', getBucketEncryption),
  PutBucketEncryption: row('write', 'PutEncryptionConfiguration', putBucketEncryption),
  DeleteBucketOwnershipControls: row('write', 'PutBucketOwnershipControls', deleteBucketOwnershipControls),
  GetBucketOwnershipControls: row('read', 'GetBucketOwnershipControls', getBucketOwnershipControls),
  PutBucketOwnershipControls: row('write', 'PutBucketOwnershipControls', putBucketOwnershipControls),
  DeletePublicAccessBlock: row('write', 'PutBucketPublicAccessBlock', deletePublicAccessBlock),
  GetPublicAccessBlock: row('read', 'GetBucketPublicAccessBlock', getPublicAccessBlock),
  PutPublicAccessBlock: row('write', 'PutBucketPublicAccessBlock', putPublicAccessBlock),
  GetBucketAccelerateConfiguration: row('read', 'GetAccelerateConfiguration', getBucketAccelerateConfiguration),
  PutBucketAccelerateConfiguration: row('write', 'PutAccelerateConfiguration', putBucketAccelerateConfiguration),
  GetBucketRequestPayment: row('read', 'GetBucketRequestPayment', getBucketRequestPayment),
  PutBucketRequestPayment: row('write', 'PutBucketRequestPayment', putBucketRequestPayment),
  DeleteBucketMetricsConfiguration: row('write', 'PutMetricsConfiguration', deleteBucketMetricsConfiguration),
  GetBucketMetricsConfiguration: row('read', 'GetMetricsConfiguration', getBucketMetricsConfiguration),
  ListBucketMetricsConfigurations: row('read', 'GetMetricsConfiguration', listBucketMetricsConfigurations),
  PutBucketMetricsConfiguration: row('write', 'PutMetricsConfiguration', putBucketMetricsConfiguration),
  DeleteBucketAnalyticsConfiguration: row('write', 'PutAnalyticsConfiguration', deleteBucketAnalyticsConfiguration),
  GetBucketAnalyticsConfiguration: row('read', 'GetAnalyticsConfiguration', getBucketAnalyticsConfiguration),
  ListBucketAnalyticsConfigurations: row('read', 'GetAnalyticsConfiguration', listBucketAnalyticsConfigurations),
  PutBucketAnalyticsConfiguration: row('write', 'PutAnalyticsConfiguration', putBucketAnalyticsConfiguration),
  DeleteBucketIntelligentTieringConfiguration: row(
    'write',
    'PutIntelligentTieringConfiguration',
    deleteBucketIntelligentTieringConfiguration,
  ),
  GetBucketIntelligentTieringConfiguration: row(
    'read',
    'GetIntelligentTieringConfiguration',
    getBucketIntelligentTieringConfiguration,
  ),
  ListBucketIntelligentTieringConfigurations: row(
    'read',
    'GetIntelligentTieringConfiguration',
    listBucketIntelligentTieringConfigurations,
  ),
  PutBucketIntelligentTieringConfiguration: row(
    'write',
    'PutIntelligentTieringConfiguration',
    putBucketIntelligentTieringConfiguration,
  ),
  GetBucketAbac: row('read', 'GetBucketAbac', getBucketAbac),
  PutBucketAbac: row('write', 'PutBucketAbac', putBucketAbac),
  ListDirectoryBuckets: row('read', 'ListAllMyBuckets', listDirectoryBuckets),
  // Answered before anybody is asked who he is: handler.ts.
  OptionsObject: row('read', 'GetObject', () => undefined),
} satisfies Record<SupportedOperation, OperationRow>;

const unset = (operation: UnsetOperation): OperationRow =>
  row('read', operation, (call) => answerUnset(call, operation));
const refused = (operation: S3Operation): OperationRow => ({
  kind: /^(?:Get|List|Select|Options|CreateSession)/.test(operation) ? 'read' : 'write',
  action: operation,
  versionAction: operation,
  handle: undefined,
});

/** Every operation there is, each with exactly one row. */
export const operations: ReadonlyMap<S3Operation, OperationRow> = new Map<S3Operation, OperationRow>([
  ...supportedOperations.map((name) => [name, supported[name]] as const),
  ...unsetOperations.map((name) => [name, unset(name)] as const),
  ...refusedOperations.map((name) => [name, refused(name)] as const),
]);
