import { errorTable, StoreError } from '../../errors.ts';
import { httpDate } from '../http/dates.ts';
import type { Exchange } from '../http/exchange.ts';
import { openHeaders } from './call.ts';
import { bareDocument, element } from './xml/writer.ts';

/** What is known of a request when it fails, however early that is. */
export interface FailedRequest {
  readonly exchange: Exchange;
  readonly hostId: string;
  readonly rawPath: string | undefined;
  readonly bucket: string | undefined;
  readonly key: Buffer | undefined;
  readonly versionId: string | undefined;
  readonly uploadId: string | undefined;
}

/** Details that go into headers instead of elements. */
const headerDetails: ReadonlySet<string> = new Set(['DeleteMarker', 'Allow', 'ModifiedMs']);

/** Where an error is about a bucket, its thrower gave the bare name; in S3 a resource is a path. */
function resourceOf({ resource }: StoreError, usual: Record<string, string | undefined>, failed: FailedRequest) {
  if (resource === undefined) return failed.rawPath;
  return 'BucketName' in usual ? `/${resource}` : resource;
}

/** Elements that AWS adds to an error of this code, where the thrower did not give them. */
function usualDetail(error: StoreError, failed: FailedRequest): Record<string, string | undefined> {
  switch (error.code) {
    case 'NoSuchBucket':
    case 'NoSuchBucketPolicy':
    case 'NoSuchTagSet':
    case 'ServerSideEncryptionConfigurationNotFoundError':
    case 'NoSuchCORSConfiguration':
    case 'NoSuchLifecycleConfiguration':
    case 'NoSuchPublicAccessBlockConfiguration':
    case 'NoSuchWebsiteConfiguration':
    case 'OwnershipControlsNotFoundError':
    case 'InvalidBucketName':
    case 'BucketAlreadyExists':
    case 'BucketAlreadyOwnedByYou':
    case 'BucketNotEmpty':
      return { BucketName: failed.bucket };
    case 'NoSuchKey':
      return { Key: failed.key?.toString('utf8') };
    case 'NoSuchVersion':
      return { Key: failed.key?.toString('utf8'), VersionId: failed.versionId };
    case 'NoSuchUpload':
      return { UploadId: failed.uploadId };
    case 'MethodNotAllowed':
      return { Method: failed.exchange.request.method, ResourceType: 'OBJECT' };
    default:
      return {};
  }
}

/** The error document of S3 (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#RESTErrorResponses). */
function errorDocument(error: StoreError, failed: FailedRequest): string {
  const inMarker = error.detail.DeleteMarker !== undefined;
  let inner = element('Code', error.code) + element('Message', error.message);
  const usual = usualDetail(error, failed);
  for (const [name, value] of Object.entries({ ...usual, ...error.detail })) {
    // The id of a delete marker is a header; there it says which version was found, not which was asked for.
    if (headerDetails.has(name) || (inMarker && name === 'VersionId')) continue;
    inner += element(name, value);
  }
  inner +=
    element('Resource', resourceOf(error, usual, failed)) +
    element('RequestId', failed.exchange.id) +
    element('HostId', failed.hostId);
  return bareDocument('Error', inner);
}

/** Answers an error; breaks the connection when another answer has begun. HEAD and 304 have no body. */
export function answerError(error: StoreError, failed: FailedRequest): void {
  const { exchange } = failed;
  if (exchange.begun) {
    exchange.abort();
    return;
  }
  const headers = openHeaders(exchange.id, failed.hostId);
  const { DeleteMarker: marker, VersionId: version, Allow: allow, ModifiedMs: modified, Region: region } = error.detail;
  if (marker !== undefined) headers.push('x-amz-delete-marker', marker);
  if (marker !== undefined && version !== undefined) headers.push('x-amz-version-id', version);
  if (allow !== undefined) headers.push('Allow', allow);
  if (modified !== undefined) headers.push('Last-Modified', httpDate(Number(modified)));
  // Clients that may be in another region than the bucket look for it here, and then sign anew.
  if (region !== undefined && failed.bucket !== undefined) headers.push('x-amz-bucket-region', region);
  if (error.retryAfter !== undefined) headers.push('Retry-After', String(error.retryAfter));
  const status = errorTable[error.code].http;
  let body: Buffer | undefined;
  if (status !== 304) {
    headers.push('Content-Type', 'application/xml');
    // A HEAD has no room for a document, so that the code goes into a header.
    if (exchange.request.method === 'HEAD') headers.push('x-dsom-error-code', error.code);
    else {
      body = Buffer.from(errorDocument(error, failed), 'utf8');
      headers.push('Content-Length', String(body.length));
    }
  }
  exchange.send(status, headers, body);
}

/** InvalidArgument in the form of AWS: which argument, and what it was. */
export function invalidArgument(name: string, value: string | undefined, message: string): StoreError {
  return new StoreError('InvalidArgument', { message, detail: { ArgumentName: name, ArgumentValue: value ?? '' } });
}

/** NotImplemented that names what is missing. */
export function notImplemented(what: string, detail: Readonly<Record<string, string>>): StoreError {
  return new StoreError('NotImplemented', { message: `${what} is not implemented.`, detail });
}
