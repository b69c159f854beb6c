/** How one failure looks on each protocol: HTTP status, gRPC status code (google.rpc.Code), whether a retry can help, default message. */
interface ErrorRow {
  readonly http: number;
  readonly grpc: number;
  readonly retry: boolean;
  readonly message: string;
}

const row = (http: number, grpc: number, message: string, retry = false): ErrorRow => ({ http, grpc, retry, message });

/**
 * Every failure a client can see; the name is the S3 error code where S3 has one
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
 */
export const errorTable = {
  AccessControlListNotSupported: row(
    400,
    12,
    'The bucket does not allow ACLs: set its object ownership to BucketOwnerPreferred or ObjectWriter first.',
  ),
  AccessDenied: row(403, 7, 'Access Denied'),
  AccessForbidden: row(403, 7, 'Access forbidden.'),
  AuthorizationHeaderMalformed: row(400, 3, 'The authorization header is malformed.'),
  AuthorizationQueryParametersError: row(400, 3, 'The query string authorization parameters are not valid.'),
  BadDigest: row(400, 3, 'The Content-MD5 or checksum you gave does not match what was received.'),
  BadRequest: row(400, 3, 'The request is not valid.'),
  BucketAlreadyExists: row(
    409,
    6,
    'The requested bucket name is not available: another account has it. Select a different name and try again.',
  ),
  BucketAlreadyOwnedByYou: row(
    409,
    6,
    'Your previous request to create the named bucket succeeded and you already own it.',
  ),
  BucketNotEmpty: row(
    409,
    9,
    'The bucket you tried to delete is not empty: delete its objects, all their versions, and its uploads first.',
  ),
  ConditionalRequestConflict: row(409, 10, 'Another write to this key was under way. Try again.', true),
  ConcurrentModification: row(409, 10, 'Somebody else changed it at the same time. Try again.', true),
  Damaged: row(500, 15, 'The stored bytes are damaged and no good copy is left.'),
  DeleteConflict: row(409, 9, 'It is in use: take away first what uses it.'),
  EntityAlreadyExists: row(409, 6, 'It exists already.'),
  EntityTooLarge: row(400, 3, 'Your proposed upload exceeds the maximum allowed object size.'),
  EntityTooSmall: row(
    400,
    3,
    'Your proposed upload is smaller than the minimum allowed object size: every part but the last has at least 5 MiB.',
  ),
  ExpiredToken: row(400, 16, 'The provided token has expired.'),
  IllegalVersioningConfigurationException: row(
    400,
    3,
    'The versioning configuration specified in the request is not valid.',
  ),
  IncompleteBody: row(400, 3, 'You did not provide the number of bytes specified by the Content-Length HTTP header.'),
  IncorrectNumberOfFilesInPostRequest: row(400, 3, 'POST requires exactly one file upload per request.'),
  InternalError: row(500, 13, 'An internal error occurred. Try again; if it stays, look at the server log.', true),
  InvalidAccessKeyId: row(403, 16, 'The access key ID that you provided does not exist in our records.'),
  InvalidAction: row(400, 12, 'The action is not known.'),
  InvalidArgument: row(400, 3, 'An argument is not valid.'),
  InvalidBucketAclWithObjectOwnership: row(
    400,
    9,
    "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
  ),
  InvalidBucketState: row(409, 9, 'The request is not valid for the current state of the bucket.'),
  InvalidBucketName: row(400, 3, 'The specified bucket is not valid.'),
  InvalidBucketOwnerAWSAccountID: row(
    400,
    3,
    'The value of the expected bucket owner parameter must be an AWS account ID.',
  ),
  InvalidChunkSizeError: row(403, 3, 'Only the last chunk is allowed to have a size less than 8192 bytes.'),
  InvalidDigest: row(400, 3, 'The Content-MD5 or checksum value that you specified is not valid.'),
  InvalidInput: row(400, 3, 'A parameter is not valid.'),
  InvalidLocationConstraint: row(400, 3, 'The specified location constraint is not valid.'),
  InvalidEncryptionAlgorithmError: row(
    400,
    3,
    'The encryption request that you specified is not valid. The valid value is AES256.',
  ),
  InvalidPart: row(
    400,
    3,
    "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
  ),
  InvalidPartNumber: row(416, 11, 'The requested part number does not exist.'),
  InvalidPartOrder: row(
    400,
    3,
    'The list of parts was not in ascending order. The parts list must be specified in order by part number.',
  ),
  InvalidPolicyDocument: row(
    400,
    3,
    'The content of the form does not meet the conditions specified in the policy document.',
  ),
  InvalidRange: row(416, 11, 'The requested range is not satisfiable'),
  InvalidRedirectLocation: row(400, 3, 'The website redirect location must begin with / or http:// or https://.'),
  InvalidRequest: row(400, 3, 'The request is not valid.'),
  InvalidObjectState: row(403, 9, 'The operation is not valid for the current state of the object.'),
  InvalidRetentionPeriod: row(400, 3, 'The retention period is not valid.'),
  InvalidStorageClass: row(400, 3, 'The storage class that you specified is not valid.'),
  InvalidS3DestinationBucket: row(400, 3, 'The destination bucket is not valid.'),
  InvalidTargetBucketForLogging: row(400, 3, 'The target bucket for logging is not valid.'),
  InvalidTag: row(400, 3, 'A tag is not valid.'),
  InvalidToken: row(400, 3, 'The token is not valid.'),
  InvalidURI: row(400, 3, 'The specified URI could not be parsed.'),
  InvalidWriteOffset: row(400, 9, 'The offset is not the size that the object has: read its size and try again.'),
  KeyTooLongError: row(400, 3, 'Your key is too long: it has 1,024 bytes at most.'),
  MalformedACLError: row(
    400,
    3,
    'The ACL that you provided was not well formed or did not validate against our published schema.',
  ),
  MalformedPolicy: row(400, 3, 'The policy is not valid.'),
  'KMS.DisabledException': row(400, 9, 'The request was rejected because the specified KMS key is not enabled.'),
  'KMS.NotFoundException': row(400, 5, 'The request was rejected because the specified key could not be found.'),
  LimitExceeded: row(409, 8, 'It would exceed a limit of the account: delete what is not needed.'),
  MalformedPolicyDocument: row(400, 3, 'The policy document is malformed.'),
  MalformedQueryString: row(400, 3, 'The form of the request is malformed.'),
  MalformedPOSTRequest: row(400, 3, 'The body of your POST request is not well-formed multipart/form-data.'),
  MalformedTrailerError: row(
    400,
    3,
    'The trailer of the body is not well formed or does not match what the headers announced.',
  ),
  MalformedXML: row(
    400,
    3,
    'The XML you provided was not well-formed or did not validate against our published schema.',
  ),
  MaxMessageLengthExceeded: row(400, 3, 'Your request was too large.'),
  MaxPostPreDataLengthExceededError: row(400, 3, 'Your POST request fields preceding the upload file were too large.'),
  MetadataTooLarge: row(400, 3, 'Your metadata headers exceed the maximum allowed metadata size: 2 KB in all.'),
  MethodNotAllowed: row(405, 12, 'The specified method is not allowed against this resource.'),
  MissingAction: row(400, 3, 'The request is missing an action or a required parameter.'),
  MissingAuthenticationToken: row(403, 16, 'Request is missing Authentication Token'),
  MissingContentLength: row(411, 3, 'You must provide the Content-Length HTTP header.'),
  MissingSecurityHeader: row(400, 3, 'Your request was missing a required header.'),
  MissingRequestBodyError: row(400, 3, 'Request body is empty.'),
  NoSuchBucket: row(404, 5, 'The specified bucket does not exist'),
  NoSuchBucketPolicy: row(404, 5, 'The bucket policy does not exist'),
  ServerSideEncryptionConfigurationNotFoundError: row(
    404,
    5,
    'The server side encryption configuration was not found.',
  ),
  NoSuchCORSConfiguration: row(404, 5, 'The CORS configuration does not exist'),
  NoSuchConfiguration: row(404, 5, 'The specified configuration does not exist.'),
  NoSuchEntity: row(404, 5, 'It cannot be found.'),
  NoSuchKey: row(404, 5, 'The specified key does not exist.'),
  NoSuchLifecycleConfiguration: row(404, 5, 'The lifecycle configuration does not exist'),
  NoSuchObjectLockConfiguration: row(404, 5, 'The specified object does not have a ObjectLock configuration'),
  NoSuchPublicAccessBlockConfiguration: row(404, 5, 'The public access block configuration was not found'),
  NoSuchTagSet: row(404, 5, 'The TagSet does not exist'),
  NoSuchUpload: row(
    404,
    5,
    'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  ),
  NoSuchVersion: row(404, 5, 'The specified version does not exist.'),
  NoSuchWebsiteConfiguration: row(404, 5, 'The specified bucket does not have a website configuration'),
  NotFound: row(404, 5, 'The resource does not exist.'),
  NotInThisShard: row(503, 14, 'The key is in another part of the metadata by now. Try again.', true),
  NotImplemented: row(501, 12, 'The operation is not implemented.'),
  NotModified: row(304, 9, 'Not modified.'),
  ObjectLockConfigurationNotFoundError: row(404, 5, 'Object Lock configuration does not exist for this bucket'),
  OwnershipControlsNotFoundError: row(404, 5, 'The bucket ownership controls were not found.'),
  PackedPolicyTooLarge: row(400, 3, 'The session policies and tags are too large together: use smaller ones.'),
  PreconditionFailed: row(412, 9, 'At least one of the pre-conditions you specified did not hold'),
  QuotaExceeded: row(403, 8, 'It would exceed a quota: delete what is not needed, or ask the operator for more.'),
  ReplicationConfigurationNotFoundError: row(404, 5, 'The replication configuration was not found'),
  RequestHeaderSectionTooLarge: row(400, 3, 'The request headers are too large.'),
  RequestTimeTooSkewed: row(
    403,
    16,
    'The difference between the request time and the current time is too large: 15 minutes are allowed. Set the clock.',
  ),
  RequestTimeout: row(
    400,
    4,
    'Your socket connection to the server was not read from or written to within the timeout period.',
    true,
  ),
  ServiceUnavailable: row(503, 14, 'The server cannot serve this request now. Try again.', true),
  SignatureDoesNotMatch: row(
    403,
    16,
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  ),
  RestoreAlreadyInProgress: row(409, 9, 'Object restore is already in progress'),
  SlowDown: row(503, 8, 'Too many requests at once. Slow down and try again.', true),
  StalePlacement: row(503, 14, 'The device was chosen by an older placement map than its node knows. Try again.', true),
  StorageFull: row(
    507,
    8,
    'The storage is full. Delete objects or add a data directory; reads and deletes still work.',
  ),
  TooManyConfigurations: row(
    400,
    8,
    'You are attempting to create a new configuration but have already reached the 1,000-configuration limit.',
  ),
  TooManyParts: row(
    400,
    8,
    'The object consists of too many appended pieces. Rewrite it by reading it and putting it again.',
  ),
  TooManyBuckets: row(400, 8, 'The number of buckets has reached its limit.'),
  UserKeyMustBeSpecified: row(
    400,
    3,
    'The bucket POST must contain the specified field name. If it is specified, check the order of the fields.',
  ),
  UnsupportedRedundancy: row(
    400,
    9,
    'This layout cannot give the wanted redundancy. Ask for less or add data directories.',
  ),
  ValidationError: row(400, 3, 'A parameter does not fit its constraints.'),
  XAmzContentSHA256Mismatch: row(400, 3, 'The x-amz-content-sha256 header does not match what was received.'),
  UnexpectedContent: row(
    400,
    3,
    'This request does not support content: say it in headers or in the body, not in both.',
  ),
  UnresolvableGrantByEmailAddress: row(400, 3, 'The e-mail address that you gave does not match any account.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

/** What an error may carry besides its code. `detail` becomes extra elements of the answer; `cause` is logged, never sent. */
export interface ErrorContext {
  readonly message?: string;
  readonly resource?: string;
  readonly detail?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
  /** Seconds after which a retry may help (Retry-After). */
  readonly retryAfter?: number;
}

/** A failure that the client may see. Programmer errors are {@link InvariantError}s instead. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: ErrorCode;
  readonly resource: string | undefined;
  readonly detail: Readonly<Record<string, string>>;
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, context: ErrorContext = {}) {
    super(
      context.message ?? errorTable[code].message,
      context.cause === undefined ? undefined : { cause: context.cause },
    );
    this.code = code;
    this.resource = context.resource;
    this.detail = context.detail ?? {};
    this.retryAfter = context.retryAfter;
  }

  get http(): number {
    return errorTable[this.code].http;
  }
}

/** An error as it travels to another thread or node: plain data, without cause and stack. */
export interface Failure {
  /** Undefined for what was no {@link StoreError}. */
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly resource: string | undefined;
  readonly detail: Readonly<Record<string, string>>;
  readonly retryAfter: number | undefined;
}

export function failureOf(cause: unknown): Failure {
  const known = cause instanceof StoreError ? cause : undefined;
  const message = cause instanceof Error ? cause.message : String(cause);
  return {
    code: known?.code,
    message,
    resource: known?.resource,
    detail: known?.detail ?? {},
    retryAfter: known?.retryAfter,
  };
}

/** The error that a {@link Failure} tells of; InternalError when it was no StoreError. */
export function errorOf(failure: Failure): StoreError {
  const { code, message, resource, detail, retryAfter } = failure;
  return new StoreError(code ?? 'InternalError', {
    message,
    detail,
    ...(resource !== undefined && { resource }),
    ...(retryAfter !== undefined && { retryAfter }),
  });
}

/** Bytes read back from a device are not those that were written. Its own kind, so that nothing mistakes it for a client's error. */
export class CorruptionError extends Error {
  override readonly name = 'CorruptionError';
}
