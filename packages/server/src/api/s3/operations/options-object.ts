import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { openHeaders } from '../call.ts';
import { corsGrant, corsMethods, headerName } from '../configurations/cors.ts';
import { corsHeaders, type Preflight, rulesOf } from '../cors.ts';

const badRequest = (message: string): StoreError => new StoreError('BadRequest', { message });

/** Names of the headers that a page wants to send, in lower case. */
function namesOf(list: string): string[] {
  const names = list
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
  if (names.length > limits.corsHeaders || !names.every((name) => headerName.test(name)))
    throw badRequest(`Invalid Access-Control-Request-Headers: ${list.slice(0, 256)}`);
  return names;
}

/**
 * Answers a browser that asks whether a page may send a request (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTOPTIONSobject.html).
 * Nobody signs such a question, and the answer says nothing but what the rules of the bucket say.
 */
export function optionsObject({ exchange, hostId, objects, bucket, isObject }: Preflight): void {
  const { headers } = exchange.request;
  const { origin } = headers;
  const method = headers['access-control-request-method'];
  if (origin === undefined) throw badRequest('Insufficient information. Origin request header needed.');
  if (method === undefined || !corsMethods.has(method))
    throw badRequest(`Invalid Access-Control-Request-Method: ${method ?? 'null'}`);
  const asked = namesOf(headers['access-control-request-headers'] ?? '');
  const rules = rulesOf(objects, bucket);
  const forbidden = (message: string) =>
    new StoreError('AccessForbidden', {
      message: `CORSResponse: ${message}`,
      detail: { Method: method, ResourceType: isObject ? 'OBJECT' : 'BUCKET' },
    });
  if (rules === 'no bucket') throw forbidden('Bucket not found');
  if (!rules) throw forbidden('CORS is not enabled for this bucket.');
  const grant = corsGrant(rules, { origin, method, headers: asked });
  if (!grant)
    throw forbidden(
      "This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
    );
  const answer = openHeaders(exchange.id, hostId);
  for (const [name, value] of corsHeaders(grant)) answer.push(name, value);
  if (asked.length > 0) answer.push('Access-Control-Allow-Headers', asked.join(', '));
  answer.push('Content-Length', '0');
  exchange.send(200, answer);
}
