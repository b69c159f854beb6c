import type { Exchange, HeaderList } from '../http/exchange.ts';

const exposed =
  'ETag, Content-Range, Content-Length, Last-Modified, x-dsom-token, x-dsom-position, x-dsom-guk, x-dsom-version-id, x-dsom-request-id, x-dsom-error-code, x-amz-request-id, x-amz-version-id';

/** Headers that let a browser show the answer to a page of this origin; empty for origins that the operator did not name. */
export function allowOrigin(origin: string | undefined, allowed: readonly string[]): HeaderList {
  if (origin === undefined || !(allowed.includes(origin) || allowed.includes('*'))) return [];
  // Never with credentials: requests are signed, cookies mean nothing here.
  return ['Access-Control-Allow-Origin', origin, 'Vary', 'Origin', 'Access-Control-Expose-Headers', exposed];
}

/** Answers a browser's question whether it may send the real request. */
export function answerPreflight(exchange: Exchange, origin: HeaderList): void {
  exchange.operation = 'preflight';
  const asked = exchange.request.headers['access-control-request-headers'];
  exchange.send(204, [
    ...origin,
    'Access-Control-Allow-Methods',
    'GET, HEAD, PUT, POST, PATCH, DELETE',
    'Access-Control-Allow-Headers',
    asked ?? 'authorization',
    'Access-Control-Max-Age',
    '600',
  ]);
}
