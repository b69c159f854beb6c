import { STATUS_CODES } from 'node:http';
import { errorTable, type StoreError } from '../../../errors.ts';
import type { HeaderList } from '../../http/exchange.ts';
import { encodeHeader } from '../../http/header-text.ts';
import { openHeaders } from '../call.ts';
import type { FailedRequest } from '../failure.ts';
import { escapeXml } from '../xml/writer.ts';

/* Pages for people, where a bucket is read as a website: what failed, in HTML. All that is not ours in them is escaped. */

const line = (name: string, text: string | undefined): string =>
  text === undefined ? '' : `<li>${name}: ${escapeXml(text)}</li>\n`;

const told = (error: StoreError, key: string | undefined): string =>
  `${line('Code', error.code)}${line('Message', error.message)}${error.code === 'NoSuchKey' ? line('Key', key) : ''}`;

/** @param missing why the error document that the site has could not be shown */
function pageOf(error: StoreError, failed: FailedRequest, missing: StoreError | undefined): string {
  const { http: status } = errorTable[error.code];
  const title = `${status} ${STATUS_CODES[status] ?? ''}`;
  const ids = line('RequestId', failed.exchange.id) + line('HostId', failed.hostId);
  const document = missing
    ? `<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n${line('Code', missing.code)}${line('Message', missing.message)}</ul>\n`
    : '';
  return `<html>\n<head><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n<ul>\n${told(error, failed.key?.toString('utf8'))}${ids}</ul>\n${document}<hr/>\n</body>\n</html>\n`;
}

/** What failed, for programs. */
export function pushFailure(headers: HeaderList, error: StoreError): void {
  headers.push('x-amz-error-code', error.code, 'x-amz-error-message', encodeHeader(error.message));
  const { Allow: allow } = error.detail;
  if (allow !== undefined) headers.push('Allow', allow);
  if (error.retryAfter !== undefined) headers.push('Retry-After', String(error.retryAfter));
}

/** Answers an error with a page; breaks the connection when another answer has begun. */
export function answerPage(error: StoreError, failed: FailedRequest, missing?: StoreError): void {
  const { exchange } = failed;
  if (exchange.begun) return exchange.abort();
  const headers = openHeaders(exchange.id, failed.hostId);
  pushFailure(headers, error);
  const body = Buffer.from(pageOf(error, failed, missing), 'utf8');
  headers.push('Content-Type', 'text/html; charset=utf-8', 'Content-Length', String(body.length));
  exchange.send(errorTable[error.code].http, headers, exchange.request.method === 'HEAD' ? undefined : body);
}
