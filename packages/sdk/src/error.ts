import { textOf } from './xml.ts';

/** Codes that the SDK itself gives, besides those of the server (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html). */
type LocalCode = 'ConnectionFailed' | 'TimedOut' | 'InvalidArgument' | 'InvalidResponse' | 'BodyInterrupted';

/** A code of the SDK or of the server; the list is open, since servers may know newer ones. */
export type DsomErrorCode =
  | LocalCode
  | 'AccessDenied'
  | 'BucketAlreadyExists'
  | 'BucketAlreadyOwnedByYou'
  | 'BucketNotEmpty'
  | 'InvalidAccessKeyId'
  | 'NoSuchBucket'
  | 'NoSuchKey'
  | 'NoSuchUpload'
  | 'NoSuchVersion'
  | 'NotFound'
  | 'NotModified'
  | 'PreconditionFailed'
  | 'RequestTimeTooSkewed'
  | 'SignatureDoesNotMatch'
  | 'SlowDown'
  | 'StorageFull'
  | (string & {});

export interface DsomErrorContext {
  readonly message?: string;
  /** HTTP status; 0 when no answer came. */
  readonly status?: number;
  readonly requestId?: string | undefined;
  readonly resource?: string | undefined;
  readonly retryable?: boolean;
  /** Seconds that the server asked to wait. */
  readonly retryAfter?: number | undefined;
  /** Tries made, the failed one included. */
  readonly attempts?: number;
  readonly cause?: unknown;
}

/** Every failure of the SDK but an abort, which throws the signal's reason. */
export class DsomError extends Error {
  override readonly name = 'DsomError';
  readonly code: DsomErrorCode;
  /** HTTP status; 0 when no answer came. */
  readonly status: number;
  /** The server's id of the failed request, to look it up in the server's log. */
  readonly requestId: string | undefined;
  readonly resource: string | undefined;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  readonly retryAfter: number | undefined;
  /** Tries made. Above 1, an earlier try may have been carried out although its answer was lost. */
  attempts: number;

  constructor(code: DsomErrorCode, context: DsomErrorContext = {}) {
    super(context.message ?? code, context.cause === undefined ? undefined : { cause: context.cause });
    this.code = code;
    this.status = context.status ?? 0;
    this.requestId = context.requestId;
    this.resource = context.resource;
    this.retryable = context.retryable ?? false;
    this.retryAfter = context.retryAfter;
    this.attempts = context.attempts ?? 1;
  }
}

const retryableStatus = new Set([408, 425, 429, 500, 502, 503, 504]);
const retryableCode = new Set([
  'SlowDown',
  'ServiceUnavailable',
  'RequestTimeout',
  'ConditionalRequestConflict',
  'InternalError',
]);

/** What an answer without a body (HEAD, 304) most likely means. */
const codeOfStatus: Readonly<Record<number, DsomErrorCode>> = {
  304: 'NotModified',
  403: 'AccessDenied',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  412: 'PreconditionFailed',
  416: 'InvalidRange',
  429: 'SlowDown',
  500: 'InternalError',
  501: 'NotImplemented',
  503: 'ServiceUnavailable',
  507: 'StorageFull',
};

/** What is said of such an answer. */
const messageOfCode: Readonly<Record<string, string>> = {
  NoSuchKey: 'The object does not exist.',
  NoSuchVersion: 'The version does not exist.',
  NoSuchBucket: 'The bucket does not exist.',
  NotModified: 'The object has not changed.',
  PreconditionFailed: 'A condition of the request does not hold.',
  AccessDenied: 'The keys do not permit this.',
};

interface Told {
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly resource: string | undefined;
  readonly requestId: string | undefined;
}

function readProblem(body: string): Told | undefined {
  try {
    const problem = JSON.parse(body) as Record<string, unknown>;
    const text = (name: string) => (typeof problem[name] === 'string' ? (problem[name] as string) : undefined);
    const request = /^urn:dsom:request:(.+)$/.exec(text('instance') ?? '')?.[1];
    return {
      code: text('code'),
      message: text('detail') ?? text('title'),
      resource: text('resource'),
      requestId: text('requestId') ?? request,
    };
  } catch {
    return undefined;
  }
}

function readXml(body: string): Told | undefined {
  const code = textOf(body, 'Code');
  return code === undefined
    ? undefined
    : {
        code,
        message: textOf(body, 'Message'),
        resource: textOf(body, 'Resource'),
        requestId: textOf(body, 'RequestId'),
      };
}

/** Seconds of a Retry-After header, in seconds or as a date. */
function retryAfterOf(headers: Headers, now: number): number | undefined {
  const value = headers.get('retry-after');
  if (value === null) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - now) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

/** Makes the error of an answer that is no success. Reads its body. @param path what was asked for, where the answer does not say */
export async function errorOf(response: Response, now: number, path?: string): Promise<DsomError> {
  const body = await response.text().catch(() => '');
  const told = body.startsWith('{') ? readProblem(body) : readXml(body);
  const { status, headers } = response;
  const code = told?.code ?? headers.get('x-dsom-error-code') ?? codeOfStatus[status] ?? `Http${status}`;
  return new DsomError(code, {
    message:
      told?.message ??
      messageOfCode[code] ??
      `The server answered ${status}${response.statusText === '' ? '' : ` ${response.statusText}`}.`,
    status,
    requestId: told?.requestId ?? headers.get('x-amz-request-id') ?? undefined,
    resource: told?.resource ?? path,
    retryable: retryableStatus.has(status) || retryableCode.has(code),
    retryAfter: retryAfterOf(headers, now),
  });
}
