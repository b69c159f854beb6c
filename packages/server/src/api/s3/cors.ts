import type { ServerResponse } from 'node:http';
import { StoreError } from '../../errors.ts';
import type { ObjectService } from '../../objects/index.ts';
import type { Exchange } from '../http/exchange.ts';
import { type CorsGrant, type CorsRule, corsForm, corsGrant } from './configurations/cors.ts';
import { ParsedConfigurations } from './configurations/form.ts';

/** A question of a browser, about which nothing is known but what it addresses. */
export interface Preflight {
  readonly exchange: Exchange;
  readonly hostId: string;
  readonly objects: ObjectService;
  readonly bucket: string;
  readonly isObject: boolean;
}

const parsed = new ParsedConfigurations(corsForm);

/** Undefined where a bucket has none. */
export function rulesOf(objects: ObjectService, bucket: string): readonly CorsRule[] | 'no bucket' | undefined {
  try {
    const bytes = objects.configuration(bucket, corsForm.kind);
    return bytes && parsed.of(bucket, bytes);
  } catch (error) {
    if (error instanceof StoreError && error.code === 'NoSuchBucket') return 'no bucket';
    throw error;
  }
}

const allowOrigin = 'Access-Control-Allow-Origin';
const varies = 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method';

/** What is said of a rule that fits, in preflights and in actual answers. */
export function corsHeaders({ rule, origin }: CorsGrant): readonly (readonly [name: string, value: string])[] {
  const headers: [string, string][] = [
    [allowOrigin, origin],
    ['Access-Control-Allow-Methods', rule.methods.join(', ')],
  ];
  if (rule.exposed.length > 0) headers.push(['Access-Control-Expose-Headers', rule.exposed.join(', ')]);
  if (rule.maxAgeSeconds !== undefined) headers.push(['Access-Control-Max-Age', String(rule.maxAgeSeconds)]);
  // As S3: a page of an origin that is named may send what its browser keeps, which means nothing here.
  if (origin !== '*') headers.push(['Access-Control-Allow-Credentials', 'true']);
  headers.push(['Vary', varies]);
  return headers;
}

const ours = Symbol('headers that the rules of a bucket have set');
type Marked = ServerResponse & { [ours]?: readonly string[] };

/**
 * Sets on the answer to a request with an Origin what the rules of its bucket say, whatever the answer will be. Called again when more of the log
 * is applied, it says what the rules say then. What the operator allows the origin for the whole server stands.
 */
export function applyCors(exchange: Exchange, objects: ObjectService, bucket: string): void {
  const response: Marked = exchange.response;
  const before = response[ours];
  const { origin } = exchange.request.headers;
  if (origin === undefined || (before === undefined && response.hasHeader(allowOrigin))) return;
  for (const name of before ?? []) response.removeHeader(name);
  const rules = rulesOf(objects, bucket);
  if (!rules || rules === 'no bucket') {
    response[ours] = [];
    return;
  }
  const grant = corsGrant(rules, { origin, method: exchange.request.method ?? 'GET', headers: [] });
  const headers = grant ? corsHeaders(grant) : ([['Vary', varies]] as const);
  for (const [name, value] of headers) response.setHeader(name, value);
  response[ours] = headers.map(([name]) => name);
}
