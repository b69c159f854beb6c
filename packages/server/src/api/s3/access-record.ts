import type { S3Operation } from './names.ts';

/*
 * One line of a server access log (https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html): 26 fields between spaces, `-` where there is nothing to say. What
 * clients write themselves (key, Referer, User-Agent, host) cannot end a field or a line, whatever it holds.
 */

/** What is known of a request when its answer has gone. */
export interface AccessRecord {
  readonly bucketOwner: string;
  readonly bucket: string;
  /** When the request came, ms since 1970. */
  readonly timeMs: number;
  readonly address: string | undefined;
  /** Cipher suite and version of TLS, as OpenSSL names them. */
  readonly cipher: string | undefined;
  readonly tls: string | undefined;
  /** Absent: anonymous, or not known to be anybody. */
  readonly requester: string | undefined;
  readonly requestId: string;
  /** As {@link requestOperation} names it, or one of those that no request is by itself: `BATCH.DELETE.OBJECT`. */
  readonly operation: string;
  /** Empty: the operation is one of the bucket. */
  readonly key: Buffer;
  /** What came, as in a request line: `GET /bucket/key?x=y HTTP/1.1`, with what clients say of themselves. Absent: it is a part of another request, or of none. */
  readonly request?: {
    readonly line: string;
    readonly referer: string | undefined;
    readonly userAgent: string | undefined;
  };
  readonly status?: number;
  readonly errorCode: string | undefined;
  readonly bytesSent: number;
  readonly objectSize: number | undefined;
  readonly totalMs?: number;
  readonly turnAroundMs?: number | undefined;
  readonly versionId: string | undefined;
  readonly hostId: string | undefined;
  readonly authentication: 'AuthHeader' | 'QueryString' | undefined;
  readonly hostHeader: string | undefined;
  readonly region: string;
}

/** Resource types that are not what the name of the operation says. */
const types: Partial<Record<S3Operation, string>> = {
  GetObject: 'GET.OBJECT',
  HeadObject: 'HEAD.OBJECT',
  PutObject: 'PUT.OBJECT',
  PostObject: 'POST.OBJECT',
  CopyObject: 'COPY.OBJECT',
  DeleteObject: 'DELETE.OBJECT',
  DeleteObjects: 'POST.MULTI_OBJECT_DELETE',
  UploadPart: 'PUT.PART',
  UploadPartCopy: 'COPY.PART',
  CreateMultipartUpload: 'POST.UPLOADS',
  CompleteMultipartUpload: 'POST.UPLOAD',
  AbortMultipartUpload: 'DELETE.UPLOAD',
  ListParts: 'GET.UPLOAD',
  ListMultipartUploads: 'GET.UPLOADS',
  ListObjects: 'GET.BUCKET',
  ListObjectsV2: 'GET.BUCKET',
  ListObjectVersions: 'GET.BUCKETVERSIONS',
  HeadBucket: 'HEAD.BUCKET',
  CreateBucket: 'PUT.BUCKET',
  DeleteBucket: 'DELETE.BUCKET',
  GetBucketLogging: 'GET.LOGGING_STATUS',
  PutBucketLogging: 'PUT.LOGGING_STATUS',
  GetBucketPolicy: 'GET.BUCKETPOLICY',
  PutBucketPolicy: 'PUT.BUCKETPOLICY',
  DeleteBucketPolicy: 'DELETE.BUCKETPOLICY',
  GetObjectAcl: 'GET.ACL',
  PutObjectAcl: 'PUT.ACL',
  OptionsObject: 'OPTIONS.PREFLIGHT',
};

const derived = new Map<S3Operation, string>();

/** `REST.METHOD.RESOURCE_TYPE`. */
export function requestOperation(operation: S3Operation | undefined, method: string): string {
  if (operation === undefined) return `REST.${method}.UNKNOWN`;
  let known = derived.get(operation);
  if (known === undefined) {
    const name = operation.replace(
      /^(?:Get|Put|Delete|List|Create|Update|Restore|Select|Rename)(?:Bucket(?=[A-Z]))?/,
      '',
    );
    const resource = name
      .replace(/Configurations?$/, '')
      .replace(/([a-z])(?=[A-Z])/g, '$1_')
      .toUpperCase();
    known = `REST.${types[operation] ?? `${method}.${resource}`}`;
    derived.set(operation, known);
  }
  return known;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (value: number): string => String(value).padStart(2, '0');

function timeText(ms: number): string {
  const time = new Date(ms);
  const day = `${two(time.getUTCDate())}/${months[time.getUTCMonth()]}/${time.getUTCFullYear()}`;
  return `[${day}:${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())} +0000]`;
}

const keyPlain = /[A-Za-z0-9\-._~/*]/;

/** URL-encoded twice, as AWS writes keys: a reader decodes what he finds in the request once more. */
function keyText(key: Buffer): string {
  let out = '';
  for (const byte of key) {
    const character = String.fromCharCode(byte);
    out += keyPlain.test(character) ? character : `%25${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

const visible = /^[\x21\x23-\x7e]$/;

/** Characters that could end a field, a line or the quotes are percent-encoded. @param spaces whether a space may stay */
function escaped(text: string, spaces: boolean): string {
  let out = '';
  for (const character of text)
    out +=
      visible.test(character) || (spaces && character === ' ')
        ? character
        : [...Buffer.from(character, 'utf8')]
            .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
            .join('');
  return out;
}

const field = (value: string | number | undefined): string =>
  value === undefined || value === '' ? '-' : typeof value === 'number' ? String(value) : escaped(value, false);
const quoted = (value: string | undefined): string =>
  value === undefined || value === '' ? '"-"' : `"${escaped(value, true)}"`;

const rounded = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : Math.round(ms));

/** The line, with its end. */
export function accessLine(record: AccessRecord): string {
  const address = record.address?.startsWith('::ffff:') ? record.address.slice(7) : record.address;
  const { authentication, request } = record;
  return `${[
    field(record.bucketOwner),
    field(record.bucket),
    timeText(record.timeMs),
    field(address),
    field(record.requester),
    field(record.requestId),
    record.operation,
    record.key.length === 0 ? '-' : keyText(record.key),
    request ? quoted(request.line) : '-',
    field(record.status),
    field(record.errorCode),
    record.bytesSent === 0 ? '-' : String(record.bytesSent),
    field(record.objectSize),
    field(rounded(record.totalMs)),
    field(rounded(record.turnAroundMs)),
    request ? quoted(request.referer) : '-',
    request ? quoted(request.userAgent) : '-',
    field(record.versionId),
    field(record.hostId),
    authentication === undefined ? '-' : 'SigV4',
    field(record.cipher),
    field(authentication),
    field(record.hostHeader),
    field(record.tls),
    // An access point, and whether an access control list was needed.
    '-',
    '-',
    field(record.region),
  ].join(' ')}\n`;
}
