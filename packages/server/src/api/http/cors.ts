import type { IncomingMessage, ServerResponse } from 'node:http';
import { limits } from '../../limits.ts';
import { Exchange, type ExchangeOptions, type HeaderList } from './exchange.ts';

/** What a page may read of an answer besides the few headers that every page may. The star stands for metadata, whose names nobody knows; browsers from before 2020 take the names alone. */
const exposed = [
  'Accept-Ranges, Content-Encoding, Content-Disposition, Content-Length, Content-Range, Date, ETag, Location, Retry-After',
  'x-amz-bucket-region, x-amz-checksum-crc32, x-amz-checksum-crc32c, x-amz-checksum-crc64nvme, x-amz-checksum-md5, x-amz-checksum-sha1, x-amz-checksum-sha256, x-amz-checksum-sha512, x-amz-checksum-xxhash128, x-amz-checksum-xxhash3, x-amz-checksum-xxhash64, x-amz-checksum-type',
  'x-amz-delete-marker, x-amz-id-2, x-amz-missing-meta, x-amz-mp-parts-count, x-amz-request-id, x-amz-server-side-encryption, x-amz-server-side-encryption-aws-kms-key-id, x-amz-storage-class',
  'x-amz-tagging-count, x-amz-version-id, x-dsom-consistency, x-dsom-error-code, x-dsom-guk, x-dsom-position, x-dsom-redundancy, x-dsom-request-id, x-dsom-token',
  'x-dsom-version-id, *',
].join(', ');

const methods = 'GET, HEAD, PUT, POST, PATCH, DELETE';
const names = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export interface CorsOptions {
  /** Origins as browsers write them (`https://app.example`), or `*` for every one; none: no page may call. */
  readonly allowed: readonly string[];
  readonly requestId: () => string;
  readonly exchange: ExchangeOptions;
}

/** The names in a list of header names; undefined when it is no such list. */
function headerNames(list: string): string | undefined {
  const asked = list.split(',').map((name) => name.trim());
  return asked.every((name) => names.test(name)) ? asked.join(', ') : undefined;
}

/**
 * Lets pages of the origins that the operator named read the answers, whatever the protocol and whether they succeed: the headers are set before
 * a handler sees the request. Never with credentials of the browser: requests are signed, cookies mean nothing here. So an
 * origin that is allowed can do nothing without keys or a presigned address; one that is not is answered as if there were no such thing as CORS.
 * @returns true when the request was a browser's question whether it may send the real one, and is answered
 */
export function createCors(options: CorsOptions): (request: IncomingMessage, response: ServerResponse) => boolean {
  const allowed: ReadonlySet<string> = new Set(options.allowed);
  if (allowed.size === 0) return () => false;
  const every = allowed.has('*');

  const answerPreflight = (request: IncomingMessage, response: ServerResponse) => {
    const exchange = new Exchange(request, response, options.requestId(), options.exchange);
    exchange.operation = 'preflight';
    const headers: HeaderList = ['Access-Control-Allow-Methods', methods];
    const asked = headerNames(request.headers['access-control-request-headers'] ?? 'authorization');
    // Whatever it names: what a header may say is decided when it comes.
    if (asked !== undefined) headers.push('Access-Control-Allow-Headers', asked);
    headers.push('Access-Control-Max-Age', String(limits.preflightSeconds));
    exchange.send(204, headers);
  };

  return (request, response) => {
    const { origin } = request.headers;
    // Also without an origin: a cache must not give that answer to a page.
    if (!every) response.setHeader('Vary', 'Origin');
    if (origin === undefined || !(every || allowed.has(origin))) return false;
    response.setHeader('Access-Control-Allow-Origin', every ? '*' : origin);
    if (request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined) {
      answerPreflight(request, response);
      return true;
    }
    response.setHeader('Access-Control-Expose-Headers', exposed);
    return false;
  };
}
