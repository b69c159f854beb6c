/*
 * The copy of one version: everything that describes it in the headers of its answer, its tags, its bytes as a stream. What reaches the target is
 * checked three times: by the target against the source's MD5 (Content-MD5) where the ETag is one, by the MD5 of what came through here against the
 * ETag that the target answers, part by part, and by a HEAD of the finished version. An object of several parts is read and written by the
 * source's own parts, so that its ETag is the same; where that is impossible its ETag is kept in the metadata, for the next run to know it by.
 */
import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import { DsomError } from '@dsom/sdk';
import { type Accounts, grantHeaders, grantsHere, isPlain, readList } from './acl.ts';
import type { S3Connection, S3Request, S3Stream } from './connection.ts';
import { migrateLimits } from './limits.ts';
import type { Version } from './versions.ts';
import { elements, textOf } from './xml.ts';

/** Where the ETag of the source is kept when the target's cannot be the same. */
export const sourceEtagHeader = 'x-amz-meta-dsom-source-etag';

export interface CopyOrder {
  readonly source: S3Connection;
  readonly target: S3Connection;
  readonly bucket: string;
  readonly targetBucket: string;
  readonly key: string;
  readonly version: Version;
  /** Whether the target's bucket locks objects. */
  readonly locks: boolean;
  /** Whether versions are named by their ids at the source. */
  readonly byVersion: boolean;
  /** How accounts of access control lists are called here; undefined: lists are not copied. */
  readonly accounts: Accounts | undefined;
  /** What has to be so at the target when it becomes visible there: headers of a condition. */
  readonly condition: Readonly<Record<string, string>>;
  readonly now: number;
  /** Told of every run of bytes that was copied; negative when they have to be copied again. */
  advance(bytes: number): void;
  /** Told of what cannot be kept, once per object and kind. */
  note(what: string): void;
}

const carried = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
  'x-amz-website-redirect-location',
];
const storageClasses = new Set(['STANDARD', 'STANDARD_IA', 'REDUCED_REDUNDANCY']);
const isMd5 = (etag: string) => /^[0-9a-f]{32}$/.test(etag);
const partsOf = (etag: string) => Number(/-(\d+)$/.exec(etag)?.[1] ?? 0);
const bare = (etag: string | undefined) => (etag ?? '').replaceAll('"', '');
const mismatch = (message: string) => new DsomError('BadDigest', { message, retryable: true });

/** The headers that make the same object at the target. */
function description(order: CopyOrder, headers: Readonly<Record<string, string>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (carried.includes(name) || name.startsWith('x-amz-meta-')) kept[name] = value;
  if (headers['x-amz-missing-meta']) order.note('metadata that cannot be a header, left out');
  const storageClass = headers['x-amz-storage-class'];
  if (storageClass !== undefined) {
    if (storageClasses.has(storageClass)) kept['x-amz-storage-class'] = storageClass;
    else order.note(`storage class ${storageClass}, became STANDARD`);
  }
  const until = headers['x-amz-object-lock-retain-until-date'];
  const mode = headers['x-amz-object-lock-mode'];
  const hold = headers['x-amz-object-lock-legal-hold'];
  if (mode !== undefined && Number.isNaN(Date.parse(until ?? '')))
    throw new DsomError('InvalidResponse', {
      message: 'The object is retained, and until when cannot be read: look at its retention at the source.',
    });
  const retained = mode !== undefined && until !== undefined && Date.parse(until) > order.now;
  if (order.locks && retained) {
    kept['x-amz-object-lock-mode'] = mode;
    kept['x-amz-object-lock-retain-until-date'] = until;
  }
  if (order.locks && hold === 'ON') kept['x-amz-object-lock-legal-hold'] = hold;
  if (!order.locks && (retained || hold === 'ON'))
    throw new DsomError('InvalidRequest', {
      message: `The object is locked, and the bucket ${order.targetBucket} of the target does not lock: delete that bucket there, or make it with a lock, and run this again.`,
    });
  return kept;
}

const versionQuery = ({ version, byVersion }: CopyOrder) => ({ versionId: byVersion ? version.id : undefined });

async function tagsOf(order: CopyOrder): Promise<string | undefined> {
  const { source, bucket, key } = order;
  const query = { tagging: '', ...versionQuery(order) };
  const { text } = await source.send({ method: 'GET', bucket, key, query }).catch((cause: unknown) => {
    // Of stores that have no tags.
    if (cause instanceof DsomError && [405, 501].includes(cause.status)) return { text: '' };
    throw cause;
  });
  const pairs = elements(text, 'Tag').map(({ inner }) =>
    [textOf(inner, 'Key') ?? '', textOf(inner, 'Value') ?? ''].map(encodeURIComponent).join('='),
  );
  return pairs.length === 0 ? undefined : pairs.join('&');
}

/** The headers that grant here what the list of the version grants at the source: it has them from its first moment on. */
async function grantsOf(order: CopyOrder, accounts: Accounts): Promise<Record<string, string>> {
  const { source, bucket, key } = order;
  const list = await readList(source, bucket, key, versionQuery(order).versionId);
  const grants = list === undefined ? [] : grantsHere(list, accounts, (why) => order.note(why));
  return isPlain(grants, accounts.self) ? {} : grantHeaders(grants);
}

const unmet = new Set(['PreconditionFailed', 'NoSuchKey', 'ConditionalRequestConflict']);

/** Why a write was refused that has a condition. @throws DsomError TargetDiffers when the condition did not hold */
export function writtenMeanwhile(cause: unknown): never {
  if (!(cause instanceof DsomError) || !unmet.has(cause.code)) throw cause;
  const message = 'It was written or deleted at the target meanwhile, which stays: run this again to compare.';
  throw new DsomError('TargetDiffers', { message, cause });
}

/** Sends a body on as it comes. @returns the MD5 of what passed, hexadecimal, and the answer's headers */
async function pass(order: CopyOrder, from: S3Stream, request: Omit<S3Request, 'body' | 'bucket' | 'key'>) {
  const hash = createHash('md5');
  const size = Number(from.headers['content-length'] ?? Number.NaN);
  if (!Number.isSafeInteger(size)) {
    from.body.destroy();
    throw new DsomError('InvalidResponse', { message: 'The source does not say how long its answer is.' });
  }
  let passed = 0;
  const body = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      passed += chunk.length;
      order.advance(chunk.length);
      done(null, chunk);
    },
  });
  from.body
    .on('error', (cause) => body.destroy(cause))
    .on('aborted', () => body.destroy(new Error('the source broke off')));
  from.body.pipe(body);
  try {
    const headers = { ...request.headers, 'content-length': String(size) };
    const answer = await order.target.sendOnce({
      ...request,
      bucket: order.targetBucket,
      key: order.key,
      headers,
      body,
    });
    const md5 = hash.digest('hex');
    if (passed !== size) throw mismatch(`The source sent ${passed} of ${size} bytes.`);
    return { md5, size, etag: bare(answer.headers['etag']), answer };
  } catch (cause) {
    order.advance(-passed);
    throw cause;
  } finally {
    from.body.destroy();
    body.destroy();
  }
}

/**
 * Copies a version; tried once, but for reads and parts: after a PUT whose answer was lost, only what the target has now tells whether it was done.
 * @returns the version of the target
 */
export async function copyVersion(order: CopyOrder): Promise<Version> {
  const { source, target, bucket, targetBucket, key, version } = order;
  const head = await source
    .send({ method: 'HEAD', bucket, key, query: versionQuery(order), headers: { 'x-amz-checksum-mode': 'ENABLED' } })
    .catch((cause: unknown) => {
      // An answer to HEAD has no body that could say why.
      if (!(cause instanceof DsomError) || cause.status !== 400) throw cause;
      const message =
        'The source does not tell of it (400): it needs the key of its customer (SSE-C). Copy it with a client that has the key.';
      throw new DsomError('InvalidRequest', { message, status: 400 });
    });
  const etag = bare(head.headers['etag']);
  const size = Number(head.headers['content-length']);
  if (etag !== version.etag || size !== version.size)
    throw new DsomError('PreconditionFailed', { message: 'It changed at the source meanwhile: run this again.' });
  const headers = description(order, head.headers);
  if (head.headers['x-amz-tagging-count'] !== '0') {
    const tags = await tagsOf(order);
    if (tags !== undefined) headers['x-amz-tagging'] = tags;
  }
  if (order.accounts) Object.assign(headers, await grantsOf(order, order.accounts));
  const plan: Plan = { etag, size, headers, keyed: /kms/.test(head.headers['x-amz-server-side-encryption'] ?? '') };
  const whole = partsOf(etag) === 0 && size <= migrateLimits.putBytes;
  const made = whole ? await putWhole(order, plan) : await putParts(order, plan);
  const query = { versionId: made.versionId };
  const check = await target.send({ method: 'HEAD', bucket: targetBucket, key, query });
  if (Number(check.headers['content-length']) !== size || bare(check.headers['etag']) !== made.etag)
    throw mismatch(`The target does not have what was written: ${check.headers['content-length']} bytes of ${size}.`);
  return {
    id: made.versionId ?? 'null',
    marker: false,
    etag: made.etag,
    size,
    modified: Date.parse(check.headers['last-modified'] ?? '') || 0,
  };
}

interface Plan {
  readonly etag: string;
  readonly size: number;
  readonly headers: Record<string, string>;
  /** Whether the ETag is no MD5 because the source encrypts with a key of its KMS. */
  readonly keyed: boolean;
}

interface Made {
  readonly etag: string;
  readonly versionId: string | undefined;
}

const checksumHeader = /^x-amz-checksum-(crc32c?|crc64nvme|md5|sha1|sha256|sha512|xxhash(3|64|128))$/;

async function putWhole(order: CopyOrder, { etag, headers, keyed }: Plan): Promise<Made> {
  const { source, bucket, key } = order;
  const from = await source.open({
    method: 'GET',
    bucket,
    key,
    query: versionQuery(order),
    headers: { 'if-match': `"${etag}"`, 'x-amz-checksum-mode': 'ENABLED' },
  });
  const known = isMd5(etag) && !keyed;
  const sent: Record<string, string> = { ...headers, ...order.condition };
  if (known) sent['content-md5'] = Buffer.from(etag, 'hex').toString('base64');
  else {
    sent[sourceEtagHeader] = etag;
    order.note('ETag that cannot be the same, kept as metadata dsom-source-etag');
  }
  for (const [name, value] of Object.entries(from.headers))
    if (checksumHeader.test(name) && !value.includes('-')) sent[name] = value;
  const done = await pass(order, from, { method: 'PUT', headers: sent }).catch(writtenMeanwhile);
  if (done.etag !== done.md5 || (known && done.md5 !== etag))
    throw mismatch(`The target has the MD5 ${done.etag} of bytes whose MD5 is ${known ? etag : done.md5}.`);
  return { etag: done.etag, versionId: done.answer.headers['x-amz-version-id'] };
}

/** How the source is read: by its own parts, or by ranges where it does not know them any more. */
interface Cut {
  readonly parts: number;
  readonly own: boolean;
  read(part: number): Pick<S3Request, 'query' | 'headers'>;
}

const MiB = 1024 * 1024;
/** Part sizes of common clients, MiB. */
const usual = [8, 5, 16, 10, 15, 25, 32, 50, 64, 100, 128, 256, 512, 1024];

/** The size with which a client most likely cut `size` bytes into `parts`; undefined when no equal parts in whole MiB come to that number. */
export function likelyPartBytes(size: number, parts: number): number | undefined {
  const fits = (bytes: number) =>
    bytes >= 5 * MiB && bytes <= migrateLimits.putBytes && Math.ceil(size / bytes) === parts;
  const least = Math.max(5, Math.ceil(size / Math.max(1, parts) / MiB));
  return [...usual, least].map((one) => one * MiB).find(fits);
}

async function cutOf(order: CopyOrder, { etag, size }: Plan): Promise<Cut> {
  const { source, bucket, key } = order;
  const query = versionQuery(order);
  const parts = partsOf(etag);
  if (parts > 0) {
    const numbered = { ...query, partNumber: '1' };
    const first = await source.send({ method: 'HEAD', bucket, key, query: numbered }).catch((cause: unknown) => {
      if (cause instanceof DsomError && cause.status >= 400 && cause.status < 500) return undefined;
      throw cause;
    });
    const told = Number(first?.headers['x-amz-mp-parts-count'] ?? (parts === 1 ? 1 : 0));
    if (told === parts)
      return { parts, own: true, read: (part) => ({ query: { ...query, partNumber: String(part) } }) };
  }
  const partBytes =
    likelyPartBytes(size, parts) ?? Math.max(migrateLimits.partBytes, Math.ceil(size / migrateLimits.parts));
  return {
    parts: Math.max(1, Math.ceil(size / partBytes)),
    own: false,
    read: (part) => ({
      query,
      headers: size === 0 ? {} : { range: `bytes=${(part - 1) * partBytes}-${Math.min(size, part * partBytes) - 1}` },
    }),
  };
}

async function putParts(order: CopyOrder, plan: Plan): Promise<Made> {
  const { source, target, bucket, targetBucket, key } = order;
  const cut = await cutOf(order, plan);
  const kept = cut.own && !plan.keyed ? plan.headers : { ...plan.headers, [sourceEtagHeader]: plan.etag };
  const there = { bucket: targetBucket, key };
  const begun = await target.send({ method: 'POST', ...there, query: { uploads: '' }, headers: kept });
  const uploadId = textOf(begun.text, 'UploadId') ?? '';
  try {
    const etags: string[] = [];
    let copied = 0;
    for (let part = 1; part <= cut.parts; part++) {
      const done = await target.again(async () => {
        const { query, headers } = cut.read(part);
        const conditions = { ...headers, 'if-match': `"${plan.etag}"` };
        const from = await source.open({ method: 'GET', bucket, key, headers: conditions, ...(query && { query }) });
        const sent = await pass(order, from, { method: 'PUT', query: { partNumber: String(part), uploadId } });
        if (sent.etag !== sent.md5)
          throw mismatch(`Part ${part}: the target has the MD5 ${sent.etag} of bytes whose MD5 is ${sent.md5}.`);
        return sent;
      });
      etags.push(done.md5);
      copied += done.size;
    }
    const digest = createHash('md5')
      .update(Buffer.from(etags.join(''), 'hex'))
      .digest('hex');
    const etag = `${digest}-${etags.length}`;
    // The MD5 of the parts' MD5s, before anything becomes visible: bytes that changed at the source or on the way end here.
    if (copied !== plan.size || (cut.own && !plan.keyed && etag !== plan.etag))
      throw mismatch(
        `The parts are ${copied} bytes with the ETag ${etag}; the source says ${plan.size} and ${plan.etag}.`,
      );
    const list = etags.map((one, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>"${one}"</ETag></Part>`).join('');
    const body = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${list}</CompleteMultipartUpload>`;
    if (etag !== plan.etag) order.note('ETag that cannot be the same, kept as metadata dsom-source-etag');
    const answer = await target
      .sendOnce({ method: 'POST', ...there, query: { uploadId }, headers: order.condition, body })
      .catch(writtenMeanwhile);
    return { etag, versionId: answer.headers['x-amz-version-id'] };
  } catch (cause) {
    // What was sent takes room until it is given up; that this fails too changes nothing about why it failed.
    await target.sendOnce({ method: 'DELETE', ...there, query: { uploadId } }).catch(() => {});
    throw cause;
  }
}
