import type { IncomingHttpHeaders } from 'node:http';
import { StoreError } from '../../../errors.ts';
import { archivedError, type ReadResult } from '../../../objects/index.ts';
import type { HeaderList } from '../../http/exchange.ts';
import { encodeHeader } from '../../http/header-text.ts';
import { answerHeaders, header, type S3Call } from '../call.ts';
import { ParsedConfigurations } from '../configurations/form.ts';
import { type Website, websiteForm } from '../configurations/website.ts';
import { readHeaders } from '../object-headers.ts';
import { about } from '../permissions.ts';
import { represent } from '../representation.ts';
import { isBucketName, screenKey } from '../screen.ts';
import { answerPage, pushFailure } from './page.ts';
import { locationOf, pathOf, ruleFor } from './routing.ts';

/*
 * A bucket read as a website (https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html), under a host name of its own. Whoever asks is
 * anonymous, whatever credentials he shows: what the bucket lets nobody in particular read is not shown. There are no parameters and no operations here but
 * reading one object.
 */

/** What a reader may say besides what he wants to read. */
const heard = ['host', 'range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'];

export const readersHeaders = (headers: IncomingHttpHeaders): IncomingHttpHeaders =>
  Object.fromEntries(heard.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));

type Site = Extract<Website, { readonly kind: 'site' }>;

const parsed = new ParsedConfigurations(websiteForm);
const slash = 0x2f;

/** @throws StoreError NoSuchBucket, NoSuchWebsiteConfiguration */
function websiteOf({ service, bucket }: S3Call): Website {
  if (!isBucketName(bucket)) throw new StoreError('NoSuchBucket');
  const bytes = service.objects.configuration(bucket, websiteForm.kind);
  if (!bytes) throw new StoreError('NoSuchWebsiteConfiguration');
  return parsed.of(bucket, bytes);
}

/** Protocol and host as they were asked. The name is one that this server serves sites under; what stands behind it must be a port. */
function own(call: S3Call): { readonly protocol: string; readonly host: string } {
  const [host = '', port] = (header(call, 'host') ?? '').split(':');
  return {
    protocol: call.exchange.connection.secure ? 'https' : 'http',
    host: port !== undefined && /^[0-9]{1,5}$/.test(port) ? `${host}:${port}` : host,
  };
}

function redirect(call: S3Call, status: number, location: string, headers: HeaderList = answerHeaders(call)): void {
  headers.push('Location', location, 'Content-Length', '0');
  call.exchange.send(status, headers);
}

type Found =
  | { readonly read: ReadResult }
  | { readonly read: undefined; readonly error: StoreError; readonly missing: boolean };

/** Reads an object as nobody in particular. That it is missing is told to whom may list the bucket, as everywhere. */
async function lookUp(call: S3Call, key: Buffer): Promise<Found> {
  const { authorization, bucket, service } = call;
  const denied = new StoreError('AccessDenied');
  if (!(await authorization.allows('GetObject', about(bucket, key.toString('utf8')))))
    return { read: undefined, error: denied, missing: false };
  try {
    const read = await service.objects.read({ bucket, key, versionId: undefined, guard: undefined });
    if (read.archived && call.exchange.request.method !== 'HEAD') throw archivedError(read.version.storageClass);
    return { read };
  } catch (error) {
    if (!(error instanceof StoreError) || error.http >= 500) throw error;
    const told = error.code !== 'NoSuchKey' || authorization.mayList(bucket);
    return { read: undefined, error: told ? error : denied, missing: error.code === 'NoSuchKey' };
  }
}

async function sendBody(
  call: S3Call,
  status: number,
  headers: HeaderList,
  read: ReadResult,
  slice: { start: number; end: number },
): Promise<void> {
  const { exchange, service } = call;
  const length = slice.end - slice.start;
  if (exchange.request.method === 'HEAD') return exchange.send(status, headers);
  const body = length === 0 ? undefined : read.immediate(slice);
  if (body !== undefined || length === 0) return exchange.send(status, headers, body);
  await exchange.stream(status, headers, length, read.open(slice), (error) => service.broken(call, error));
}

/** @throws StoreError whatever stands in the way */
async function serveKey(call: S3Call, site: Site): Promise<void> {
  const { key } = call;
  const isFolder = key.length === 0 || key.at(-1) === slash;
  const index = Buffer.from(isFolder ? site.index : `/${site.index}`, 'utf8');
  const wanted = isFolder ? Buffer.concat([key, index]) : key;
  screenKey(wanted);
  const found = await lookUp(call, wanted);
  if (!found.read) {
    // A folder that was asked for without its slash: relative links in its index would lead astray.
    if (!isFolder && found.missing && (await lookUp(call, Buffer.concat([key, index]))).read)
      return redirect(call, 302, `${pathOf(key)}/`);
    throw found.error;
  }
  const location = found.read.version.headers.websiteRedirectLocation;
  if (location !== undefined) return redirect(call, 301, encodeHeader(location));
  const answer = represent(call, found.read, undefined);
  if (answer) await sendBody(call, answer.status, answer.headers, found.read, answer.slice);
}

/** Shows the site's own page for an error, with the status of the error; a page of ours where that cannot be had. */
async function serveError(call: S3Call, site: Site, error: StoreError): Promise<void> {
  const { exchange, service, bucket, key, rawPath } = call;
  const failed = { exchange, hostId: service.hostId, rawPath, bucket, key, versionId: undefined, uploadId: undefined };
  if (site.error === undefined || error.http >= 500) return answerPage(error, failed);
  const found = await lookUp(call, Buffer.from(site.error, 'utf8'));
  if (!found.read) return answerPage(error, failed, found.error);
  const { bucket: record, version, position } = found.read;
  const headers = readHeaders(call, record, version, position, undefined);
  pushFailure(headers, error);
  headers.push('Content-Length', String(version.size));
  await sendBody(call, error.http, headers, found.read, { start: 0, end: version.size });
}

/**
 * @param call whose principal is nobody in particular, and whose query is empty
 * @throws StoreError for a page of ours: the bucket is no website, or something broke
 */
export async function serveWebsite(call: S3Call): Promise<void> {
  const { method } = call.exchange.request;
  const site = websiteOf(call);
  if (method !== 'GET' && method !== 'HEAD')
    throw new StoreError('MethodNotAllowed', {
      detail: { Method: method ?? '', ResourceType: 'OBJECT', Allow: 'GET, HEAD' },
    });
  if (site.kind === 'redirect')
    return redirect(call, 301, `${site.protocol ?? own(call).protocol}://${site.host}${call.rawPath}`);
  const follow = (status: number | undefined): boolean => {
    const rule = ruleFor(site.rules, call.key, status);
    if (rule) redirect(call, rule.redirect.status ?? 301, locationOf(rule, call.key, own(call)));
    return rule !== undefined;
  };
  if (follow(undefined)) return;
  try {
    await serveKey(call, site);
  } catch (error) {
    if (!(error instanceof StoreError) || call.exchange.begun) throw error;
    if (!follow(error.http)) await serveError(call, site, error);
  }
}
