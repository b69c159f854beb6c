import { errorTable, type StoreError } from '../../errors.ts';
import type { Exchange } from '../http/exchange.ts';
import { element } from '../s3/xml/writer.ts';

/* Answers of IAM and STS: a document with its result and the id of the request. */

export type Service = 'iam' | 'sts';

export const versions: Readonly<Record<Service, string>> = { iam: '2010-05-08', sts: '2011-06-15' };

const namespaces: Readonly<Record<Service, string>> = {
  iam: 'https://iam.amazonaws.com/doc/2010-05-08/',
  sts: 'https://sts.amazonaws.com/doc/2011-06-15/',
};

/** `<NAME>…</NAME>` of XML that is made already. */
export const wrap = (name: string, inner: string): string => `<${name}>${inner}</${name}>`;

/** A list: each item in a `member`. */
export const members = (name: string, items: readonly string[]): string =>
  wrap(name, items.map((item) => wrap('member', item)).join(''));

/** ISO 8601, whole seconds. */
export const time = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

export const tagList = (tags: Iterable<readonly [string, string]>): string =>
  members(
    'Tags',
    Array.from(
      tags,
      ([key, value]) => `${element('Key', key)}${value === '' ? '<Value></Value>' : element('Value', value)}`,
    ),
  );

function send(exchange: Exchange, status: number, document: string, extra: readonly string[] = []): void {
  const body = Buffer.from(document, 'utf8');
  exchange.send(
    status,
    ['x-amzn-RequestId', exchange.id, 'Content-Type', 'text/xml', 'Content-Length', String(body.length), ...extra],
    body,
  );
}

/** @param result XML inside of the result; undefined: the action has none */
export function answerResult(exchange: Exchange, service: Service, action: string, result: string | undefined): void {
  const inner = result === undefined ? '' : wrap(`${action}Result`, result);
  const metadata = wrap('ResponseMetadata', element('RequestId', exchange.id));
  send(exchange, 200, `<${action}Response xmlns="${namespaces[service]}">${inner}${metadata}</${action}Response>`);
}

/** Codes that IAM and STS have in the place of those of S3, and their status where that is another. */
const own: Partial<Record<StoreError['code'], readonly [code: string, status: number]>> = {
  InvalidAccessKeyId: ['InvalidClientTokenId', 403],
  InvalidToken: ['InvalidClientTokenId', 403],
  ExpiredToken: ['ExpiredToken', 403],
  AuthorizationHeaderMalformed: ['IncompleteSignature', 403],
  RequestTimeTooSkewed: ['SignatureDoesNotMatch', 403],
  InternalError: ['ServiceFailure', 500],
  SlowDown: ['Throttling', 400],
};

const messages: Partial<Record<StoreError['code'], string>> = {
  InvalidAccessKeyId: 'The security token included in the request is invalid.',
  InvalidToken: 'The security token included in the request is invalid.',
  ExpiredToken: 'The security token included in the request is expired',
};

export function answerFailure(exchange: Exchange, service: Service, error: StoreError): void {
  if (exchange.begun) {
    exchange.abort();
    return;
  }
  const [code, status] = own[error.code] ?? [error.code, errorTable[error.code].http];
  const inner =
    element('Type', status < 500 ? 'Sender' : 'Receiver') +
    element('Code', code) +
    element('Message', messages[error.code] ?? error.message);
  const retry = error.retryAfter === undefined ? [] : ['Retry-After', String(error.retryAfter)];
  send(
    exchange,
    status,
    `<ErrorResponse xmlns="${namespaces[service]}">${wrap('Error', inner)}${element('RequestId', exchange.id)}</ErrorResponse>`,
    retry,
  );
}
