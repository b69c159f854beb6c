import type { IncomingHttpHeaders } from 'node:http';
import type { Target } from '../../access/index.ts';
import { encodeHeader } from '../http/header-text.ts';

/** Parameters of a presigned URL that are about the signature, not headers in another place. */
const signing: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-content-sha256',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-security-token',
  'x-amz-signature',
  'x-amz-signedheaders',
]);

/** A presigned URL may carry `x-amz-` headers as parameters; they are signed with the rest of the query. */
export function withParameters(headers: IncomingHttpHeaders, query: Target['query']): IncomingHttpHeaders {
  let merged: IncomingHttpHeaders | undefined;
  for (const [name, value] of query.pairs) {
    const lower = name.toLowerCase();
    if (!lower.startsWith('x-amz-') || signing.has(lower) || headers[lower] !== undefined) continue;
    merged ??= { ...headers };
    merged[lower] = encodeHeader(value);
  }
  return merged ?? headers;
}
