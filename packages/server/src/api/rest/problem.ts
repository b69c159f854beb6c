import type { StoreError } from '../../errors.ts';
import type { Exchange, HeaderList } from '../http/exchange.ts';

/** Answers an error as a problem document (RFC 9457); breaks the connection when another answer has begun. */
export function answerProblem(error: StoreError, exchange: Exchange, headers: HeaderList): void {
  if (exchange.begun) return exchange.abort();
  const status = error.http;
  headers.push('x-dsom-error-code', error.code);
  const { Allow: allow, ...detail } = error.detail;
  if (allow !== undefined) headers.push('Allow', allow);
  if (error.retryAfter !== undefined) headers.push('Retry-After', String(error.retryAfter));
  if (status === 304 || exchange.request.method === 'HEAD') return exchange.send(status, headers);
  const problem = {
    type: `urn:dsom:error:${error.code}`,
    title: error.code.replace(/([a-z])([A-Z])/g, '$1 $2'),
    status,
    detail: error.message,
    code: error.code,
    instance: `urn:dsom:request:${exchange.id}`,
    ...(error.resource !== undefined && { resource: error.resource }),
    ...(Object.keys(detail).length > 0 && { context: detail }),
  };
  const body = Buffer.from(JSON.stringify(problem));
  headers.push('Content-Type', 'application/problem+json', 'Content-Length', String(body.length));
  exchange.send(status, headers, body);
}
