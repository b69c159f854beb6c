import { StoreError } from '../../errors.ts';
import {
  type BucketRecord,
  type ObjectVersion,
  type PartRecord,
  replicationStatus,
  type UploadRecord,
} from '../../metadata/index.ts';
import { etagText, gukText, versionIdText } from '../../objects/index.ts';
import { httpDate } from '../http/dates.ts';
import type { HeaderList } from '../http/exchange.ts';
import { encodeHeader, encodeWords } from '../http/header-text.ts';
import { storedText } from '../http/redundancy.ts';
import { answerHeaders, type S3Call } from './call.ts';
import { pushCustomerKey } from './customer-keys.ts';
import { describingHeaders } from './description.ts';
import { invalidArgument } from './failure.ts';
import { pushContext, pushKms } from './kms.ts';
import { pushPosition } from './position.ts';

/** x-amz-version-id, in buckets that ever had versions. */
export function pushVersionId(
  headers: HeaderList,
  bucket: BucketRecord,
  version: Parameters<typeof versionIdText>[0],
): void {
  if (bucket.versioning !== 'off') headers.push('x-amz-version-id', versionIdText(version));
}

/** That all bytes of a version are encrypted, or that those of what is added to an upload would be; and with whose key. */
export function pushEncryption(headers: HeaderList, call: S3Call, what: ObjectVersion | UploadRecord): void {
  const { encryption } = what;
  if (encryption?.kind === 'kms') return pushKms(headers, call, encryption);
  if (encryption?.kind === 'customer') return pushCustomerKey(headers, call);
  const sealed = 'manifest' in what ? what.manifest.sealed : call.service.objects.plain !== true;
  if (sealed) headers.push('x-amz-server-side-encryption', 'AES256');
}

/** x-amz-restore, of what is restored for a while or will be. */
function pushRestore(headers: HeaderList, { restore }: ObjectVersion): void {
  if (!restore) return;
  const until = restore.state === 'restored' ? `, expiry-date="${httpDate(restore.untilMs)}"` : '';
  headers.push('x-amz-restore', `ongoing-request="${restore.state === 'ongoing'}"${until}`);
}

/** How many copies there are now, whatever was asked for. */
export function pushRedundancy(headers: HeaderList, call: S3Call, what: ObjectVersion | PartRecord): void {
  headers.push('x-dsom-redundancy', storedText(call.service.objects.stored(what)));
}

/** Headers of an answer to a write: what was made, where it stands in the log, and whether it is encrypted. */
export function writtenHeaders(
  call: S3Call,
  bucket: BucketRecord,
  version: ObjectVersion,
  position: number,
): HeaderList {
  const headers = answerHeaders(call);
  pushEncryption(headers, call, version);
  if (version.encryption?.kind === 'kms') pushContext(headers, version.encryption);
  headers.push('x-dsom-guk', gukText(version.guk));
  pushPosition(headers, call, position);
  pushVersionId(headers, bucket, version);
  pushRedundancy(headers, call, version);
  return headers;
}

/** The `response-` parameters of GET, by the header that they replace. */
const overrides = [
  ['response-content-type', 'contentType'],
  ['response-content-encoding', 'contentEncoding'],
  ['response-content-disposition', 'contentDisposition'],
  ['response-content-language', 'contentLanguage'],
  ['response-cache-control', 'cacheControl'],
  ['response-expires', 'expires'],
] as const;

export type Overrides = Partial<Record<(typeof describingHeaders)[number][0], string>>;

/**
 * @returns undefined when the request overrides nothing
 * @throws StoreError InvalidRequest for an anonymous request: whoever sees the link must not choose how a browser treats the object
 */
export function overridesOf(call: S3Call): Overrides | undefined {
  if (call.query.pairs.length === 0) return undefined;
  let found: Overrides | undefined;
  for (const [parameter, field] of overrides) {
    const value = call.query.get(parameter);
    if (value === undefined) continue;
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value))
      throw invalidArgument(parameter, value, 'A header cannot hold this value.');
    found = { ...found, [field]: value };
  }
  if (found && call.principal.kind === 'anonymous') {
    throw new StoreError('InvalidRequest', {
      message: 'Response headers cannot be overridden by an anonymous request.',
    });
  }
  return found;
}

/** Headers of an answer to GET or HEAD, all but length, range and checksum. */
export function readHeaders(
  call: S3Call,
  bucket: BucketRecord,
  version: ObjectVersion,
  position: number,
  replaced: Overrides | undefined,
): HeaderList {
  const headers = answerHeaders(call);
  headers.push('Last-Modified', httpDate(version.modifiedMs), 'ETag', etagText(version), 'Accept-Ranges', 'bytes');
  pushEncryption(headers, call, version);
  pushPosition(headers, call, position);
  // What is read at the source of the bucket has none yet, and is stored elsewhere.
  if (version.guk.length > 0) {
    headers.push('x-dsom-guk', gukText(version.guk));
    pushRedundancy(headers, call, version);
  }
  const described = version.headers;
  if (described.contentType === undefined && replaced?.contentType === undefined)
    headers.push('Content-Type', 'binary/octet-stream');
  for (const [field, , name] of describingHeaders) {
    const override = replaced?.[field];
    if (override !== undefined) {
      headers.push(name, encodeHeader(override));
      continue;
    }
    // Kept in the form of the wire, one character per byte: what came in as a header goes out as it came.
    const value = described[field];
    if (value !== undefined) headers.push(name, wire.test(value) ? value : encodeHeader(value));
  }
  let missing = 0;
  for (const [name, value] of version.metadata) {
    if (token.test(name)) headers.push(`x-amz-meta-${name}`, encodeWords(value));
    else missing++;
  }
  // Other protocols may name metadata in ways that no header can.
  if (missing > 0) headers.push('x-amz-missing-meta', String(missing));
  if (version.tags.length > 0) headers.push('x-amz-tagging-count', String(version.tags.length));
  if (version.storageClass !== 'STANDARD') headers.push('x-amz-storage-class', version.storageClass);
  pushRestore(headers, version);
  const replicated = replicationStatus(version.replication);
  if (replicated !== undefined) headers.push('x-amz-replication-status', replicated);
  pushVersionId(headers, bucket, version);
  return headers;
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const wire = /^[\t\x20-\x7e\x80-\xff]*$/;
