import { StoreError } from '../errors.ts';
import { type Claim, header } from './claim.ts';
import { canonicalPath } from './percent.ts';
import type { SignedRequest } from './types.ts';

/**
 * The canonical request of S3 (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html): method, path encoded
 * once, sorted query, signed headers, their names, hash of the payload. Header values are bytes as received, so the
 * result is hashed as Latin-1.
 * @returns undefined when a header that the client signed is not there
 */
export function canonicalRequest(request: SignedRequest, claim: Claim, payloadHash: string): string | undefined {
  let headers = '';
  for (const name of claim.scope.headers) {
    const value = header(request, name);
    if (value === undefined) return undefined;
    headers += `${name}:${canonicalList(request, name, value)}\n`;
  }
  const query = request.query.canonical(claim.source === 'query' ? 'X-Amz-Signature' : undefined);
  return `${request.method}\n${canonicalPath(request.rawPath)}\n${query}\n${headers}\n${claim.scope.signedHeaders}\n${payloadHash}`;
}

/** A header that came in several lines (AWS's SDK for Java sends lists so) is signed with commas between these, and nothing else. */
function canonicalList({ rawHeaders }: SignedRequest, name: string, value: string): string {
  // Where there is none of what node:http puts between lines, there was one.
  if (!value.includes(', ')) return canonicalValue(value);
  const lines = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name);
  return lines.length < 2 ? canonicalValue(value) : lines.map(canonicalValue).join(',');
}

/**
 * Without spaces and tabs at the ends, and with runs of spaces as one. Not `trim`: that also takes U+00A0, which is
 * how the last byte of a UTF-8 `à` looks here.
 */
function canonicalValue(value: string): string {
  const single = value.includes('  ') ? value.replace(/ {2,}/g, ' ') : value;
  const first = single.charCodeAt(0);
  const last = single.charCodeAt(single.length - 1);
  return first > 32 && last > 32 ? single : single.replace(/^[ \t]+|[ \t]+$/g, '');
}

/**
 * Refuses a request that holds anything the signature should have covered and did not: the host, and every `x-amz-*` header.
 * Without this a presigned URL could be turned into a copy, or given another ACL, by adding a header.
 */
export function requireSignedHeaders(request: SignedRequest, claim: Claim): void {
  const signed = claim.scope.headers;
  let missing = '';
  for (const name in request.headers) {
    if (!name.startsWith('x-amz-') && name !== 'host') continue;
    if (!signed.includes(name) && request.headers[name] !== undefined) missing += missing === '' ? name : `, ${name}`;
  }
  if (missing === '' && !signed.includes('host')) missing = 'host';
  if (missing === '') return;
  throw new StoreError('AccessDenied', {
    message: 'There were headers present in the request which were not signed',
    detail: { HeadersNotSigned: missing },
  });
}
